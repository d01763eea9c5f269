// Samples of the server's figures, taken from the start of the page on, so that
// the charts have a past when they are looked at.
import { api, text } from './api.js';
import { parse, sum, max, quantile } from './metrics.js';

// One sample every 5 s for 15 minutes.
const interval = 5000;
const kept = 180;

// samples are the figures over time, oldest first: { t, status, figures },
// status as the API gives it, figures null if the server has no metrics.
export const samples = [];

const listeners = new Set();
let before = null;
let hasMetrics = true;

// onSample calls f after every sample until signal says stop, and at once if
// there is one.
export function onSample(f, signal) {
  listeners.add(f);
  signal.addEventListener('abort', () => listeners.delete(f));
  if (samples.length) f();
}

// startSampling begins; while the page is not to be seen nothing is asked.
export function startSampling() {
  const next = async () => {
    if (!document.hidden) await sample().catch(() => {});
    setTimeout(next, interval);
  };
  next();
}

async function sample() {
  const status = await api('GET', ['status']);
  let figures = null;
  if (hasMetrics) {
    const answer = await text('metrics').catch(() => null);
    // The Drawpile server has no metrics; asking again is pointless.
    hasMetrics = answer !== null;
    if (answer?.status === 200) figures = derive(parse(answer.text));
  }
  samples.push({ t: Date.now(), status, figures });
  if (samples.length > kept) samples.shift();
  for (const f of listeners) f();
}

// derive turns totals into rates since the sample before.
function derive(now) {
  const t = Date.now();
  const past = before;
  before = { t, metrics: now };
  const rate = (name, labels) => {
    if (!past || !now.has(name)) return null;
    const d = sum(now, name, labels) - sum(past.metrics, name, labels);
    return d < 0 ? null : d / ((t - past.t) / 1000); // a restart begins at zero
  };
  const at = (name, labels) => (now.has(name) ? sum(now, name, labels) : null);
  const late = (name, q) => (past ? quantile(now, past.metrics, name, q) : null);
  return {
    messagesIn: rate('drawpile_messages_in_total'),
    messagesOut: rate('drawpile_deliveries_total'),
    bytesIn: rate('drawpile_bytes_in_total'),
    bytesOut: rate('drawpile_bytes_out_total'),
    members: at('drawpile_members'),
    lagging: at('drawpile_members_lagging'),
    fanoutMedian: late('drawpile_fanout_seconds', 0.5),
    fanoutHigh: late('drawpile_fanout_seconds', 0.99),
    resident: at('process_resident_memory_bytes'),
    history: at('drawpile_history_bytes'),
    goroutines: at('go_goroutines'),
    diskFree: at('drawpile_disk_free_bytes'),
    certificateDays: now.has('drawpile_certificate_days_left') ? -max(now, 'drawpile_certificate_days_left', -1) : null,
  };
}
