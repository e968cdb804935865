/** H78 Keys whose subkeys are not what they seem, held against the real gpgv: the packets of real keys, taken apart and changed. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKeyRing, type KeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';
import { exec } from './exec.ts';
import { verifyDetached } from './gpg.ts';
import { parseStatus, type GpgvResult } from './gpgv.ts';
import { dearmor, parsePackets, type Packet } from './openpgp.ts';

const PAYLOAD = Buffer.from('object 0\n\nrelease\n');
const SIGNATURE_PACKET = 2;
const SUBKEY_PACKET = 14;
const SUBKEY_BINDING = 0x18;
const EMBEDDED_SIGNATURE = 32;

let keys: KeyRing;
let alice: OpenPgpKey;
let mallory: OpenPgpKey;
let signature: Buffer;

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice <alice@example.org>', subkey: {} });
  mallory = await keys.openPgp({ userId: 'Mallory <mallory@example.org>', subkey: {} });
  signature = await alice.sign(PAYLOAD);
});
afterAll(async () => await keys.remove());

async function packetsOf(key: OpenPgpKey): Promise<readonly Packet[]> {
  const dearmored = dearmor(await key.publicKey(), 'PGP PUBLIC KEY BLOCK');
  const parsed = dearmored.kind === 'dearmored' ? parsePackets(dearmored.bytes) : dearmored;
  if (parsed.kind !== 'packets') throw new Error('a key of gpg cannot be read');
  return parsed.packets;
}

function write(packets: readonly Packet[]): Buffer {
  return Buffer.concat(
    packets.map(({ tag, body }) => {
      const header = Buffer.from([0xc0 | tag, 0xff, 0, 0, 0, 0]);
      header.writeUInt32BE(body.length, 2);
      return Buffer.concat([header, body]);
    }),
  );
}

function isBinding({ tag, body }: Packet): boolean {
  return tag === SIGNATURE_PACKET && body[1] === SUBKEY_BINDING;
}

/** Changes the subpackets that no signature covers: there stands the subkey's own signature over its primary key. */
function changeUnhashed({ tag, body }: Packet, change: (type: number, bytes: Buffer) => Buffer | undefined): Packet {
  const start = 6 + body.readUInt16BE(4);
  const length = body.readUInt16BE(start);
  const parts: Buffer[] = [];
  for (let at = start + 2; at < start + 2 + length;) {
    const first = body[at] ?? 0;
    const [width, size] = first < 192 ? [1, first] : [2, ((first - 192) << 8) + (body[at + 1] ?? 0) + 192];
    const changed = change(body[at + width] ?? 0, Buffer.from(body.subarray(at, at + width + size)));
    if (changed !== undefined) parts.push(changed);
    at += width + size;
  }
  const area = Buffer.concat(parts);
  const lengthBytes = Buffer.alloc(2);
  lengthBytes.writeUInt16BE(area.length);
  return { tag, body: Buffer.concat([body.subarray(0, start), lengthBytes, area, body.subarray(start + 2 + length)]) };
}

async function verdict(keyring: readonly Uint8Array[], made: Buffer = signature): Promise<GpgvResult> {
  return await verifyDetached({ keyring, signature: made, payload: PAYLOAD });
}

describe('H78 a signing subkey', () => {
  test('cross-certified, put together again from its packets, is good', async () => {
    expect(await verdict([write(await packetsOf(alice))])).toMatchObject({ kind: 'good', primary: alice.fingerprint });
  });

  test.each<[string, (type: number, bytes: Buffer) => Buffer | undefined]>([
    ['without cross-certification', (type, bytes) => (type === EMBEDDED_SIGNATURE ? undefined : bytes)],
    [
      'whose cross-certification was changed',
      (type, bytes) => {
        if (type !== EMBEDDED_SIGNATURE) return bytes;
        bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 1;
        return bytes;
      },
    ],
  ])('%s is refused, and the words say what is missing', async (_name, change) => {
    const packets = (await packetsOf(alice)).map((one) => (isBinding(one) ? changeUnhashed(one, change) : one));
    expect(await verdict([write(packets)])).toMatchObject({
      kind: 'bad',
      code: 'signature.malformed',
      detail: expect.stringContaining('cross-certified') as unknown,
    });
  });

  test('taken into another’s key is not that other’s', async () => {
    const [own, stolen] = [await packetsOf(mallory), await packetsOf(alice)];
    const subkey = stolen.findIndex(({ tag }) => tag === SUBKEY_PACKET);
    const forged = [...own, ...stolen.slice(subkey)];
    // Alone, and before the owner's own key in the keyring: at worst nobody's, never Mallory's.
    for (const keyring of [[write(forged)], [write(forged), await alice.publicKey()]]) {
      const result = await verdict(keyring);
      expect(result.kind === 'good' ? result.primary : 'nobody').not.toBe(mallory.fingerprint);
    }
  });

  test('that its owner no longer lets sign is refused, though the signature is from before', async () => {
    const uma = await keys.openPgp({ userId: 'Uma <uma@example.org>', subkey: {} });
    const before = await uma.sign(PAYLOAD);
    expect(await verdict([await uma.publicKey()], before)).toMatchObject({ kind: 'good' });
    const answers = join(keys.home, 'answers');
    await writeFile(answers, ['key 1', 'change-usage', 'S', 'A', 'Q', 'save', ''].join('\n'));
    await exec(
      ['gpg', '--homedir', keys.home, '--no-tty', '--expert', '--command-file', answers, '--edit-key', uma.fingerprint],
      { deadlineMs: 60_000 },
    );
    expect(await verdict([await uma.publicKey()], before)).toMatchObject({ kind: 'bad' });
  });
});

