// The frame of the page: navigation, colours, the state of the connection, and
// the life of views. A view is a module with title and open(main, context,
// parameter); everything it starts ends with context.signal.
import { h, fill, setText, notify, empty, ask, button } from './dom.js';
import { api, post, onLink } from './api.js';
import { startSampling } from './sampler.js';
import * as status from './view-status.js';
import * as sessions from './view-sessions.js';
import * as users from './view-users.js';
import * as accounts from './view-accounts.js';
import * as bans from './view-bans.js';
import * as extbans from './view-extbans.js';
import * as listings from './view-listings.js';
import * as log from './view-log.js';
import * as settings from './view-settings.js';
import * as health from './view-health.js';

const views = [
  ['status', 'Status', status],
  ['sessions', 'Sessions', sessions],
  ['users', 'Users', users],
  ['accounts', 'Accounts', accounts],
  ['bans', 'Bans', bans],
  ['extbans', 'External bans', extbans],
  ['listings', 'Listing servers', listings],
  ['log', 'Log', log],
  ['settings', 'Settings', settings],
  ['health', 'Health', health],
];

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const menu = document.getElementById('menu');
let leave = new AbortController();
let guard = null;
let current = null;

function drawNavigation() {
  fill(nav, h('ul', {}, views.map(([name, label]) => h('li', {}, h('a', { href: `#/${name}`, 'data-view': name }, label)))));
  nav.addEventListener('click', () => openMenu(false));
  offerStop();
  menu.addEventListener('click', () => openMenu(menu.getAttribute('aria-expanded') !== 'true'));
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && menu.getAttribute('aria-expanded') === 'true') {
      openMenu(false);
      menu.focus();
    }
  });
  // The hash is the address of the view, so this link must not change it.
  document.getElementById('skip').addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });
  document.getElementById('skip').setAttribute('href', '#main');
}

function openMenu(open) {
  menu.setAttribute('aria-expanded', String(open));
  nav.classList.toggle('open', open);
}

// offerStop adds a button that ends the program in graphical mode, which has no
// window of its own to be closed. A cookie says what it would end.
function offerStop() {
  const kind = new RegExp(`(?:^|; )drawpile-desktop-${location.port}=(\\w+)`).exec(document.cookie)?.[1];
  if (!kind) return;
  const server = kind === 'server';
  nav.append(button(server ? 'Stop the server' : 'Close the connection', async () => {
    const sure = await ask({
      title: server ? 'Stop the server?' : 'Close the connection?',
      text: server ? 'Everybody is disconnected.' : 'The server itself goes on.',
      action: server ? 'Stop' : 'Close', danger: true,
    });
    if (!sure) return;
    await post('desktop/stop');
    leave.abort();
    fill(main, empty(server ? 'The server stops.' : 'The connection is closed.', 'You can close this page.'));
  }, { class: 'stop' }));
}

function readAddress() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { name: views.some(([v]) => v === name) ? name : 'status', parameter: rest.join('/') };
}

async function route(first) {
  if (guard && guard() && !window.confirm('Leave without saving your changes?')) {
    history.replaceState(null, '', current);
    return;
  }
  guard = null;
  current = location.hash || '#/status';
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const { name, parameter } = readAddress();
  for (const a of nav.querySelectorAll('a')) {
    if (a.dataset.view === name) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  const context = {
    signal,
    // every calls f at once, and again that many ms after it has ended, while
    // the page is to be seen. Failures of the first call go to the caller.
    async every(ms, f) {
      const again = () => {
        if (signal.aborted) return;
        setTimeout(async () => {
          if (signal.aborted) return;
          if (!document.hidden) await f().catch(() => {});
          again();
        }, ms);
      };
      await f();
      again();
    },
    // keep asks before the view is left while changed() is true.
    keep(changed) { guard = changed; },
    // title changes the heading of the view.
    title(text) { showTitle(text); },
  };
  const [, label, view] = views.find(([v]) => v === name);
  showTitle(label);
  const content = h('div', { class: 'content' });
  fill(main, h('h1', { id: 'title' }, label), content);
  if (!first) main.focus();
  try {
    await view.open(content, context, parameter);
  } catch (err) {
    if (signal.aborted || err.name === 'AbortError') return;
    if (err.status === 404 && needsDatabase.has(name)) {
      fill(content, empty('Not available without a configuration database',
        'Start the server with --database FILE. With a configuration file (--config), edit that file instead.'));
      return;
    }
    fill(content, h('div', { class: 'note bad', role: 'alert' }, err.message),
      h('p', {}, h('button', { type: 'button', onclick: () => route(false) }, 'Try again')));
  }
}

// Views whose data only a configuration database holds (404 without one).
const needsDatabase = new Set(['accounts', 'bans', 'listings']);

let serverTitle = '';

function showTitle(text) {
  const heading = document.getElementById('title');
  if (heading) setText(heading, text);
  document.title = serverTitle ? `${text} – ${serverTitle}` : `${text} – Drawing server`;
}

function chooseColours() {
  const select = document.getElementById('theme');
  const apply = (value) => {
    if (value) document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
  };
  let saved = '';
  try {
    saved = localStorage.getItem('theme') ?? '';
  } catch { /* storage is switched off: the system's colours */ }
  select.value = saved;
  apply(saved);
  select.addEventListener('change', () => {
    apply(select.value);
    try {
      localStorage.setItem('theme', select.value);
    } catch { /* lasts until the page is left */ }
  });
}

async function showName() {
  try {
    const settings = await api('GET', ['server']);
    serverTitle = settings.serverTitle ?? '';
    if (serverTitle) setText(document.getElementById('brand'), serverTitle);
  } catch { /* the view says what is wrong */ }
}

const link = document.getElementById('link');
onLink((connected, message) => {
  setText(link, connected ? '' : message);
  link.classList.toggle('off', !connected);
});

window.addEventListener('hashchange', () => route(false));
window.addEventListener('beforeunload', (event) => {
  if (guard && guard()) event.preventDefault();
});
window.addEventListener('unhandledrejection', (event) => {
  if (event.reason?.name === 'AbortError') {
    event.preventDefault();
    return;
  }
  notify(event.reason?.message ?? 'Something went wrong in the page.', 'bad');
});

chooseColours();
drawNavigation();
startSampling();
showName();
route(true);
