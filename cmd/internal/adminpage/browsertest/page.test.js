// Every view with real sessions running; every action, and its effect on the
// server or on the members.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, Service, notice, until } from './setup.js';

let world;
let alice;
let bob;

before(async () => {
  world = await World.start(['--database', 'FOLDER/config.db', '--sessions', 'FOLDER/sessions']);
  alice = await world.member('alice').host('Doodle night', 'doodles');
  bob = await world.member('bob <b>').join('doodles');
  bob.draw();
});
after(() => world?.stop());

const button = (scope, name) => scope.getByRole('button', { name, exact: true });
const dialog = (page) => page.getByRole('dialog');
const session = () => world.api(`sessions/${alice.session}`);

// answer fills the dialog that is open and presses its button.
async function answer(page, values, action) {
  const d = dialog(page);
  await d.waitFor();
  for (const [label, value] of Object.entries(values)) {
    const control = d.getByLabel(label, { exact: true });
    if (typeof value === 'boolean') await control.setChecked(value);
    else if (await control.evaluate((e) => e.tagName === 'SELECT')) await control.selectOption({ label: value });
    else await control.fill(value);
  }
  await button(d, action).click();
}

const views = [
  ['status', 'Status', 'Messages'], ['sessions', 'Sessions', 'Doodle night'], ['session', 'Doodle night', 'bob <b>'], ['users', 'Users', 'bob <b>'],
  ['accounts', 'Accounts', 'moderator'], ['bans', 'Bans', '198.51.100.0/24'], ['extbans', 'External bans', 'No external bans'],
  ['listings', 'Listing servers', 'Allowed addresses'], ['log', 'Log', 'Joined session'], ['settings', 'Settings', 'sessionCountLimit'], ['health', 'Health', 'Checks'],
];

test('every view, light, dark and on a phone', async () => {
  await world.api('accounts/', 'POST', { username: 'moderator', password: 'x', flags: 'MOD,HOST' });
  await world.api('banlist/', 'POST', { ip: '198.51.100.0', subnet: 24, expires: '2999-12-31 23:59:59', comment: 'raid' });
  for (const [name, options] of [['light', {}], ['dark', { scheme: 'dark' }], ['phone', { width: 390, height: 844 }]]) {
    const page = await world.open('status', options);
    for (const [view, heading, shows] of views) {
      await page.goto(`${world.base}#/${view === 'session' ? `sessions/${alice.session}` : view}`);
      await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor();
      await page.locator('#main').getByText(shows).first().waitFor();
      if (view === 'status' && name === 'light') await page.locator('path.line.b[d*="L"]').nth(1).waitFor({ state: 'attached' });
      await world.check(page, `${name}-${view}`);
    }
    await world.close(page);
  }
});

