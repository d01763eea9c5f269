// Health: what the server itself says about it, certificates, disk, log.
import { h, fill, badge } from './dom.js';
import { text } from './api.js';
import { parse } from './metrics.js';
import { size, seconds, count, span } from './format.js';

// refreshTime is how often everything is asked for, in ms.
const refreshTime = 10000;

export async function open(root, context) {
  const checks = h('tbody');
  const figures = h('tbody');
  const head = (...labels) => h('thead', {}, h('tr', {}, labels.map((l) => h('th', { scope: 'col', class: l === 'Value' ? 'number' : null }, l))));
  const none = h('p', { class: 'note', hidden: true }, 'This server tells nothing about its health.');
  const all = h('section', { class: 'card' }, h('h2', {}, 'Figures'),
    h('div', { class: 'scroll', role: 'region', 'aria-label': 'Figures', tabindex: '0' },
      h('table', {}, h('caption', { class: 'hidden' }, 'Figures of the server'), head('What', 'Value'), figures)));
  const list = h('section', { class: 'card' }, h('h2', {}, 'Checks'),
    h('div', { class: 'scroll', role: 'region', 'aria-label': 'Checks', tabindex: '0' },
      h('table', {}, h('caption', { class: 'hidden' }, 'Checks'), head('Check', 'State', 'What it says'), checks)));
  fill(root, none, list, all);

  async function refresh() {
    const [healthy, ready, metrics] = await Promise.all(['healthz', 'readyz', 'metrics'].map((a) => text(a, context.signal)));
    none.hidden = !!(healthy || ready || metrics);
    list.hidden = !none.hidden;
    const rows = [];
    if (healthy) rows.push(...read('Works', healthy));
    if (ready) rows.push(...read('Takes new users', ready));
    const map = metrics?.status === 200 ? parse(metrics.text) : new Map();
    for (const { labels, value } of map.get('drawpile_certificate_days_left') ?? []) {
      rows.push([`Certificate${labels.file ? ` ${labels.file}` : ''}`, value < 3 ? 'bad' : value < 14 ? 'warn' : 'good', `${Math.floor(value)} days left`]);
    }
    fill(checks, rows.map(([what, tone, says]) => h('tr', {}, h('td', {}, what),
      h('td', {}, badge({ good: 'good', warn: 'look', bad: 'bad' }[tone], tone)), h('td', {}, says))));
    all.hidden = !map.size;
    fill(figures, names.filter(([name]) => map.has(name)).flatMap(([name, label, format]) => map.get(name).map(({ labels, value }) => h('tr', {},
      h('td', {}, label, Object.values(labels).length ? `: ${Object.values(labels).join(', ')}` : ''), h('td', { class: 'number' }, format(value))))));
  }
  await context.every(refreshTime, refresh);
}

// read makes rows of an answer: { status, problems }.
function read(what, { status, text: body }) {
  let answer = {};
  try {
    answer = JSON.parse(body);
  } catch { /* of something before the server */ }
  const tone = status >= 400 ? 'bad' : answer.status && answer.status !== 'ok' ? 'warn' : 'good';
  const problems = answer.problems ?? [];
  return problems.length ? problems.map((p) => [what, tone, p]) : [[what, tone, answer.status ?? `status ${status}`]];
}

// The figures worth a line; the charts of the status show others.
const names = [
  ['drawpile_connections', 'Connections', count],
  ['drawpile_sessions', 'Sessions', count],
  ['drawpile_members', 'Members', count],
  ['drawpile_members_lagging', 'Members who do not take what they are sent', count],
  ['drawpile_history_bytes', 'History', size],
  ['drawpile_store_written_bytes_total', 'History written to files', size],
  ['drawpile_store_errors_total', 'Failed writes', count],
  ['drawpile_store_stalled_sessions', 'Sessions ahead of a slow disk', count],
  ['drawpile_store_failing_sessions', 'Sessions that cannot be stored', count],
  ['drawpile_disk_free_bytes', 'Free on the disk of the sessions', size],
  ['drawpile_disk_size_bytes', 'Size of that disk', size],
  ['drawpile_log_dropped_total', 'Log entries that were dropped', count],
  ['drawpile_internal_errors_total', 'Internal errors that were caught', count],
  ['drawpile_loop_stalls_total', 'Times an event loop did not answer', count],
  ['process_resident_memory_bytes', 'Memory of the process', size],
  ['process_cpu_seconds_total', 'Processor time', seconds],
  ['process_open_fds', 'Open files and connections', count],
  ['go_goroutines', 'Goroutines', count],
  ['process_start_time_seconds', 'Running for', (v) => span(Date.now() / 1000 - v)],
];
