// Users: every connection, in sessions or not.
import { h, fill, button, badge } from './dom.js';
import { api } from './api.js';
import { table } from './table.js';
import { ago, plural } from './format.js';
import { kick, write, name, lockNote } from './actions.js';
import { userMarks } from './marks.js';

// refreshTime is how often the list is asked for, in ms.
const refreshTime = 5000;

export async function open(root, context) {
  let titles = new Map();
  const lock = lockNote();
  const total = h('p', { class: 'hint' });
  const users = table({
    caption: 'Users',
    key: (u) => u.uid,
    empty: 'Nobody is connected now.',
    search: (u) => `${u.name} ${u.ip} ${u.s} ${u.session ?? ''} ${titles.get(u.session) ?? ''} ${userMarks(u).map(([text]) => text).join(' ')}`,
    columns: [
      { label: 'Name', sort: (u) => u.name, cell: (u) => u.name || h('i', {}, 'not named yet') },
      { label: 'Session', sort: (u) => titles.get(u.session) ?? '', cell: (u) => (u.session ? h('a', { href: `#/sessions/${encodeURIComponent(u.session)}` }, titles.get(u.session) ?? u.session) : 'none') },
      { label: 'Address', class: 'wide', sort: (u) => u.ip, cell: (u) => h('code', {}, u.ip) },
      { label: 'Client identifier', class: 'wide', cell: (u) => (u.s ? h('code', { title: u.s }, `${u.s.slice(0, 8)}${u.s.length > 8 ? '…' : ''}`) : '–') },
      { label: 'Last active', class: 'wide', sort: (u) => u.lastActive ?? '', cell: (u) => ago(u.lastActive) },
      { label: 'Marks', cell: (u) => h('span', { class: 'badges' }, userMarks(u).map(([text, tone]) => badge(text, tone))) },
      {
        label: 'Actions', fixed: true, hidden: true, class: 'buttons',
        cell: (row) => [
          button('Message', () => {
            if (!row.item.session) throw new Error('Only members of a session can be written to.');
            return write(['sessions', row.item.session, String(row.item.id)], row.item.name);
          }, { class: 'small' }),
          button('Ban…', async () => { location.hash = `#/bans/${encodeURIComponent(row.item.ip)}/${encodeURIComponent(row.item.s || '')}/${encodeURIComponent(row.item.name)}`; }, { class: 'small' }),
          button('Disconnect', () => kick(['users', row.item.uid], row.item.name, refresh), { class: 'small danger' }),
        ],
      },
    ],
  });
  fill(root, lock, total, users.element);

  async function refresh() {
    const [answer, sessions] = await Promise.all([
      api('GET', ['users'], { query: { v: 2 }, signal: context.signal }),
      api('GET', ['sessions'], { signal: context.signal }),
    ]);
    titles = new Map(sessions.map((s) => [s.id, name(s)]));
    const list = Array.isArray(answer) ? answer : answer.users;
    lock.hidden = !answer._locked;
    const inside = list.filter((u) => u.session).length;
    fill(total, `${plural(list.length, 'connection')}, ${inside} in sessions, ${list.filter((u) => u.state === 'login').length} logging in`);
    users.update(list);
  }
  await context.every(refreshTime, refresh);
}
