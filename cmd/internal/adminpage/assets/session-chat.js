// The chat of a session, both ways. Connecting tells the members so, as the API
// demands; what the administrator writes reaches them as alerts.
import { h, fill, button, run, notify, field } from './dom.js';
import { api } from './api.js';
import { bytes } from './actions.js';

// pollTime is how often new messages are asked for, in ms; chatTimeout is how
// long the server keeps the chat without being asked, in ms.
const pollTime = 2000;
const chatTimeout = 120000;

// shownLines bounds what the page keeps.
const shownLines = 500;

const shout = 1;
const action = 2;
const pin = 4;
const alert = 8;

export function chatPart(path, context) {
  const chat = [...path, 'chat'];
  let offset = null; // null = not connected
  let polling = false;
  const lines = h('div', { class: 'chat', role: 'log', 'aria-label': 'Chat of the session', tabindex: '0' });
  const input = field({ label: 'Message', name: 'message', required: true, hint: 'Members see it as an alert.' });
  const send = h('button', { type: 'submit', class: 'primary' }, 'Connect');
  const state = h('p', { class: 'hint', role: 'status' }, 'The first message connects you; the members are told.');
  const leave = button('Leave the chat', async () => {
    await api('DELETE', chat, { query: { offset } });
    disconnected('You left the chat.');
  });
  leave.hidden = true;
  const form = h('form', {
    class: 'line',
    onsubmit: (event) => {
      event.preventDefault();
      run(send, say);
    },
  }, input.box, send, leave);
  const element = h('section', { class: 'card' }, h('h2', {}, 'Chat'), state, lines, form);

  async function say() {
    const message = input.value.trim();
    if (!message) return;
    if (bytes(message) > 60000) throw new Error('Too long for one message.');
    if (offset === null) await connect(message);
    else take(await api('PUT', chat, { body: { message, offset } }));
    input.control.value = '';
    input.control.focus();
  }

  async function connect(message) {
    try {
      const answer = await api('POST', chat, { body: { message, timeout: chatTimeout } });
      offset ??= 0; // unless the session was seen to have a chat meanwhile
      take(answer);
    } catch (err) {
      if (err.status !== 409) throw err;
      // Somebody is connected already: this page joins in.
      offset ??= 0;
      take(await api('PUT', chat, { body: { message, offset } }));
    }
    connected();
  }

  function connected() {
    leave.hidden = false;
    fill(send, 'Send');
    fill(state, 'Connected. Leaving this view ends the chat after two minutes.');
    poll();
  }

  function disconnected(text) {
    offset = null;
    leave.hidden = true;
    fill(send, 'Connect');
    fill(state, `${text} A message connects again.`);
  }

  async function poll() {
    if (polling) return;
    polling = true;
    while (offset !== null && !context.signal.aborted) {
      await new Promise((resolve) => { setTimeout(resolve, pollTime); });
      if (offset === null || context.signal.aborted) break;
      try {
        const answer = await api('GET', chat, { query: { offset }, signal: context.signal });
        if (offset !== null) take(answer);
      } catch (err) {
        if (err.status === 404 && offset !== null) disconnected('The chat has ended.');
        else if (err.name !== 'AbortError' && err.status !== 0) notify(err.message, 'bad');
      }
    }
    polling = false;
  }

  function take(answer) {
    // An answer that another one has overtaken says nothing new.
    const known = Math.max(0, offset - answer.offset);
    const messages = answer.messages.slice(known);
    offset = Math.max(offset, answer.offset + answer.messages.length);
    if (!messages.length) return;
    const atEnd = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
    for (const m of messages) lines.append(line(m));
    while (lines.children.length > shownLines) lines.firstChild.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  function line(m) {
    if (m.n === undefined) return h('p', { class: 'own' }, h('b', {}, 'Administrator'), ' ', m.m);
    const f = m.f ?? 0;
    if (f & pin) return h('p', { class: 'quiet' }, m.m === '-' ? `${m.n} removed the pinned message` : `${m.n} pinned: ${m.m}`);
    if (f & action) return h('p', { class: 'quiet' }, `${m.n} ${m.m}`);
    return h('p', { class: f & (shout | alert) ? 'loud' : null }, h('b', {}, m.n), ' ', m.m);
  }

  return {
    element,
    update(session) {
      if (session.chat === undefined) element.hidden = true;
      else if (session.chat && offset === null && !lines.hasChildNodes()) {
        // Connected from elsewhere, or from this page before: read along.
        offset = session.chat.offset;
        connected();
      }
    },
  };
}
