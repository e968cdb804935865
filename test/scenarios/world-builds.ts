/** The world's builds and uploads: jobs by the real services, verdicts and publications as their modules leave them. */
import { sql } from 'kysely';
import { buildTasks } from '../../src/builds/index.ts';
import { deliver, failAttempt, refuseDelivery, succeedJob } from '../../src/lighthouse/index.ts';
import { claimJobs } from '../../src/lighthouse/leases.ts';
import { withTransaction } from '../../src/platform/database.ts';
import { recordEvent } from '../../src/platform/events.ts';
import { acceptVersion } from '../../src/registry/index.ts';
import type { JoinedWorker, Running } from './lighthouse.ts';
import { PUBLIC_URL, type Release, type World, type WorldArchive, hash } from './world.ts';

const NO_SIGNAL = new AbortController().signal;

export function worldTasks(world: World) {
  const handlers = buildTasks({
    db: world.db,
    publicUrl: PUBLIC_URL,
    archiveKeyring: (archive) => Promise.resolve(Buffer.from(`keys of ${archive}`)),
  });
  return async (name: string, payload: unknown): Promise<void> => {
    const handler = handlers[name];
    if (handler === undefined) throw new Error(`there is no task ${name}`);
    await handler(payload, { signal: NO_SIGNAL, attempt: 1, maxAttempts: 25 });
  };
}

export async function planSource(world: World, release: Release): Promise<void> {
  await worldTasks(world)('builds.plan-source', { submissionId: release.submissionId });
}

export async function planBinaries(world: World, release: Release): Promise<void> {
  await worldTasks(world)('builds.plan-binaries', { submissionId: release.submissionId });
}

/** The next job goes to the world's worker, or to another. */
export async function leaseNext(world: World, worker: JoinedWorker = world.worker): Promise<Running> {
  const [lease] = await claimJobs(world.db, [worker.workerId]);
  if (lease === undefined) throw new Error('there is no job');
  return lease;
}

export async function failBuild(world: World, running: Running, reason = 'make: *** [all] Error 2'): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    await failAttempt(trx, world.worker, running.attemptId, running.token, {
      kind: 'failed',
      code: 'build.failed',
      reason,
    });
  });
}