test('addresses, numbers and metrics', async () => {
  const page = await world.open('status');
  const got = await page.evaluate(async () => {
    const { parseRange, contains, describe } = await import('/assets/range.js');
    const format = await import('/assets/format.js');
    const metrics = await import('/assets/metrics.js');
    const hit = (range, prefix, address) => {
      const r = parseRange(range, prefix);
      return r && contains(r, address);
    };
    const past = metrics.parse('h_bucket{le="1"} 0\nh_bucket{le="2"} 0\nh_bucket{le="+Inf"} 0\n');
    const now = metrics.parse('# HELP h x\nh_bucket{le="1"} 50\nh_bucket{le="2"} 99\nh_bucket{le="+Inf"} 100\nc{a="x",b="y\\"z"} 3\nc{a="w"} 4\n');
    return {
      ranges: [
        // configuration.md §13, checklist 26: what a ban hits.
        hit('10.0.0.1', 16, '10.0.0.2'), hit('10.0.0.1', 16, '::ffff:10.0.0.2'), hit('::ffff:192.168.0.0', 112, '192.168.3.4'),
        hit('10.0.0.1', 0, '10.0.0.1'), hit('10.0.0.1', 0, '10.0.0.2'), hit('10.0.0.0', 8, '11.0.0.1'),
        hit('2001:db8::', 64, '2001:db8::1:2:3:4'), hit('2001:db8::', 64, '2001:db8:0:1::1'), hit('2001:db8::', 64, '10.0.0.1'),
        hit('::', 128, '::'), hit('::1.2.3.4', 128, '::102:304'), hit('255.255.255.255', 32, '255.255.255.255'),
      ],
      refused: [['10.0.0', 8], ['10.0.0.256', 8], ['10.0.0.1', 33], ['10.0.0.1', -1], ['::1', 129], [':::', 0], ['1::2::3', 0], ['1:2:3:4:5:6:7', 0], ['1:2:3:4:5:6:7:8:9', 0], ['::g', 0], ['', 0], ['::ffff:1.2.3.4', 95], ['10.0.0.1', NaN]]
        .filter(([a, p]) => parseRange(a, p) !== null),
      wide: [['10.0.0.0', 8], ['10.0.0.0', 16], ['2001::', 16], ['2001:db8::', 32]].map(([a, p]) => describe(parseRange(a, p)).wide),
      durations: ['30', '1.5H', '2 m', '2d', 'x', '-1', '', '24855.2d', '1 h 2'].map((t) => format.parseDuration(t)),
      sizes: ['10', '1kb', '1.5   mb', '1GB', '2gb', '1k', '0.001kb'].map((t) => format.parseSize(t)),
      integers: ['5', '-5', '2147483648', '1.0', ''].map((t) => format.parseInteger(t)),
      written: [format.writeSize(103809024), format.writeSize(0), format.writeSize(1000), format.writeDuration(5400), format.writeDuration(90), format.writeDuration(0)],
      figures: [metrics.quantile(now, past, 'h', 0.5), metrics.quantile(now, past, 'h', 0.99), metrics.quantile(now, now, 'h', 0.5), metrics.sum(now, 'c'), metrics.sum(now, 'c', { a: 'w' }), metrics.sum(now, 'c', { b: 'y"z' })],
    };
  });
  assert.deepEqual(got, {
    ranges: [true, true, true, true, false, false, true, false, false, true, true, true],
    refused: [],
    wide: [true, false, true, false],
    durations: [30, 5400, 120, 172800, NaN, NaN, NaN, NaN, NaN],
    sizes: [10, 1024, 1572864, 1073741824, NaN, NaN, 1],
    integers: [5, -5, NaN, NaN, NaN],
    written: ['99MB', '0', '1000', '90m', '90s', '0'],
    figures: [1, 2, null, 7, 4, 3],
  });
  await world.close(page);
});

test('keyboard and navigation', async () => {
  const page = await world.open('sessions', { width: 390, height: 844 });
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'skip');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  const menu = button(page, 'Menu');
  await menu.focus();
  await page.keyboard.press('Enter');
  assert.equal(await menu.getAttribute('aria-expanded'), 'true');
  await page.getByRole('link', { name: 'Users', exact: true }).press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Users' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main', 'the focus follows to the view');
  assert.equal(await menu.getAttribute('aria-expanded'), 'false');
  assert.equal(await page.getByRole('link', { name: 'Users', exact: true, includeHidden: true }).getAttribute('aria-current'), 'page');
  await page.getByLabel('Colours').selectOption('dark');
  await page.reload();
  await page.getByRole('heading', { level: 1, name: 'Users' }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await world.close(page);
});

test('sessions: search and messages', async () => {
  const page = await world.open('sessions');
  await page.getByRole('row', { name: /Doodle night/ }).waitFor();
  await page.getByRole('searchbox').fill('nothing like it');
  await page.getByText('0 of 1').waitFor();
  await page.getByRole('searchbox').fill('alice doodle');
  await page.getByText('1 of 1').waitFor();
  await button(page, 'Message to all sessions').click();
  await answer(page, { Text: 'to everybody', 'As an alert that nobody can miss': false }, 'Send');
  await bob.text('to everybody');
  await button(page.getByRole('row', { name: /Doodle night/ }), 'Message').click();
  await answer(page, { Text: 'to this one' }, 'Send');
  assert.equal((await alice.text('to this one')).json.type, 'alert');
  await world.close(page);
});

