// A picture of the canvas, made by the client of a member who can.
import { h, fill, button, notify, ask } from './dom.js';
import { api } from './api.js';
import { time } from './format.js';

// Bounds of the picture: what fits a page, in pixels, and its quality.
const maxWidth = 800;
const maxHeight = 600;
const quality = 80;

// Pictures are shown only if they are of one of these kinds.
const kinds = [['/9j/', 'image/jpeg'], ['iVBOR', 'image/png'], ['UklGR', 'image/webp']];

export function thumbnailPart(path, refresh) {
  let session = null;
  let shown = null;
  const picture = h('div', { class: 'thumbnail' });
  const state = h('p', { class: 'hint', role: 'status' });
  const make = button('Ask for a picture', async () => {
    const able = session.users.filter((u) => u.online !== false && u.capabilities?.thumbnail);
    if (!able.length) throw new Error('No member’s program can make pictures; Drawpile 2.3 or newer is needed.');
    const values = await ask({
      title: 'Ask for a picture of the canvas',
      text: 'The program of one member makes it. The member is told who asks and why.',
      fields: [
        { name: 'user', label: 'Member', type: 'select', options: able.map((u) => [String(u.id), u.name]) },
        { name: 'reason', label: 'Reason, shown to the member (optional)' },
      ],
      action: 'Ask',
    });
    if (!values) return;
    await api('POST', [...path, values.user, 'thumbnail'], { body: { reason: values.reason, maxWidth, maxHeight, quality, format: 'jpeg' } });
    notify('Asked. The picture appears here when it has arrived.');
    await refresh();
  });
  const purge = button('Delete', async () => {
    await api('DELETE', [...path, 'thumbnail']);
    await refresh();
  });
  const element = h('section', { class: 'card' }, h('h2', {}, 'Thumbnail'), state, picture, h('div', { class: 'actions start' }, make, purge));
  return {
    element,
    update(now) {
      session = now;
      const t = session.thumbnail;
      element.hidden = t === undefined;
      if (!t) return;
      const busy = t.generatorCtxId !== undefined;
      const who = session.users.find((u) => u.id === t.generatorCtxId)?.name ?? 'A member';
      fill(state, busy ? `${who}’s program is making one…` : t.generatedAt ? `Made ${time(t.generatedAt)}.` : 'There is none yet.');
      purge.hidden = !busy && !t.generatedAt;
      if ((t.generatedAt ?? null) !== shown) {
        shown = t.generatedAt ?? null;
        show().catch((err) => notify(err.message, 'bad'));
      }
    },
  };

  async function show() {
    if (!shown) {
      fill(picture);
      return;
    }
    const { data } = await api('GET', [...path, 'thumbnail']);
    const kind = kinds.find(([start]) => data.startsWith(start));
    fill(picture, kind ? h('img', { src: `data:${kind[1]};base64,${data}`, alt: 'The canvas of the session' }) : h('p', {}, 'The picture is in an unknown form.'));
  }
}
