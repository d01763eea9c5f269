// A member of a session: just enough of the protocol to host, join, chat, draw
// and send a picture of the canvas.
import net from 'node:net';

const serverCommand = 0;
const disconnect = 1;
const ping = 2;
const thumbnail = 4;
const chat = 35;
const draw = 130; // relayed and stored as it is

// patience bounds every wait of the tests, in ms: a disk may take a second for
// each change. Nothing is measured with it.
export const patience = 60000;

export class Member {
  constructor(port, name) {
    this.name = name;
    this.received = []; // { type, id, body }, commands with json
    this.waiting = [];
    this.closed = false;
    this.socket = net.connect(port, '127.0.0.1');
    let rest = Buffer.alloc(0);
    this.socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readUInt16BE(0)) {
        const length = rest.readUInt16BE(0);
        const m = { type: rest[2], id: rest[3], body: rest.subarray(4, 4 + length) };
        if (m.type === serverCommand) m.json = JSON.parse(m.body.toString());
        if (m.type === disconnect) m.text = m.body.subarray(1).toString();
        if (m.type === chat) m.text = m.body.subarray(2).toString();
        rest = rest.subarray(4 + length);
        if (m.type !== draw && m.type !== ping) this.received.push(m);
      }
      this.look();
    });
    // Who says nothing for a minute is disconnected.
    this.alive = setInterval(() => this.send(ping, Buffer.from([0])), 15000);
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.look();
    });
  }

  look() {
    this.waiting = this.waiting.filter((w) => {
      const found = this.received.find(w.wanted) ?? (w.end && this.closed ? { closed: true } : undefined);
      if (found) w.resolve(found);
      return !found;
    });
  }

  // wait resolves to the first message that is wanted, received before or later.
  wait(what, wanted, end = false) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${this.name} waits for ${what}; last: ${this.received.slice(-5).map((m) => JSON.stringify(m.json ?? [m.type, m.text])).join(' ')}`)), patience);
      this.waiting.push({ wanted, end, resolve: (m) => { clearTimeout(timer); resolve(m); } });
      this.look();
    });
  }

  // text waits for a server message, alert or disconnection with that text.
  text(part) {
    return this.wait(`“${part}”`, (m) => (m.json?.message ?? m.text ?? '').includes(part));
  }

  // gone waits for the end of the connection.
  gone() {
    return this.wait('the end', (m) => m.type === disconnect, true);
  }

  send(type, body, id = 0) {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(body.length);
    head[2] = type;
    head[3] = id;
    this.socket.write(Buffer.concat([head, body]));
  }

  command(cmd, args = [], kwargs = {}) {
    this.send(serverCommand, Buffer.from(JSON.stringify({ cmd, args, kwargs })));
  }

  info() {
    const sid = Buffer.from(this.name.padEnd(16, '.').slice(0, 16)).toString('hex');
    return { app_version: '2.3.1', protocol_version: 'dp:4.25.1', qt_version: '6.8.0', os: 'linux', s: sid, capabilities: 'KEEPALIVE,THUMBNAIL' };
  }

  async login(session) {
    this.command('cinfo', ['127.0.0.1', this.info()]);
    await this.wait('client info', (m) => m.json?.state === 'cinfo' || JSON.stringify(m.json ?? '').includes('"cinfo"'));
    this.command('lookup', [session]);
    await this.wait('lookup', (m) => JSON.stringify(m.json ?? '').includes('lookup'));
    this.command('ident', [this.name]);
    await this.wait('identification', (m) => m.json?.state === 'identOk');
  }

  async host(title, alias) {
    await this.login('');
    this.command('host', [], { ...this.info(), protocol: 'dp:4.25.1', user_id: 1, alias });
    const answer = await this.wait('hosting', (m) => m.json?.state === 'host');
    this.id = answer.json.join.user;
    this.session = answer.json.join.uniqueId ?? answer.json.join.id;
    this.command('sessionconf', [], { title });
    this.command('init-complete');
    await this.wait('own join', (m) => m.type === 32 && m.id === this.id);
    return this;
  }

  async join(session) {
    await this.login(session);
    this.command('join', [session], this.info());
    const answer = await this.wait('joining', (m) => m.json?.state === 'join');
    this.id = answer.json.join.user;
    await this.wait('own join', (m) => m.type === 32 && m.id === this.id);
    return this;
  }

  // draw sends a message every few ms until the member is closed.
  draw() {
    this.drawing = setInterval(() => this.send(draw, Buffer.alloc(60, 7), this.id), 5);
    return this;
  }

  say(text) {
    this.send(chat, Buffer.concat([Buffer.from([0, 0]), Buffer.from(text)]), this.id);
  }

  // picture answers the request for a picture of the canvas.
  async picture(data) {
    const m = await this.wait('a thumbnail request', (q) => q.json?.type === 'thumbnail');
    this.send(thumbnail, Buffer.concat([Buffer.from(m.json.correlator), data]), this.id);
  }

  close() {
    clearInterval(this.drawing);
    clearInterval(this.alive);
    this.socket.destroy();
  }
}
