import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKeyRing, type KeyRing, type SshKey } from '../../test/scenarios/keys.ts';
import { parseSshSignature, verifySshSignature } from './ssh-signature.ts';

const PAYLOAD = Buffer.from('object …\n\nhello\n');

let keys: KeyRing;
let key: SshKey;
let signature: Buffer;

beforeAll(async () => {
  keys = await createKeyRing();
  key = await keys.ssh('one');
  signature = await key.sign(PAYLOAD);
});
afterAll(async () => await keys.remove());

test('a signature of ssh-keygen is read, and leads to the fingerprint that ssh-keygen prints', () => {
  expect(parseSshSignature(signature)).toMatchObject({
    kind: 'ssh-signature',
    keyType: 'ssh-ed25519',
    fingerprint: key.fingerprint,
    namespace: 'git',
    hash: 'sha512',
    algorithm: 'ssh-ed25519',
  });
});

test('it is good over its payload, and over nothing else', async () => {
  expect(await verifySshSignature(signature, PAYLOAD)).toEqual({ kind: 'good', fingerprint: key.fingerprint });
  expect(await verifySshSignature(signature, Buffer.from('x'))).toMatchObject({ kind: 'bad' });
});

test('H79 another namespace is named', async () => {
  const other = await key.signWith({ namespace: 'file' })(PAYLOAD);
  expect(await verifySshSignature(other, PAYLOAD)).toMatchObject({
    kind: 'bad',
    reason: expect.stringContaining('"file"') as unknown,
  });
});

test('sha256 is as good as sha512', async () => {
  expect(await verifySshSignature(await key.signWith({ hash: 'sha256' })(PAYLOAD), PAYLOAD)).toMatchObject({
    kind: 'good',
  });
});

test('every single changed byte makes it bad or malformed', async () => {
  const lines = signature.toString().trimEnd().split('\n');
  const blob = Buffer.from(lines.slice(1, -1).join(''), 'base64');
  for (const at of fc.sample(fc.integer({ min: 0, max: blob.length - 1 }), { numRuns: 12, seed: 3 })) {
    const changed = Buffer.from(blob);
    changed[at] = (changed[at] ?? 0) ^ 1;
    const armored = `${lines[0] ?? ''}\n${changed.toString('base64')}\n${lines.at(-1) ?? ''}\n`;
    expect(await verifySshSignature(Buffer.from(armored), PAYLOAD), `byte ${at}`).toMatchObject({ kind: 'bad' });
  }
});

test('whatever the bytes, the parser answers', () => {
  const begin = '-----BEGIN SSH SIGNATURE-----\n';
  const end = '\n-----END SSH SIGNATURE-----\n';
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.uint8Array().map((bytes) => Buffer.concat([Buffer.from('SSHSIG'), bytes]).toString('base64')),
      ),
      (body) => {
        const parsed = parseSshSignature(Buffer.from(`${begin}${body}${end}`));
        expect(['ssh-signature', 'ssh-signature-problem']).toContain(parsed.kind);
      },
    ),
    { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 300) },
  );
});
