// The settings of a session. Only what was changed is sent.
import { h, fill, button, run, notify, field, ask } from './dom.js';
import { api } from './api.js';
import { size, parseSize, writeSize } from './format.js';

const switches = [
  ['persistent', 'Persistent', 'Stays when everybody has left.'],
  ['authOnly', 'Accounts only', 'Guests cannot join.'],
  ['nsfm', 'Not suitable for minors', ''],
  ['deputies', 'Deputies', 'Trusted users may kick guests.'],
  ['invites', 'Invites', 'Operators may make invite codes.'],
  ['unlisted', 'Unlisted', 'Hidden from lists; switching it on removes it from listing servers.'],
  ['idleOverride', 'Never idle', 'Exempt from the idle limit.'],
  ['allowWeb', 'Browsers may join', ''],
];

export function settingsPart(path, take, context) {
  let session = null;
  let edited = false;
  const box = h('div', { class: 'fields' });
  const save = h('button', { type: 'submit', class: 'primary' }, 'Save');
  const undo = button('Undo', async () => { edited = false; draw(); });
  const error = h('p', { class: 'error', role: 'alert' });
  let controls = new Map();
  const element = h('section', { class: 'card' }, h('h2', {}, 'Settings'), h('form', {
    onsubmit: (event) => {
      event.preventDefault();
      run(save, store);
    },
    oninput: () => { edited = true; },
  }, box, error, h('div', { class: 'actions' }, undo, save)),
  h('div', { class: 'actions start' },
    button('Change the password', () => password('password', 'session password', session.hasPassword)),
    button('Change the operator password', () => password('opword', 'operator password', session.hasOpword))));
  context.keep(() => edited && changes().size > 0);

  function draw() {
    controls = new Map();
    const put = (name, f) => {
      const made = field(f);
      controls.set(name, { made, was: made.value });
      return made.box;
    };
    fill(box,
      put('title', { label: 'Title', value: session.title, maxlength: 100, wide: true }),
      put('founder', { label: 'Founder', value: session.founder }),
      put('maxUserCount', { label: 'Users at most', type: 'number', min: 2, max: 254, value: session.maxUserCount }),
      session.overrideSize !== undefined ? put('overrideSize', {
        label: 'Size limit of this session', value: session.overrideSize ? writeSize(session.overrideSize) : '0',
        hint: `0 = that of the server, ${session.baseSize ? size(session.baseSize) : 'none'}`,
      }) : null,
      put('resetThreshold', {
        label: 'Autoreset from', value: writeSize(session.resetThreshold),
        hint: session.minResetThreshold ? `0 = off; at least ${size(session.minResetThreshold)}` : '0 = off',
      }),
      session.archive !== undefined ? put('archive', {
        label: 'Archive its files', type: 'select', value: String(session.archive),
        options: [['null', 'As the server says'], ['true', 'Yes'], ['false', 'No']],
      }) : null,
      switches.filter(([key]) => session[key] !== undefined)
        .map(([key, label, hint]) => put(key, { label, hint, type: 'checkbox', value: session[key] })));
  }

  function changes() {
    const map = new Map();
    for (const [key, { made, was }] of controls) if (made.value !== was) map.set(key, made.value);
    return map;
  }

  async function store() {
    fill(error);
    const body = {};
    for (const [key, value] of changes()) {
      if (key === 'maxUserCount') body[key] = Number(value);
      else if (key === 'archive') body[key] = JSON.parse(value);
      else if (key === 'overrideSize' || key === 'resetThreshold') {
        if (Number.isNaN(parseSize(value.trim()))) {
          fill(error, 'Write a size such as 20MB, 512kb or 0.');
          controls.get(key).made.control.focus();
          return;
        }
        body[key] = value.trim();
      } else body[key] = value;
    }
    if (!Object.keys(body).length) {
      edited = false;
      return;
    }
    const now = await api('PUT', path, { body });
    edited = false;
    take(now);
    const refused = Object.keys(body).filter((key) => typeof body[key] === 'boolean' && now[key] !== undefined && now[key] !== body[key]);
    if (refused.length) notify(`The server kept: ${refused.join(', ')}.`, 'bad');
    else notify('Saved.');
  }

  async function password(key, label, set) {
    const values = await ask({
      title: `Change the ${label}`,
      text: set ? 'There is one now. Leave it empty to remove it.' : 'There is none now.',
      fields: [{ name: 'text', label: `New ${label}`, type: 'password' }],
      action: 'Change',
    });
    if (!values) return;
    take(await api('PUT', path, { body: { [key]: values.text } }));
    notify(values.text ? `The ${label} was changed.` : `The ${label} was removed.`);
  }

  return {
    element,
    update(now) {
      const before = session;
      session = now;
      // Fields that somebody is editing are left alone.
      if (!before || (!edited && !element.contains(document.activeElement))) draw();
    },
  };
}
