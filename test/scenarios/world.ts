/**
 * A named world: pool `trusted`; archive `main` (public) with the suites `landing` (amd64, arm64) and `stable`, both upon Debian's
 * stable; archive `embargo` for the group security with the suite `fixes`; alice, who releases hello, and bob; the Git repositories
 * packages/hello and security/hello. What happens in it is told step by step, each as its module leaves it in the database:
 * decisions, uploads and publications as rows, builds and jobs by the real services.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { buildTasks } from '../../src/builds/index.ts';
import { deliver, failAttempt, refuseDelivery, succeedJob, whyJobsWait } from '../../src/lighthouse/index.ts';
import { claimJobs } from '../../src/lighthouse/leases.ts';
import { jsonText, withTransaction, type Db } from '../../src/platform/database.ts';
import { recordEvent } from '../../src/platform/events.ts';
import {
  acceptVersion,
  createSubmission,
  describeSubmission,
  freeVersion,
  reserveVersion,
} from '../../src/registry/index.ts';
import { CHECKS } from '../../src/tags/index.ts';
import type { TraceDeps } from '../../src/trace/index.ts';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';
import { addWorker, type JoinedWorker, type Running } from './lighthouse.ts';
import { SIGNER_FINGERPRINT, SIGNER_MATERIAL, signedTag } from './signed-tag.ts';

export const PUBLIC_URL = 'https://landfall.example';
const NO_SIGNAL = new AbortController().signal;

export interface WorldArchive {
  readonly name: string;
  readonly id: number;
  readonly suiteId: number;
  readonly suite: string;
  readonly gitRepositoryId: number;
}

export interface World {
  readonly database: TestDatabase;
  readonly db: Db;
  /** For the read model. */
  readonly deps: TraceDeps;
  readonly main: WorldArchive;
  readonly embargo: WorldArchive;
  readonly alice: number;
  readonly bob: number;
  /** Of pool trusted, for amd64. */
  readonly worker: JoinedWorker;
  close(): Promise<void>;
}

export interface Release {
  readonly archive: WorldArchive;
  readonly submissionId: number;
  readonly tagId: number;
  readonly source: string;
  readonly version: string;
}

