// Accounts in the configuration database.
import { h, fill, button, badge, ask, notify } from './dom.js';
import { api } from './api.js';
import { table } from './table.js';
import { lockNote } from './actions.js';

// flags are the rights that have a meaning, with theirs.
const flags = [
  ['MOD', 'Moderator: may do everything in every session'],
  ['HOST', 'May host sessions'],
  ['PERSIST', 'May make sessions persistent'],
  ['TRUSTED', 'Is trusted in every session'],
  ['BANEXEMPT', 'Is not affected by address bans'],
  ['GHOST', 'May join unseen (moderators, if the server allows it)'],
  ['WEB', 'May connect from a browser'],
  ['WEBHOST', 'May host from a browser'],
  ['WEBSESSION', 'May allow browsers in a session'],
];

export async function open(root, context) {
  const lock = lockNote();
  const accounts = table({
    caption: 'Accounts', key: (a) => a.id, empty: 'There are no accounts.', search: (a) => `${a.username} ${a.flags}`, sortBy: 0,
    columns: [
      { label: 'Name', sort: (a) => a.username, cell: (a) => a.username },
      { label: 'Rights', cell: (a) => h('span', { class: 'badges' }, split(a.flags).map((f) => badge(f, f === 'MOD' ? 'good' : ''))) },
      { label: 'State', sort: (a) => a.locked, cell: (a) => (a.locked ? badge('locked', 'bad') : 'usable') },
      {
        label: 'Actions', fixed: true, hidden: true, class: 'buttons',
        cell: (row) => [
          button('Edit', () => edit(row.item), { class: 'small' }),
          button('Delete', async () => {
            const a = row.item;
            const sure = await ask({
              title: `Delete the account “${a.username}”?`,
              text: 'It cannot log in any more, and the name is free for guests. To keep the name from being used, lock the account instead.',
              action: 'Delete', danger: true,
            });
            if (!sure) return;
            await api('DELETE', ['accounts', String(a.id)]);
            notify(`“${a.username}” was deleted.`);
            await refresh();
          }, { class: 'small danger' }),
        ],
      },
    ],
  });
  fill(root, lock, h('div', { class: 'bar' }, h('p', { class: 'hint' }, 'People who log in here with a password.'),
    button('New account', () => edit(null), { class: 'primary' })), accounts.element);

  async function edit(a) {
    const has = new Set(split(a?.flags ?? 'HOST'));
    const others = [...has].filter((f) => !flags.some(([name]) => name === f));
    const values = await ask({
      title: a ? `Edit “${a.username}”` : 'New account',
      fields: [
        { name: 'username', label: 'Name', value: a?.username, required: true, maxlength: 22 },
        { name: 'password', label: a ? 'New password (empty = as it is)' : 'Password', type: 'password', required: !a },
        { name: 'locked', label: 'Locked: cannot log in', type: 'checkbox', value: a?.locked },
        ...flags.map(([name, text]) => ({ name, label: name, hint: text, type: 'checkbox', value: has.has(name) })),
      ],
      check: (v) => (!v.username.trim() ? 'Write a name.' : v.username.includes('"') ? 'A name cannot contain quotation marks.' : ''),
      action: a ? 'Save' : 'Make',
    });
    if (!values) return;
    const body = {
      username: values.username.trim(), password: values.password, locked: values.locked,
      flags: [...flags.map(([name]) => name).filter((name) => values[name]), ...others].join(','),
    };
    try {
      if (a) await api('PUT', ['accounts', String(a.id)], { body });
      else await api('POST', ['accounts'], { body });
    } catch (err) {
      if (a ? err.status === 404 : err.status === 400) throw new Error(a ? 'The name is taken, or the account is gone.' : 'The name is taken or not valid.');
      throw err;
    }
    notify(a ? 'Saved.' : `“${body.username}” was made.`);
    await refresh();
  }

  async function refresh() {
    const answer = await api('GET', ['accounts'], { query: { v: 2 }, signal: context.signal });
    lock.hidden = !answer._locked;
    accounts.update(Array.isArray(answer) ? answer : answer.accounts);
  }
  await context.every(20000, refresh);
}

function split(text) {
  return text.split(',').map((f) => f.trim()).filter(Boolean);
}