/** The worker delivers, and an upload stands before its checks. Returns the upload's id. */
export async function deliverUpload(
  world: World,
  release: Release,
  running: Running,
  kind: 'source' | 'binary',
  worker: JoinedWorker = world.worker,
): Promise<number> {
  return await withTransaction(world.db, async (trx) => {
    await trx
      .insertInto('attempt_files')
      .values({ attempt_id: running.attemptId, name: `${release.source}.changes`, sha256: hash('changes'), size: 7 })
      .execute();
    const answer = await deliver(trx, worker, running.attemptId, running.token);
    if (answer.kind !== 'delivered') throw new Error(answer.reason);
    const { id } = await trx
      .insertInto('uploads')
      .values({
        submission_id: release.submissionId,
        attempt_id: running.attemptId,
        archive_id: release.archive.id,
        suite_id: release.archive.suiteId,
        kind,
        changes_name: `${release.source}.changes`,
        signer_fingerprint: worker.openpgpFingerprint,
        code: null,
        sentence: null,
        remedy: null,
        decided_at: null,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    return id;
  });
}

/** The archive takes the source: its packages are in the suite with the open serial. */
export async function acceptSource(
  world: World,
  release: Release,
  running: Running,
  uploadId: number,
  architecture = 'any all',
): Promise<void> {
  const { archive, submissionId, source, version } = release;
  await withTransaction(world.db, async (trx) => {
    await trx
      .updateTable('uploads')
      .set({ state: 'accepted', decided_at: new Date() })
      .where('id', '=', uploadId)
      .execute();
    await acceptVersion(trx, submissionId);
    const { id } = await trx
      .insertInto('source_packages')
      .values({
        archive_id: archive.id,
        upload_id: uploadId,
        submission_id: submissionId,
        name: source,
        version,
        component: 'main',
        stanza: `Package: ${source}\nVersion: ${version}\nArchitecture: ${architecture}\n`,
        dsc_sha256: hash(`dsc ${source} ${version}`),
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    for (const name of [`${source}_${version}.dsc`, `${source}_${version}.debian.tar.xz`]) {
      const file = await trx
        .insertInto('pool_files')
        .values({
          archive_id: archive.id,
          path: `pool/main/h/${source}/${name}`,
          sha256: hash(name),
          size: name.length,
        })
        .returning('id')
        .executeTakeFirstOrThrow();
      await trx
        .insertInto('package_files')
        .values({ source_package_id: id, binary_package_id: null, pool_file_id: file.id })
        .execute();
    }
    await sql`INSERT INTO suite_sources (suite_id, source_package_id, added_serial)
      SELECT id, ${id}, open_serial FROM suites WHERE id = ${archive.suiteId}`.execute(trx);
    await succeedJob(trx, running.jobId);
    await recordEvent(trx, { kind: 'source.accepted', submissionId, actor: 'landfall' });
  });
}

/** The archive takes a binary upload with one package of an architecture. */
export async function acceptBinary(
  world: World,
  release: Release,
  running: Running,
  uploadId: number,
  binary: { readonly name?: string; readonly architecture: string },
): Promise<void> {
  const { archive, source, version } = release;
  await withTransaction(world.db, async (trx) => {
    await trx
      .updateTable('uploads')
      .set({ state: 'accepted', decided_at: new Date() })
      .where('id', '=', uploadId)
      .execute();
    const sourcePackage = await trx
      .selectFrom('source_packages')
      .select('id')
      .where('submission_id', '=', release.submissionId)
      .executeTakeFirstOrThrow();
    const name = binary.name ?? source;
    const { id } = await trx
      .insertInto('binary_packages')
      .values({
        archive_id: archive.id,
        upload_id: uploadId,
        source_package_id: sourcePackage.id,
        name,
        version,
        architecture: binary.architecture,
        component: 'main',
        stanza: `Package: ${name}\n`,
        sha256: hash(`${name} ${version} ${binary.architecture}`),
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    await sql`INSERT INTO suite_binaries (suite_id, architecture, binary_package_id, added_serial)
      SELECT id, ${binary.architecture}, ${id}, open_serial FROM suites WHERE id = ${archive.suiteId}`.execute(trx);
    await succeedJob(trx, running.jobId);
    await recordEvent(trx, { kind: 'binary.accepted', submissionId: release.submissionId, actor: 'landfall' });
  });
}

export async function rejectUpload(
  world: World,
  running: Running,
  uploadId: number,
  refusal: { readonly code: string; readonly sentence: string; readonly remedy: string },
): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    await trx
      .updateTable('uploads')
      .set({ state: 'rejected', decided_at: new Date(), ...refusal })
      .where('id', '=', uploadId)
      .execute();
    await trx
      .insertInto('upload_checks')
      .values({ upload_id: uploadId, position: 1, code: refusal.code, outcome: 'failed', detail: refusal.sentence })
      .execute();
    await refuseDelivery(trx, running.jobId, refusal.code, refusal.sentence);
  });
}

export async function holdUpload(world: World, running: Running, uploadId: number): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    await trx.updateTable('uploads').set({ state: 'held' }).where('id', '=', uploadId).execute();
    await succeedJob(trx, running.jobId);
  });
}

/** What the suite holds now can be read by apt. */
export async function publish(world: World, archive: WorldArchive = world.main): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    const { rows } = await sql<{ serial: number }>`
      UPDATE suites SET open_serial = open_serial + 1 WHERE id = ${archive.suiteId} RETURNING open_serial - 1 AS serial`.execute(
      trx,
    );
    const serial = rows[0]?.serial ?? 0;
    await sql`INSERT INTO publications (suite_id, serial, date, valid_until, reason, release)
      SELECT ${archive.suiteId}, ${serial}::bigint, moment, moment + interval '7 days', 'change', 'Release'
      FROM (SELECT date_trunc('second', now()) + make_interval(secs => ${serial}) AS moment) AS t`.execute(trx);
    for (const state of ['written', 'signed', 'published']) {
      await sql`UPDATE publications SET state = ${state}, in_release = 'x', release_gpg = 'x', key_fingerprint = 'F1E2',
        published_at = CASE WHEN ${state} = 'published' THEN clock_timestamp() END
        WHERE suite_id = ${archive.suiteId} AND serial = ${serial}::bigint`.execute(trx);
    }
  });
}
