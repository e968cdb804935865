/** What the archive does with a release whose decision does not stand any more: changed, its key revoked, or suspended. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createArchiveWorld, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import { SIGNER_FINGERPRINT } from '../../test/scenarios/signed-tag.ts';
import { addSigner, letInByTag, type Signer } from '../../test/scenarios/tagged-release.ts';
import {
  buildUpload,
  createWorkerKey,
  deliverFiles,
  joinSigningWorker,
  leaseBuild,
  listedFiles,
  requestRelease,
  uploadState,
  writeTinyPackage,
  type BuiltUpload,
  type SigningWorker,
} from '../../test/scenarios/uploads.ts';
import { withTransaction } from '../platform/database.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { killAgents } from '../platform/gpg.ts';
import { decisionVerified } from './checks/decision.ts';
import { checkCodes } from './checks/lists.ts';
import { decideUpload } from './decide.ts';
import { planRevocation, revokeAndSuspend } from './revocation.ts';
import { suspend } from './suspend.ts';
import { readUpload } from './upload.ts';

const LANDFALL = { kind: 'system', name: 'landfall' } as const;
const SOURCE = { kind: 'source', architecture: 'source' } as const;

let scratch: TemporaryDirectory;
let world: ArchiveWorld;
let worker: SigningWorker;
let home: string;
const built = new Map<string, { changes: string; files: ReadonlyMap<string, Buffer> }>();
let signer: Signer;

beforeAll(async () => {
  scratch = await makeTemporaryDirectory('lf-susp-');
  const key = await createWorkerKey(join(scratch.path, 'key'));
  home = key.home;
  for (const version of ['1.0-1', '1.0-2']) {
    const folder = join(scratch.path, version);
    await mkdir(folder);
    const tree = await writeTinyPackage(folder, { source: 'hello', version, binaries: [['hello', 'all']] });
    const upload: BuiltUpload = await buildUpload(tree, '-S', key);
    built.set(version, { changes: upload.changes, files: await listedFiles(upload) });
  }
  world = await createArchiveWorld();
  worker = await joinSigningWorker(world, 'anchor', key);
  signer = await addSigner(world);
}, 120_000);

afterAll(async () => {
  await killAgents(home);
  await world.close();
  await scratch.remove();
});

/** A release that alice's tag let in, as the decision leaves it. */
async function tagged(version: string): Promise<number> {
  const submissionId = await requestRelease(world, 'hello', version, 'tag');
  await letInByTag(world, { submissionId, source: 'hello', version, personId: signer.personId });
  return submissionId;
}

/** The worker delivers the source; nothing is decided yet. */
async function deliver(submissionId: number, version: string): Promise<number> {
  const upload = built.get(version);
  if (upload === undefined) throw new Error(`${version} was not built`);
  const leased = await leaseBuild(world, submissionId, worker, SOURCE);
  const answer = await deliverFiles(world, leased, upload.files, upload.changes);
  if (answer.kind !== 'received') throw new Error(answer.reason);
  return answer.uploadId;
}

async function rejected(uploadId: number) {
  await decideUpload(world.deps, uploadId);
  return await uploadState(world.db, uploadId);
}

async function outcomeOf(uploadId: number, code: string): Promise<string | undefined> {
  const row = await world.db
    .selectFrom('upload_checks')
    .select('outcome')
    .where('upload_id', '=', uploadId)
    .where('code', '=', code)
    .executeTakeFirst();
  return row?.outcome;
}

