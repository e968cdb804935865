/** Decisions verified from stored bytes alone, as in ten years. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { releaseMessage } from '../../test/scenarios/git-package.ts';
import { createKeyRing, type KeyRing } from '../../test/scenarios/keys.ts';
import { hashObject } from './hash-object.ts';
import { CHECKS } from './model.ts';
import { fingerprintOf, verifyEvidence, type DecisionEvidence } from './evidence.ts';

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
    decisionId: 1,
    tagId: 2,
    submissionId: 3,
    repository: 'packages/hello',
    archive: 'main',
    ref: 'refs/tags/landing/1.0-1',
    objectId: hashObject('sha1', 'tag', tagObject),
    outcome: 'accepted',
    code: 'accepted',
    sentence: 'All checks passed.',
    remedy: null,
    checks: CHECKS.map(({ code }) => ({ code, outcome: 'passed', detail: 'as it should be' })),
    tagObject,
    signatureKind: 'openpgp',
    keyFingerprint: key.fingerprint,
    keyMaterial: await key.publicKey(),
    signer: 'alice',
    commitId: COMMIT,
    upstreamCommitId: COMMIT,
    source: 'hello',
    version: '1.0-1',
    suite: 'landing',
    quilt: 'gbp',
    grant: 'grant 1 to alice: release hello to suite landing of archive main',
    decidedBy: 'landfall',
    decidedAt: new Date(MADE.getTime() + 2 * DAY_MS),
    frozen: {
      sha256: 'a'.repeat(64),
      size: 10,
      tagObjectId: hashObject('sha1', 'tag', tagObject),
      commitId: COMMIT,
      upstreamCommitId: COMMIT,
      pristineTarCommitId: null,
    },
  };
});

afterAll(async () => await keys.remove());

test('a decision that was right is right after the key has expired, because expiry is judged as of then', async () => {
  expect(await verifyEvidence(evidence)).toMatchObject({
    kind: 'verified',
    signed: { commitId: COMMIT, fingerprint: evidence.keyFingerprint, tagger: 'Alice <alice@example.org>' },
  });
});

test('a decision that would have been taken after the expiry is not', async () => {
  const late = { ...evidence, decidedAt: new Date(MADE.getTime() + 40 * DAY_MS) };
  expect(await verifyEvidence(late)).toMatchObject({
    kind: 'failed',
    code: 'decision.signature',
    sentence: expect.stringContaining('expired') as unknown,
  });
});

test.each<[string, (good: DecisionEvidence) => DecisionEvidence, string]>([
  [
    'a byte of the tag object',
    (good) => ({ ...good, tagObject: Buffer.from(good.tagObject ?? []).fill(0x78, 200, 201) }),
    'decision.tag-object',
  ],
  ['the commit', (good) => ({ ...good, commitId: 'f'.repeat(40) }), 'decision.commit'],
  ['the upstream commit', (good) => ({ ...good, upstreamCommitId: 'f'.repeat(40) }), 'decision.metadata'],
  ['the source', (good) => ({ ...good, source: 'goodbye' }), 'decision.metadata'],
  ['the version', (good) => ({ ...good, version: '1.0-2' }), 'decision.tag-name'],
  ['the ref', (good) => ({ ...good, ref: 'refs/tags/landing/1.0-2' }), 'decision.tag-name'],
  ['the kind of signature', (good) => ({ ...good, signatureKind: 'ssh' }), 'decision.signature'],
  ['the quilt mode', (good) => ({ ...good, quilt: 'linear' }), 'decision.metadata'],
  ['a check that failed', (good) => failing(good, 'signer.permission'), 'decision.checks'],
  ['a check that is gone', (good) => ({ ...good, checks: good.checks.slice(1, 7) }), 'decision.checks'],
  ['the frozen commit', (good) => frozen(good, { commitId: 'f'.repeat(40) }), 'decision.frozen'],
  ['the fingerprint', (good) => ({ ...good, keyFingerprint: 'A'.repeat(40) }), 'decision.signature'],
])('changed after the fact, it shows: %s', async (_name, change, code) => {
  expect(await verifyEvidence(change(evidence))).toMatchObject({ kind: 'failed', code });
});

test('another key’s material does not verify it', async () => {
  const other = await keys.openPgp({ userId: 'Mallory <mallory@example.org>', at: MADE });
  const swapped = { ...evidence, keyMaterial: await other.publicKey() };
  expect(await verifyEvidence(swapped)).toMatchObject({ kind: 'failed', code: 'decision.signature' });
});

function failing(good: DecisionEvidence, code: string): DecisionEvidence {
  return {
    ...good,
    checks: good.checks.map((check) => (check.code === code ? { ...check, outcome: 'failed' } : check)),
  };
}

function frozen(good: DecisionEvidence, change: Partial<NonNullable<DecisionEvidence['frozen']>>): DecisionEvidence {
  return { ...good, frozen: good.frozen === null ? null : { ...good.frozen, ...change } };
}

test.each<[string, Partial<DecisionEvidence>]>([
  ['suite', { suite: 'stable' }],
  ['grant', { grant: 'grant 2 to mallory: release anything' }],
  ['sentence', { sentence: 'Let in.' }],
  ['decided-by', { decidedBy: 'person:mallory' }],
  ['signer', { signer: 'mallory' }],
  ['repository', { repository: 'packages/other' }],
])('what the signature does not cover is held against the fingerprint of the record: %s', async (field, change) => {
  const fingerprint = fingerprintOf(evidence);
  expect(await verifyEvidence(evidence, { fingerprint })).toMatchObject({ kind: 'verified' });
  expect(await verifyEvidence({ ...evidence, ...change }, { fingerprint })).toMatchObject({
    kind: 'failed',
    code: 'decision.record',
    sentence: `Changed since the decision: ${field}.`,
  });
});

test('the frozen pack is held against its hash, and a revocation counts whenever it came', async () => {
  const read = { kind: 'read', size: 10 } as const;
  expect(await verifyEvidence(evidence, { pack: { ...read, sha256: 'a'.repeat(64) } })).toMatchObject({
    kind: 'verified',
  });
  expect(await verifyEvidence(evidence, { pack: { ...read, sha256: 'b'.repeat(64) } })).toMatchObject({
    code: 'decision.frozen',
  });
  expect(await verifyEvidence(evidence, { pack: { kind: 'missing' } })).toMatchObject({ code: 'decision.frozen' });
  expect(await verifyEvidence(evidence, { revoked: { at: MADE, reason: 'stolen' } })).toMatchObject({
    code: 'decision.key-revoked',
    sentence: expect.stringContaining('of alice was revoked at 2024-03-01 12:00:00 UTC: stolen.') as unknown,
  });
});

test('a rejection is verified as far as it came', async () => {
  const checks = CHECKS.slice(0, 4).map(({ code }) => ({ code, outcome: 'passed', detail: '' }));
  const rejected: DecisionEvidence = {
    ...evidence,
    outcome: 'rejected',
    code: 'tag.metadata',
    checks: [...checks, { code: 'tag.metadata', outcome: 'failed', detail: 'no' }],
    keyMaterial: null,
    keyFingerprint: null,
    frozen: null,
  };
  expect(await verifyEvidence(rejected)).toMatchObject({ kind: 'verified', signed: undefined });
  expect(await verifyEvidence({ ...rejected, code: 'tag.name' })).toMatchObject({ code: 'decision.checks' });
});
