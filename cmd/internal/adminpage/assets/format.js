// Numbers, sizes, durations and times as people read and write them.

const sizes = [['GB', 2 ** 30], ['MB', 2 ** 20], ['kB', 2 ** 10]];

// size formats bytes with factors of 1024, as the settings do.
export function size(bytes) {
  for (const [unit, factor] of sizes) {
    if (bytes >= factor) return `${short(bytes / factor)} ${unit}`;
  }
  return `${Math.round(bytes)} B`;
}

// short formats a number with at most three digits that say something.
export function short(n) {
  if (!Number.isFinite(n)) return '–';
  const digits = Math.abs(n) >= 100 ? 0 : Math.abs(n) >= 10 ? 1 : 2;
  return String(Number(n.toFixed(digits)));
}

// count formats a number, large ones with k and M.
export function count(n) {
  if (!Number.isFinite(n)) return '–';
  if (Math.abs(n) >= 1e6) return `${short(n / 1e6)} M`;
  if (Math.abs(n) >= 1e4) return `${short(n / 1e3)} k`;
  return short(n);
}

// seconds formats a duration given in seconds, down to microseconds.
export function seconds(s) {
  if (!Number.isFinite(s)) return '–';
  if (s >= 1) return `${short(s)} s`;
  if (s >= 1e-3) return `${short(s * 1e3)} ms`;
  return `${short(s * 1e6)} µs`;
}

// span formats a longer duration given in seconds.
export function span(s) {
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'min']];
  for (const [i, [factor, unit]] of parts.entries()) {
    if (s < factor) continue;
    const rest = parts[i + 1] ? Math.floor((s % factor) / parts[i + 1][0]) : 0;
    return `${Math.floor(s / factor)} ${unit}${rest ? ` ${rest} ${parts[i + 1][1]}` : ''}`;
  }
  return `${Math.max(0, Math.floor(s))} s`;
}

// time formats an ISO time in the reader's zone, exact with seconds; "never" for
// the epoch.
export function time(iso, exact = false) {
  const t = new Date(iso);
  if (!iso || Number.isNaN(t.getTime()) || t.getTime() === 0) return 'never';
  return t.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: exact ? 'medium' : 'short' });
}

// ago formats how long an ISO time is past.
export function ago(iso) {
  const t = new Date(iso).getTime();
  if (!t) return 'never';
  return `${span((Date.now() - t) / 1000)} ago`;
}

// banTime formats the "YYYY-MM-DD HH:MM:SS" of bans, which is UTC.
export function banTime(text) {
  if (!text) return 'unknown';
  return text >= endOfTime.slice(0, 4) ? 'never' : time(`${text.replace(' ', 'T')}Z`);
}

// endOfTime is the expiry of bans that are meant for ever.
export const endOfTime = '2999-12-31 23:59:59';

// banStamp returns the time in that many seconds as the API wants it.
export function banStamp(inSeconds) {
  return new Date(Date.now() + inSeconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
}

// plural joins a number and a noun.
export function plural(n, one, many = `${one}s`) {
  return `${n} ${n === 1 ? one : many}`;
}

const scaled = (units) => (text) => {
  const m = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text);
  if (!m || !(m[2].toLowerCase() in units)) return NaN;
  const n = Math.floor(Number(m[1]) * units[m[2].toLowerCase()]);
  return n <= 2147483647 ? n : NaN;
};

// parseSize and parseDuration read values as the server does; NaN if they are
// none.
export const parseSize = scaled({ '': 1, b: 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30 });
export const parseDuration = scaled({ '': 1, s: 1, m: 60, h: 3600, d: 86400 });

// parseInteger reads a decimal number of 32 bits; NaN if it is none.
export function parseInteger(text) {
  if (!/^[+-]?\d+$/.test(text)) return NaN;
  const n = Number(text);
  return n >= -2147483648 && n <= 2147483647 ? n : NaN;
}

// writeSize and writeDuration give the shortest exact text with a unit.
export const writeSize = (n) => exact(n, [['GB', 2 ** 30], ['MB', 2 ** 20], ['kB', 2 ** 10]], '');
export const writeDuration = (n) => exact(n, [['d', 86400], ['h', 3600], ['m', 60]], n ? 's' : '');

function exact(n, units, base) {
  for (const [unit, factor] of units) {
    if (n >= factor && n % factor === 0) return `${n / factor}${unit}`;
  }
  return `${n}${base}`;
}
