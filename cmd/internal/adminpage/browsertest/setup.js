// A server of its own with members in it, and a browser at its page.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { Member, patience } from './member.js';

const require = createRequire(import.meta.url);
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

// The environment says which server and which browser to use, and where
// screenshots go, if anywhere.
const binary = process.env.SERVER;
const browserPath = process.env.BROWSER ?? '/usr/bin/chromium';
const shots = process.env.SHOTS;

const credentials = { username: 'admin', password: 'pass:word' };

// freePort returns a port that was free a moment ago, each once, from below those
// that systems give to connections.
let lastPort = 12000 + ((process.pid * 64) % 20000);
function freePort() {
  const port = lastPort < 32000 ? lastPort + 1 : 12000;
  lastPort = port;
  return new Promise((resolve) => {
    const s = net.createServer().listen(port, () => s.close(() => resolve(port)));
    s.on('error', () => resolve(freePort()));
  });
}

// Service is another server, such as one that lists sessions; it remembers what
// it was asked. answer(method, path, body) gives the JSON of its answers.
export class Service {
  static async start(answer) {
    const s = new Service();
    s.asked = [];
    s.http = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      s.asked.push(`${request.method} ${request.url}`);
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(answer(request.method, request.url, body)));
    });
    await new Promise((resolve) => { s.http.listen(0, '127.0.0.1', resolve); });
    s.url = `http://127.0.0.1:${s.http.address().port}/`;
    return s;
  }

  stop() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

// until waits for a condition.
export async function until(what, f) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await f();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}

const launch = () => chromium.launch({
  executablePath: browserPath,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

// remember runs in a page and keeps the texts of all notices that were shown: a
// notice goes after a while, maybe before it is looked for.
function remember() {
  window.notices = [];
  const known = new WeakSet();
  new MutationObserver(() => {
    for (const e of document.querySelectorAll('.toast span')) {
      if (!known.has(e) && e.checkVisibility()) {
        known.add(e);
        window.notices.push(e.textContent);
      }
    }
  }).observe(document, { childList: true, subtree: true });
}

// notice waits for a notice that was not waited for before, and forgets it and
// those before it.
export function notice(page, text) {
  return page.waitForFunction((part) => {
    const i = window.notices.findIndex((n) => n.includes(part));
    return i >= 0 && window.notices.splice(0, i + 1);
  }, text);
}

// watch remembers everything that goes wrong in a page, and requests to
// anywhere but its server.
function watch(page, base) {
  page.wrong = [];
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type()) && !page.expected?.test(m.text())) page.wrong.push(m.text()); });
  page.on('pageerror', (e) => page.wrong.push(e.stack));
  page.on('request', (r) => { if (!r.url().startsWith(base) && !r.url().startsWith('data:')) page.wrong.push(`asked ${r.url()}`); });
}

// World is everything a test needs.
export class World {
  static async start(options = []) {
    assert.ok(binary, 'set SERVER to the server program');
    const w = new World();
    w.folder = mkdtempSync(join(tmpdir(), 'adminpage-'));
    [w.port, w.adminPort] = [await freePort(), await freePort()];
    w.socket = join(w.folder, 'admin.sock');
    w.base = `http://127.0.0.1:${w.adminPort}/`;
    w.log = '';
    w.members = [];
    w.server = spawn(binary, ['--port', String(w.port), '--listen', '127.0.0.1', '--web-admin-port', String(w.adminPort), '--no-gui', ...options.map((o) => o.replace('FOLDER', w.folder))], {
      env: { ...process.env, DRAWPILESRV_WEB_ADMIN_AUTH: `${credentials.username}:${credentials.password}` },
    });
    w.server.stderr.on('data', (d) => { w.log += d; });
    await until('the server', async () => {
      if (w.server.exitCode !== null) throw new Error(`the server ended:\n${w.log}`);
      return fetch(`${w.base}api/status/`, { headers: w.headers() }).then((r) => r.ok, () => false);
    });
    w.browser = await launch();
    return w;
  }

  headers() {
    return { Authorization: `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`, 'Content-Type': 'application/json' };
  }

  // api asks the server past the page.
  async api(path, method = 'GET', body = undefined) {
    const r = await fetch(`${this.base}api/${path}`, { method, headers: this.headers(), body: body && JSON.stringify(body) });
    const text = await r.text();
    return r.ok ? (text ? JSON.parse(text) : null) : { failed: r.status, text };
  }

  member(name) {
    const m = new Member(this.port, name);
    this.members.push(m);
    return m;
  }

  // open opens the page at a view and remembers everything that goes wrong.
  async open(view, { width = 1280, height = 900, scheme = 'light' } = {}) {
    const context = await this.browser.newContext({ viewport: { width, height }, colorScheme: scheme, httpCredentials: credentials, reducedMotion: 'reduce' });
    context.setDefaultTimeout(patience);
    await context.addInitScript(remember);
    const page = await context.newPage();
    watch(page, this.base);
    await page.goto(`${this.base}#/${view}`);
    await page.locator('#main .content > *').first().waitFor({ state: 'attached' });
    return page;
  }

  // desktop starts a server in graphical mode, and opens in the browser what it
  // wants to be opened.
  static async desktop() {
    const w = new World();
    w.folder = mkdtempSync(join(tmpdir(), 'adminpage-'));
    w.members = [];
    const opened = join(w.folder, 'opened');
    writeFileSync(join(w.folder, 'xdg-open'), `#!/bin/sh\necho "$1" > ${opened}.new && /bin/mv ${opened}.new ${opened}\n`, { mode: 0o755 });
    w.server = spawn(binary, ['--gui', '--port', String(await freePort()), '--listen', '127.0.0.1'], { env: { HOME: w.folder, PATH: w.folder, DISPLAY: ':99' } });
    w.browser = await launch();
    const link = await until('the link', () => existsSync(opened) && readFileSync(opened, 'utf8').trim());
    w.base = link.slice(0, link.indexOf('open?'));
    w.page = await (await w.browser.newContext()).newPage();
    watch(w.page, w.base);
    await w.page.goto(link);
    return w;
  }

  // check finds violations of accessibility, and takes a picture.
  async check(page, name) {
    await page.locator('.toast').evaluateAll((list) => list.forEach((e) => e.remove()));
    await page.evaluate(axe);
    const found = await page.evaluate(async () => (await window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    })).violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`));
    assert.deepEqual(found, [], `accessibility of ${name}`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    assert.equal(wide, false, `${name} is wider than the window`);
    if (shots) {
      mkdirSync(shots, { recursive: true });
      await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
    }
  }

  async close(page) {
    assert.deepEqual(page.wrong, [], 'the console');
    await page.context().close();
  }

  async stop() {
    for (const m of this.members) m.close();
    await this.browser?.close();
    if (this.server && this.server.exitCode === null) {
      const ended = new Promise((resolve) => { this.server.once('exit', resolve); });
      this.server.kill('SIGTERM');
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
