import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeTemporaryDirectory, type TemporaryDirectory } from './files.ts';
import { clearSign, detachSign, exportPublicKey, generateKey, killAgents } from './gpg.ts';
import { verifyClearsignedByAny, verifyDetachedByAny } from './gpgv-several.ts';

const payload = Buffer.from('Suite: landing\n- a line that begins with a dash\n');
let home: TemporaryDirectory;
let keys: { fingerprint: string; material: Buffer }[];
let document: Buffer;
let signature: Buffer;

beforeAll(async () => {
  home = await makeTemporaryDirectory('lf-two-');
  keys = [];
  for (const userId of ['One', 'Two', 'Stranger']) {
    const fingerprint = await generateKey({ home: home.path, userId, algorithm: 'ed25519' });
    keys.push({ fingerprint, material: await exportPublicKey(home.path, fingerprint) });
  }
  const [first, second] = keys;
  if (first === undefined || second === undefined) throw new Error('two keys');
  const options = { home: home.path, fingerprint: first.fingerprint, alsoBy: [second.fingerprint], payload };
  document = await clearSign(options);
  signature = await detachSign(options);
});
afterAll(async () => {
  await killAgents(home.path);
  await home.remove();
});

const ring = (...which: readonly number[]): Buffer[] => which.map((index) => keys[index]?.material ?? Buffer.alloc(0));

describe('what two keys signed', () => {
  it('is good for who knows one of them, and tells by which', async () => {
    for (const [keyring, by] of [
      [ring(0), 0],
      [ring(1), 1],
      [ring(2, 1), 1],
    ] as const) {
      const primary = keys[by]?.fingerprint;
      expect(await verifyDetachedByAny({ keyring, signature, payload })).toMatchObject({ kind: 'good', primary });
      const inline = await verifyClearsignedByAny({ keyring, document });
      expect(inline).toMatchObject({ kind: 'good', primary });
      expect(inline.kind === 'good' && inline.payload.equals(payload)).toBe(true);
    }
  });

  it('is unknown to who knows neither', async () => {
    const unknown = { kind: 'bad', code: 'signature.unknown-key' };
    expect(await verifyDetachedByAny({ keyring: ring(2), signature, payload })).toMatchObject(unknown);
    expect(await verifyClearsignedByAny({ keyring: ring(2), document })).toMatchObject(unknown);
  });

  it('is bad when the text was changed, whichever is known', async () => {
    const changed = Buffer.from(document.toString('latin1').replace('landing', 'stable!'), 'latin1');
    for (const keyring of [ring(0), ring(1), ring(0, 1)]) {
      expect(await verifyClearsignedByAny({ keyring, document: changed })).toMatchObject({ code: 'signature.bad' });
      expect(await verifyDetachedByAny({ keyring, signature, payload: Buffer.from('Suite: stable\n') })).toMatchObject({
        code: 'signature.bad',
      });
    }
  });

  it('is judged by the strict rules where there is one signature, or none', async () => {
    const [first] = keys;
    const one = await clearSign({ home: home.path, fingerprint: first?.fingerprint ?? '', payload });
    expect(await verifyClearsignedByAny({ keyring: ring(0), document: one })).toMatchObject({ kind: 'good' });
    expect(await verifyClearsignedByAny({ keyring: ring(0), document: payload })).toMatchObject({
      code: 'signature.malformed',
    });
    expect(await verifyDetachedByAny({ keyring: ring(0), signature: Buffer.from('x'), payload })).toMatchObject({
      code: 'signature.malformed',
    });
  });
});