describe('an upload of a tag’s release', () => {
  it('has its decision verified again, as a check of its own', async () => {
    const submissionId = await tagged('1.0-1');
    const upload = await readUpload(world.db, await deliver(submissionId, '1.0-1'));
    if (upload === undefined) throw new Error('there is no upload');
    expect(await decisionVerified(world.deps, upload)).toMatchObject({
      kind: 'passed',
      adds: { signed: { fingerprint: SIGNER_FINGERPRINT, tagger: 'Alice Archer <alice@example.org>' } },
    });
    expect(checkCodes('source')).toEqual(expect.arrayContaining(['decision.verified', 'decision.stands']));
    expect(checkCodes('binary')).toEqual(expect.arrayContaining(['decision.verified', 'decision.stands']));
    await withTransaction(
      world.db,
      async (trx) => await suspend(trx, { submissionId, actor: 'test', reason: 'enough' }),
    );
  });

  it('is rejected when a byte of the stored decision was changed, and says which', async () => {
    const submissionId = await tagged('1.0-1');
    const uploadId = await deliver(submissionId, '1.0-1');
    await sql`ALTER TABLE tag_decisions DISABLE TRIGGER tag_decisions_only_added`.execute(world.db);
    await sql`UPDATE tag_decisions SET tag_object = set_byte(tag_object, 60, 65)
      WHERE tag_id = (SELECT id FROM tags WHERE submission_id = ${submissionId})`.execute(world.db);
    await sql`ALTER TABLE tag_decisions ENABLE TRIGGER tag_decisions_only_added`.execute(world.db);
    expect(await rejected(uploadId)).toEqual({
      state: 'rejected',
      code: 'decision.verified',
      sentence:
        'The decision that let this release in does not verify: The stored tag object does not have the id that was decided.',
    });
    expect(await outcomeOf(uploadId, 'decision.verified')).toBe('failed');
  });

  it('is rejected when the bytes of its frozen input are others', async () => {
    const submissionId = await tagged('1.0-1');
    const uploadId = await deliver(submissionId, '1.0-1');
    await sql`ALTER TABLE frozen_inputs DISABLE TRIGGER frozen_inputs_only_added`.execute(world.db);
    await sql`UPDATE frozen_inputs SET size = size + 1 WHERE submission_id = ${submissionId}`.execute(world.db);
    await sql`ALTER TABLE frozen_inputs ENABLE TRIGGER frozen_inputs_only_added`.execute(world.db);
    const result = await rejected(uploadId);
    expect(result).toMatchObject({ state: 'rejected', code: 'decision.verified' });
    expect(result.sentence).toContain('were frozen');
  });

  it('is rejected, and its version freed, when the key was revoked since; suspending ends the others at once', async () => {
    const first = await tagged('1.0-1');
    const uploadId = await deliver(first, '1.0-1');
    const waiting = await tagged('1.0-2');
    const waitingUpload = await deliver(waiting, '1.0-2');
    const plan = await planRevocation(world.db, signer.keyId);
    expect(plan?.releases.filter(({ state }) => state === 'under-way').map(({ submissionId }) => submissionId)).toEqual(
      expect.arrayContaining([first, waiting]),
    );
    const request = { keyId: signer.keyId, reason: 'stolen', by: LANDFALL };
    expect(await revokeAndSuspend(world.db, { ...request, suspend: false, hash: 'another' })).toEqual({
      kind: 'out-of-date',
    });
    const revoked = await revokeAndSuspend(world.db, { ...request, suspend: false, hash: plan?.hash ?? '' });
    expect(revoked).toMatchObject({ kind: 'revoked', suspended: [] });
    const result = await rejected(uploadId);
    expect(result).toMatchObject({ state: 'rejected', code: 'decision.verified' });
    expect(result.sentence).toMatch(
      /^The decision that let this release in does not verify: The key SHA256:\S+ of alice was revoked at .* UTC: stolen\.$/,
    );
    const again = await planRevocation(world.db, signer.keyId);
    const done = await revokeAndSuspend(world.db, { ...request, suspend: true, hash: again?.hash ?? '' });
    expect(done).toMatchObject({
      kind: 'already-revoked',
      suspended: [{ submissionId: waiting, ended: { jobs: 1, uploads: 1, versionFreed: true, takenFrom: [] } }],
    });
    expect(await uploadState(world.db, waitingUpload)).toMatchObject({
      state: 'rejected',
      code: 'submission.suspended',
    });
    expect(await decideUpload(world.deps, waitingUpload)).toEqual({ kind: 'nothing-to-decide' });
    const audit = await world.db.selectFrom('audit').select('action').execute();
    expect(audit.map(({ action }) => action)).toEqual(expect.arrayContaining(['key.revoked', 'submission.suspended']));
  });

  it('of a suspended release is rejected, however it came', async () => {
    const submissionId = await requestRelease(world, 'hello', '1.0-1');
    const uploadId = await deliver(submissionId, '1.0-1');
    await world.db
      .insertInto('suspensions')
      .values({ submission_id: submissionId, reason: 'a slip', actor: 'person:carol' })
      .execute();
    expect(await rejected(uploadId)).toEqual({
      state: 'rejected',
      code: 'decision.stands',
      sentence: 'This release was suspended by person:carol: a slip.',
    });
  });
});

describe('suspending what was accepted', () => {
  it('takes it out of the suite before a publication shows it, and puts back what it replaced', async () => {
    const old = await requestRelease(world, 'hello', '1.0-1');
    expect(await rejected(await deliver(old, '1.0-1'))).toMatchObject({ state: 'accepted' });
    await world.publish();
    const fresh = await requestRelease(world, 'hello', '1.0-2');
    expect(await rejected(await deliver(fresh, '1.0-2'))).toMatchObject({ state: 'accepted' });
    const end = async (submissionId: number) =>
      await withTransaction(
        world.db,
        async (trx) => await suspend(trx, { submissionId, actor: 'person:carol', reason: 'a slip' }),
      );
    expect(await end(fresh)).toMatchObject({ versionFreed: false, takenFrom: ['main/landing'] });
    expect(await end(fresh)).toBeUndefined();
    const { rows } = await sql<{ version: string }>`
      SELECT p.version FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
      WHERE m.removed_serial IS NULL`.execute(world.db);
    expect(rows).toEqual([{ version: '1.0-1' }]);
    await world.publish();
    const apt = await world.apt();
    await apt.update();
    expect(await apt.source('hello')).toContain('hello_1.0-1.dsc');
    // What is published stays: nothing goes down by itself.
    expect(await end(old)).toMatchObject({ takenFrom: [] });
    expect(rows).toHaveLength(1);
  });
});