test('session: settings', async () => {
  const page = await world.open(`sessions/${alice.session}`);
  const settings = page.locator('section', { has: page.getByRole('heading', { name: 'Settings', exact: true }) });
  await settings.getByLabel('Title').fill('Quiet night');
  await settings.getByLabel('Users at most').fill('9');
  await settings.getByLabel('Autoreset from').fill('nonsense');
  await settings.getByLabel('Persistent').check();
  await button(settings, 'Save').click();
  await settings.getByText('Write a size such as').waitFor();
  await settings.getByLabel('Autoreset from').fill('20MB');
  await button(settings, 'Save').click();
  await notice(page, 'Saved.');
  const now = await session();
  assert.deepEqual([now.title, now.maxUserCount, now.resetThreshold, now.persistent], ['Quiet night', 9, 20971520, true]);
  await page.getByRole('heading', { level: 1, name: 'Quiet night' }).waitFor();
  await button(settings, 'Change the password').click();
  await answer(page, { 'New session password': 'sesame' }, 'Change');
  await until('the password', async () => (await session()).hasPassword);
  assert.equal((await world.api(`sessions/${alice.session}/auth`, 'POST', { password: 'sesame' })).status, true);
  await button(settings, 'Change the password').click();
  await answer(page, { 'New session password': '' }, 'Change');
  await until('no password', async () => !(await session()).hasPassword);
  // Leaving with changes asks first.
  await settings.getByLabel('Title').fill('Never saved');
  let asked = '';
  page.once('dialog', (d) => { asked = d.message(); d.dismiss(); });
  await page.getByRole('link', { name: 'Users', exact: true }).click();
  await until('the question', () => asked);
  assert.match(asked, /without saving/);
  assert.ok(page.url().endsWith(alice.session));
  await button(settings, 'Undo').click();
  await world.close(page);
});

test('session: members', async () => {
  const page = await world.open(`sessions/${alice.session}`);
  const row = () => page.getByRole('row', { name: /bob <b>/ });
  const member = async () => (await session()).users.find((u) => u.online && u.name === 'bob <b>');
  await button(row(), 'Operator').click();
  await until('an operator', async () => (await member()).op);
  await row().getByText('operator', { exact: true }).waitFor();
  await button(row(), 'Operator').click();
  await until('no operator', async () => !(await member()).op);
  await button(row(), 'Trust').click();
  await until('a trusted member', async () => (await member()).trusted);
  await button(row(), 'Message').click();
  await answer(page, { Text: 'only for bob' }, 'Send');
  await bob.text('only for bob');
  assert.ok(!alice.received.some((m) => m.json?.message === 'only for bob'));

  const carol = await world.member('carol').join('doodles');
  const hers = page.getByRole('row', { name: /carol/ });
  await button(hers, 'Disconnect').click();
  await button(dialog(page), 'Cancel').click();
  assert.ok((await session()).users.some((u) => u.online && u.name === 'carol'), 'cancelling changes nothing');
  await button(hers, 'Disconnect').click();
  await answer(page, { 'Reason, shown to them (optional)': 'too loud' }, 'Disconnect');
  await carol.text('too loud');
  carol.close();
  await page.getByText(/Were here before/).waitFor();
  await world.close(page);
});

