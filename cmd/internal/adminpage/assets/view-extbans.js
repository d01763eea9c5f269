// The shared ban list of another server.
import { h, fill, button, badge, notify, ask } from './dom.js';
import { api } from './api.js';
import { table } from './table.js';
import { tile, tiles } from './chart.js';
import { span, banTime } from './format.js';
import { lockNote } from './actions.js';

export async function open(root, context) {
  const lock = lockNote();
  const source = tile('Source');
  const state = tile('State');
  const next = tile('Next look');
  const total = tile('Bans');
  const bans = table({
    caption: 'External bans', key: (b) => b.id, empty: 'No external bans are loaded.', search: (b) => `${b.id} ${targets(b).join(' ')} ${b.comment} ${b.reason}`, sortBy: 0,
    columns: [
      { label: 'Number', class: 'number', sort: (b) => b.id, cell: (b) => String(b.id) },
      { label: 'Whom', cell: (b) => h('span', { class: 'codes' }, targets(b).map((t) => h('code', {}, t))) },
      { label: 'Until', class: 'wide', sort: (b) => b.expires, cell: (b) => banTime(b.expires) },
      { label: 'Note', class: 'wide', cell: (b) => [b.comment, b.reason && b.reason !== b.comment ? h('span', { class: 'hint' }, ` told: ${b.reason}`) : null] },
      { label: 'State', sort: (b) => b.enabled, cell: (b) => (b.enabled ? badge('counts', 'good') : badge('switched off', 'warn')) },
      {
        label: 'Actions', fixed: true, hidden: true, class: 'buttons',
        cell: (row) => button('Switch', async () => {
          await api('PUT', ['extbans', String(row.item.id)], { body: { enabled: !row.item.enabled } });
          notify(`Ban ${row.item.id} ${row.item.enabled ? 'no longer counts here' : 'counts again'}.`);
          await refresh();
        }, { class: 'small', 'aria-label': 'Switch the ban on or off' }),
      },
    ],
  });
  fill(root, lock, tiles(source, state, next, total),
    h('div', { class: 'bar' },
      h('p', { class: 'hint' }, 'The address is the setting extBansUrl.'),
      button('Fetch now', async () => {
        const answer = await api('POST', ['extbans', 'refresh'], { body: {} });
        notify(answer.msg ?? 'Asked.');
        await refresh();
      }),
      button('Forget all', async () => {
        const sure = await ask({ title: 'Forget all external bans?', text: 'They are gone until the list is fetched again.', action: 'Forget', danger: true });
        if (!sure) return;
        await api('DELETE', ['extbans']);
        notify('Forgotten.');
        await refresh();
      }, { class: 'danger' })),
    bans.element);

  async function refresh() {
    const answer = await api('GET', ['extbans'], { signal: context.signal });
    const s = answer.status;
    lock.hidden = !answer._locked;
    source.set(s.url || 'none', s.url ? `every ${span(s.intervalMsecs / 1000)}` : '');
    state.set(s.active ? 'on' : s.started ? 'waiting' : 'off', answer.config.extBansCacheKey ? 'list kept from before' : '', s.active ? 'good' : '');
    next.set(s.msecsUntilNextCheck >= 0 ? `in ${span(s.msecsUntilNextCheck / 1000)}` : '–');
    total.set(String(answer.bans.length), `${answer.bans.filter((b) => !b.enabled).length} switched off`);
    bans.update(answer.bans);
  }
  await context.every(10000, refresh);
}

function targets(b) {
  return [
    ...(b.ips ?? []).map((r) => (r.from === r.to ? r.from : `${r.from} – ${r.to}`)),
    ...(b.ipsexcluded ?? []).map((r) => `not ${r.from === r.to ? r.from : `${r.from} – ${r.to}`}`),
    ...(b.system ?? []).flatMap((s) => s.sids),
    ...(b.users ?? []).flatMap((u) => u.ids.map((id) => `account ${id}`)),
  ];
}
