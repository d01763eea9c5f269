// Status: what the server does now, and did in the last minutes.
import { h, fill } from './dom.js';
import { chart, tile, tiles } from './chart.js';
import { samples, onSample } from './sampler.js';
import { count, size, seconds, span, time } from './format.js';

export async function open(root, context) {
  const sessions = tile('Sessions');
  const users = tile('Users');
  const address = tile('Address');
  const uptime = tile('Running for');
  const memory = tile('Memory');
  const disk = tile('Disk free');
  const certificate = tile('Certificate');
  const lagging = tile('Lagging members');

  const charts = [
    {
      make: chart({ title: 'Messages', series: [{ name: 'received', tone: 'a' }, { name: 'sent', tone: 'b' }], format: (v) => `${count(v)}/s` }),
      pick: (f) => [f.messagesIn, f.messagesOut],
    },
    {
      make: chart({ title: 'Traffic', base: 1024, series: [{ name: 'received', tone: 'a' }, { name: 'sent', tone: 'b' }], format: (v) => `${size(v)}/s` }),
      pick: (f) => [f.bytesIn, f.bytesOut],
    },
    {
      make: chart({ title: 'Latency', hint: 'From receiving a message to passing it on', series: [{ name: 'half below', tone: 'a' }, { name: '99 % below', tone: 'c' }], format: seconds }),
      pick: (f) => [f.fanoutMedian, f.fanoutHigh],
    },
    {
      make: chart({ title: 'Memory', base: 1024, series: [{ name: 'of the process', tone: 'a' }, { name: 'of the history', tone: 'd' }], format: size }),
      pick: (f) => [f.resident, f.history],
    },
  ];
  const people = chart({ title: 'Users and sessions', series: [{ name: 'users', tone: 'a' }, { name: 'sessions', tone: 'b' }], format: count });
  const grid = h('div', { class: 'charts' }, people.element);
  const note = h('p', { class: 'note' }, 'This server gives no metrics, so there are fewer charts.');
  fill(root, tiles(sessions, users, uptime, address, memory, disk, certificate, lagging), note, grid);

  function show() {
    const { status, figures } = samples.at(-1);
    sessions.set(`${status.sessions}`, `of at most ${status.maxSessions}`, status.sessions >= status.maxSessions ? 'warn' : '');
    users.set(`${status.users}`, 'connected now');
    uptime.set(span((Date.now() - new Date(status.started)) / 1000), `since ${time(status.started)}`);
    address.set(`${status.ext_host}`, `port ${status.ext_port}`);
    people.update(samples.map((s) => ({ t: s.t, values: [s.status.users, s.status.sessions] })));
    note.hidden = figures !== null;
    for (const t of [memory, disk, certificate, lagging]) t.element.hidden = true;
    if (!figures) {
      for (const c of charts) c.make.element.remove();
      return;
    }
    for (const c of charts) {
      if (!c.make.element.isConnected) grid.append(c.make.element);
      c.make.update(samples.map((s) => ({ t: s.t, values: s.figures ? c.pick(s.figures) : [null, null] })));
    }
    const put = (t, value, ...rest) => {
      t.element.hidden = value === null;
      if (value !== null) t.set(...rest);
    };
    put(memory, figures.resident, size(figures.resident), `${count(figures.goroutines)} goroutines`);
    put(disk, figures.diskFree, size(figures.diskFree), 'where sessions are kept', figures.diskFree < 2 ** 30 ? 'warn' : '');
    put(certificate, figures.certificateDays, `${Math.floor(figures.certificateDays)} days`, 'left', figures.certificateDays < 14 ? 'bad' : '');
    put(lagging, figures.lagging, `${figures.lagging}`, 'who do not take what they are sent', figures.lagging > 0 ? 'warn' : '');
  }
  onSample(show, context.signal);
}
