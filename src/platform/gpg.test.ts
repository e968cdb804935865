import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exec } from './exec.ts';
import { exists, makeTemporaryDirectory, type TemporaryDirectory } from './files.ts';
import {
  clearSign,
  detachSign,
  exportPublicKey,
  generateKey,
  importKey,
  killAgents,
  parseColons,
  publicKeyPackets,
  readKey,
  readKeys,
  verifyClearsigned,
  verifyDetached,
  withGnupgHome,
} from './gpg.ts';
import { parseStatus } from './gpgv.ts';

const deadlineMs = 60_000;
const PAYLOAD = Buffer.from('object 0123\ntype commit\n\nthe text that is signed\n');
const YEAR = 365 * 86_400_000;

let folder: TemporaryDirectory;
let home: string;
/** One GnuPG home with a key for each case; `rest` is what gpg says of it on stdout. */
async function gpg(args: readonly string[], input: Uint8Array | string = ''): Promise<string> {
  const { stdout } = await exec(
    [
      'gpg',
      '--homedir',
      home,
      '--batch',
      '--no-tty',
      '--yes',
      '--pinentry-mode',
      'loopback',
      '--passphrase',
      '',
      ...args,
    ],
    { deadlineMs, input },
  );
  return stdout.toString();
}

let alice: string;
let rsa: string;
let keys: Record<'alice' | 'rsa', Buffer>;

beforeAll(async () => {
  folder = await makeTemporaryDirectory('lf-gpg-');
  home = folder.path;
  alice = await generateKey({ home, userId: 'Alice: Ä <alice@example.org>', algorithm: 'ed25519' });
  rsa = await generateKey({ home, userId: 'Rsa <rsa@example.org>', algorithm: 'rsa4096', expire: '2y' });
  keys = { alice: await exportPublicKey(home, alice), rsa: await exportPublicKey(home, rsa, { armor: false }) };
}, 60_000);

afterAll(async () => {
  await killAgents(home);
  await folder.remove();
});

describe('a good signature', () => {
  test('detached, by an ed25519 or RSA key, armoured or binary, names key, time and hash', async () => {
    for (const [name, fingerprint] of [
      ['alice', alice],
      ['rsa', rsa],
    ] as const) {
      for (const armor of [true, false]) {
        const at = new Date(Math.floor(Date.now() / 1000) * 1000 + 1000);
        const signature = await detachSign({ home, fingerprint, payload: PAYLOAD, armor, at });
        const result = await verifyDetached({ keyring: [keys.alice, keys.rsa], signature, payload: PAYLOAD });
        expect(result, name).toEqual({
          kind: 'good',
          fingerprint,
          primary: fingerprint,
          createdAt: at,
          hash: 10,
          class: '00',
        });
      }
    }
  });

  test('clear-signed, gives exactly the text that was signed', async () => {
    const text = 'Source: x\n- dash\n-----BEGIN PGP SIGNED MESSAGE-----\nlast\n';
    const document = await clearSign({ home, fingerprint: alice, payload: Buffer.from(text) });
    const result = await verifyClearsigned({ keyring: [keys.alice], document });
    expect(result).toMatchObject({ kind: 'good', primary: alice, class: '01' });
    expect(result.kind === 'good' && result.payload.toString()).toBe(text);
  });

  test('by a subkey, names the subkey and its primary key', async () => {
    await withGnupgHome(async (own) => {
      const primary = await generateKey({ home: own, userId: 'Sub <sub@example.org>', algorithm: 'ed25519' });
      await exec(
        [
          'gpg',
          '--homedir',
          own,
          '--batch',
          '--pinentry-mode',
          'loopback',
          '--passphrase',
          '',
          '--quick-add-key',
          primary,
          'ed25519',
          'sign',
          'never',
        ],
        { deadlineMs },
      );
      const key = await exportPublicKey(own, primary);
      const facts = await readKey(key);
      if (facts.kind !== 'key') throw new Error(facts.reason);
      const subkey = facts.subkeys[0];
      expect(subkey).toMatchObject({ canSign: true, revoked: false });
      const signature = await detachSign({ home: own, fingerprint: primary, payload: PAYLOAD });
      expect(await verifyDetached({ keyring: [key], signature, payload: PAYLOAD })).toMatchObject({
        kind: 'good',
        fingerprint: subkey?.fingerprint,
        primary,
      });
    });
  });
});

