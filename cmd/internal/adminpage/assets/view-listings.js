// Which listing servers sessions may be announced to.
import { h, fill, run, field, notify } from './dom.js';
import { api } from './api.js';
import { lockNote } from './actions.js';

export async function open(root, context) {
  const lock = lockNote();
  let edited = false;
  let enabled;
  let list;
  const error = h('p', { class: 'error', role: 'alert' });
  const save = h('button', { type: 'submit', class: 'primary' }, 'Save');
  const box = h('div', { class: 'fields' });
  const test = field({ label: 'Would this address be allowed?', placeholder: 'https://drawpile.net/api/listing/', wide: true, oninput: tryOut });
  const verdict = h('p', { class: 'hint', role: 'status' });
  const form = h('form', {
    class: 'card',
    oninput: () => { edited = true; tryOut(); },
    onsubmit: (event) => {
      event.preventDefault();
      run(save, async () => {
        fill(error);
        try {
          show(await api('PUT', ['listserverwhitelist'], { body: { enabled: enabled.value, whitelist: lines() } }));
        } catch (err) {
          fill(error, err.message);
          list.control.focus();
          return;
        }
        edited = false;
        notify('Saved.');
      });
    },
  }, box, error, h('div', { class: 'actions' }, save));
  fill(root, lock, form, h('section', { class: 'card' }, h('h2', {}, 'Try it'), test.box, verdict));
  context.keep(() => edited);

  function lines() {
    return list.value.split('\n').map((l) => l.trim()).filter(Boolean);
  }

  function show(answer) {
    lock.hidden = !answer._locked;
    enabled = field({ label: 'Only the addresses below are allowed', type: 'checkbox', value: answer.enabled, hint: 'Otherwise every address is. An empty list then allows none.' });
    list = field({
      label: 'Allowed addresses, one regular expression a line', type: 'textarea', rows: 10, wide: true, value: answer.whitelist.join('\n'),
      hint: 'Matched anywhere in the address: ^https://drawpile\\.net/ allows everything there.',
    });
    fill(box, enabled.box, list.box);
    tryOut();
  }

  // The server judges with its own expressions; this is what is the same in
  // nearly all.
  function tryOut() {
    const url = test.value.trim();
    if (!url) return fill(verdict);
    if (!enabled.value) return fill(verdict, 'Yes: every address is allowed.');
    for (const line of lines()) {
      try {
        if (new RegExp(line).test(url)) return fill(verdict, `Yes, by ${line}`);
      } catch {
        return fill(verdict, `${line} is not a regular expression.`);
      }
    }
    return fill(verdict, 'No.');
  }
  show(await api('GET', ['listserverwhitelist'], { signal: context.signal }));
}
