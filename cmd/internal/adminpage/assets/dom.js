// Elements, dialogs and notices. Everything shown is made of nodes, never of
// markup in strings, so that no name or title can become part of the page.

// h makes an element. Properties: "class", "data-…", "aria-…" and other
// attributes by name, "on…" listeners as functions, booleans as bare
// attributes, "value" and "checked" as properties. Children: nodes, text, or
// arrays of them; null and false are left out.
export function h(tag, props, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === 'function') e.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked') continue;
    else e.setAttribute(name, value === true ? '' : value);
  }
  add(e, children);
  // After the children: the value of a select names one of them.
  if (props?.value !== undefined) e.value = props.value;
  if (props?.checked !== undefined) e.checked = props.checked;
  return e;
}

function add(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(parent, child);
    else parent.append(child);
  }
}

// fill replaces the children of an element.
export function fill(e, ...children) {
  e.replaceChildren();
  add(e, children);
  return e;
}

// setText changes a text only if it differs, so that screen readers are not
// told twice.
export function setText(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

let ids = 0;

// newId returns an id for aria references and labels.
export function newId() {
  ids += 1;
  return `e${ids}`;
}

// button makes a button; while its action runs it cannot be pressed again, and
// a failure is shown as a notice.
export function button(label, action, props = {}) {
  const b = h('button', { type: 'button', ...props, onclick: () => run(b, action) }, label);
  return b;
}

// run runs an action that belongs to a button.
export async function run(b, action) {
  if (b.getAttribute('aria-busy') === 'true') return;
  b.setAttribute('aria-busy', 'true');
  try {
    await action();
  } catch (err) {
    if (err.name !== 'AbortError') notify(err.message, 'bad');
  } finally {
    b.removeAttribute('aria-busy');
  }
}

// How long a notice stays, in ms: failures until they are closed.
const noticeTime = 6000;

// notify shows a notice. kind: good or bad.
export function notify(text, kind = 'good') {
  const box = document.getElementById('toasts');
  const e = h('div', { class: `toast ${kind}`, role: kind === 'bad' ? 'alert' : 'status' });
  box.append(e);
  // A live region must be there before its text is.
  requestAnimationFrame(() => fill(e, h('span', {}, text),
    h('button', { type: 'button', class: 'plain', 'aria-label': 'Close the notice', onclick: () => e.remove() }, '×')));
  if (kind !== 'bad') setTimeout(() => e.remove(), noticeTime);
  while (box.children.length > 4) box.firstChild.remove();
}

// field makes a labelled control: { name, label, type, value, hint, options,
// required, … }. Types: text, password, number, textarea, checkbox, select.
export function field(f) {
  const id = newId();
  const hintId = f.hint ? `${id}h` : null;
  const common = {
    id, name: f.name, required: f.required, 'aria-describedby': hintId, disabled: f.disabled,
    maxlength: f.maxlength, placeholder: f.placeholder, autocomplete: 'off', onchange: f.onchange, oninput: f.oninput,
  };
  let control;
  if (f.type === 'textarea') control = h('textarea', { ...common, rows: f.rows ?? 3, value: f.value ?? '' });
  else if (f.type === 'select') {
    control = h('select', { ...common, value: f.value ?? f.options[0][0] },
      f.options.map(([value, label]) => h('option', { value }, label)));
  } else if (f.type === 'checkbox') control = h('input', { ...common, type: 'checkbox', checked: !!f.value });
  else {
    control = h('input', {
      ...common, type: f.type ?? 'text', min: f.min, max: f.max, step: f.step, value: f.value ?? '',
      autocomplete: f.type === 'password' ? 'new-password' : 'off',
    });
  }
  const hint = f.hint ? h('span', { class: 'hint', id: hintId }, f.hint) : null;
  const box = f.type === 'checkbox'
    ? h('div', { class: 'field check' }, h('label', { for: id }, control, ' ', f.label), hint)
    : h('div', { class: `field${f.wide ? ' wide' : ''}` }, h('label', { for: id }, f.label), control, hint);
  return { box, control, get value() { return f.type === 'checkbox' ? control.checked : control.value; } };
}

// ask opens a dialog and resolves to its values by name, or to null if it was
// left. { title, text, fields, action, danger, check(values) → message }.
export function ask({ title, text, fields = [], action = 'OK', danger = false, check, details }) {
  return new Promise((resolve) => {
    const titleId = newId();
    const controls = fields.map((f) => ({ name: f.name, ...pick(field(f)) }));
    const error = h('p', { class: 'error', role: 'alert' });
    const values = () => Object.fromEntries(controls.map((c) => [c.name, c.read()]));
    let result = null;
    const form = h('form', {
      method: 'dialog',
      onsubmit: (event) => {
        event.preventDefault();
        const v = values();
        const problem = check?.(v);
        if (problem) {
          setText(error, problem);
          return;
        }
        result = v;
        dialog.close();
      },
    },
    h('h2', { id: titleId }, title),
    (Array.isArray(text) ? text : [text]).filter(Boolean).map((t) => h('p', {}, t)),
    details, controls.map((c) => c.box), error,
    h('div', { class: 'actions' },
      h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'),
      h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, action)));
    const dialog = h('dialog', { 'aria-labelledby': titleId }, form);
    const opener = document.activeElement;
    dialog.addEventListener('close', () => {
      dialog.remove();
      if (opener?.isConnected) opener.focus();
      resolve(result);
    });
    document.body.append(dialog);
    dialog.showModal();
    // What destroys is not what Enter does first.
    const first = controls[0]?.control ?? form.querySelector(danger ? '.actions button' : '.actions .primary');
    first.focus();
  });
}

function pick(f) {
  return { box: f.box, control: f.control, read: () => f.value };
}

// empty is what a view shows instead of its content.
export function empty(title, text) {
  return h('div', { class: 'empty' }, h('p', { class: 'strong' }, title), text ? h('p', {}, text) : null);
}

// badge is a short mark; tone: good, warn, bad or nothing.
export function badge(text, tone = '') {
  return h('span', { class: `badge ${tone}` }, text);
}