test('session: chat both ways', async () => {
  const page = await world.open(`sessions/${alice.session}`);
  const chat = page.locator('section', { has: page.getByRole('heading', { name: 'Chat', exact: true }) });
  await chat.getByLabel('Message').fill('hello from the administrator');
  await button(chat, 'Connect').click();
  await alice.text('hello from the administrator');
  await chat.getByRole('log').getByText('hello from the administrator').waitFor();
  alice.say('hello <i>back</i>');
  await chat.getByRole('log').getByText('hello <i>back</i>').waitFor();
  await chat.getByLabel('Message').fill('second');
  await button(chat, 'Send').click();
  await bob.text('second');
  await until('each message once', async () => await chat.getByRole('log').locator('p').count() === 3);
  await world.check(page, 'light-chat');
  await button(chat, 'Leave the chat').click();
  await until('no chat', async () => (await session()).chat === null);
  await world.close(page);
});

test('session: invites and listings', async () => {
  const page = await world.open(`sessions/${alice.session}`);
  await button(page, 'New invite').click();
  await answer(page, { 'May be used': '3', 'Makes operator': true }, 'Make');
  const invite = await until('an invite', async () => (await session()).invitelist[0]);
  assert.deepEqual([invite.maxUses, invite.op], [3, true]);
  const row = page.getByRole('row', { name: new RegExp(invite.secret) });
  await row.getByText('0 / 3').waitFor();
  await button(row, 'Revoke').click();
  await answer(page, {}, 'Revoke');
  await until('no invite', async () => (await session()).invitelist.length === 0);

  const listing = await Service.start((method) => (method === 'POST' ? { id: 17, key: 'secret', expires: 10 } : { status: 'ok' }));
  try {
    await button(page, 'List it').click();
    await answer(page, { 'Address of the listing server': listing.url }, 'List');
    await notice(page, 'Asked the listing server');
    const entry = page.getByRole('listitem').filter({ hasText: listing.url });
    await button(entry, 'Remove').click();
    await answer(page, {}, 'Remove');
    await until('the removal', () => listing.asked.includes('DELETE /sessions/17'));
    await page.getByText('Not listed anywhere.').waitFor();
  } finally {
    listing.stop();
  }
  await world.close(page);
});

test('session: thumbnail', async () => {
  const page = await world.open(`sessions/${alice.session}`);
  await button(page, 'Ask for a picture').click();
  const pixel = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');
  await answer(page, { Member: 'bob <b>', 'Reason, shown to the member (optional)': 'a report' }, 'Ask');
  await page.getByText('program is making one').waitFor();
  await bob.picture(pixel);
  const picture = page.getByRole('img', { name: 'The canvas of the session' });
  await picture.waitFor();
  assert.ok(await picture.evaluate((e) => e.decode().then(() => e.naturalWidth === 1)));
  await button(page.locator('section', { has: picture }), 'Delete').click();
  await page.getByText('There is none yet.').waitFor();
  assert.equal((await world.api(`sessions/${alice.session}/thumbnail`)).failed, 404);
  await world.close(page);
});

test('users', async () => {
  const dave = await world.member('dave').join('doodles');
  const page = await world.open('users');
  await page.getByRole('searchbox').fill('dave');
  const row = page.getByRole('row', { name: /dave/ });
  await row.getByRole('link', { name: 'Quiet night' }).waitFor();
  await button(row, 'Message').click();
  await answer(page, { Text: 'for dave' }, 'Send');
  await dave.text('for dave');
  await button(row, 'Disconnect').click();
  await answer(page, {}, 'Disconnect');
  await dave.gone();
  dave.close();
  await page.getByText('0 of 2').waitFor();
  await world.close(page);
});

