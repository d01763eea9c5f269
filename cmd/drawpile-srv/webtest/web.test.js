// Browsers in sessions: the server's WebSocket port with and without TLS, its
// single port, and both behind nginx with the configuration in deploy/.
// The environment says which server (SERVER), which browser (BROWSER) and which
// configuration of nginx (NGINX_CONF) to use; nginx is used if it is there.
// playwright-core is found where this folder lies in one that has it.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const binary = process.env.SERVER;
const nginxPath = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'].find(existsSync);
const html = readFileSync(new URL('page.html', import.meta.url), 'utf8');
const documented = readFileSync(process.env.NGINX_CONF ?? new URL('../deploy/nginx.conf', import.meta.url), 'utf8');

// The page comes from where browsers get the real one, without a network.
const official = 'https://web.drawpile.net';

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

async function until(what, f) {
  for (const end = Date.now() + 20000; ;) {
    const value = await f();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

const reachable = (port) => new Promise((resolve) => {
  const s = net.connect(port, '127.0.0.1', () => { s.destroy(); resolve(true); });
  s.on('error', () => resolve(false));
});

function run(program, args) {
  const p = spawn(program, args);
  p.log = '';
  p.stdout.on('data', (d) => { p.log += d; });
  p.stderr.on('data', (d) => { p.log += d; });
  p.ended = new Promise((resolve) => { p.once('exit', (code) => { p.status = code; resolve(code); }); });
  return p;
}

async function stop(p) {
  if (p && p.exitCode === null && p.signalCode === null) p.kill('SIGTERM');
  return p?.ended;
}

let folder;
let browser;
const servers = [];

before(async () => {
  assert.ok(binary, 'set SERVER to the server program');
  folder = mkdtempSync(join(tmpdir(), 'webtest-'));
  browser = await chromium.launch({
    executablePath: process.env.BROWSER ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
      '--disable-sync', '--ignore-certificate-errors',
      // The page is a public one to the browser, and the server is on this machine.
      '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets'],
  });
});
after(async () => {
  await browser?.close();
  for (const s of servers) await stop(s);
  rmSync(folder, { recursive: true, force: true });
});

async function serve(...options) {
  const s = { tcp: await freePort(), web: await freePort(), data: mkdtempSync(join(folder, 'data-')) };
  const args = ['--port', s.tcp, '--listen', '127.0.0.1', '--data', s.data, ...options.map((o) => (o === 'WEB' ? s.web : o))];
  const p = Object.assign(run(binary, args.map(String)), s);
  servers.push(p);
  await until('the server', async () => {
    if (p.exitCode !== null) throw new Error(`the server ended:\n${p.log}`);
    return p.log.includes('Started listening') && await reachable(p.tcp) && (!options.includes('WEB') || await reachable(p.web));
  });
  return p;
}

// proxy starts nginx with the documented server block, at other ports.
async function proxy(server) {
  const ports = { tls: await freePort(), plain: await freePort() };
  const place = mkdtempSync(join(folder, 'nginx-'));
  const block = documented
    .replace(/listen 443 ssl;/, `listen 127.0.0.1:${ports.tls} ssl;\n\tlisten 127.0.0.1:${ports.plain};`)
    .replace(/\n\tlisten \[::\]:443 ssl;/, '')
    .replace(/(ssl_certificate) .*;/, `$1 ${join(server.data, 'tls', 'selfsigned.crt')};`)
    .replace(/(ssl_certificate_key) .*;/, `$1 ${join(server.data, 'tls', 'selfsigned.key')};`)
    .replace('127.0.0.1:27751', `127.0.0.1:${server.web}`);
  assert.ok(block.includes('proxy_set_header X-Real-IP $remote_addr;') && block.includes(`127.0.0.1:${server.web}`), 'the documented block is another');
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((t) => `${t}_temp_path ${place};`).join(' ');
  const conf = join(place, 'nginx.conf');
  const user = process.getuid() === 0 ? 'user root;' : '';
  writeFileSync(conf, `${user} daemon off; master_process off; pid ${place}/pid; error_log stderr; events {}\nhttp { access_log off; ${temp}\n${block}}\n`);
  const start = async () => {
    const p = Object.assign(run(nginxPath, ['-c', conf, '-e', 'stderr']), ports, { again: start });
    servers.push(p);
    await until('nginx', async () => {
      if (p.exitCode !== null) throw new Error(`nginx ended:\n${p.log}`);
      return reachable(ports.tls);
    });
    return p;
  };
  return start();
}

// open opens the page as a tab of its own, from origin.
async function open(origin = official) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  context.setDefaultTimeout(25000);
  await context.route(`${origin}/**`, (route) => route.fulfill({ contentType: 'text/html', body: html }));
  const page = await context.newPage();
  page.wrong = [];
  page.on('pageerror', (e) => page.wrong.push(e.stack));
  await page.goto(`${origin}/`);
  return page;
}

// ask runs a method of the page's member, or makes one.
const connect = (page, url, name) => page.evaluate(([u, n]) => { window.member = new Member(u, n); }, [url, name]);
const ask = (page, method, ...args) => page.evaluate(([m, a]) => window.member[m](...a), [method, args]);
const read = (page, field) => page.evaluate((f) => window.member[f], field);
const strokes = (page, n) => until(`${n} strokes`, async () => (await read(page, 'strokes')).length >= n);