export async function createWorld(): Promise<World> {
  const database = await createTestDatabase();
  const { db } = database;
  const worker = await addWorker(db, 'w1');
  const person = async (handle: string, name: string): Promise<number> => {
    const row = await db
      .insertInto('people')
      .values({ handle, name, email: `${handle}@example.org` })
      .returning('id')
      .executeTakeFirstOrThrow();
    return row.id;
  };
  const [alice, bob] = [await person('alice', 'Alice Archer'), await person('bob', 'Bob Baker')];
  await db
    .insertInto('external_suites')
    .values({
      name: 'debian-stable',
      uri: 'https://debian.example/debian',
      suite: 'bookworm',
      components: ['main'],
      keyring: Buffer.from('debian keys'),
    })
    .execute();
  const archive = async (name: string, audience: string, suite: string, repository: string): Promise<WorldArchive> => {
    const { id } = await db
      .insertInto('archives')
      .values({
        name,
        audience,
        origin: 'Landfall',
        label: name,
        description: name,
        worker_pool_id: worker.workerPoolId,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const suiteId = await addSuite(db, id, suite, audience);
    const git = await db
      .insertInto('git_repositories')
      .values({ name: repository, url: `https://forge.example/${repository}.git` })
      .returning('id')
      .executeTakeFirstOrThrow();
    await db
      .insertInto('git_repository_archives')
      .values({ git_repository_id: git.id, distro: 'landfall', archive_id: id })
      .execute();
    return { name, id, suiteId, suite, gitRepositoryId: git.id };
  };
  const main = await archive('main', 'public', 'landing', 'packages/hello');
  await addSuite(db, main.id, 'stable', 'public');
  const embargo = await archive('embargo', 'group:security', 'fixes', 'security/hello');
  return {
    database,
    db,
    deps: { db, publicUrl: PUBLIC_URL, whyJobsWait },
    main,
    embargo,
    alice,
    bob,
    worker,
    close: async () => await database.drop(),
  };
}

async function addSuite(db: Db, archiveId: number, name: string, audience: string): Promise<number> {
  const { id } = await db
    .insertInto('suites')
    .values({
      archive_id: archiveId,
      name,
      codename: `${name}-code`,
      aliases: [],
      accepts: ['tags'],
      components: ['main'],
      architectures: ['amd64', 'arm64'],
      architecture_for_all: 'amd64',
      new_policy: 'accept',
      audience,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await sql`INSERT INTO suite_parents (suite_id, position, external_suite_id) SELECT ${id}, 1, id FROM external_suites`.execute(
    db,
  );
  return id;
}

// ------------------------------------------------------------------ tags

/** A tag is seen under refs/tags/landfall/VERSION. */
export async function seeTag(
  world: World,
  release: { readonly source?: string; readonly version: string; readonly archive?: WorldArchive },
): Promise<Release> {
  const archive = release.archive ?? world.main;
  const source = release.source ?? 'hello';
  return await withTransaction(world.db, async (trx) => {
    const submissionId = await createSubmission(trx, { origin: 'tag', archiveId: archive.id });
    const { id } = await trx
      .insertInto('tags')
      .values({
        git_repository_id: archive.gitRepositoryId,
        submission_id: submissionId,
        ref: `refs/tags/landfall/${release.version}`,
        object_id: tagOf(source, release.version).objectId,
        distro: 'landfall',
        decided_at: null,
        retry_at: null,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    await recordEvent(trx, { kind: 'tag.seen', submissionId, actor: 'landfall', data: { tagId: id } });
    return { archive, submissionId, tagId: id, source, version: release.version };
  });
}

const DECISION = {
  remedy: null,
  tag_object: null,
  signature_kind: null,
  key_fingerprint: null,
  key_material: null,
  person_id: null,
  commit_id: null,
  upstream_commit_id: null,
  source: null,
  version: null,
  suite_id: null,
  quilt: null,
  grant_id: null,
  decided_by: 'landfall',
} as const;

export async function rejectTag(
  world: World,
  release: Release,
  rejection: { readonly code: string; readonly sentence: string; readonly remedy: string; readonly personId?: number },
): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    await trx
      .insertInto('tag_decisions')
      .values({
        ...DECISION,
        tag_id: release.tagId,
        outcome: 'rejected',
        code: rejection.code,
        sentence: rejection.sentence,
        remedy: rejection.remedy,
        person_id: rejection.personId ?? null,
        source: release.source,
        version: release.version,
        checks: jsonText([
          { code: 'tag.object', outcome: 'passed', detail: 'an annotated tag' },
          { code: rejection.code, outcome: 'failed', detail: rejection.sentence },
        ]),
      })
      .execute();
    await sql`UPDATE tags SET state = 'rejected', decided_at = clock_timestamp() WHERE id = ${release.tagId}`.execute(
      trx,
    );
    await recordEvent(trx, { kind: 'tag.rejected', submissionId: release.submissionId, actor: 'landfall' });
  });
}

export async function obstructTag(world: World, release: Release, retryAt: Date | null): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    await trx
      .insertInto('tag_obstacles')
      .values({
        tag_id: release.tagId,
        code: 'forge.unreachable',
        sentence: 'the forge does not answer',
        remedy: null,
        checks: '[]',
      })
      .execute();
    await trx
      .updateTable('tags')
      .set({ state: 'obstructed', retry_at: retryAt })
      .where('id', '=', release.tagId)
      .execute();
  });
}

/** The tag object of a release; the same for the same words. */
function tagOf(source: string, version: string): { bytes: Buffer; objectId: string; commitId: string } {
  const commitId = hash(`commit ${source} ${version}`).slice(0, 40);
  return { ...signedTag({ distro: 'landfall', source, version, commitId }), commitId };
}

