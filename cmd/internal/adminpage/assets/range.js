// Addresses and ranges, so that the page can say whom a ban would hit before it
// is made.

// parseAddress reads an IPv4 or IPv6 address as { bits, value }; an IPv4-mapped
// IPv6 address is the IPv4 address. null if the text is none.
export function parseAddress(text) {
  const four = parseFour(text);
  if (four !== null) return { bits: 32, value: four };
  const six = parseSix(text);
  if (six === null) return null;
  if (six >> 32n === 0xffffn) return { bits: 32, value: six & 0xffffffffn };
  return { bits: 128, value: six };
}

function parseFour(text) {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  let n = 0n;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return null;
    n = (n << 8n) | BigInt(part);
  }
  return n;
}

function parseSix(text) {
  if (!text.includes(':')) return null;
  let s = text;
  const dot = s.lastIndexOf(':') + 1;
  if (s.includes('.')) {
    const four = parseFour(s.slice(dot));
    if (four === null) return null;
    s = `${s.slice(0, dot)}${(four >> 16n).toString(16)}:${(four & 0xffffn).toString(16)}`;
  }
  const halves = s.split('::');
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...head, ...Array(missing).fill('0'), ...(tail ?? [])];
  let n = 0n;
  for (const group of groups) {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) return null;
    n = (n << 16n) | BigInt(`0x${group}`);
  }
  return n;
}

// parseRange reads an address and the prefix length of a ban, where 0 is the
// single address, as { bits, value, prefix }. A range in IPv4-mapped form is
// that of the IPv4 addresses. null if it is none.
export function parseRange(text, prefix) {
  const address = parseAddress(text);
  if (!address || !Number.isInteger(prefix) || prefix < 0) return null;
  let length = prefix;
  if (address.bits === 32 && text.includes(':') && prefix > 0) length = prefix - 96;
  if (prefix === 0) length = address.bits;
  if (length < 0 || length > address.bits) return null;
  return { ...address, prefix: length };
}

// contains reports whether a range contains an address.
export function contains(range, text) {
  const address = parseAddress(text);
  if (!address || address.bits !== range.bits) return false;
  const shift = BigInt(range.bits - range.prefix);
  return address.value >> shift === range.value >> shift;
}

// describe says how large a range is, and warns of large ones.
export function describe(range) {
  const free = range.bits - range.prefix;
  if (free === 0) return { text: range.bits === 32 ? 'one address' : 'one address, of which a household has plenty: 64 is the usual prefix length', wide: false };
  if (range.bits === 128 && free === 64) return { text: 'one IPv6 network (/64), usually one household', wide: false };
  const text = free <= 32 ? `${(2 ** free).toLocaleString()} addresses` : free <= 64 ? 'a part of one IPv6 network' : `${(2n ** BigInt(free - 64)).toLocaleString()} IPv6 networks (/64)`;
  return { text, wide: range.bits === 32 ? range.prefix < 16 : range.prefix < 32 };
}
