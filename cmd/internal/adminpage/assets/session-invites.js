// Invite codes and public listings of a session.
import { h, fill, button, badge, ask, notify } from './dom.js';
import { api } from './api.js';
import { table } from './table.js';
import { time, plural } from './format.js';
import { copyButton } from './actions.js';

// inviteUses is how often one code may be used at most.
const inviteUses = 50;

export function invitesPart(path, refresh) {
  const list = table({
    caption: 'Invites of the session',
    key: (i) => i.secret,
    empty: 'No invite codes.',
    columns: [
      { label: 'Code', cell: (i) => h('code', {}, i.secret) },
      { label: 'Used', class: 'number', cell: (i) => `${i.uses.length} / ${i.maxUses}` },
      { label: 'Gives', cell: (i) => h('span', { class: 'badges' }, i.op ? badge('operator', 'good') : null, i.trust ? badge('trusted') : null, !i.op && !i.trust ? 'entry' : null) },
      { label: 'Made', class: 'wide', cell: (i) => [time(i.at), i.creator ? ` by ${i.creator}` : '', uses(i)] },
      {
        label: 'Actions', fixed: true, hidden: true, class: 'buttons',
        cell: (row) => [copyButton(row.item.secret), button('Revoke', async () => {
          const sure = await ask({
            title: `Revoke the invite ${row.item.secret}?`,
            text: `${plural(row.item.uses.length, 'user has', 'users have')} used it; they stay. Nobody can use it any more.`,
            action: 'Revoke', danger: true,
          });
          if (!sure) return;
          await api('DELETE', [...path, 'invites', row.item.secret]);
          notify('The invite was revoked.');
          await refresh();
        }, { class: 'small danger' })],
      },
    ],
  });
  const make = button('New invite', async () => {
    const values = await ask({
      title: 'New invite',
      text: 'Whoever has the code gets in, past password and “accounts only”, but not past a ban.',
      fields: [
        { name: 'maxUses', label: 'May be used', type: 'number', min: 1, max: inviteUses, value: 1, required: true },
        { name: 'trust', label: 'Makes trusted', type: 'checkbox' },
        { name: 'op', label: 'Makes operator', type: 'checkbox' },
      ],
      action: 'Make',
    });
    if (!values) return;
    const invite = await api('POST', [...path, 'invites'], { body: { ...values, maxUses: Number(values.maxUses) } });
    notify(`The invite is ${invite.secret}.`);
    await refresh();
  });
  const element = h('section', { class: 'card' }, h('h2', {}, 'Invites'), list.element, h('div', { class: 'actions start' }, make));
  return {
    element,
    update(session) {
      element.hidden = session.invitelist === undefined;
      list.update(session.invitelist ?? []);
    },
  };
}

function uses(i) {
  if (!i.uses.length) return null;
  return h('ul', { class: 'small' }, i.uses.map((u) => h('li', {}, `${u.name}, ${time(u.at)}`)));
}

export function listingsPart(path, refresh) {
  const lines = h('ul', { class: 'plain' });
  const add = button('List it', async () => {
    const values = await ask({
      title: 'List the session publicly',
      fields: [{ name: 'url', label: 'Address of the listing server', value: 'https://drawpile.net/api/listing/', required: true }],
      check: (v) => (URL.canParse(v.url) ? '' : 'Write an address such as https://drawpile.net/api/listing/.'),
      action: 'List',
    });
    if (!values) return;
    await api('POST', [...path, 'listing'], { body: { url: values.url } });
    notify('Asked the listing server; the log and the chat tell how it went.');
    await refresh();
  });
  const element = h('section', { class: 'card' }, h('h2', {}, 'Public listings'), lines, h('div', { class: 'actions start' }, add));
  let print = null;
  return {
    element,
    update(session) {
      const listings = session.listings ?? [];
      const now = JSON.stringify(listings);
      if (now === print) return;
      print = now;
      fill(lines, listings.length ? listings.map((l) => h('li', {}, h('span', {}, l.url), ' ', button('Remove', async () => {
        const sure = await ask({ title: 'Remove the listing?', text: l.url, action: 'Remove', danger: true });
        if (!sure) return;
        await api('DELETE', [...path, 'listing', String(l.id)]);
        await refresh();
      }, { class: 'small danger' }))) : h('li', { class: 'nothing' }, 'Not listed anywhere.'));
    },
  };
}
