// Locks make sections of the API read-only until they are unlocked.
import { h, fill, button, ask, notify, badge } from './dom.js';
import { api } from './api.js';

const sections = [
  ['accounts', 'Accounts'], ['bans', 'Bans'], ['extbans', 'External bans'],
  ['listserverwhitelist', 'Listing servers'], ['server', 'Settings'], ['sessions', 'Sessions and users'],
];

export async function locksPart(context) {
  const state = h('p', { class: 'badges' });
  const change = button('Change the locks', edit);
  const element = h('section', { class: 'card' }, h('h2', {}, 'Locks'),
    h('p', { class: 'hint' }, 'A locked section can be read but not changed, here and by every other program.'), state, change);
  let locks = null;

  function show() {
    element.hidden = !locks.supported;
    const locked = sections.filter(([key]) => locks.sections[key]);
    fill(state, locked.length ? locked.map(([, label]) => badge(label, 'warn')) : 'Nothing is locked.', locked.length && locks.password ? 'with a password' : null);
  }

  async function edit() {
    const values = await ask({
      title: 'Change the locks',
      fields: [
        ...sections.map(([key, label]) => ({ name: key, label, type: 'checkbox', value: locks.sections[key] })),
        {
          name: 'password', type: 'password', label: 'Password', required: locks.password,
          hint: locks.password ? 'The one the locks were made with.' : 'Will be needed to unlock; empty = anybody can unlock.',
        },
      ],
      action: 'Change',
    });
    if (!values) return;
    locks = await api('PUT', ['locks'], { body: { password: values.password, sections: sections.map(([key]) => key).filter((key) => values[key]) } });
    notify('The locks were changed.');
    show();
  }
  locks = await api('GET', ['locks'], { signal: context.signal });
  show();
  return element;
}
