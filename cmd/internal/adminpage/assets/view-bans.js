// Bans by address, by client identifier and by account of an external
// authentication server, with a look at whom an address ban hits now.
import { h, fill, button, badge, run, field, ask, notify } from './dom.js';
import { api } from './api.js';
import { table } from './table.js';
import { banTime, banStamp, endOfTime, time, plural } from './format.js';
import { parseRange, contains, describe } from './range.js';
import { lockNote } from './actions.js';

const day = 86400;
const spans = [
  [String(3600), 'One hour'], [String(day), 'One day'], [String(7 * day), 'One week'], [String(30 * day), '30 days'],
  [String(365 * day), 'One year'], ['', 'For ever'],
];
const reactions = [
  ['normal', 'Tell them that they are banned'], ['neterror', 'Look like a network error'], ['garbage', 'Answer with garbage'],
  ['hang', 'Let them hang'], ['timer', 'Disconnect them after a while'],
];

// shownNames bounds how many names the preview lists.
const shownNames = 12;

export async function open(root, context, parameter) {
  const [ip, sid, who] = parameter.split('/');
  let users = [];
  const lock = lockNote();
  const until = () => field({ label: 'Until', type: 'select', options: spans, value: String(day) });
  const stamp = (f) => (f.value ? banStamp(Number(f.value)) : endOfTime);
  const note = who ? `Was called ${who}` : '';

  const addresses = kind({
    title: 'Addresses', path: 'banlist',
    columns: [
      { label: 'Address', sort: (b) => b.ip, cell: (b) => h('code', {}, b.subnet ? `${b.ip}/${b.subnet}` : b.ip) },
      { label: 'Hits now', class: 'number', cell: (b) => String(hits(b.ip, b.subnet)?.length ?? '–') },
    ],
    search: (b) => `${b.ip} ${b.comment}`, name: (b) => (b.subnet ? `${b.ip}/${b.subnet}` : b.ip),
    form: addressForm(),
  });
  const clients = kind({
    title: 'Client identifiers', path: 'systembans',
    columns: [{ label: 'Identifier', cell: (b) => h('code', {}, b.sid) }, { label: 'Reaction', class: 'wide', cell: (b) => b.reaction }, { label: 'Told', class: 'wide', cell: (b) => b.reason }],
    search: (b) => `${b.sid} ${b.comment} ${b.reason}`, name: (b) => b.sid,
    form: identityForm('Ban a client', { label: 'Client identifier', value: sid, placeholder: '32 hexadecimal digits', hint: 'As the list of users shows it.' }, (text) => ({ sid: text }), 'systembans'),
  });
  const externals = kind({
    title: 'External accounts', path: 'userbans',
    columns: [{ label: 'Account', class: 'number', cell: (b) => String(b.userId) }, { label: 'Reaction', class: 'wide', cell: (b) => b.reaction }, { label: 'Told', class: 'wide', cell: (b) => b.reason }],
    search: (b) => `${b.userId} ${b.comment} ${b.reason}`, name: (b) => `account ${b.userId}`,
    form: identityForm('Ban an account', { label: 'Number of the account', type: 'number', min: 1, hint: 'Of the external authentication server.' }, (text) => ({ userId: Number(text) }), 'userbans'),
  });
  const kinds = [addresses, clients, externals];
  fill(root, lock, h('p', { class: 'hint' }, 'A ban counts from the next login on.'), kinds.map((k) => k.element));

  // kind is one sort of ban: its form and its table.
  function kind({ title, path, columns, search, name, form }) {
    const list = table({
      caption: `Bans: ${title}`, key: (b) => b.id, empty: 'There are none.', search,
      columns: [
        ...columns,
        { label: 'Until', sort: (b) => b.expires, cell: (b) => [banTime(b.expires), expired(b) ? [' ', badge('over')] : null].flat() },
        { label: 'Note', class: 'wide', cell: (b) => b.comment },
        { label: 'Since', class: 'wide', sort: (b) => b.added, cell: (b) => (b.added ? time(`${b.added.replace(' ', 'T')}Z`) : '–') },
        {
          label: 'Actions', fixed: true, hidden: true, class: 'buttons',
          cell: (row) => button('Lift', async () => {
            const sure = await ask({ title: 'Lift the ban?', text: `${name(row.item)} may connect again.`, action: 'Lift', danger: true });
            if (!sure) return;
            await api('DELETE', [path, String(row.item.id)]);
            notify('The ban was lifted.');
            await refresh();
          }, { class: 'small danger' }),
        },
      ],
    });
    return {
      element: h('section', { class: 'card' }, h('h2', {}, title), form, list.element),
      async load() {
        const answer = await api('GET', [path], { query: { v: 2 }, signal: context.signal });
        lock.hidden = !answer._locked;
        list.update(Array.isArray(answer) ? answer : answer.bans);
      },
    };
  }

  function hits(address, prefix) {
    const range = parseRange(address, Number(prefix) || 0);
    return range ? users.filter((u) => contains(range, u.ip)) : null;
  }

  function addressForm() {
    const address = field({ label: 'Address', value: ip, required: true, placeholder: '203.0.113.5 or 2001:db8::1', oninput: preview });
    const prefix = field({ label: 'Prefix length', type: 'number', min: 0, max: 128, placeholder: 'single', oninput: preview, hint: 'Empty = this address only' });
    const expiry = until();
    const comment = field({ label: 'Note for administrators', value: note });
    const result = h('div', { class: 'preview', role: 'status' });
    const disconnect = field({ label: 'Disconnect them now as well', type: 'checkbox' });
    const submit = h('button', { type: 'submit', class: 'primary' }, 'Ban the address');
    disconnect.box.hidden = true;

    // An address with "/24" behind it is split into the two fields.
    function read() {
      const [text, length] = address.value.trim().split('/');
      const prefixText = length ?? prefix.value;
      return { text, length: prefixText === '' ? 0 : Number(prefixText) };
    }

    function preview() {
      const { text, length } = read();
      const range = text ? parseRange(text, length) : null;
      disconnect.box.hidden = true;
      if (!text) return fill(result);
      if (!range) return fill(result, h('p', { class: 'error' }, 'That is no address, or the prefix does not fit it.'));
      const hit = hits(text, length);
      const { text: extent, wide } = describe(range);
      disconnect.box.hidden = hit.length === 0;
      const names = hit.slice(0, shownNames).map((u) => u.name || u.ip).join(', ');
      return fill(result,
        h('p', {}, `${extent[0].toUpperCase()}${extent.slice(1)}, hits `, h('b', {}, `${hit.length} connected now`),
          hit.length ? `: ${names}${hit.length > shownNames ? ', …' : ''}` : ''),
        wide ? h('p', { class: 'error' }, 'This is a very large range: many people who have done nothing will be locked out.') : null);
    }

    async function store() {
      const { text, length } = read();
      const range = parseRange(text, length);
      if (!range) {
        address.control.focus();
        throw new Error('That is no address, or the prefix does not fit it.');
      }
      // The ban is made for whom is there now, not for whom was.
      users = await api('GET', ['users']);
      preview();
      const hit = hits(text, length);
      if (hit.length || describe(range).wide) {
        const sure = await ask({
          title: `Ban ${text}${length ? `/${length}` : ''}?`,
          text: [`${describe(range).text}, ${plural(hit.length, 'user')} connected now.`,
            disconnect.value ? 'They will be disconnected.' : 'Whoever is connected stays until they leave.'],
          action: 'Ban', danger: true,
        });
        if (!sure) return;
      }
      await api('POST', ['banlist'], { body: { ip: text, subnet: length, expires: stamp(expiry), comment: comment.value.trim() } });
      let gone = 0;
      if (disconnect.value) {
        for (const u of hit) {
          try {
            await api('DELETE', ['users', u.uid]);
            gone += 1;
          } catch (err) {
            if (err.status !== 404) throw err; // has left by itself
          }
        }
      }
      notify(gone ? `Banned; ${plural(gone, 'user')} disconnected.` : 'Banned.');
      address.control.value = '';
      prefix.control.value = '';
      comment.control.value = '';
      disconnect.control.checked = false;
      preview();
      await refresh();
    }
    queueMicrotask(() => { addressPreview = preview; });
    return h('form', {
      class: 'fields', 'aria-label': 'Ban an address',
      onsubmit: (event) => {
        event.preventDefault();
        run(submit, store);
      },
    }, address.box, prefix.box, expiry.box, comment.box, h('div', { class: 'wide' }, result, disconnect.box), h('div', { class: 'actions wide' }, submit));
  }
  let addressPreview = () => {};

  function identityForm(title, what, body, path) {
    const identity = field({ required: true, ...what });
    const expiry = until();
    const reaction = field({ label: 'Reaction', type: 'select', options: reactions });
    const reason = field({ label: 'Reason, shown to them' });
    const comment = field({ label: 'Note for administrators', value: what.value ? note : '' });
    const submit = h('button', { type: 'submit' }, title);
    return h('details', { open: !!what.value }, h('summary', {}, title), h('form', {
      class: 'fields', 'aria-label': title,
      onsubmit: (event) => {
        event.preventDefault();
        run(submit, async () => {
          await api('POST', [path], {
            body: { ...body(identity.value.trim()), expires: stamp(expiry), reaction: reaction.value, reason: reason.value.trim(), comment: comment.value.trim() },
          });
          notify('Banned.');
          for (const f of [identity, reason, comment]) f.control.value = '';
          await refresh();
        });
      },
    }, identity.box, expiry.box, reaction.box, reason.box, comment.box, h('div', { class: 'actions wide' }, submit)));
  }

  async function refresh() {
    users = await api('GET', ['users'], { signal: context.signal });
    await Promise.all(kinds.map((k) => k.load()));
    addressPreview();
  }
  await context.every(15000, refresh);
}

function expired(b) {
  return b.expires < banStamp(0);
}
