/**
 * The outer forms of OpenPGP data, without cryptography: ASCII armour, the packets in a row, and the frame of a clear-signed
 * document. Strict, because what gpgv is shown must be exactly what was looked at here.
 * @see RFC 9580, sections 4 (packets), 6 (armour), 7 (clear-signed documents)
 */

export interface ArmorBlock {
  /** What stands between BEGIN and the dashes: `PGP SIGNATURE`, `PGP PUBLIC KEY BLOCK` … */
  readonly label: string;
  readonly bytes: Buffer;
}

export interface Malformed {
  readonly kind: 'malformed';
  readonly reason: string;
}

export interface Packet {
  /** 2 signature, 5 secret key, 6 public key, 7 secret subkey, 13 user id, 14 public subkey … */
  readonly tag: number;
  readonly body: Buffer;
}

const BEGIN = /^-----BEGIN (PGP [A-Z ,/0-9]+)-----$/;

/**
 * Reads armoured blocks. Text around them is refused, unless `textAround`, as people have it in key files.
 */
export function parseArmor(
  text: string,
  options: { readonly textAround?: boolean } = {},
): { readonly kind: 'armor'; readonly blocks: readonly ArmorBlock[] } | Malformed {
  const blocks: ArmorBlock[] = [];
  let open: { label: string; lines: string[] } | undefined;
  for (const raw of text.split('\n')) {
    const line = raw.replace(/[ \t\r]+$/, '');
    if (open === undefined) {
      const label = BEGIN.exec(line)?.[1];
      if (label !== undefined) open = { label, lines: [] };
      else if (line !== '' && (options.textAround !== true || line.startsWith('-----'))) {
        return malformed('there is text outside the armoured block');
      }
    } else if (line.startsWith('-----')) {
      if (line !== `-----END ${open.label}-----`) return malformed('an armoured block is not closed');
      const bytes = decodeBlock(open.lines);
      if (typeof bytes === 'string') return malformed(bytes);
      blocks.push({ label: open.label, bytes });
      open = undefined;
    } else {
      open.lines.push(line);
    }
  }
  if (open !== undefined) return malformed('an armoured block is not closed');
  return blocks.length === 0 ? malformed('there is no armoured block') : { kind: 'armor', blocks };
}

/** Binary OpenPGP data as it is; armoured data without its armour, blocks of the same label joined. */
export function dearmor(
  data: Uint8Array,
  label: string,
): { readonly kind: 'dearmored'; readonly bytes: Buffer; readonly blocks: number } | Malformed {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const first = bytes[0];
  if (first === undefined) return malformed('it is empty');
  if ((first & 0x80) !== 0) return { kind: 'dearmored', bytes, blocks: 1 };
  const armor = parseArmor(bytes.toString('latin1'), { textAround: label === 'PGP PUBLIC KEY BLOCK' });
  if (armor.kind === 'malformed') return armor;
  const other = armor.blocks.find((block) => block.label !== label);
  if (other !== undefined) return malformed(`it holds a ${other.label}, not a ${label}`);
  return {
    kind: 'dearmored',
    bytes: Buffer.concat(armor.blocks.map((block) => block.bytes)),
    blocks: armor.blocks.length,
  };
}

/** Binary OpenPGP data in ASCII armour, with its checksum. */
export function armor(bytes: Buffer, label: string): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, '', ...lines, `=${crc24(bytes)}`, `-----END ${label}-----`, ''].join('\n');
}

/** The packets that `bytes` consist of, wholly; lengths that are given in parts or left open are refused. */
export function parsePackets(
  bytes: Buffer,
): { readonly kind: 'packets'; readonly packets: readonly Packet[] } | Malformed {
  const packets: Packet[] = [];
  let position = 0;
  while (position < bytes.length) {
    const header = readHeader(bytes, position);
    if (typeof header === 'string') return malformed(header);
    const end = header.bodyStart + header.length;
    if (end > bytes.length) return malformed('a packet is longer than the data');
    packets.push({ tag: header.tag, body: bytes.subarray(header.bodyStart, end) });
    position = end;
  }
  return packets.length === 0 ? malformed('there is no packet') : { kind: 'packets', packets };
}

