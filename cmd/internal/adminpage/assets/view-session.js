// One session: its members, chat, settings, invites, listings, thumbnail.
import { h, fill, button, badge, notify } from './dom.js';
import { api } from './api.js';
import { table } from './table.js';
import { tile, tiles } from './chart.js';
import { size, ago, time } from './format.js';
import { kick, write, terminate, name, lockNote } from './actions.js';
import { marks, userMarks } from './marks.js';
import { chatPart } from './session-chat.js';
import { settingsPart } from './session-settings.js';
import { invitesPart, listingsPart } from './session-invites.js';
import { thumbnailPart } from './session-thumbnail.js';

// refreshTime is how often the session is asked for, in ms.
const refreshTime = 4000;

export async function openSession(root, context, id) {
  const path = ['sessions', id];
  let session = await api('GET', path, { signal: context.signal });
  let over = false;

  const lock = lockNote();
  const badges = h('p', { class: 'badges' });
  const users = tile('Users');
  const bytes = tile('Size');
  const started = tile('Started');
  const reset = tile('Autoreset');
  const members = memberTable(() => session, refresh);
  const parts = [chatPart(path, context), settingsPart(path, take, context), invitesPart(path, refresh), listingsPart(path, refresh), thumbnailPart(path, refresh)];

  fill(root,
    h('p', {}, h('a', { href: '#/sessions' }, '← All sessions')),
    lock, badges, tiles(users, bytes, started, reset),
    h('div', { class: 'bar' },
      h('code', { class: 'id' }, session.id),
      button('Message', () => write(path, 'the session')),
      button('Terminate', async () => {
        if (!await terminate(session)) return;
        over = true;
        location.hash = '#/sessions';
      }, { class: 'danger' })),
    h('section', { class: 'card' }, h('h2', {}, 'Members'), members.element),
    h('div', { class: 'columns' }, parts.map((p) => p.element)));

  // take shows what the server says about the session.
  function take(now) {
    session = now;
    context.title(name(session));
    lock.hidden = !session._locked;
    fill(badges, marks(session).map(([text, tone]) => badge(text, tone)), session.alias ? badge(`alias ${session.alias}`) : null);
    users.set(`${session.userCount} of ${session.maxUserCount}`, `${session.activeDrawingUserCount ?? '?'} drawing`);
    bytes.set(size(session.size), session.maxSize ? `of at most ${size(session.maxSize)}` : 'no limit',
      session.maxSize && session.size > 0.9 * session.maxSize ? 'warn' : '');
    started.set(ago(session.startTime), `by ${session.founder || 'nobody'}`);
    const auto = session.autoreset ?? {};
    reset.set(session.resetThreshold ? `at ${size(session.effectiveResetThreshold ?? session.resetThreshold)}` : 'off',
      [auto.requestStatus, auto.stream ? `stream ${auto.stream.state}` : ''].filter(Boolean).join(', '));
    members.update(session.users ?? []);
    for (const p of parts) p.update?.(session);
  }

  async function refresh() {
    if (over) return;
    try {
      take(await api('GET', path, { signal: context.signal }));
    } catch (err) {
      if (err.status !== 404 || over) throw err;
      over = true;
      notify(`“${name(session)}” has ended.`);
      location.hash = '#/sessions';
    }
  }
  take(session);
  await context.every(refreshTime, refresh);
}

function memberTable(session, refresh) {
  const path = (u) => ['sessions', session().id, String(u.id)];
  const past = h('details', { class: 'past' });
  const t = table({
    caption: 'Members of the session',
    key: (u) => u.uid ?? `${u.id} ${u.name}`,
    empty: 'Nobody is in the session now.',
    columns: [
      { label: '#', class: 'number', sort: (u) => u.id, cell: (u) => String(u.id) },
      { label: 'Name', sort: (u) => u.name, cell: (u) => u.name },
      { label: 'Address', class: 'wide', sort: (u) => u.ip, cell: (u) => h('code', {}, u.ip) },
      { label: 'Last active', class: 'wide', sort: (u) => u.lastActive ?? '', cell: (u) => (u.lastActive ? h('span', { title: time(u.lastActive) }, ago(u.lastActive)) : '–') },
      { label: 'Marks', cell: (u) => h('span', { class: 'badges' }, userMarks(u).map(([text, tone]) => badge(text, tone))) },
      {
        label: 'Actions', fixed: true, hidden: true, class: 'buttons',
        cell: (row) => {
          const change = (body, text) => async () => {
            await api('PUT', path(row.item), { body: body(row.item) });
            notify(`${row.item.name}: ${text(row.item)}.`);
            await refresh();
          };
          return [
            button('Operator', change((u) => ({ op: !u.op }), (u) => (u.op ? 'no longer operator' : 'now operator')), { class: 'small', 'data-state': 'op' }),
            button('Trust', change((u) => ({ trusted: !u.trusted }), (u) => (u.trusted ? 'no longer trusted' : 'now trusted')), { class: 'small', 'data-state': 'trusted' }),
            button('Message', () => write(path(row.item), row.item.name), { class: 'small' }),
            button('Disconnect', () => kick(path(row.item), row.item.name, refresh), { class: 'small danger' }),
          ];
        },
        refresh(cell, u) {
          for (const b of cell.querySelectorAll('[data-state]')) b.setAttribute('aria-pressed', String(!!u[b.dataset.state]));
        },
      },
    ],
  });
  const element = h('div', {}, t.element, past);
  return {
    element,
    update(list) {
      t.update(list.filter((u) => u.online !== false));
      const gone = list.filter((u) => u.online === false);
      past.hidden = gone.length === 0;
      const lines = gone.map((u) => `${u.id} ${u.name} ${u.ip}`);
      if (past.dataset.print === lines.join('\n')) return;
      past.dataset.print = lines.join('\n');
      const open = past.open;
      fill(past, h('summary', {}, `Were here before (${gone.length})`), h('ul', {}, gone.map((u) => h('li', {}, `${u.name} (#${u.id}) `, h('code', {}, u.ip)))));
      past.open = open;
    },
  };
}
