/** Decisions verified from stored bytes alone, as in ten years. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { releaseMessage } from '../../test/scenarios/git-package.ts';
import { createKeyRing, type KeyRing } from '../../test/scenarios/keys.ts';
import { hashObject } from './hash-object.ts';
import { verifyDecision, type DecisionEvidence } from './index.ts';

const DAY_MS = 24 * 60 * 60_000;
const MADE = new Date('2024-03-01T12:00:00Z');
const COMMIT = '0123456789abcdef0123456789abcdef01234567';

let keys: KeyRing;
let evidence: DecisionEvidence;

beforeAll(async () => {
  keys = await createKeyRing();
  const key = await keys.openPgp({ userId: 'Alice <alice@example.org>', at: MADE, expire: '30d', subkey: {} });
  const payload = Buffer.from(
    [
      `object ${COMMIT}`,
      'type commit',
      'tag landing/1.0-1',
      `tagger Alice <alice@example.org> ${MADE.getTime() / 1000 + 86_400} +0000`,
      '',
      releaseMessage({ upstream: { commitId: COMMIT, tag: 'upstream/1.0' } }),
    ].join('\n'),
  );
  const signature = await key.signWith({ at: new Date(MADE.getTime() + DAY_MS) })(payload);
  const tagObject = Buffer.concat([payload, signature]);
  evidence = {
    ref: 'refs/tags/landing/1.0-1',
    objectId: hashObject('sha1', 'tag', tagObject),
    tagObject,
    signatureKind: 'openpgp',
    keyFingerprint: key.fingerprint,
    keyMaterial: await key.publicKey(),
    commitId: COMMIT,
    upstreamCommitId: COMMIT,
    source: 'hello',
    version: '1.0-1',
    decidedAt: new Date(MADE.getTime() + 2 * DAY_MS),
  };
});

afterAll(async () => await keys.remove());

test('a decision that was right is right after the key has expired, because expiry is judged as of then', async () => {
  expect(await verifyDecision(evidence)).toMatchObject({
    kind: 'verified',
    commitId: COMMIT,
    fingerprint: evidence.keyFingerprint,
    tagger: 'Alice <alice@example.org>',
  });
});

test('a decision that would have been taken after the expiry is not', async () => {
  const late = { ...evidence, decidedAt: new Date(MADE.getTime() + 40 * DAY_MS) };
  expect(await verifyDecision(late)).toMatchObject({
    kind: 'failed',
    code: 'decision.signature',
    sentence: expect.stringContaining('expired') as unknown,
  });
});

test.each<[string, (good: DecisionEvidence) => DecisionEvidence, string]>([
  [
    'a byte of the tag object',
    (good) => ({ ...good, tagObject: Buffer.from(good.tagObject).fill(0x78, 200, 201) }),
    'decision.tag-object',
  ],
  ['the commit', (good) => ({ ...good, commitId: 'f'.repeat(40) }), 'decision.commit'],
  ['the upstream commit', (good) => ({ ...good, upstreamCommitId: 'f'.repeat(40) }), 'decision.metadata'],
  ['the source', (good) => ({ ...good, source: 'goodbye' }), 'decision.metadata'],
  ['the version', (good) => ({ ...good, version: '1.0-2' }), 'decision.tag-name'],
  ['the ref', (good) => ({ ...good, ref: 'refs/tags/landing/1.0-2' }), 'decision.tag-name'],
  ['the kind of signature', (good) => ({ ...good, signatureKind: 'ssh' }), 'decision.signature'],
  ['the fingerprint', (good) => ({ ...good, keyFingerprint: 'A'.repeat(40) }), 'decision.signature'],
])('changed after the fact, it shows: %s', async (_name, change, code) => {
  expect(await verifyDecision(change(evidence))).toMatchObject({ kind: 'failed', code });
});

test('another key’s material does not verify it', async () => {
  const other = await keys.openPgp({ userId: 'Mallory <mallory@example.org>', at: MADE });
  const swapped = { ...evidence, keyMaterial: await other.publicKey() };
  expect(await verifyDecision(swapped)).toMatchObject({ kind: 'failed', code: 'decision.signature' });
});