describe('H78 times', () => {
  test('a primary key that has expired takes its subkey with it', async () => {
    const at = new Date(Date.now() - 20 * 24 * 60 * 60_000);
    const pia = await keys.openPgp({ userId: 'Pia <pia@example.org>', at, expire: '10d', subkey: { expire: '30d' } });
    const made = await pia.signWith({ at: new Date(at.getTime() + 60_000) })(PAYLOAD);
    expect(await verdict([await pia.publicKey()], made)).toMatchObject({ kind: 'bad', code: 'signature.expired-key' });
  });

  test('a signature from the future is told with its time, for the check of its age to refuse', async () => {
    const at = new Date(Math.floor(Date.now() / 1000) * 1000 + 24 * 60 * 60_000);
    const result = await verdict([await alice.publicKey()], await alice.signWith({ at })(PAYLOAD));
    expect(result).toMatchObject({ kind: 'good', createdAt: at });
  });
});

describe('H45 armour', () => {
  const lines = (): string[] => signature.toString('latin1').trimEnd().split('\n');

  test('doubled, nested, with another block inside, or of another label is no signature', async () => {
    const block = signature.toString('latin1');
    const [begin = '', ...rest] = lines();
    const keyring = [await alice.publicKey()];
    for (const text of [
      block + block,
      `${begin}\n${block}${rest.join('\n')}\n`,
      [begin, ...rest.slice(0, 2), begin, ...rest.slice(2)].join('\n'),
      block.replaceAll('PGP SIGNATURE', 'PGP MESSAGE'),
      block.replaceAll('PGP SIGNATURE', 'PGP PUBLIC KEY BLOCK'),
      `x\n${block}`,
      `${block}x\n`,
    ]) {
      expect((await verdict(keyring, Buffer.from(text, 'latin1'))).kind, text).toBe('bad');
    }
  });

  test('every single changed byte of the packet makes it bad, or leaves what was signed as it was', async () => {
    const dearmored = dearmor(signature, 'PGP SIGNATURE');
    if (dearmored.kind !== 'dearmored') throw new Error('it is not armored');
    const keyring = [await alice.publicKey()];
    for (const at of fc.sample(fc.integer({ min: 0, max: dearmored.bytes.length - 1 }), { numRuns: 24, seed: 7 })) {
      const changed = Buffer.from(dearmored.bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x40;
      const result = await verdict(keyring, changed);
      if (result.kind === 'good') expect(result.primary).toBe(alice.fingerprint);
    }
  });
});

test('whatever gpgv might say, a reading of it is good only when every line agrees', () => {
  const word = fc.oneof(
    fc.constantFrom('GOODSIG', 'VALIDSIG', 'NEWSIG', 'BADSIG', 'ERRSIG', 'REVKEYSIG', 'EXPKEYSIG', 'EXPSIG', '00', '8'),
    fc.constantFrom('A'.repeat(16), 'A'.repeat(40), 'B'.repeat(40), '1767225600', '0', '', '-'),
    fc.string({ maxLength: 12 }),
  );
  const line = fc.array(word, { maxLength: 13 }).map((words) => `[GNUPG:] ${words.join(' ')}`);
  fc.assert(
    fc.property(
      fc.array(fc.oneof(line, fc.string()), { maxLength: 6 }),
      fc.constantFrom(0, 1, 2, null),
      (lines, code) => {
        const result = parseStatus(lines.join('\n'), code, ['00']);
        if (result.kind === 'bad') return;
        expect(code).toBe(0);
        expect(result.fingerprint).toMatch(/^(?:[0-9A-F]{40}|[0-9A-F]{64})$/);
        expect([8, 9, 10]).toContain(result.hash);
        expect(result.class).toBe('00');
      },
    ),
    { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 300) },
  );
});