/** Alice's tag is let in: decision, reserved version, frozen input, one orig. */
export async function acceptTag(world: World, release: Release): Promise<void> {
  const { archive, submissionId, source, version } = release;
  const { bytes, objectId: tagObjectId, commitId } = tagOf(source, version);
  await withTransaction(world.db, async (trx) => {
    const grant = await trx
      .insertInto('grants')
      .values({
        person_id: world.alice,
        group_id: null,
        action: 'release',
        granted_by: 'landfall',
        valid_until: null,
        withdrawn_at: null,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning('id')
      .executeTakeFirst();
    const grantId = grant?.id ?? (await trx.selectFrom('grants').select('id').executeTakeFirstOrThrow()).id;
    await trx
      .insertInto('tag_decisions')
      .values({
        ...DECISION,
        tag_id: release.tagId,
        outcome: 'accepted',
        code: 'accepted',
        sentence: `Alice Archer may release ${source} to ${archive.suite}`,
        checks: jsonText(CHECKS.map(({ code }) => ({ code, outcome: 'passed', detail: 'as it should be' }))),
        tag_object: bytes,
        signature_kind: 'ssh',
        key_fingerprint: SIGNER_FINGERPRINT,
        key_material: SIGNER_MATERIAL,
        person_id: world.alice,
        commit_id: commitId,
        source,
        version,
        suite_id: archive.suiteId,
        quilt: 'gbp',
        grant_id: grantId,
      })
      .execute();
    await sql`UPDATE tags SET state = 'accepted', decided_at = clock_timestamp() WHERE id = ${release.tagId}`.execute(
      trx,
    );
    await describeSubmission(trx, submissionId, { suiteId: archive.suiteId, source, version, personId: world.alice });
    const reserved = await reserveVersion(trx, { archiveId: archive.id, source, version, submissionId });
    if (reserved.kind !== 'reserved') throw new Error(`${version} is taken`);
    await trx
      .insertInto('frozen_inputs')
      .values({
        submission_id: submissionId,
        sha256: hash(`pack ${source} ${version}`),
        size: 1234,
        object_format: 'sha1',
        tag_object_id: tagObjectId,
        commit_id: commitId,
        upstream_commit_id: null,
        pristine_tar_commit_id: null,
      })
      .execute();
    await recordEvent(trx, { kind: 'tag.accepted', submissionId, actor: 'person:alice' });
  });
}

/** The source of a tag that was let in is ready to be assembled: one orig tarball was found. */
export async function prepareSource(world: World, release: Release): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    await trx
      .insertInto('origs')
      .values({
        submission_id: release.submissionId,
        name: `${release.source}_1.orig.tar.gz`,
        sha256: hash(`orig ${release.source}`),
        size: 99,
        provenance: 'parent',
        detail: 'debian-stable',
      })
      .execute();
    await recordEvent(trx, { kind: 'source.prepared', submissionId: release.submissionId, actor: 'landfall' });
  });
}

/** Nobody has the upstream tarball: the version is freed. */
export async function failPreparation(world: World, release: Release): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    await freeVersion(trx, release.submissionId, 'no orig');
    await recordEvent(trx, {
      kind: 'source.failed',
      submissionId: release.submissionId,
      actor: 'landfall',
      data: { code: 'orig.missing', sentence: 'no orig tarball was found', remedy: 'tag with upstream=' },
    });
  });
}

// ------------------------------------------------------------------ builds

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

// ------------------------------------------------------------------ whole stretches of the path

/** A tag is seen, let in and its source job planned. */
export async function releaseSource(
  world: World,
  version: string,
  options: { readonly source?: string; readonly archive?: WorldArchive } = {},
): Promise<Release> {
  const release = await seeTag(world, { version, ...options });
  await acceptTag(world, release);
  await prepareSource(world, release);
  await planSource(world, release);
  return release;
}

/** As {@link releaseSource}, and the source is built, accepted, published, and its binary jobs planned. */
export async function releaseToBinaries(
  world: World,
  version: string,
  options: { readonly source?: string; readonly archive?: WorldArchive; readonly architecture?: string } = {},
): Promise<Release> {
  const release = await releaseSource(world, version, options);
  const running = await leaseNext(world);
  await acceptSource(
    world,
    release,
    running,
    await deliverUpload(world, release, running, 'source'),
    options.architecture,
  );
  await planBinaries(world, release);
  await publish(world, release.archive);
  return release;
}

/** As {@link releaseToBinaries}, and amd64 is built, accepted and published; arm64 waits for a worker. */
export async function releaseWhole(
  world: World,
  version: string,
  options: { readonly source?: string; readonly archive?: WorldArchive } = {},
): Promise<Release> {
  const release = await releaseToBinaries(world, version, options);
  const running = await leaseNext(world);
  await acceptBinary(world, release, running, await deliverUpload(world, release, running, 'binary'), {
    architecture: 'amd64',
  });
  await publish(world, release.archive);
  return release;
}

export function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
