// Line charts over the last minutes. The picture is for the eye; the same
// figures stand as text in the legend, which is what a screen reader gets.
import { h, fill, setText } from './dom.js';

const ns = 'http://www.w3.org/2000/svg';
const width = 600;
const height = 120;

function svg(tag, attributes) {
  const e = document.createElementNS(ns, tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  return e;
}

// chart makes one: { title, series: [{ name, tone }], format, hint }. tone is
// a, b, c or d; base is 1024 for bytes. update(samples) takes [{ t: ms, values: [number or null, …] }],
// oldest first.
export function chart({ title, series, format, hint, base = 1000 }) {
  const picture = svg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  const grid = [0.25, 0.5, 0.75].map((y) => svg('line', { x1: 0, x2: width, y1: y * height, y2: y * height, class: 'grid' }));
  const lines = series.map((s) => svg('path', { class: `line ${s.tone}`, 'vector-effect': 'non-scaling-stroke' }));
  const areas = series.length === 1 ? [svg('path', { class: `area ${series[0].tone}` })] : [];
  const cursor = svg('line', { y1: 0, y2: height, class: 'cursor', 'vector-effect': 'non-scaling-stroke' });
  cursor.style.display = 'none';
  picture.append(...grid, ...areas, ...lines, cursor);

  const figures = series.map(() => h('dd'));
  const legend = h('dl', { class: 'legend' },
    series.map((s, i) => h('div', {}, h('dt', {}, h('span', { class: `key ${s.tone}`, 'aria-hidden': 'true' }), s.name), figures[i])));
  const top = h('span', { class: 'axis high' });
  const from = h('span', { class: 'axis from' });
  const at = h('span', { class: 'axis at' });
  const plot = h('div', { class: 'plot', 'aria-hidden': 'true' }, top, from, at);
  plot.prepend(picture);
  const element = h('section', { class: 'card chart' }, h('h2', {}, title), hint ? h('p', { class: 'hint' }, hint) : null, legend, plot);

  let samples = [];
  let pointed = null;
  plot.addEventListener('pointermove', (event) => {
    const box = plot.getBoundingClientRect();
    pointed = (event.clientX - box.left) / box.width;
    showFigures();
  });
  plot.addEventListener('pointerleave', () => {
    pointed = null;
    showFigures();
  });

  function showFigures() {
    let shown = samples.at(-1);
    cursor.style.display = pointed === null || samples.length < 2 ? 'none' : '';
    setText(at, '');
    if (pointed !== null && samples.length >= 2) {
      const [first, last] = [samples[0].t, samples.at(-1).t];
      const t = first + pointed * (last - first);
      shown = samples.reduce((best, s) => (Math.abs(s.t - t) < Math.abs(best.t - t) ? s : best));
      const x = ((shown.t - first) / (last - first)) * width;
      cursor.setAttribute('x1', x);
      cursor.setAttribute('x2', x);
      setText(at, new Date(shown.t).toLocaleTimeString());
    }
    series.forEach((s, i) => {
      const v = shown?.values[i];
      setText(figures[i], v === null || v === undefined ? '–' : format(v));
    });
  }

  function update(list) {
    samples = list;
    const all = list.flatMap((s) => s.values).filter((v) => v !== null && v !== undefined);
    const highest = nice(Math.max(0, ...all), base);
    setText(top, all.length ? format(highest) : '');
    const [first, last] = [list[0]?.t ?? 0, list.at(-1)?.t ?? 0];
    setText(from, list.length > 1 ? ago(last - first) : 'collecting…');
    const x = (t) => (last === first ? width : ((t - first) / (last - first)) * width);
    const y = (v) => height - (v / (highest || 1)) * (height - 4) - 1;
    series.forEach((s, i) => {
      let path = '';
      let pen = 'M';
      let begin = null;
      let end = null;
      for (const sample of list) {
        const v = sample.values[i];
        if (v === null || v === undefined) {
          pen = 'M';
          continue;
        }
        path += `${pen}${x(sample.t).toFixed(1)} ${y(v).toFixed(1)}`;
        begin ??= x(sample.t);
        end = x(sample.t);
        pen = 'L';
      }
      lines[i].setAttribute('d', path);
      if (areas[i]) areas[i].setAttribute('d', begin === null ? '' : `${path}L${end.toFixed(1)} ${height}L${begin.toFixed(1)} ${height}Z`);
    });
    showFigures();
  }

  return { element, update };
}

// nice rounds up to 1, 2 or 5 times a power of ten, of the unit that base makes.
function nice(v, base) {
  if (v <= 0) return 1;
  const unit = v < base ? 1 : base ** Math.floor(Math.log(v) / Math.log(base));
  const power = 10 ** Math.floor(Math.log10(v / unit));
  return [1, 2, 5, 10].find((f) => f * power * unit >= v) * power * unit;
}

function ago(ms) {
  const s = Math.round(ms / 1000);
  return s < 90 ? `${s} s ago` : `${Math.round(s / 60)} min ago`;
}

// tile is one figure with its name.
export function tile(name) {
  const value = h('dd');
  const note = h('dd', { class: 'hint' });
  return {
    element: h('div', { class: 'tile' }, h('dt', {}, name), value, note),
    set(text, more = '', tone = '') {
      setText(value, text);
      setText(note, more);
      value.className = tone;
    },
  };
}

// tiles makes a list of them.
export function tiles(...list) {
  return fill(h('dl', { class: 'tiles' }), list.map((t) => t.element));
}