test('bans, with a look at whom they hit', async () => {
  const erin = await world.member('erin').join('doodles');
  const page = await world.open('users');
  await button(page.getByRole('row', { name: /erin/ }), 'Ban…').click();
  const form = page.getByRole('form', { name: 'Ban an address' });
  assert.match(await form.getByLabel('Address').inputValue(), /127\.0\.0\.1/);
  await form.getByText('3 connected now').waitFor();
  await form.getByLabel('Address').fill('not an address');
  await form.getByText('That is no address').waitFor();
  await form.getByLabel('Address').fill('127.0.0.0/8');
  await form.getByText('3 connected now').waitFor();
  await form.getByText('This is a very large range').waitFor();
  await world.check(page, 'light-ban-preview');
  await form.getByLabel('Address').fill('203.0.113.0/24');
  await form.getByText('256 addresses, hits 0 connected now').waitFor();
  await form.getByLabel('Until').selectOption({ label: 'One week' });
  await form.getByLabel('Note for administrators').fill('raid');
  await button(form, 'Ban the address').click();
  await notice(page, 'Banned.');
  const ban = (await world.api('banlist/')).find((b) => b.ip === '203.0.113.0');
  assert.deepEqual([ban.subnet, ban.comment], [24, 'raid']);
  const days = (new Date(`${ban.expires.replace(' ', 'T')}Z`) - Date.now()) / 86400000;
  assert.ok(days > 6.9 && days < 7.1, ban.expires);
  const row = page.getByRole('row', { name: /203\.0\.113\.0/ });
  await button(row, 'Lift').click();
  await answer(page, {}, 'Lift');
  await until('no ban', async () => !(await world.api('banlist/')).some((b) => b.ip === '203.0.113.0'));

  const clients = page.getByRole('form', { name: 'Ban a client' });
  assert.equal(await clients.getByLabel('Client identifier').inputValue(), erin.info().s);
  await clients.getByLabel('Reason, shown to them').fill('go away');
  await button(clients, 'Ban a client').click();
  await until('a client ban', async () => (await world.api('systembans/')).some((b) => b.sid === erin.info().s && b.reason === 'go away'));
  erin.close();
  const again = world.member('erin');
  await assert.rejects(Promise.race([again.join('doodles'), again.gone().then(() => { throw new Error('refused'); })]));
  await page.getByText('Ban an account', { exact: true }).first().click();
  const accounts = page.getByRole('form', { name: 'Ban an account' });
  await accounts.getByLabel('Number of the account').fill('77');
  await accounts.getByLabel('Reaction').selectOption('hang');
  await button(accounts, 'Ban an account').click();
  await until('an account ban', async () => (await world.api('userbans/')).some((b) => b.userId === 77 && b.reaction === 'hang'));
  await world.close(page);
});

test('a ban that disconnects', async () => {
  const frank = await world.member('frank').host('Elsewhere', 'elsewhere');
  const page = await world.open('bans');
  const form = page.getByRole('form', { name: 'Ban an address' });
  await form.getByLabel('Address').fill('127.0.0.1');
  await form.getByText('3 connected now').waitFor();
  await form.getByLabel('Disconnect them now as well').check();
  await button(form, 'Ban the address').click();
  await dialog(page).getByText('3 users connected now').waitFor();
  try {
    await answer(page, {}, 'Ban');
    await frank.gone();
    await alice.gone();
    await notice(page, '3 users disconnected');
  } finally { // whatever happens, the other tests need their members
    for (const b of await world.api('banlist/')) if (b.ip === '127.0.0.1') await world.api(`banlist/${b.id}`, 'DELETE');
  }
  await world.close(page);
  for (const m of [alice, bob, frank]) m.close();
  alice = await world.member('alice').host('Doodle night', 'doodles2');
  bob = await world.member('bob <b>').join('doodles2');
  bob.draw();
});

