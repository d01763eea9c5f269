// Sessions: the list with search, and one session by its id.
import { h, fill, button, badge } from './dom.js';
import { api } from './api.js';
import { table } from './table.js';
import { size, ago, time, plural } from './format.js';
import { terminate, write, name, lockNote } from './actions.js';
import { openSession } from './view-session.js';
import { marks } from './marks.js';

// refreshTime is how often the list is asked for, in ms.
const refreshTime = 5000;

export async function open(root, context, id) {
  if (id) return openSession(root, context, id);
  const lock = lockNote();
  const sessions = table({
    caption: 'Sessions',
    key: (s) => s.id ?? `template ${s.alias}`,
    empty: 'There are no sessions now.',
    search: (s) => `${s.title} ${s.alias} ${s.id ?? ''} ${s.founder} ${marks(s).map(([text]) => text).join(' ')}`,
    columns: [
      { label: 'Title', sort: (s) => name(s), cell: (s) => (s.id ? h('a', { href: `#/sessions/${encodeURIComponent(s.id)}` }, name(s)) : name(s)) },
      { label: 'Founder', class: 'wide', sort: (s) => s.founder, cell: (s) => s.founder },
      { label: 'Users', class: 'number', sort: (s) => s.userCount ?? -1, cell: (s) => (s.id ? `${s.userCount} / ${s.maxUserCount}` : '–') },
      { label: 'Size', class: 'number wide', sort: (s) => s.size ?? -1, cell: (s) => (s.id ? size(s.size) : '–') },
      { label: 'Started', class: 'wide', sort: (s) => s.startTime ?? '', cell: (s) => (s.id ? h('time', { datetime: s.startTime, title: time(s.startTime) }, ago(s.startTime)) : '–') },
      { label: 'Marks', cell: (s) => h('span', { class: 'badges' }, marks(s).map(([text, tone]) => badge(text, tone))) },
      {
        label: 'Actions', hidden: true, fixed: true, class: 'buttons',
        cell: (row) => (row.item.id ? [
          button('Message', () => write(['sessions', row.item.id], `“${name(row.item)}”`), { class: 'small' }),
          button('Terminate', async () => { if (await terminate(row.item)) await refresh(); }, { class: 'small danger' }),
        ] : null),
      },
    ],
  });
  const total = h('p', { class: 'hint' });
  fill(root, lock,
    h('div', { class: 'bar' }, total, button('Message to all sessions', () => write(['sessions'], 'all sessions'))),
    sessions.element);

  async function refresh() {
    const answer = await api('GET', ['sessions'], { query: { v: 2 }, signal: context.signal });
    const list = Array.isArray(answer) ? answer : answer.sessions;
    lock.hidden = !answer._locked;
    const live = list.filter((s) => s.id);
    const users = live.reduce((n, s) => n + s.userCount, 0);
    const templates = list.length - live.length;
    fill(total, `${plural(live.length, 'session')} with ${plural(users, 'user')}${templates ? `, ${plural(templates, 'template')}` : ''}`);
    sessions.update(list);
  }
  await context.every(refreshTime, refresh);
}
