// The text form of Prometheus: what of it the page needs.

// parse returns a map from name to [{ labels, value }].
export function parse(input) {
  const metrics = new Map();
  for (const line of input.split('\n')) {
    const m = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!m) continue;
    const labels = {};
    for (const [, name, value] of (m[2] ?? '').matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[name] = value.replace(/\\(.)/g, '$1');
    const value = m[3] === '+Inf' ? Infinity : Number(m[3]);
    if (!metrics.has(m[1])) metrics.set(m[1], []);
    metrics.get(m[1]).push({ labels, value });
  }
  return metrics;
}

function matching(metrics, name, labels = {}) {
  return (metrics.get(name) ?? []).filter((s) => Object.entries(labels).every(([k, v]) => s.labels[k] === v));
}

// sum adds all series of a name.
export function sum(metrics, name, labels) {
  return matching(metrics, name, labels).reduce((n, s) => n + s.value, 0);
}

// max returns the highest of the values times factor.
export function max(metrics, name, factor = 1) {
  return Math.max(...matching(metrics, name).map((s) => s.value * factor));
}

// quantile estimates a quantile, in the unit of the histogram, of what was
// observed between two scrapes; null if nothing was.
export function quantile(now, past, name, q) {
  const buckets = new Map();
  for (const [metrics, sign] of [[now, 1], [past, -1]]) {
    for (const s of metrics.get(`${name}_bucket`) ?? []) {
      const le = s.labels.le === '+Inf' ? Infinity : Number(s.labels.le);
      buckets.set(le, (buckets.get(le) ?? 0) + sign * s.value);
    }
  }
  const bounds = [...buckets.keys()].sort((a, b) => a - b);
  const total = buckets.get(Infinity) ?? 0;
  if (total <= 0) return null;
  let low = 0;
  let below = 0;
  for (const le of bounds) {
    const n = buckets.get(le);
    if (n >= q * total) {
      if (le === Infinity) return low; // beyond the last bound
      return low + (le - low) * ((q * total - below) / Math.max(n - below, 1e-9));
    }
    low = le;
    below = n;
  }
  return null;
}
