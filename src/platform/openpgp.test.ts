import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exec } from './exec.ts';
import { dearmor, parseArmor, parseClearsigned, parsePackets } from './openpgp.ts';

/** What GnuPG makes of bytes: the oracle for armour. */
async function enarmor(bytes: Uint8Array): Promise<string> {
  const { stdout } = await exec(['gpg', '--batch', '--no-options', '--homedir', '/tmp', '--enarmor'], {
    deadlineMs: 20_000,
    input: bytes,
  });
  return stdout.toString();
}

function armor(label: string, bytes: Uint8Array): string {
  const base64 = Buffer.from(bytes).toString('base64');
  return `-----BEGIN ${label}-----\n\n${base64.replace(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`;
}

test('armour that gpg made is read back, checksum and all', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
      const text = await enarmor(bytes);
      expect(text).toContain('PGP ARMORED FILE');
      expect(parseArmor(text)).toEqual({
        kind: 'armor',
        blocks: [{ label: 'PGP ARMORED FILE', bytes: Buffer.from(bytes) }],
      });
    }),
    { numRuns: 10 },
  );
});

test('a wrong checksum, broken base64, a missing end and text outside are malformed', async () => {
  const good = await enarmor(Buffer.from('some bytes'));
  const checksum = /^=(.{4})$/m.exec(good)?.[1] ?? '';
  const reasons = [
    good.replace(checksum, 'AAAA'),
    good.replace(/^c29t/m, 'c2_t'),
    good.replace(/-----END[^]*/, ''),
    `hello\n${good}`,
    `${good}bye\n`,
    good.replace('END PGP ARMORED FILE', 'END PGP SIGNATURE'),
    good.replace(/\n\n/, '\n'),
    '',
  ].map((text) => {
    const parsed = parseArmor(text);
    return parsed.kind === 'malformed' ? parsed.reason : 'accepted';
  });
  expect(reasons).toEqual([
    'the checksum of an armoured block is wrong',
    'the base64 of an armoured block is malformed',
    'an armoured block is not closed',
    'there is text outside the armoured block',
    'there is text outside the armoured block',
    'an armoured block is not closed',
    'an armoured block has no blank line after its headers',
    'there is no armoured block',
  ]);
  expect(parseArmor(`hello\n${good}bye\n`, { textAround: true }).kind).toBe('armor');
});

test('binary data passes as it is, and armour of another kind is refused by name', () => {
  const binary = Buffer.from([0x98, 1, 2]);
  expect(dearmor(binary, 'PGP SIGNATURE')).toEqual({ kind: 'dearmored', bytes: binary, blocks: 1 });
  expect(dearmor(Buffer.from(armor('PGP MESSAGE', binary)), 'PGP SIGNATURE')).toEqual({
    kind: 'malformed',
    reason: 'it holds a PGP MESSAGE, not a PGP SIGNATURE',
  });
  const two = Buffer.from(armor('PGP SIGNATURE', binary) + armor('PGP SIGNATURE', binary));
  expect(dearmor(two, 'PGP SIGNATURE')).toMatchObject({ kind: 'dearmored', blocks: 2 });
});

/** A packet in a header form of choice. */
function packet(tag: number, body: Uint8Array, form: 'old1' | 'old2' | 'old4' | 'new' | 'new5'): Buffer {
  const length = body.length;
  const header: Record<typeof form, () => Buffer> = {
    old1: () => Buffer.from([0x80 | (tag << 2), length]),
    old2: () => Buffer.from([0x81 | (tag << 2), length >> 8, length & 0xff]),
    old4: () => Buffer.from([0x82 | (tag << 2), 0, 0, length >> 8, length & 0xff]),
    new: () =>
      length < 192
        ? Buffer.from([0xc0 | tag, length])
        : Buffer.from([0xc0 | tag, ((length - 192) >> 8) + 192, (length - 192) & 0xff]),
    new5: () => Buffer.from([0xc0 | tag, 255, 0, 0, length >> 8, length & 0xff]),
  };
  return Buffer.concat([header[form](), body]);
}

test('packets in all header forms are read back', () => {
  const one = fc.record({
    tag: fc.integer({ min: 1, max: 15 }),
    body: fc.uint8Array({ maxLength: 255 }),
    form: fc.constantFrom('old1' as const, 'old2' as const, 'old4' as const, 'new' as const, 'new5' as const),
  });
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 6 }), (packets) => {
      const bytes = Buffer.concat(packets.map(({ tag, body, form }) => packet(tag, body, form)));
      expect(parsePackets(bytes)).toEqual({
        kind: 'packets',
        packets: packets.map(({ tag, body }) => ({ tag, body: Buffer.from(body) })),
      });
    }),
  );
});

test('packets that are cut off, in parts, of open length or of tag 0 are malformed', () => {
  const whole = packet(2, Buffer.alloc(10), 'new');
  for (const bytes of [
    Buffer.alloc(0),
    whole.subarray(0, 1),
    whole.subarray(0, 5),
    Buffer.from([0xc2, 0xe1, 0, 0]),
    Buffer.from([0x8b, 1, 2, 3]),
    Buffer.from([0x80, 0]),
    Buffer.concat([whole, Buffer.from('x')]),
  ]) {
    expect(parsePackets(bytes).kind).toBe('malformed');
  }
});

test('whatever bytes come, the parsers answer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      parsePackets(Buffer.from(bytes));
      dearmor(bytes, 'PGP SIGNATURE');
      parseClearsigned(bytes);
    }),
  );
});

const SIGNED = '-----BEGIN PGP SIGNED MESSAGE-----';
const signature = armor('PGP SIGNATURE', packet(2, Buffer.alloc(5), 'new'));

test('H45 the frame of a clear-signed document allows nothing before, after and between', () => {
  const good = `${SIGNED}\nHash: SHA512\n\nSource: x\n- -----BEGIN\n\n${signature}`;
  expect(parseClearsigned(Buffer.from(good)).kind).toBe('clearsigned');
  const reasons = [
    `\n${good}`,
    `Source: evil\n${good}`,
    `${good}Source: evil\n`,
    `${good}${good}`,
    `${good}${signature}`,
    `${SIGNED}\nHash: SHA512\n\nx\n${good}`,
    good.replace('Hash: SHA512', 'Charset: UTF-8'),
    good.replace('Hash: SHA512\n', 'Hash: SHA512\nSource: evil\n'),
    good.replace('- -----BEGIN', '-----BEGIN'),
    `${SIGNED}\nHash: SHA512\n\nx\n`,
  ].map((text) => {
    const parsed = parseClearsigned(Buffer.from(text));
    return parsed.kind === 'malformed' ? parsed.reason : 'accepted';
  });
  expect(reasons).toEqual([
    'it does not begin with BEGIN PGP SIGNED MESSAGE',
    'it does not begin with BEGIN PGP SIGNED MESSAGE',
    'there is text outside the armoured block',
    'an armoured block is not closed',
    'there is more than one signature block',
    'a line begins with a dash that is not escaped',
    'there is a header other than Hash',
    'there is a header other than Hash',
    'a line begins with a dash that is not escaped',
    'there is no signature',
  ]);
});
