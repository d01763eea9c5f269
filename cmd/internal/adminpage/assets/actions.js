// What several views do to users and sessions, with the questions before it.
import { h, ask, notify } from './dom.js';
import { api } from './api.js';
import { plural } from './format.js';

// bytes returns the length of a text as it is sent.
export const bytes = (text) => new TextEncoder().encode(text).length;

// kickLimit bounds the reason of a kick, in bytes (the API refuses more).
const kickLimit = 100;

// kick asks and disconnects one user. path addresses it in the API.
export async function kick(path, name, after) {
  const values = await ask({
    title: `Disconnect ${name || 'this connection'}?`,
    text: 'They can connect again; to prevent that, add a ban.',
    fields: [{ name: 'message', label: 'Reason, shown to them (optional)', maxlength: kickLimit }],
    check: (v) => (bytes(v.message) > kickLimit ? `At most ${kickLimit} bytes.` : ''),
    action: 'Disconnect', danger: true,
  });
  if (!values) return;
  const answer = await api('DELETE', path, { query: { message: values.message.trim() } });
  notify(answer.force ? `${name} had been leaving already; the connection was cut.` : `${name} was disconnected.`);
  await after?.();
}

// write asks for a text and sends it with PUT to path.
export async function write(path, to) {
  const values = await ask({
    title: `Message to ${to}`,
    fields: [
      { name: 'text', label: 'Text', type: 'textarea', required: true },
      { name: 'alert', label: 'As an alert that nobody can miss', type: 'checkbox', value: true },
    ],
    check: (v) => (v.text.trim() ? (bytes(v.text) > 60000 ? 'Too long for one message.' : '') : 'Write a text.'),
    action: 'Send',
  });
  if (!values) return;
  await api('PUT', path, { body: { [values.alert ? 'alert' : 'message']: values.text.trim() } });
  notify(`Sent to ${to}.`);
}

// terminate asks and ends a session; true if it was ended.
export async function terminate(session) {
  const people = session.userCount ? `${plural(session.userCount, 'user')} will be disconnected.` : 'Nobody is in it.';
  const values = await ask({
    title: `Terminate “${name(session)}”?`,
    text: [people, session.persistent ? 'It is persistent; terminating removes it all the same.' : '', 'What was drawn is deleted, unless sessions are archived.'],
    fields: [
      { name: 'reason', label: 'Reason, shown to everybody first (optional)' },
      { name: 'quiet', label: 'Quietly: leave users connected, but cut off from each other', type: 'checkbox' },
    ],
    action: 'Terminate', danger: true,
  });
  if (!values) return false;
  await api('DELETE', ['sessions', session.id], { query: { reason: values.reason.trim(), quiet: values.quiet ? 'true' : undefined } });
  notify(`“${name(session)}” was terminated.`);
  return true;
}

// name returns what a session is called.
export function name(session) {
  return session.title || session.alias || session.id || 'untitled';
}

// copyButton makes a button that copies a text.
export function copyButton(text, label = 'Copy') {
  const b = h('button', {
    type: 'button', class: 'small',
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        notify('Copied.');
      } catch {
        notify('The browser does not let the page copy; select the text instead.', 'bad');
      }
    },
  }, label);
  return b;
}

// lockNote is shown in sections that are locked.
export function lockNote() {
  return h('p', { class: 'note', hidden: true }, 'This section is locked: it can be read but not changed. ', h('a', { href: '#/settings' }, 'Locks are under Settings.'));
}
