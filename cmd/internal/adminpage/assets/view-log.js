// The server log with filters; new entries come by themselves on the first page.
import { h, fill, button, field, badge } from './dom.js';
import { api } from './api.js';
import { time } from './format.js';

// pageSize is how many entries the server gives at once; refreshTime is how
// often new ones are asked for, in ms; typingTime is how long a filter must be
// left alone before it counts, in ms.
const pageSize = 100;
const refreshTime = 4000;
const typingTime = 350;

const tones = { Error: 'bad', Warn: 'warn', Info: '', Debug: '' };
const levels = ['Error', 'Warn', 'Info', 'Debug'];

export async function open(root, context, session) {
  let page = 0;
  let timer = 0;
  let asked = 0;
  const change = () => {
    clearTimeout(timer);
    timer = setTimeout(() => { page = 0; refresh().catch(show); }, typingTime);
  };
  const contains = field({ label: 'Message contains', type: 'search', oninput: change });
  const user = field({ label: 'User or address contains', type: 'search', oninput: change });
  const which = field({ label: 'Session id', type: 'search', value: session, oninput: change });
  const level = field({ label: 'At least', type: 'select', value: 'Debug', options: [['Error', 'Errors'], ['Warn', 'Warnings'], ['Info', 'Information'], ['Debug', 'Everything']], onchange: change });
  const body = h('tbody');
  const where = h('p', { class: 'hint', role: 'status' });
  const newer = button('Newer', async () => { page -= 1; await refresh(); });
  const older = button('Older', async () => { page += 1; await refresh(); });
  const problem = h('p', { class: 'error', role: 'alert' });
  fill(root,
    h('form', { class: 'fields card', role: 'search', 'aria-label': 'Filter the log', onsubmit: (event) => { event.preventDefault(); refresh().catch(show); } },
      contains.box, user.box, which.box, level.box),
    problem,
    h('div', { class: 'scroll', role: 'region', 'aria-label': 'Log', tabindex: '0' }, h('table', { class: 'log' },
      h('caption', { class: 'hidden' }, 'Log, newest first'),
      h('thead', {}, h('tr', {}, ['Time', 'Level', 'Topic', 'User', 'Message'].map((l) => h('th', { scope: 'col', class: l === 'User' || l === 'Topic' ? 'wide' : null }, l)))),
      body)),
    h('div', { class: 'bar' }, where, newer, older));

  function show(err) {
    if (err.name !== 'AbortError') fill(problem, err.message);
  }

  let print = null;
  async function refresh() {
    asked += 1;
    const turn = asked;
    const entries = await api('GET', ['log'], {
      query: { page: String(page), session: which.value.trim(), user: user.value.trim(), contains: contains.value.trim() }, signal: context.signal,
    });
    if (turn !== asked) return; // filters have changed since
    fill(problem);
    const wanted = entries.filter((e) => levels.indexOf(e.level) <= levels.indexOf(level.value));
    newer.disabled = page === 0;
    older.disabled = entries.length < pageSize;
    fill(where, entries.length ? `Page ${page + 1}, ${wanted.length} of ${entries.length} entries` : page ? 'No more entries.' : 'No entries.');
    const now = JSON.stringify(wanted);
    if (now === print) return;
    print = now;
    fill(body, wanted.map((e) => h('tr', {},
      h('td', {}, h('time', { datetime: e.timestamp }, time(e.timestamp, true))),
      h('td', {}, badge(e.level, tones[e.level])),
      h('td', { class: 'wide' }, e.topic),
      h('td', { class: 'wide' }, e.user ? h('code', {}, e.user) : ''),
      // Where there is no room for columns, who it was stands before what.
      h('td', {}, h('span', { class: 'narrow' }, `${e.topic} `, e.user ? [h('code', {}, e.user), ' '] : null), e.message, e.session ? [' ', h('a', { class: 'id', href: `#/sessions/${encodeURIComponent(e.session)}` }, e.session)] : null))));
  }
  await context.every(refreshTime, () => (page === 0 ? refresh() : Promise.resolve()));
}