test('accounts', async () => {
  const page = await world.open('accounts');
  await button(page, 'New account').click();
  await answer(page, { Name: 'gwen', Password: 'secret', PERSIST: true }, 'Make');
  const account = await until('an account', async () => (await world.api('accounts/')).find((a) => a.username === 'gwen'));
  assert.equal(account.flags, 'HOST,PERSIST');
  assert.equal((await world.api('accounts/auth', 'POST', { username: 'gwen', password: 'secret' })).status, 3);
  const row = page.getByRole('row', { name: /gwen/ });
  await button(row, 'Edit').click();
  await answer(page, { 'Locked: cannot log in': true, HOST: false }, 'Save');
  await until('a locked account', async () => (await world.api('accounts/')).some((a) => a.username === 'gwen' && a.locked && a.flags === 'PERSIST'));
  await button(page, 'New account').click();
  page.expected = /400/;
  await answer(page, { Name: 'gwen', Password: 'secret' }, 'Make');
  await notice(page, 'The name is taken');
  await button(row, 'Delete').click();
  await answer(page, {}, 'Delete');
  await until('no account', async () => !(await world.api('accounts/')).some((a) => a.username === 'gwen'));
  await world.close(page);
});

test('listing servers', async () => {
  const page = await world.open('listings');
  await page.getByLabel('Only the addresses below').check();
  await page.getByLabel('Allowed addresses').fill('^https://drawpile\\.net/\n(');
  page.expected = /400/;
  await button(page, 'Save').click();
  await page.locator('.error', { hasText: '(' }).waitFor();
  await page.getByLabel('Allowed addresses').fill('^https://drawpile\\.net/');
  await page.getByLabel('Would this address').fill('https://drawpile.net/api/listing/');
  await page.getByText('Yes, by').waitFor();
  await page.getByLabel('Would this address').fill('https://evil.example/');
  await page.getByText('No.', { exact: true }).waitFor();
  await button(page, 'Save').click();
  await notice(page, 'Saved.');
  const now = await world.api('listserverwhitelist/');
  assert.deepEqual([now.enabled, now.whitelist], [true, ['^https://drawpile\\.net/']]);
  await world.close(page);
});

test('log', async () => {
  const page = await world.open('log');
  await page.getByRole('row', { name: /Joined session/ }).first().waitFor();
  await page.getByLabel('User or address contains').fill('gone-for-good');
  await page.getByText('No entries.').waitFor();
  await page.getByLabel('User or address contains').fill('erin');
  await page.getByRole('row', { name: /erin/ }).first().waitFor();
  assert.equal(await page.getByRole('row', { name: /alice/ }).count(), 0);
  await page.getByLabel('User or address contains').fill('');
  await page.getByLabel('Message contains').fill('kicked by');
  await page.getByRole('row', { name: /Kicked by/ }).first().waitFor();
  await page.getByLabel('At least').selectOption('Error');
  await page.getByText(/ 0 of /).waitFor();
  await page.getByLabel('At least').selectOption('Debug');
  await page.getByLabel('Message contains').fill('');
  const late = await world.member('latecomer').join('doodles2');
  await page.getByRole('row', { name: /latecomer/ }).first().waitFor();
  late.close();
  await world.close(page);
});

test('settings', async () => {
  const page = await world.open('settings');
  await page.getByLabel('Only those that differ').check();
  // The defaults of the page are those of the server: only the whitelist, which
  // is not here, was changed.
  assert.equal(await page.locator('.setting:visible').count(), 0);
  await page.getByLabel('Only those that differ').uncheck();
  await page.getByLabel('Find a setting').fill('idle');
  const idle = page.getByLabel('Idle sessions end after', { exact: true });
  await idle.fill('soon');
  await page.getByText('Write a duration').waitFor();
  assert.equal(await idle.getAttribute('aria-invalid'), 'true');
  await page.getByText('One change is not saved').waitFor();
  await button(page, 'Save').click();
  await notice(page, 'One value is not valid');
  assert.equal((await world.api('server/')).idleTimeLimit, 0);
  await idle.fill('3h');
  await page.getByLabel('Find a setting').fill('');
  await page.getByLabel('Title', { exact: true }).fill('A server');
  await page.getByLabel('Guests', { exact: true }).uncheck();
  await page.getByLabel('Guest: messages per second', { exact: true }).fill('50');
  await page.getByText('4 changes are not saved').waitFor();
  await world.check(page, 'light-settings-changed');
  await button(page, 'Save').click();
  await notice(page, '4 settings saved');
  const now = await world.api('server/?own=true');
  assert.deepEqual([now.idleTimeLimit, now.serverTitle, now.allowGuests, now.rateLimitGuestMessages], [10800, 'A server', false, 50]);
  await button(page, 'Default of Guests').click();
  await button(page, 'Save').click();
  await until('guests', async () => (await world.api('server/')).allowGuests);
  await world.api('server/', 'PUT', { rateLimitGuestMessages: 0 }); // who draws without a pause would be disconnected after two minutes
  await world.close(page);
});