describe('H78 a signature that is not good is named exactly', () => {
  async function verdict(
    keyring: readonly Uint8Array[],
    signature: Uint8Array,
    payload: Uint8Array = PAYLOAD,
  ): Promise<string> {
    const result = await verifyDetached({ keyring, signature, payload });
    return result.kind === 'good' ? 'good' : `${result.code} ${result.key ?? ''}`.trim();
  }

  test('over other bytes', async () => {
    const signature = await detachSign({ home, fingerprint: alice, payload: PAYLOAD });
    expect(await verdict([keys.alice], signature, Buffer.from('other'))).toBe(`signature.bad ${alice.slice(-16)}`);
  });

  test('by an unknown key, also when no key is known at all', async () => {
    const signature = await detachSign({ home, fingerprint: alice, payload: PAYLOAD });
    expect(await verdict([keys.rsa], signature)).toBe(`signature.unknown-key ${alice}`);
    expect(await verdict([], signature)).toBe(`signature.unknown-key ${alice}`);
  });

  test('by a key that has expired', async () => {
    const at = new Date(Date.now() - 3 * YEAR);
    const old = await generateKey({ home, userId: 'Old <old@example.org>', algorithm: 'ed25519', expire: '1y', at });
    const signature = await detachSign({ home, fingerprint: old, payload: PAYLOAD, at: new Date(at.getTime() + 1000) });
    expect(await verdict([await exportPublicKey(home, old)], signature)).toBe(`signature.expired-key ${old}`);
  });

  test('by a key that was revoked', async () => {
    const gone = await generateKey({ home, userId: 'Gone <gone@example.org>', algorithm: 'ed25519' });
    const signature = await detachSign({ home, fingerprint: gone, payload: PAYLOAD });
    const certificate = await readFile(join(home, 'openpgp-revocs.d', `${gone}.rev`), 'utf8');
    await gpg(['--import'], certificate.replace(/^:/gm, ''));
    const key = await exportPublicKey(home, gone);
    expect(await verdict([key], signature)).toBe(`signature.revoked-key ${gone}`);
    expect(await readKey(key)).toMatchObject({ kind: 'key', revoked: true });
  });

  test('by a subkey that was revoked or has expired, while the primary key is good', async () => {
    for (const how of ['revoked', 'expired'] as const) {
      const at = how === 'expired' ? new Date(Date.now() - 3 * YEAR) : undefined;
      const primary = await generateKey({
        home,
        userId: `Sub ${how} <${how}@example.org>`,
        algorithm: 'ed25519',
        ...(at === undefined ? {} : { at }),
      });
      const faked = at === undefined ? [] : ['--faked-system-time', `${Math.floor(at.getTime() / 1000) + 10}!`];
      await gpg([...faked, '--quick-add-key', primary, 'ed25519', 'sign', how === 'expired' ? '1y' : 'never']);
      const signature = await detachSign({
        home,
        fingerprint: primary,
        payload: PAYLOAD,
        ...(at === undefined ? {} : { at: new Date(at.getTime() + 60_000) }),
      });
      if (how === 'revoked') {
        await exec(
          [
            'gpg',
            '--homedir',
            home,
            '--no-tty',
            '--yes',
            '--pinentry-mode',
            'loopback',
            '--passphrase',
            '',
            '--command-fd',
            '0',
            '--edit-key',
            primary,
            'key 1',
            'revkey',
            'save',
          ],
          { deadlineMs, input: 'y\n0\n\ny\n' },
        );
      }
      const key = await exportPublicKey(home, primary);
      const facts = await readKey(key);
      const subkey = facts.kind === 'key' ? facts.subkeys[0] : undefined;
      expect(subkey?.revoked).toBe(how === 'revoked');
      expect(await verdict([key], signature), how).toBe(
        `signature.${how === 'revoked' ? 'revoked-key' : 'expired-key'} ${subkey?.fingerprint ?? ''}`,
      );
    }
  });

  test('that has itself expired', async () => {
    const path = join(home, 'payload');
    await writeFile(path, PAYLOAD);
    const at = Math.floor(Date.now() / 1000) - 10 * 86_400;
    const old = await generateKey({
      home,
      userId: 'Short <short@example.org>',
      algorithm: 'ed25519',
      at: new Date((at - 100) * 1000),
    });
    await gpg([
      '--faked-system-time',
      `${at}!`,
      '--local-user',
      old,
      '--default-sig-expire',
      '1d',
      '--output',
      `${path}.sig`,
      '--detach-sign',
      path,
    ]);
    expect(await verdict([await exportPublicKey(home, old)], await readFile(`${path}.sig`))).toBe(
      `signature.expired ${old}`,
    );
  });

  test('made with SHA-1, which gpgv itself calls good, or with MD5', async () => {
    const path = join(home, 'weak');
    await writeFile(path, PAYLOAD);
    for (const hash of ['SHA1', 'MD5', 'SHA224', 'RIPEMD160']) {
      await gpg(['--local-user', rsa, '--digest-algo', hash, '--output', `${path}.sig`, '--detach-sign', path]);
      expect(await verdict([keys.rsa], await readFile(`${path}.sig`)), hash).toMatch(/^signature\.weak-hash /);
    }
  });

  test('two in one, by two keys or the same, binary or in two armours', async () => {
    const one = await detachSign({ home, fingerprint: alice, payload: PAYLOAD, armor: false });
    const two = await detachSign({ home, fingerprint: rsa, payload: PAYLOAD, armor: false });
    expect(await verdict([keys.alice, keys.rsa], Buffer.concat([one, two]))).toBe('signature.multiple');
    expect(await verdict([keys.alice], Buffer.concat([one, one]))).toBe('signature.multiple');
    const armoured = await detachSign({ home, fingerprint: alice, payload: PAYLOAD });
    expect(await verdict([keys.alice], Buffer.concat([armoured, armoured]))).toBe('signature.multiple');
  });

  test('over a text document where a binary one is expected', async () => {
    const path = join(home, 'text');
    await writeFile(path, PAYLOAD);
    await gpg(['--local-user', alice, '--textmode', '--output', `${path}.sig`, '--detach-sign', path]);
    const signature = await readFile(`${path}.sig`);
    expect(await verdict([keys.alice], signature)).toMatch(/^signature\.malformed /);
    expect(
      await verifyDetached({ keyring: [keys.alice], signature, payload: PAYLOAD, classes: ['00', '01'] }),
    ).toMatchObject({ kind: 'good', class: '01' });
  });

  test('no signature at all, a key, a signed message, garbage, nothing', async () => {
    const message = await exec(['gpg', '--homedir', home, '--batch', '--local-user', alice, '--sign'], {
      deadlineMs,
      input: PAYLOAD,
    });
    for (const bytes of [
      keys.alice,
      keys.rsa,
      message.stdout,
      Buffer.from('garbage'),
      Buffer.alloc(0),
      Buffer.alloc(50, 0xff),
    ]) {
      expect(await verdict([keys.alice], bytes)).toBe('signature.malformed');
    }
  });

  test('cut off or with flipped bits', async () => {
    const signature = await detachSign({ home, fingerprint: alice, payload: PAYLOAD, armor: false });
    await fc.assert(
      fc.asyncProperty(fc.nat(signature.length * 8 - 1), fc.boolean(), async (bit, cut) => {
        const changed = Buffer.from(cut ? signature.subarray(0, bit >> 3) : signature);
        if (!cut) changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const result = await verifyDetached({ keyring: [keys.alice], signature: changed, payload: PAYLOAD });
        // Bits of the part that is not signed (hints for finding the key) may change without harm.
        if (result.kind === 'good') expect(result.primary).toBe(alice);
      }),
      { numRuns: 40 },
    );
  });
});

