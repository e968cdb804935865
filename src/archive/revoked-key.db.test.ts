/**
 * Binaries whose release was let in by a tag, and whose signer's key was revoked after the source was accepted and before the
 * archive decides on them.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createArchiveWorld, type ArchiveWorld } from '../../test/scenarios/archive.ts';
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
  type BuildSpec,
  type SigningWorker,
} from '../../test/scenarios/uploads.ts';
import { withTransaction } from '../platform/database.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { killAgents } from '../platform/gpg.ts';
import { decideUpload } from './decide.ts';
import { lockArchive } from './lock.ts';
import { planRevocation, revokeAndSuspend } from './revocation.ts';

const LANDFALL = { kind: 'system', name: 'landfall' } as const;
const SOURCE: BuildSpec = { kind: 'source', architecture: 'source' };
const AMD64: BuildSpec = { kind: 'binary', architecture: 'amd64', withAll: true };
const VERSIONS = ['1.0-1', '1.0-2', '1.0-3'];

interface Built {
  readonly changes: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

let scratch: TemporaryDirectory;
let world: ArchiveWorld;
let worker: SigningWorker;
let home: string;
let signer: Signer;
const built = new Map<string, { readonly source: Built; readonly binary: Built }>();

beforeAll(async () => {
  scratch = await makeTemporaryDirectory('lf-revoked-');
  const key = await createWorkerKey(join(scratch.path, 'key'));
  home = key.home;
  for (const version of VERSIONS) {
    const folder = join(scratch.path, version);
    await mkdir(folder);
    const tree = await writeTinyPackage(folder, { source: 'hello', version, binaries: [['hello', 'any']] });
    const make = async (how: '-S' | '-b'): Promise<Built> => {
      const upload = await buildUpload(tree, how, key);
      return { changes: upload.changes, files: await listedFiles(upload) };
    };
    built.set(version, { source: await make('-S'), binary: await make('-b') });
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

async function deliver(submissionId: number, spec: BuildSpec, { files, changes }: Built): Promise<number> {
  const leased = await leaseBuild(world, submissionId, worker, spec);
  const answer = await deliverFiles(world, leased, files, changes);
  if (answer.kind !== 'received') throw new Error(answer.reason);
  return answer.uploadId;
}

/** The source of a release by tag is in the archive, and its binaries were delivered: the upload that is to be decided. */
async function binariesOf(version: string): Promise<number> {
  const made = built.get(version);
  if (made === undefined) throw new Error(`${version} was not built`);
  // What source.matches-tag has to say is not asked here: the source comes in first, and its tag is told afterwards.
  const submissionId = await requestRelease(world, 'hello', version);
  expect(await decideUpload(world.deps, await deliver(submissionId, SOURCE, made.source))).toEqual({
    kind: 'accepted',
  });
  await letInByTag(world, { submissionId, source: 'hello', version, personId: signer.personId });
  await world.db.updateTable('submissions').set({ origin: 'tag' }).where('id', '=', submissionId).execute();
  return await deliver(submissionId, AMD64, made.binary);
}

async function outcomes(uploadId: number): Promise<Record<string, string>> {
  const rows = await world.db
    .selectFrom('upload_checks')
    .select(['code', 'outcome'])
    .where('upload_id', '=', uploadId)
    .where('code', 'like', 'decision.%')
    .execute();
  return Object.fromEntries(rows.map(({ code, outcome }) => [code, outcome]));
}

/** Names of packages that the suite would publish. */
async function inSuite(version: string): Promise<string[]> {
  const rows = await world.db
    .selectFrom('suite_binaries as m')
    .innerJoin('binary_packages as b', 'b.id', 'm.binary_package_id')
    .where('m.removed_serial', 'is', null)
    .where('b.version', '=', version)
    .select('b.name')
    .execute();
  return rows.map(({ name }) => name);
}

describe('binaries of a release whose tag was signed with a key', () => {
  it('that stands are accepted', async () => {
    const uploadId = await binariesOf('1.0-1');
    expect(await decideUpload(world.deps, uploadId)).toEqual({ kind: 'accepted' });
    expect(await outcomes(uploadId)).toEqual({ 'decision.verified': 'passed', 'decision.stands': 'passed' });
    expect(await inSuite('1.0-1')).toEqual(['hello']);
  });

  it('that is revoked between the look at their bytes and the decision are rejected', async () => {
    const uploadId = await binariesOf('1.0-2');
    const { deciding } = await withTransaction(world.db, async (trx) => {
      await lockArchive(trx, world.archiveId);
      // Wrapped, so that the transaction does not wait for what waits for it.
      const waiting = { deciding: decideUpload(world.deps, uploadId) };
      // Its bytes have been looked at once it stands before the archive's lock.
      await vi.waitFor(
        async () => {
          const { rows } = await sql<{ waiting: boolean }>`
            SELECT EXISTS (
              SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
              AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            ) AS waiting`.execute(world.db);
          expect(rows).toEqual([{ waiting: true }]);
        },
        { timeout: 120_000, interval: 20 },
      );
      await trx
        .updateTable('keys')
        .set({ revoked_at: sql<Date>`now()`, revocation_reason: 'lost' })
        .where('id', '=', signer.keyId)
        .execute();
      return waiting;
    });
    expect(await deciding).toMatchObject({ kind: 'rejected', objection: { code: 'decision.stands' } });
    const state = await uploadState(world.db, uploadId);
    expect(state).toMatchObject({ state: 'rejected', code: 'decision.stands' });
    expect(state.sentence).toMatch(/^The key SHA256:\S+ of alice, which signed this release, was revoked: lost\.$/);
    expect(await outcomes(uploadId)).toEqual({ 'decision.verified': 'passed', 'decision.stands': 'failed' });
    expect(await inSuite('1.0-2')).toEqual([]);
    await world.db
      .updateTable('keys')
      .set({ revoked_at: null, revocation_reason: null })
      .where('id', '=', signer.keyId)
      .execute();
  });

  it('that was revoked before the archive looks at them are rejected, and what to do is said', async () => {
    const uploadId = await binariesOf('1.0-3');
    const plan = await planRevocation(world.db, signer.keyId);
    const revoked = await revokeAndSuspend(world.db, {
      keyId: signer.keyId,
      reason: 'stolen',
      by: LANDFALL,
      suspend: false,
      hash: plan?.hash ?? '',
    });
    expect(revoked.kind).toBe('revoked');
    const decision = await decideUpload(world.deps, uploadId);
    expect(decision).toMatchObject({ kind: 'rejected', objection: { code: 'decision.verified' } });
    expect(decision.kind === 'rejected' && decision.objection.sentence).toMatch(
      /^The decision that let this release in does not verify: The key SHA256:\S+ of alice was revoked at .* UTC: stolen\.$/,
    );
    expect(decision.kind === 'rejected' && decision.objection.remedy).toBe(
      'release the next version, signed with a registered key that is not revoked',
    );
    expect(await outcomes(uploadId)).toEqual({ 'decision.verified': 'failed' });
    expect(await inSuite('1.0-3')).toEqual([]);
    // The job has ended, refused, and nobody asks for it again.
    const job = await world.db
      .selectFrom('jobs as j')
      .innerJoin('attempts as a', 'a.job_id', 'j.id')
      .innerJoin('uploads as u', 'u.attempt_id', 'a.id')
      .where('u.id', '=', uploadId)
      .select('j.state')
      .executeTakeFirstOrThrow();
    expect(job.state).toBe('failed');
  });
});