test('locks', async () => {
  const page = await world.open('settings');
  await button(page, 'Change the locks').click();
  await answer(page, { 'Sessions and users': true, Password: 'key' }, 'Change');
  await until('a lock', async () => (await world.api('locks/')).sections.sessions);
  await page.goto(`${world.base}#/sessions`);
  await page.getByText('This section is locked: it can').waitFor();
  page.expected = /403/;
  await button(page, 'Message to all sessions').click();
  await answer(page, { Text: 'not sent' }, 'Send');
  await notice(page, 'This section is locked');
  await page.goto(`${world.base}#/settings`);
  await button(page, 'Change the locks').click();
  await answer(page, { 'Sessions and users': false, Password: 'wrong' }, 'Change');
  await notice(page, 'Incorrect password');
  await button(page, 'Change the locks').click();
  await answer(page, { 'Sessions and users': false, Password: 'key' }, 'Change');
  await until('no lock', async () => !(await world.api('locks/')).sections.sessions);
  await world.close(page);
});

test('external bans', async () => {
  const page = await world.open('extbans');
  page.expected = /400/;
  await button(page, 'Fetch now').click();
  await notice(page, 'external bans not active');
  await button(page, 'Forget all').click();
  await answer(page, {}, 'Forget');
  await notice(page, 'Forgotten.');
  const source = await Service.start(() => ({
    bans: [{ id: 7, expires: '9999-12-31 23:59:59', comment: 'raid', reason: 'go away', ips: [{ from: '198.51.100.0', to: '198.51.100.255' }] }],
  }));
  try {
    await world.api('server/', 'PUT', { extBansUrl: source.url });
    const row = page.getByRole('row', { name: /198\.51\.100\.0 – 198\.51\.100\.255/ });
    await until('the ban', async () => (await world.api('extbans/')).bans.length === 1);
    await row.getByText('counts').waitFor();
    await row.getByRole('button').click();
    await row.getByText('switched off').waitFor();
    assert.equal((await world.api('extbans/')).bans[0].enabled, false);
    const before = source.asked.length;
    await button(page, 'Fetch now').click();
    await until('another fetch', () => source.asked.length > before);
  } finally {
    await world.api('server/', 'PUT', { extBansUrl: '' });
    source.stop();
  }
  await world.close(page);
});

test('certificates', async () => {
  const other = await World.start(['--data', 'FOLDER/data']);
  try {
    const page = await other.open('health');
    await page.getByRole('row', { name: /Certificate.*days left/ }).waitFor();
    await page.goto(`${other.base}#/accounts`);
    page.expected = /404/;
    await page.getByText('Not available without a configuration database').waitFor();
    await other.close(page);
  } finally {
    await other.stop();
  }
});