/**
 * Checks the frame of a clear-signed document: nothing before, between and after its two parts, only `Hash` headers, every
 * line that begins with a dash escaped. Returns the signature's bytes.
 */
export function parseClearsigned(
  document: Uint8Array,
): { readonly kind: 'clearsigned'; readonly signature: Buffer } | Malformed {
  const lines = Buffer.from(document.buffer, document.byteOffset, document.byteLength).toString('latin1').split('\n');
  if (lines[0]?.replace(/\r$/, '') !== '-----BEGIN PGP SIGNED MESSAGE-----') {
    return malformed('it does not begin with BEGIN PGP SIGNED MESSAGE');
  }
  let at = 1;
  for (; at < lines.length && lines[at]?.replace(/\r$/, '') !== ''; at += 1) {
    if (!/^Hash: [A-Za-z0-9, ]+\r?$/.test(lines[at] ?? '')) return malformed('there is a header other than Hash');
  }
  at += 1;
  for (; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    if (line.startsWith('-') && !line.startsWith('- ')) break;
  }
  if (lines[at]?.replace(/[ \t\r]+$/, '') !== '-----BEGIN PGP SIGNATURE-----') {
    return malformed(at >= lines.length ? 'there is no signature' : 'a line begins with a dash that is not escaped');
  }
  const signature = parseArmor(lines.slice(at).join('\n'));
  if (signature.kind === 'malformed') return signature;
  const [block, ...others] = signature.blocks;
  if (block === undefined || others.length > 0) return malformed('there is more than one signature block');
  return { kind: 'clearsigned', signature: block.bytes };
}

function malformed(reason: string): Malformed {
  return { kind: 'malformed', reason };
}

/** The bytes of a block's lines (headers, blank line, base64, optional checksum), or what is wrong with them. */
function decodeBlock(lines: readonly string[]): Buffer | string {
  const blank = lines.indexOf('');
  if (blank === -1) return 'an armoured block has no blank line after its headers';
  if (!lines.slice(0, blank).every((line) => /^[A-Za-z0-9-]+: ?/.test(line))) return 'an armour header is malformed';
  const body = lines.slice(blank + 1);
  while (body.at(-1) === '') body.pop();
  const checksum = body.at(-1)?.startsWith('=') === true ? body.pop() : undefined;
  const base64 = body.join('');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64) || base64.length % 4 !== 0)
    return 'the base64 of an armoured block is malformed';
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) return 'the base64 of an armoured block is malformed';
  if (checksum !== undefined && checksum !== `=${crc24(bytes)}`) return 'the checksum of an armoured block is wrong';
  return bytes;
}

/** RFC 9580 section 6.1.1, in base64. */
function crc24(bytes: Buffer): string {
  let crc = 0xb704ce;
  for (const byte of bytes) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit += 1) {
      crc <<= 1;
      if ((crc & 0x1000000) !== 0) crc ^= 0x1864cfb;
    }
  }
  return Buffer.from([(crc >> 16) & 0xff, (crc >> 8) & 0xff, crc & 0xff]).toString('base64');
}

function readHeader(bytes: Buffer, start: number): { tag: number; bodyStart: number; length: number } | string {
  const first = bytes[start] ?? 0;
  if ((first & 0x80) === 0) return 'there is something that is not a packet';
  const newFormat = (first & 0x40) !== 0;
  const tag = newFormat ? first & 0x3f : (first >> 2) & 0x0f;
  if (tag === 0) return 'a packet has the reserved tag 0';
  const at = start + 1;
  const short = 'a packet header is cut off';
  if (!newFormat) {
    const width = [1, 2, 4][first & 0x03];
    if (width === undefined) return 'a packet has no definite length';
    if (at + width > bytes.length) return short;
    return { tag, bodyStart: at + width, length: bytes.readUIntBE(at, width) };
  }
  const length = bytes[at];
  if (length === undefined) return short;
  if (length < 192) return { tag, bodyStart: at + 1, length };
  if (length < 224) {
    const second = bytes[at + 1];
    return second === undefined ? short : { tag, bodyStart: at + 2, length: ((length - 192) << 8) + second + 192 };
  }
  if (length < 255) return 'a packet is given in parts';
  if (at + 5 > bytes.length) return short;
  return { tag, bodyStart: at + 5, length: bytes.readUInt32BE(at + 1) };
}