describe('H45 a clear-signed document', () => {
  test('with anything around it, or nested, is refused before gpgv sees it', async () => {
    const document = (await clearSign({ home, fingerprint: alice, payload: Buffer.from('Source: good\n') })).toString();
    for (const changed of [
      `Source: evil\n\n${document}`,
      `${document}\nSource: evil\n`,
      document + document,
      document.replace('Hash: SHA512\n', 'Hash: SHA512\nSource: evil\n'),
    ]) {
      expect(await verifyClearsigned({ keyring: [keys.alice], document: Buffer.from(changed) })).toMatchObject({
        kind: 'bad',
        code: 'signature.malformed',
      });
    }
    expect(
      await verifyClearsigned({ keyring: [keys.alice], document: Buffer.from(document.replace('good', 'evil')) }),
    ).toMatchObject({ kind: 'bad', code: 'signature.bad' });
    expect(await verifyClearsigned({ keyring: [keys.rsa], document: Buffer.from(document) })).toMatchObject({
      kind: 'bad',
      code: 'signature.unknown-key',
    });
  });
});

describe('reading keys', () => {
  test('gives what gpg knows of a key, user ids in their own letters', async () => {
    expect(await readKey(keys.alice)).toMatchObject({
      kind: 'key',
      fingerprint: alice,
      expiresAt: undefined,
      revoked: false,
      canSign: true,
      algorithm: 22,
      userIds: [{ text: 'Alice: Ä <alice@example.org>', revoked: false }],
      subkeys: [],
    });
    const second = await readKey(keys.rsa);
    expect(second).toMatchObject({ kind: 'key', fingerprint: rsa, algorithm: 1, bits: 4096 });
    if (second.kind !== 'key') return;
    expect((second.expiresAt?.getTime() ?? 0) - second.createdAt.getTime()).toBe(2 * YEAR);
  });

  test('a keyring of several, armoured one after another with text between', async () => {
    const other = await exportPublicKey(home, rsa);
    const both = Buffer.concat([Buffer.from('my keys:\n'), keys.alice, Buffer.from('\nand\n'), other]);
    const all = await readKeys(both);
    expect(Array.isArray(all) && all.map(({ fingerprint }) => fingerprint)).toEqual([alice, rsa]);
    expect(await readKey(both)).toEqual({ kind: 'invalid-key', reason: 'there are 2 keys in it, one is expected' });
  });

  test('I7 a secret key is refused, and so is what is no key', async () => {
    const secret = await gpg(['--armor', '--export-secret-keys', alice]);
    expect(await readKey(Buffer.from(secret))).toEqual({
      kind: 'invalid-key',
      reason: 'it holds a PGP PRIVATE KEY BLOCK, not a PGP PUBLIC KEY BLOCK',
    });
    const { stdout } = await exec(['gpg', '--homedir', home, '--batch', '--export-secret-keys', alice], { deadlineMs });
    expect(publicKeyPackets(stdout)).toMatchObject({ kind: 'invalid-key' });
    const signature = await detachSign({ home, fingerprint: alice, payload: PAYLOAD, armor: false });
    for (const bytes of [signature, Buffer.from('x'), Buffer.alloc(0), Buffer.from([0xc6, 3, 1, 2, 3])]) {
      expect(await readKey(bytes)).toMatchObject({ kind: 'invalid-key' });
    }
  });

  test('the colon listing of whatever text is a list', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(Array.isArray(parseColons(text))).toBe(true);
      }),
    );
  });
});

