// Settings of the server, each with explanation, default, unit and check; and
// the locks that protect sections from changes.
import { h, fill, button, run, notify, newId, setText } from './dom.js';
import { api } from './api.js';
import { groups, unavailable } from './settings-catalogue.js';
import { parseDuration, parseSize, parseInteger, writeDuration, writeSize, size, span } from './format.js';
import { lockNote } from './actions.js';
import { locksPart } from './settings-locks.js';

// kinds say how values of a type are written, read and checked.
const kinds = {
  time: {
    write: writeDuration, valid: (t) => !Number.isNaN(parseDuration(t)), value: parseDuration,
    unit: 'duration: 30s, 5m, 1.5h, 2d', says: (v) => (v ? span(v) : ''),
  },
  size: {
    write: writeSize, valid: (t) => !Number.isNaN(parseSize(t)), value: parseSize,
    unit: 'size: 512kb, 20mb, 1.5gb', says: (v) => (v ? size(v) : ''),
  },
  int: { write: String, valid: (t) => !Number.isNaN(parseInteger(t)), value: parseInteger, unit: 'whole number', says: () => '' },
  text: { write: String, valid: () => true, value: (t) => t, unit: 'text', says: () => '' },
  bool: { write: (v) => v, valid: () => true, value: (v) => v, unit: '', says: () => '' },
};

export async function open(root, context) {
  // own: also what the Drawpile server does not have.
  const ask = () => api('GET', ['server'], { query: { own: 'true' }, signal: context.signal });
  let settings = await ask();
  const lock = lockNote();
  const rows = new Map();
  const count = h('p', { class: 'strong', role: 'status' });
  const save = h('button', { type: 'submit', class: 'primary' }, 'Save');
  const bar = h('div', { class: 'savebar', hidden: true }, count, button('Undo all', async () => { for (const r of rows.values()) r.show(settings[r.key]); changed(); }), save);
  const filterId = newId();
  const filter = h('input', { id: filterId, type: 'search', placeholder: 'Find a setting', oninput: narrow });
  const onlyChanged = h('input', { type: 'checkbox', onchange: narrow });
  // What only this kind of server has is left out for others.
  const known = groups.map(({ title, settings: list }) => ({ title, list: list.filter((s) => s.key in settings || !s.own) }));
  const sections = known.filter(({ list }) => list.length).map(({ title, list }) => h('section', { class: 'card' }, h('h2', {}, title), list.map((s) => {
    const r = row(s);
    rows.set(s.key, r);
    return r.element;
  })));
  fill(root, lock,
    h('div', { class: 'bar' }, h('label', { class: 'hidden', for: filterId }, 'Find a setting'), filter,
      h('label', {}, onlyChanged, ' Only those that differ from the default')),
    h('form', {
      novalidate: true,
      onsubmit: (event) => {
        event.preventDefault();
        run(save, store);
      },
    }, sections, bar),
    await locksPart(context));
  lock.hidden = !settings._locked;
  context.keep(() => edits().length > 0);

  function row(s) {
    const kind = kinds[s.type];
    const id = newId();
    const present = s.key in settings;
    const error = h('p', { class: 'error', id: `${id}e`, role: 'alert' });
    const says = h('span', { class: 'hint' });
    const described = `${id}h ${id}e`;
    const control = s.type === 'bool'
      ? h('input', { id, type: 'checkbox', 'aria-describedby': described, disabled: !present })
      : s.long
        ? h('textarea', { id, rows: 4, 'aria-describedby': described, disabled: !present })
        : h('input', {
          id, type: s.secret ? 'password' : 'text', 'aria-describedby': described, disabled: !present,
          inputmode: s.type === 'int' ? 'numeric' : null, autocomplete: 'off', spellcheck: 'false',
        });
    const reset = h('button', {
      type: 'button', class: 'small', 'aria-label': `Default of ${s.label}`,
      onclick: () => { show(s.default); changed(); control.focus(); },
    }, 'Default');
    const standard = s.type === 'bool' ? (s.default ? 'on' : 'off') : s.default === '' ? 'empty' : kind.write(s.default);
    const element = h('div', { class: `setting ${s.type}${s.long ? ' long' : ''}` },
      h('div', { class: 'about' },
        h('label', { for: id }, s.label), ' ', h('code', {}, s.key),
        h('p', { class: 'hint', id: `${id}h` }, s.text, ' ',
          h('span', { class: 'facts' }, `Default: ${standard}${kind.unit ? `; ${s.unit ?? kind.unit}` : ''}.`),
          present ? null : h('b', {}, ` ${unavailable[s.key] ?? 'This server does not have it.'}`))),
      h('div', { class: 'control' }, control, reset, says, error));
    const read = () => (s.type === 'bool' ? control.checked : control.value);
    const show = (v) => {
      if (v === undefined) return;
      if (s.type === 'bool') control.checked = v;
      else control.value = kind.write(v);
      check();
    };
    // check shows what is wrong and tells whether nothing is.
    function check() {
      const text = read();
      const good = kind.valid(text);
      const problem = good ? s.check?.(kind.value(text)) ?? '' : `Write a ${kind.unit.startsWith('whole') ? 'whole number' : kind.unit}.`;
      setText(error, problem);
      if (problem) control.setAttribute('aria-invalid', 'true');
      else control.removeAttribute('aria-invalid');
      setText(says, good && s.type !== 'bool' ? kind.says(kind.value(text)) : '');
      reset.hidden = !present || (good && kind.value(text) === s.default);
      return !problem;
    }
    control.addEventListener(s.type === 'bool' ? 'change' : 'input', () => { check(); changed(); });
    show(settings[s.key]);
    if (!present) reset.hidden = true;
    return {
      key: s.key, setting: s, element, control, show, check, read,
      changed: () => present && !(kind.valid(read()) && kind.value(read()) === settings[s.key]),
      differs: () => present && settings[s.key] !== s.default,
    };
  }

  function edits() {
    return [...rows.values()].filter((r) => r.changed());
  }

  function changed() {
    const n = edits().length;
    bar.hidden = n === 0;
    setText(count, n === 1 ? 'One change is not saved' : `${n} changes are not saved`);
    for (const r of rows.values()) r.element.classList.toggle('edited', r.changed());
  }

  function narrow() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const r of rows.values()) {
      const text = `${r.key} ${r.setting.label} ${r.setting.text}`.toLowerCase();
      r.element.hidden = !words.every((w) => text.includes(w)) || (onlyChanged.checked && !r.differs());
    }
    for (const section of sections) section.hidden = ![...section.querySelectorAll('.setting')].some((e) => !e.hidden);
  }

  async function store() {
    const list = edits();
    const wrong = list.find((r) => !r.check());
    if (wrong) {
      wrong.control.focus();
      throw new Error('One value is not valid yet.');
    }
    const body = Object.fromEntries(list.map((r) => [r.key, r.read()]));
    await api('PUT', ['server'], { body });
    settings = await ask();
    // The server keeps the old value of what it does not take.
    const kept = list.filter((r) => r.changed());
    changed();
    for (const r of list) if (!kept.includes(r)) r.show(settings[r.key]);
    changed();
    if (kept.length === 0) notify(list.length === 1 ? 'Saved.' : `${list.length} settings saved.`);
    else if (kept.length === list.length) throw new Error('The server changed nothing. If it runs with --config, edit that file instead.');
    else throw new Error(`Not taken: ${kept.map((r) => r.setting.label).join(', ')}.`);
  }
}