test('long titles, and rows that change their place', async () => {
  const long = await world.member('W'.repeat(22)).host('W'.repeat(100), 'long');
  const ban = await world.api('banlist/', 'POST', { ip: '2001:db8:ffff:ffff:ffff:ffff:ffff:fff0', subnet: 124, expires: '2999-12-31 23:59:59', comment: 'x'.repeat(200) });
  for (const width of [1280, 390]) {
    const page = await world.open('sessions', { width });
    for (const view of ['sessions', `sessions/${long.session}`, 'users', 'bans', 'log']) {
      await page.goto(`${world.base}#/${view}`);
      await page.locator('#main tbody tr').first().waitFor({ state: 'attached' });
      await world.check(page, `long-${width}-${view.slice(0, 12).replace('/', '-')}`);
    }
    await world.close(page);
  }
  const page = await world.open('sessions');
  const rows = page.locator('#main tbody tr');
  await button(page, 'Title').click();
  await button(rows.filter({ hasText: 'WWW' }), 'Message').focus();
  await world.api(`sessions/${long.session}`, 'PUT', { title: 'AAA' });
  await rows.first().filter({ hasText: 'AAA' }).waitFor();
  assert.equal(await button(rows.first(), 'Message').evaluate((e) => e === document.activeElement), true, 'the focus stays');
  await world.api(`sessions/${long.session}`, 'DELETE');
  await rows.filter({ hasText: 'AAA' }).waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('role')), 'region', 'the table has the focus of a row that has gone');
  await page.getByPlaceholder('Search').fill('nothing like it');
  await page.getByText('Nothing matches the search.').waitFor();
  // In turns: a slow disk takes its time for each, and the server refuses what waits too long.
  for (let i = 0; i < 201; i++) {
    const made = await world.api('systembans/', 'POST', { sid: `many ${i}`, expires: '2999-12-31 23:59:59' });
    assert.equal(made.failed, undefined, made.text);
  }
  await page.goto(`${world.base}#/bans`);
  await page.getByRole('button', { name: 'Show more' }).filter({ visible: true }).first().click();
  const focused = await page.evaluate(() => { const row = document.activeElement.closest('tr'); return row && [...row.parentElement.children].indexOf(row); });
  assert.equal(focused, 200, 'the focus is where more begins');
  await world.close(page);
  await world.api(`banlist/${ban.id}`, 'DELETE');
});

test('graphical mode', async () => {
  const other = await World.desktop();
  try {
    const { page } = other;
    await page.getByRole('heading', { level: 1, name: 'Status' }).waitFor();
    await page.goto(`${other.base}#/accounts`);
    await page.getByText('There are no accounts.').waitFor();
    await other.check(page, 'light-graphical');
    await button(page, 'Stop the server').click();
    await answer(page, {}, 'Stop');
    page.expected = /ERR_/;
    await page.getByText('The server stops.').waitFor();
    await until('the end', () => other.server.exitCode === 0);
    await other.close(page);
  } finally {
    await other.stop();
  }
});

test('termination from the list', async () => {
  const hugo = await world.member('hugo').host('Short', 'short');
  const page = await world.open('sessions');
  await button(page.getByRole('row', { name: /Short/ }), 'Terminate').click();
  await button(dialog(page), 'Cancel').click();
  await button(page.getByRole('row', { name: /Short/ }), 'Terminate').click();
  await answer(page, {}, 'Terminate');
  await hugo.gone();
  hugo.close();
  await page.getByRole('row', { name: /Short/ }).waitFor({ state: 'detached' });
  await world.close(page);
});

test('termination', async () => {
  const page = await world.open(`sessions/${alice.session}`);
  await button(page, 'Terminate').click();
  await dialog(page).getByText('2 users will be disconnected').waitFor();
  await world.check(page, 'light-terminate');
  await answer(page, { 'Reason, shown to everybody first (optional)': 'bedtime' }, 'Terminate');
  await bob.text('bedtime');
  await alice.gone();
  await page.getByRole('heading', { level: 1, name: 'Sessions' }).waitFor();
  await until('no such session', async () => !(await world.api('sessions/')).some((s) => s.id === alice.session));
  await world.close(page);
});

test('a server that goes away', async () => {
  const page = await world.open('status');
  page.expected = /ERR_|Failed to load/;
  world.server.kill('SIGTERM');
  await page.getByText('No connection').waitFor();
  await page.goto(`${world.base}#/users`);
  await page.getByText('The server does not answer.').first().waitFor();
  await world.close(page);
});
