// A table that keeps itself up to date without moving the focus: rows are kept
// by key, and cells are replaced only when what they show has changed.
import { h, fill, setText, newId } from './dom.js';

// How many rows are shown at once; the search narrows, a button shows more.
const pageSize = 200;

// table makes one: {
//   caption, columns: [{ label, cell(item), sort(item), class, fixed, hidden }],
//   key(item), empty, search(item) → text or nothing, sortBy: index
// }. A fixed column (of buttons) is made once per row and gets the row, whose
// item is always the current one; refresh(cell, item) keeps it up to date.
export function table({ caption, columns, key, empty, search, sortBy = -1, descending = false }) {
  let items = [];
  let shown = pageSize;
  let order = { column: sortBy, descending };
  const rows = new Map();
  const body = h('tbody');
  const nothing = h('p', { class: 'nothing', hidden: true }, empty);
  const more = h('button', {
    type: 'button', hidden: true,
    onclick: () => {
      const first = shown;
      shown += pageSize;
      render();
      // Reading goes on where it ended; the button may be gone.
      (body.children[first]?.querySelector('a, button') ?? scroller).focus();
    },
  });
  const found = h('p', { class: 'hint', role: 'status' });
  const heads = columns.map((c, i) => {
    if (!c.sort) return h('th', { scope: 'col', class: c.class }, c.hidden ? h('span', { class: 'hidden' }, c.label) : c.label);
    return h('th', { scope: 'col', class: c.class }, h('button', {
      type: 'button', class: 'sort',
      onclick: () => {
        order = { column: i, descending: order.column === i && !order.descending };
        render();
      },
    }, c.label));
  });
  const captionId = newId();
  const scroller = h('div', { class: 'scroll', role: 'region', 'aria-labelledby': captionId, tabindex: '0', hidden: true },
    h('table', {}, h('caption', { id: captionId, class: 'hidden' }, caption), h('thead', {}, h('tr', {}, heads)), body));
  let box = null;
  if (search) {
    const id = newId();
    box = h('div', { class: 'search' }, h('label', { for: id, class: 'hidden' }, `Search: ${caption}`),
      h('input', { id, type: 'search', placeholder: 'Search', oninput: () => { shown = pageSize; render(); } }), found);
  }
  const element = h('div', { class: 'table' }, box, scroller, nothing, more);

  function render() {
    const words = (box?.querySelector('input').value ?? '').toLowerCase().split(/\s+/).filter(Boolean);
    let list = items;
    if (words.length) {
      list = items.filter((item) => {
        const text = search(item).toLowerCase();
        return words.every((w) => text.includes(w));
      });
    }
    const by = columns[order.column]?.sort;
    if (by) {
      const sign = order.descending ? -1 : 1;
      list = [...list].sort((a, b) => sign * compare(by(a), by(b)));
    }
    heads.forEach((th, i) => {
      if (i === order.column) th.setAttribute('aria-sort', order.descending ? 'descending' : 'ascending');
      else th.removeAttribute('aria-sort');
    });
    if (box) setText(found, words.length ? `${list.length} of ${items.length}` : '');
    const left = list.length - shown;
    list = list.slice(0, shown);
    more.hidden = left <= 0;
    setText(more, `Show more (${left})`);
    setText(nothing, items.length ? 'Nothing matches the search.' : empty);
    nothing.hidden = list.length > 0;
    scroller.hidden = list.length === 0;

    const wanted = new Set();
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    let at = body.firstChild;
    for (const item of list) {
      const k = key(item);
      wanted.add(k);
      let row = rows.get(k);
      if (!row) {
        row = makeRow(item);
        rows.set(k, row);
      }
      row.update(item);
      if (row.element === at) at = at.nextSibling;
      else body.insertBefore(row.element, at);
    }
    for (const [k, row] of rows) {
      if (wanted.has(k)) continue;
      row.element.remove();
      rows.delete(k);
    }
    // A row that has changed its place has lost the focus on the way; one that
    // has gone leaves it to the table.
    if (focused && document.activeElement !== focused) {
      const next = focused.isConnected ? focused : scroller.hidden ? document.getElementById('main') : scroller;
      next.focus({ preventScroll: true });
    }
  }

  function makeRow(item) {
    const row = { item, element: h('tr') };
    const cells = columns.map((c) => h('td', { class: c.class }));
    const seen = columns.map(() => null);
    row.element.append(...cells);
    row.update = (next) => {
      row.item = next;
      columns.forEach((c, i) => {
        if (c.fixed) {
          if (!cells[i].hasChildNodes()) fill(cells[i], c.cell(row));
          c.refresh?.(cells[i], next);
          return;
        }
        const content = [c.cell(next)].flat().filter((x) => x !== null && x !== undefined && x !== false);
        const print = content.map((x) => (x instanceof Node ? x.outerHTML : x)).join('\n');
        if (print === seen[i]) return;
        seen[i] = print;
        fill(cells[i], content);
      });
    };
    return row;
  }

  return { element, update(list) { items = list; render(); } };
}

function compare(a, b) {
  if (typeof a === 'string' && typeof b === 'string') return a.localeCompare(b, undefined, { numeric: true, sensitivity: 'base' });
  return a < b ? -1 : a > b ? 1 : 0;
}