// whole is one evening: login, hosting, drawing, joining, coming back.
async function whole(url, { cut } = {}) {
  const pages = [await open(), await open()];
  const [alice, bob] = pages;
  await connect(alice, url, 'alice');
  const session = await ask(alice, 'host', 'Browsers');
  assert.equal(await read(alice, 'browser'), true, 'the server takes it for a browser');
  assert.deepEqual((await read(alice, 'hello')).flags.filter((f) => f === 'TLS' || f === 'SECURE'), []);

  // Sizes around every length of a frame's head, and many large ones at once.
  const sizes = [4, 5, 100, 123, 124, 125, 126, 300, 65532, 65533, 65534, 65535, ...Array(40).fill(60000), ...Array(200).fill(44)];
  await ask(alice, 'draw', 1, sizes);
  await strokes(alice, sizes.length);
  await connect(bob, url, 'bob');
  await ask(bob, 'join', session);
  await strokes(bob, sizes.length);
  await ask(bob, 'draw', 2, [200, 300, 65535]);
  await ask(alice, 'draw', 3, [44, 44, 44]);
  const all = sizes.length + 6;
  for (const p of pages) {
    await strokes(p, all);
    await ask(p, 'ping');
  }
  const drawn = await read(alice, 'strokes');
  assert.deepEqual(await read(bob, 'strokes'), drawn, 'both have received the same strokes');
  assert.equal(await ask(bob, 'picture'), await ask(alice, 'picture'), 'both see the same picture');

  // Bob leaves, is missed, comes back and has everything again.
  const id = await read(bob, 'id');
  assert.deepEqual(await ask(bob, 'leave'), { code: 1000, clean: true });
  await until('the others to know', async () => (await read(alice, 'left')).includes(id));
  await connect(bob, url, 'bob');
  await ask(bob, 'join', session);
  await strokes(bob, all);
  assert.deepEqual(await read(bob, 'strokes'), drawn, 'after coming back');
  if (cut) { // the connection breaks without a word
    await cut();
    for (const p of pages) await until('the break', () => read(p, 'closed'));
    for (const p of pages) {
      await connect(p, url, p === alice ? 'alice' : 'bob');
      await ask(p, 'join', session);
      await strokes(p, all);
    }
    assert.deepEqual(await read(alice, 'strokes'), drawn, 'after the break');
    assert.equal(await ask(bob, 'picture'), await ask(alice, 'picture'), 'after the break');
  }
  return pages;
}

// end stops the server: members are told, then the connection is closed with
// code 1000.
async function end(server, pages) {
  const stopped = stop(server);
  for (const p of pages) {
    assert.deepEqual(await until('the end', () => read(p, 'closed')), { code: 1000, clean: true });
    assert.deepEqual(await read(p, 'goodbye'), { reason: 2, text: 'Server shutting down' });
  }
  assert.equal(await stopped, 0);
  for (const p of pages) {
    assert.deepEqual(p.wrong, [], 'errors in the page');
    await p.context().close();
  }
}

test('directly, plain', async () => {
  const s = await serve('--websocket-port', 'WEB', '--websocket-listen', '127.0.0.1');
  await end(s, await whole(`ws://127.0.0.1:${s.web}/drawpile-web/ws`));
});

test('directly, with TLS', async () => {
  const s = await serve('--websocket-port', 'WEB', '--websocket-listen', '127.0.0.1', '--websocket-ssl');
  await end(s, await whole(`wss://127.0.0.1:${s.web}/drawpile-web/ws?session=x`));
});

test('one port for everything', async () => {
  const s = await serve('--single-port');
  const plain = await whole(`ws://127.0.0.1:${s.tcp}/`);
  await end(s, [...plain, ...await whole(`wss://127.0.0.1:${s.tcp}/`)]);
});

const behind = { skip: !nginxPath && 'there is no nginx on this machine' };

test('behind nginx, plain and with TLS', behind, async () => {
  const s = await serve('--websocket-port', 'WEB', '--websocket-listen', '127.0.0.1');
  let n = await proxy(s);
  const url = { plain: `ws://127.0.0.1:${n.plain}/drawpile-web/ws`, tls: `wss://127.0.0.1:${n.tls}/drawpile-web/ws` };
  const tls = await whole(url.tls, {
    cut: async () => {
      n.kill('SIGKILL');
      await n.ended;
      n = await n.again();
    },
  });
  const plain = await whole(url.plain);
  assert.match(s.log, /New WebSocket client connected from 127\.0\.0\.1:\d+ \(IP from X-Real-IP header, Origin 'https:\/\/web\.drawpile\.net'\)/);

  // Another page is refused by the proxy.
  const foreign = await open('https://elsewhere.example');
  await connect(foreign, url.tls, 'eve');
  assert.deepEqual(await until('the refusal', () => read(foreign, 'closed')), { code: 1006, clean: false });
  await foreign.context().close();
  await end(s, [...plain, ...tls]);
});

test('pages from elsewhere', async () => {
  writeFileSync(join(folder, 'origins.ini'), `[config]\nwebSocketOrigins = ${official}\n`);
  const s = await serve('--websocket-port', 'WEB', '--websocket-listen', '127.0.0.1', '--config', join(folder, 'origins.ini'));
  const url = `ws://127.0.0.1:${s.web}/`;
  const [page, foreign] = [await open(), await open('https://elsewhere.example')];
  await connect(foreign, url, 'eve');
  assert.equal((await until('the refusal', () => read(foreign, 'closed'))).clean, false);
  await connect(page, url, 'alice');
  await ask(page, 'login');
  await page.context().close();
  await foreign.context().close();
  await stop(s);
});