test('a damaged key among ours is a fault, not a verdict', async () => {
  const signature = await detachSign({ home, fingerprint: alice, payload: PAYLOAD });
  await expect(verifyDetached({ keyring: [Buffer.from('broken')], signature, payload: PAYLOAD })).rejects.toMatchObject(
    { code: 'gpg.keyring' },
  );
});

test('keys are chosen by whole fingerprints only', async () => {
  for (const name of ['alice', alice.slice(-16), '--yes', `${alice}!`]) {
    await expect(detachSign({ home, fingerprint: name, payload: PAYLOAD })).rejects.toMatchObject({
      code: 'gpg.fingerprint',
    });
  }
  await expect(exportPublicKey(home, 'A'.repeat(40))).rejects.toMatchObject({ code: 'gpg.no-key' });
});

test('a temporary home is private, takes imported keys, and nothing of it stays', async () => {
  let path = '';
  await withGnupgHome(async (own) => {
    path = own;
    expect((await stat(own)).mode & 0o777).toBe(0o700);
    expect(await importKey(own, keys.alice)).toEqual([alice]);
    await generateKey({ home: own, userId: 'x <x@example.org>', algorithm: 'ed25519' });
  });
  expect(await exists(path)).toBe(false);
});

describe('gpgv’s status lines', () => {
  const fingerprint = 'A'.repeat(40);
  const good = [
    '[GNUPG:] NEWSIG',
    `[GNUPG:] GOODSIG ${fingerprint.slice(-16)} Someone`,
    `[GNUPG:] VALIDSIG ${fingerprint} 2026-01-01 1767225600 0 4 0 22 8 00 ${fingerprint}`,
  ];
  const verdictOf = (lines: readonly string[], code: number | null = 0): string => {
    const result = parseStatus(`${lines.join('\n')}\n`, code, ['00']);
    return result.kind === 'good' ? 'good' : result.code;
  };

  test('decide only together: each line alone, doubled or contradicted is not good', () => {
    expect(verdictOf(good)).toBe('good');
    expect(verdictOf(good, 2)).toBe('signature.malformed');
    expect(verdictOf(good, null)).toBe('signature.malformed');
    expect(verdictOf(good.slice(0, 2))).toBe('signature.malformed');
    expect(verdictOf([good[0] ?? '', good[2] ?? ''])).toBe('signature.malformed');
    expect(verdictOf([...good, ...good])).toBe('signature.multiple');
    expect(verdictOf([...good, '[GNUPG:] BADSIG A x'])).toBe('signature.multiple');
    expect(verdictOf([...good, good[2] ?? ''])).toBe('signature.malformed');
    expect(verdictOf(good.map((line) => line.replace('GOODSIG AAAA', 'GOODSIG BBBB')))).toBe('signature.malformed');
    expect(verdictOf(good.map((line) => line.replace(' 8 00 ', ' 2 00 ')))).toBe('signature.weak-hash');
    expect(verdictOf(good.map((line) => line.replace(' 8 00 ', ' 8 1F ')))).toBe('signature.malformed');
    expect(verdictOf([])).toBe('signature.malformed');
    expect(verdictOf(['hello', ...good])).toBe('signature.malformed');
  });

  test('in whatever mixture are good only with one GOODSIG and one VALIDSIG', () => {
    const line = fc.constantFrom(
      ...good,
      `[GNUPG:] EXPKEYSIG ${fingerprint} x`,
      `[GNUPG:] REVKEYSIG ${fingerprint} x`,
      `[GNUPG:] EXPSIG ${fingerprint} x`,
      `[GNUPG:] BADSIG ${fingerprint} x`,
      `[GNUPG:] ERRSIG ${fingerprint} 22 8 00 1 9 -`,
      '[GNUPG:] KEY_CONSIDERED x 0',
      '[GNUPG:] SOMETHING_NEW',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 7 }), (lines) => {
        const count = (keyword: string): number => lines.filter((text) => text.includes(` ${keyword} `)).length;
        const verdicts = ['GOODSIG', 'EXPKEYSIG', 'REVKEYSIG', 'EXPSIG', 'BADSIG', 'ERRSIG'];
        const expected =
          count('GOODSIG') === 1 &&
          count('VALIDSIG') === 1 &&
          verdicts.reduce((sum, keyword) => sum + count(keyword), 0) === 1 &&
          lines.filter((text) => text.endsWith('NEWSIG')).length <= 1;
        expect(verdictOf(lines) === 'good').toBe(expected);
      }),
    );
  });
});
