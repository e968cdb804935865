/** H79 SSH signatures by security keys and by certificates, in odd armour, and over SHA-1: made here byte by byte, held against ssh-keygen. */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKeyRing, type KeyRing, type SshKey } from '../../test/scenarios/keys.ts';
import { parseSshSignature, verifySshSignature } from './ssh-signature.ts';

const PAYLOAD = Buffer.from('object 0\n\nrelease\n');
const BEGIN = '-----BEGIN SSH SIGNATURE-----';
const END = '-----END SSH SIGNATURE-----';

let keys: KeyRing;
let key: SshKey;

beforeAll(async () => {
  keys = await createKeyRing();
  key = await keys.ssh('sam');
});
afterAll(async () => await keys.remove());

function field(value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function armor(blob: Buffer): Buffer {
  return Buffer.from(`${BEGIN}\n${blob.toString('base64').replace(/.{70}/g, '$&\n')}\n${END}\n`);
}

/** @see PROTOCOL.sshsig */
function sshsig(publicKey: Buffer, signature: Buffer, hash = 'sha512'): Buffer {
  const version = Buffer.from([0, 0, 0, 1]);
  return Buffer.concat([
    Buffer.from('SSHSIG'),
    version,
    field(publicKey),
    field('git'),
    field(''),
    field(hash),
    field(signature),
  ]);
}

function signedText(payload: Buffer): Buffer {
  const digest = createHash('sha512').update(payload).digest();
  return Buffer.concat([Buffer.from('SSHSIG'), field('git'), field(''), field('sha512'), field(digest)]);
}

/** What a security key signs with its Ed25519 key. @see PROTOCOL.u2f */
function securityKey(): { publicKey: Buffer; sign: (flags: number) => Buffer } {
  const pair = generateKeyPairSync('ed25519');
  const raw = rawPublicKey(pair.publicKey);
  const type = 'sk-ssh-ed25519@openssh.com';
  const publicKey = Buffer.concat([field(type), field(raw), field('ssh:')]);
  return {
    publicKey,
    sign: (flags) => {
      const counter = Buffer.from([flags, 0, 0, 0, 7]);
      const made = sign(
        null,
        Buffer.concat([
          createHash('sha256').update('ssh:').digest(),
          counter,
          createHash('sha256').update(signedText(PAYLOAD)).digest(),
        ]),
        pair.privateKey,
      );
      return sshsig(publicKey, Buffer.concat([field(type), field(made), counter]));
    },
  };
}

function rawPublicKey(publicKey: KeyObject): Buffer {
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
}

describe('a security key', () => {
  test('that was touched signs well', async () => {
    const token = securityKey();
    expect(await verifySshSignature(armor(token.sign(1)), PAYLOAD)).toMatchObject({ kind: 'good' });
    expect(await verifySshSignature(armor(token.sign(5)), PAYLOAD)).toMatchObject({ kind: 'good' });
  });

  test('that nobody touched is refused, which ssh-keygen itself does not do', async () => {
    const token = securityKey();
    expect(await verifySshSignature(armor(token.sign(0)), PAYLOAD)).toEqual({
      kind: 'bad',
      reason: 'nobody touched the security key when it was made',
    });
  });

  test('whose flags were changed afterwards does not fit', async () => {
    const blob = securityKey().sign(0);
    blob[blob.length - 5] = 1;
    expect(await verifySshSignature(armor(blob), PAYLOAD)).toMatchObject({ kind: 'bad' });
  });
});

describe('RSA', () => {
  test('over SHA-1 is refused by name, over SHA-512 it is good', async () => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const jwk = pair.publicKey.export({ format: 'jwk' });
    const number = (text: string | undefined): Buffer => {
      const bytes = Buffer.from(text ?? '', 'base64url');
      return field((bytes[0] ?? 0) >= 128 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
    };
    const publicKey = Buffer.concat([field('ssh-rsa'), number(jwk.e), number(jwk.n)]);
    const made = (algorithm: string, digest: string): Buffer =>
      armor(
        sshsig(publicKey, Buffer.concat([field(algorithm), field(sign(digest, signedText(PAYLOAD), pair.privateKey))])),
      );
    expect(await verifySshSignature(made('ssh-rsa', 'sha1'), PAYLOAD)).toMatchObject({
      kind: 'bad',
      reason: expect.stringContaining('RSA over SHA-1') as unknown,
    });
    expect(await verifySshSignature(made('rsa-sha2-512', 'sha512'), PAYLOAD)).toMatchObject({ kind: 'good' });
    // The name of the better hash over the worse one.
    expect(await verifySshSignature(made('rsa-sha2-512', 'sha1'), PAYLOAD)).toMatchObject({ kind: 'bad' });
  });
});

describe('armour', () => {
  test('that two readers could read differently is refused before ssh-keygen sees it', async () => {
    const good = (await key.sign(PAYLOAD)).toString('latin1');
    const [, ...inner] = good.trimEnd().split('\n').slice(0, -1);
    const body = inner.join('\n');
    const odd = [
      `${BEGIN}\n${body}=\n${END}\n`,
      `${BEGIN}\n${body}\n=\n${END}\n`,
      `${BEGIN}\n${body.replace(/.$/, '')}\n${END}\n`,
      `${BEGIN}\n ${body}\n${END}\n`,
      `${BEGIN}\n${body.replaceAll('\n', '\r\n')}\n${END}\n`,
      `${BEGIN}\n${body.replaceAll('+', '-').replaceAll('/', '_')}-\n${END}\n`,
      `${BEGIN}\n${BEGIN}\n${body}\n${END}\n${END}\n`,
      `${BEGIN}\n\n${END}\n`,
      `x\n${good}`,
    ];
    for (const text of odd) {
      expect(parseSshSignature(Buffer.from(text, 'latin1')).kind, JSON.stringify(text)).toBe('ssh-signature-problem');
    }
    expect(await verifySshSignature(Buffer.from(good, 'latin1'), PAYLOAD)).toMatchObject({ kind: 'good' });
  });

  test('bytes behind the last field, a second version and a certificate are refused', async () => {
    const parsed = parseSshSignature(await key.sign(PAYLOAD));
    if (parsed.kind !== 'ssh-signature') throw new Error(parsed.reason);
    const { blob } = parsed;
    const second = Buffer.from(blob);
    second[9] = 2;
    const certificate = sshsig(
      Buffer.concat([field('ssh-ed25519-cert-v01@openssh.com'), field('x')]),
      Buffer.concat([field('ssh-ed25519'), field(Buffer.alloc(64))]),
    );
    for (const [bytes, word] of [
      [Buffer.concat([blob, Buffer.from([0])]), 'bytes too many'],
      [blob.subarray(0, -1), 'cut off'],
      [second, 'unknown version 2'],
      [certificate, 'certificate'],
    ] as const) {
      expect(await verifySshSignature(armor(bytes), PAYLOAD)).toMatchObject({
        kind: 'bad',
        reason: expect.stringContaining(word) as unknown,
      });
    }
  });
});
