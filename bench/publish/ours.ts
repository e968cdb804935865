/**
 * Landfall's side: a real server with an archive for each size, filled in its database, and packages that come in as a worker
 * delivers them.
 *
 * What is measured of an addition begins with the delivery of what a worker built and signed, and ends when a client can fetch
 * the new index by HTTP: signature, hashes, the package itself and every rule of the archive are checked in between.
 */
import { link, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { sql } from 'kysely';
import { enqueuePublication } from '../../src/archive/accept.ts';
import { receiveDelivery } from '../../src/archive/receive.ts';
import { poolPath } from '../../src/debian/pool.ts';
import { createJob, type WorkerIdentity } from '../../src/lighthouse/index.ts';
import { createSecret } from '../../src/lighthouse/identity.ts';
import { claimJobs } from '../../src/lighthouse/leases.ts';
import { createFolderBlobStore, type FolderBlobStore } from '../../src/platform/blobs.ts';
import { withTransaction } from '../../src/platform/database.ts';
import { exec } from '../../src/platform/exec.ts';
import { isErrnoException } from '../../src/platform/errors.ts';
import { ensureDirectory } from '../../src/platform/files.ts';
import { exportPublicKey, generateKey, killAgents } from '../../src/platform/gpg.ts';
import { createSubmission, describeSubmission } from '../../src/registry/index.ts';
import { memoryOf, resetPeak, type Sample } from '../harness.ts';
import { startServer, type BenchServer } from '../server.ts';
import { digestOf, type AddedPackage, type CorpusDeb } from './debs.ts';
import type { IndexedPackage } from './packages.ts';

export interface Suite {
  readonly archive: string;
  readonly archiveId: number;
  readonly name: string;
  readonly id: number;
}

export interface Ours {
  readonly server: BenchServer;
  suite(archive: string, name?: string): Promise<Suite>;
  /** Puts packages with their files into a suite that has none, and publishes it. */
  fill(suite: Suite, debs: readonly CorpusDeb[]): Promise<void>;
  /** Puts an index into a suite that has none; nothing is published. The files that it names are not there. */
  load(suite: Suite, binaries: readonly IndexedPackage[], sources: readonly IndexedPackage[]): Promise<void>;
  /** Gives other suites of the archive what one has; nothing is published. */
  copy(from: Suite, to: readonly Suite[]): Promise<void>;
  /** A new version of so many packages that no earlier round has touched; nothing is published. */
  change(suites: readonly Suite[], count: number): Promise<void>;
  /** Asks for publications; seconds until every one of them can be fetched. */
  publish(suites: readonly Suite[]): Promise<Sample>;
  /** Seconds from the delivery of a built package until a client can fetch the index that has it. */
  add(suite: Suite, added: AddedPackage): Promise<Sample>;
  stop(): Promise<void>;
}

export interface Archives {
  /** Archives with the one suite `landing`. */
  readonly plain: readonly string[];
  /** An archive with so many suites, `suite-1`, … */
  readonly many: { readonly archive: string; readonly suites: number };
}

const LONG_MS = 15 * 60_000;
const BATCH = 5_000;

export async function startOurs(options: {
  readonly folder: string;
  readonly app: string;
  readonly signal: AbortSignal;
  readonly archives: Archives;
}): Promise<Ours> {
  const server = await startServer(options);
  try {
    await server.apply(distribution(options.archives));
    const blobs = await createFolderBlobStore(server.paths.blobs);
    const worker = await joinWorker(server, join(options.folder, 'worker'));
    const suites = await server.db
      .selectFrom('suites as s')
      .innerJoin('archives as a', 'a.id', 's.archive_id')
      .select(['a.name as archive', 'a.id as archiveId', 's.name', 's.id'])
      .execute();
    // What applying asked for: an empty publication of each.
    await server.until(
      async () => (await publishedSuites(server)) === suites.length,
      'the first publications',
      LONG_MS,
    );
    let changed = 0;
    return {
      server,
      suite: async (archive, name = 'landing') => {
        const found = suites.find((suite) => suite.archive === archive && suite.name === name);
        if (found === undefined) throw new Error(`there is no suite ${archive}/${name}`);
        return await Promise.resolve(found);
      },
      fill: async (suite, debs) => {
        await fill(server, blobs, suite, debs);
        await publish(server, [suite]);
      },
      load: async (suite, binaries, sources) => await load(server, suite, binaries, sources),
      copy: async (from, to) => {
        for (const suite of to) {
          await sql`INSERT INTO suite_binaries (suite_id, architecture, binary_package_id, added_serial)
            SELECT ${suite.id}, m.architecture, m.binary_package_id, (SELECT open_serial FROM suites WHERE id = ${suite.id})
            FROM suite_binaries m WHERE m.suite_id = ${from.id} AND m.removed_serial IS NULL`.execute(server.db);
        }
      },
      change: async (of, count) => {
        changed += 1;
        for (const suite of of) await change(server, suite, count, changed);
      },
      publish: async (of) => await measured(server, async () => await publish(server, of)),
      add: async (suite, added) => await add(server, blobs, worker, suite, added),
      stop: async () => {
        await server.stop();
        await killAgents(worker.home);
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function distribution({ plain, many }: Archives): string {
  const archive = (name: string): string =>
    `[archive.${name}]\norigin = "Bench"\nlabel = "Bench"\ndescription = "What is published to be measured"\npool = "trusted"\n`;
  const suite = (of: string, name: string): string =>
    `[archive.${of}.suite.${name}]\ncodename = "${name}"\ndescription = "A suite"\naccepts = ["tags"]\ncomponents = ["main"]\n` +
    'architectures = ["amd64"]\narchitecture-for-all = "amd64"\nnew-policy = "accept"\n';
  return [
    '[pool.trusted]\n',
    ...plain.flatMap((name) => [archive(name), suite(name, 'landing')]),
    archive(many.archive),
    ...Array.from({ length: many.suites }, (_, index) => suite(many.archive, `suite-${index + 1}`)),
  ].join('\n');
}

interface Worker extends WorkerIdentity {
  readonly home: string;
}

async function joinWorker(server: BenchServer, home: string): Promise<Worker> {
  await rm(home, { recursive: true, force: true });
  await ensureDirectory(home, 0o700);
  const fingerprint = await generateKey({ home, userId: 'bench <bench@example.org>', algorithm: 'ed25519' });
  const pool = await server.db.selectFrom('worker_pools').select(['id', 'name']).executeTakeFirstOrThrow();
  const architectures = ['amd64'];
  const row = await server.db
    .insertInto('workers')
    .values({
      name: 'bench',
      worker_pool_id: pool.id,
      architectures,
      secret_sha256: createSecret('lfw').sha256,
      openpgp_fingerprint: fingerprint,
      openpgp_key: await exportPublicKey(home, fingerprint, { armor: false }),
      revoked_at: null,
      last_contact_at: new Date(),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return {
    kind: 'worker',
    workerId: row.id,
    name: 'bench',
    workerPoolId: pool.id,
    workerPool: pool.name,
    architectures,
    openpgpFingerprint: fingerprint,
    home,
  };
}

async function publishedSuites(server: BenchServer): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    SELECT count(DISTINCT suite_id)::integer AS count FROM publications WHERE state = 'published'`.execute(server.db);
  return rows[0]?.count ?? 0;
}

/** An upload that everything of a suite is said to come from. */
async function uploadFor(server: BenchServer, suite: Suite): Promise<{ submissionId: number; uploadId: number }> {
  return await withTransaction(server.db, async (trx) => {
    const submissionId = await createSubmission(trx, { origin: 'import', archiveId: suite.archiveId });
    await describeSubmission(trx, submissionId, { suiteId: suite.id, source: 'import', version: '1' });
    const upload = await trx
      .insertInto('uploads')
      .values({
        submission_id: submissionId,
        archive_id: suite.archiveId,
        suite_id: suite.id,
        kind: 'source',
        changes_name: 'import_1_source.changes',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    return { submissionId, uploadId: upload.id };
  });
}

async function load(
  server: BenchServer,
  suite: Suite,
  binaries: readonly IndexedPackage[],
  sources: readonly IndexedPackage[],
): Promise<void> {
  const { submissionId, uploadId } = await uploadFor(server, suite);
  const known = new Map(sources.map((source) => [`${source.name} ${source.version}`, source]));
  const others = new Map<string, IndexedPackage>();
  for (const { source, sourceVersion } of binaries) {
    const key = `${source} ${sourceVersion}`;
    if (known.has(key)) continue;
    const stanza = `Package: ${source}\nBinary: ${source}\nVersion: ${sourceVersion}\n`;
    others.set(key, { name: source, version: sourceVersion, architecture: 'source', source, sourceVersion, stanza });
  }
  for (const rows of batches([...known.values(), ...others.values()])) {
    await sql`INSERT INTO source_packages (archive_id, upload_id, submission_id, name, version, component, stanza, dsc_sha256)
      SELECT ${suite.archiveId}, ${uploadId}, ${submissionId}, name, version, 'main', stanza, repeat('0', 64)
      FROM unnest(${rows.map((row) => row.name)}::text[], ${rows.map((row) => row.version)}::text[],
        ${rows.map((row) => row.stanza)}::text[]) AS row (name, version, stanza)`.execute(server.db);
  }
  for (const rows of batches(sources)) {
    await sql`INSERT INTO suite_sources (suite_id, source_package_id, added_serial)
      SELECT s.id, p.id, s.open_serial
      FROM unnest(${rows.map((row) => row.name)}::text[], ${rows.map((row) => row.version)}::text[]) AS row (name, version)
      JOIN suites s ON s.id = ${suite.id}
      JOIN source_packages p ON p.archive_id = s.archive_id AND p.name = row.name AND p.version = row.version`.execute(
      server.db,
    );
  }
  for (const rows of batches(binaries)) {
    await sql`WITH added AS (
        INSERT INTO binary_packages
          (archive_id, upload_id, source_package_id, name, version, architecture, component, stanza, sha256)
        SELECT p.archive_id, ${uploadId}, p.id, row.name, row.version, row.architecture, 'main', row.stanza, repeat('0', 64)
        FROM unnest(${rows.map((row) => row.name)}::text[], ${rows.map((row) => row.version)}::text[],
          ${rows.map((row) => row.architecture)}::text[], ${rows.map((row) => row.source)}::text[],
          ${rows.map((row) => row.sourceVersion)}::text[], ${rows.map((row) => row.stanza)}::text[])
          AS row (name, version, architecture, source, source_version, stanza)
        JOIN source_packages p ON p.archive_id = ${suite.archiveId} AND p.name = row.source AND p.version = row.source_version
        RETURNING id)
      INSERT INTO suite_binaries (suite_id, architecture, binary_package_id, added_serial)
      SELECT s.id, 'amd64', added.id, s.open_serial FROM added, suites s WHERE s.id = ${suite.id}`.execute(server.db);
  }
  await sql`ANALYZE`.execute(server.db);
}

async function fill(
  server: BenchServer,
  blobs: FolderBlobStore,
  suite: Suite,
  debs: readonly CorpusDeb[],
): Promise<void> {
  const packages: IndexedPackage[] = [];
  const files: { path: string; sha256: string; size: number; name: string }[] = [];
  for (const deb of debs) {
    const digest = await digestOf(deb.path);
    await linkBlob(blobs, deb.path, digest.sha256);
    const path = poolPath('main', deb.package.source, deb.file);
    files.push({ path, ...digest, name: deb.package.name });
    packages.push({ ...deb.package, stanza: withFile(deb.package.stanza, path, digest) });
  }
  await load(server, suite, packages, []);
  for (const rows of batches(files)) {
    await sql`WITH named AS (
        INSERT INTO pool_files (archive_id, path, sha256, size)
        SELECT ${suite.archiveId}, path, sha256, size
        FROM unnest(${rows.map((row) => row.path)}::text[], ${rows.map((row) => row.sha256)}::text[],
          ${rows.map((row) => row.size)}::bigint[]) AS row (path, sha256, size)
        RETURNING id, path)
      INSERT INTO package_files (binary_package_id, pool_file_id)
      SELECT b.id, named.id
      FROM unnest(${rows.map((row) => row.name)}::text[], ${rows.map((row) => row.path)}::text[]) AS row (name, path)
      JOIN named ON named.path = row.path
      JOIN binary_packages b ON b.archive_id = ${suite.archiveId} AND b.name = row.name`.execute(server.db);
  }
}

/** The store takes a file by its content; the disk need not hold it twice. */
async function linkBlob(blobs: FolderBlobStore, path: string, sha256: string): Promise<void> {
  const target = blobs.path(sha256);
  await mkdir(dirname(target), { recursive: true });
  try {
    await link(path, target);
  } catch (error) {
    if (!isErrnoException(error) || error.code !== 'EEXIST') throw error;
  }
}

function withFile(stanza: string, path: string, digest: { readonly sha256: string; readonly size: number }): string {
  const kept = stanza
    .trimEnd()
    .split('\n')
    .filter((line) => !/^(Filename|Size|MD5sum|SHA1|SHA256):/.test(line));
  return `${[...kept, `Filename: ${path}`, `Size: ${digest.size}`, `SHA256: ${digest.sha256}`].join('\n')}\n`;
}

/** Takes packages from the whole width of the index, others in each round. */
async function change(server: BenchServer, suite: Suite, count: number, round: number): Promise<void> {
  await sql`WITH open AS (SELECT open_serial AS serial FROM suites WHERE id = ${suite.id}),
      ranked AS (
        SELECT m.id, m.binary_package_id, row_number() OVER (ORDER BY b.name) AS place, count(*) OVER () AS total
        FROM suite_binaries m JOIN binary_packages b ON b.id = m.binary_package_id
        WHERE m.suite_id = ${suite.id} AND m.removed_serial IS NULL AND b.version NOT LIKE '%+bench%'),
      chosen AS (SELECT * FROM ranked WHERE place % (total / ${count}) = ${round} % (total / ${count}) ORDER BY place LIMIT ${count}),
      gone AS (
        UPDATE suite_binaries m SET removed_serial = open.serial FROM chosen, open WHERE m.id = chosen.id RETURNING m.id),
      fresh AS (
        INSERT INTO binary_packages
          (archive_id, upload_id, source_package_id, name, version, architecture, component, stanza, sha256)
        SELECT b.archive_id, b.upload_id, b.source_package_id, b.name, b.version || ${`+bench${suite.id}.${round}`}::text, b.architecture,
          b.component, regexp_replace(b.stanza, '^(Version: .*)$', '\\1' || ${`+bench${suite.id}.${round}`}::text, 'n'), b.sha256
        FROM chosen JOIN binary_packages b ON b.id = chosen.binary_package_id RETURNING id)
    INSERT INTO suite_binaries (suite_id, architecture, binary_package_id, added_serial)
    SELECT ${suite.id}, 'amd64', fresh.id, open.serial FROM fresh, open`.execute(server.db);
}

/** Enqueues what an acceptance enqueues, and waits until every suite is served with what it holds. */
async function publish(server: BenchServer, suites: readonly Suite[]): Promise<void> {
  const wanted = new Map<number, number>();
  await withTransaction(server.db, async (trx) => {
    for (const { id } of suites) {
      const { open_serial } = await trx
        .selectFrom('suites')
        .select('open_serial')
        .where('id', '=', id)
        .executeTakeFirstOrThrow();
      wanted.set(id, open_serial);
      await enqueuePublication(trx, id);
    }
  });
  await server.until(
    async () => {
      const serials = await servedSerials(server);
      return [...wanted].every(([id, serial]) => (serials.get(id) ?? 0) >= serial);
    },
    'a publication',
    LONG_MS,
  );
  for (const suite of suites) await fetchRelease(server, suite);
}

async function servedSerials(server: BenchServer): Promise<ReadonlyMap<number, number>> {
  const { rows } = await sql<{ suite_id: number; serial: number }>`
    SELECT suite_id, max(serial) AS serial FROM publications WHERE state = 'published' GROUP BY suite_id`.execute(
    server.db,
  );
  return new Map(rows.map((row) => [row.suite_id, row.serial]));
}

async function fetchRelease(server: BenchServer, suite: Suite): Promise<string> {
  const response = await fetch(`${server.url}/archive/${suite.archive}/dists/${suite.name}/InRelease`);
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  return await response.text();
}

async function measured(server: BenchServer, run: () => Promise<void>): Promise<Sample> {
  await resetPeak(server.pid);
  const started = performance.now();
  await run();
  const seconds = (performance.now() - started) / 1000;
  return { value: seconds, rssMb: (await memoryOf(server.pid)).peakMb };
}

async function add(
  server: BenchServer,
  blobs: FolderBlobStore,
  worker: Worker,
  suite: Suite,
  added: AddedPackage,
): Promise<Sample> {
  const { db } = server;
  const { source, version } = added;
  await withTransaction(db, async (trx) => {
    const id = await createSubmission(trx, { origin: 'import', archiveId: suite.archiveId });
    await describeSubmission(trx, id, { suiteId: suite.id, source, version });
    const upload = await trx
      .insertInto('uploads')
      .values({
        submission_id: id,
        archive_id: suite.archiveId,
        suite_id: suite.id,
        kind: 'source',
        changes_name: `${source}_${version}_source.changes`,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    await trx
      .insertInto('source_packages')
      .values({
        archive_id: suite.archiveId,
        upload_id: upload.id,
        submission_id: id,
        name: source,
        version,
        component: 'main',
        stanza: `Package: ${source}\nBinary: ${source}\nVersion: ${version}\n`,
        dsc_sha256: '0'.repeat(64),
      })
      .execute();
    const jobId = await createJob(trx, {
      traceId: id,
      audience: 'public',
      kind: 'binary',
      key: `bench:${id}`,
      fairGroup: 'bench',
      workerPoolId: worker.workerPoolId,
      architecture: 'amd64',
      payload: {},
      endedTask: 'builds.job-ended',
    });
    await trx
      .insertInto('builds')
      .values({ submission_id: id, kind: 'binary', architecture: 'amd64', with_all: false, job_id: jobId })
      .execute();
  });
  const [lease] = await claimJobs(db, [worker.workerId]);
  if (lease === undefined) throw new Error('the job could not be leased');
  await upload(server, blobs, worker, lease.attemptId, added);

  const url = `${server.url}/archive/${suite.archive}/dists/${suite.name}`;
  const before = await fetchRelease(server, suite);
  const serial = (await servedSerials(server)).get(suite.id) ?? 0;
  const sample = await measured(server, async () => {
    const answer = await receiveDelivery({ db }, worker, lease.attemptId, lease.token, { changes: added.changes });
    if (answer.kind !== 'received') throw new Error(answer.reason);
    await server.until(async () => {
      const { rows } = await sql<{ refused: string | null; serial: number }>`
        SELECT (SELECT sentence FROM uploads WHERE id = ${answer.uploadId} AND state = 'rejected') AS refused,
          max(serial) AS serial FROM publications WHERE suite_id = ${suite.id} AND state = 'published'`.execute(db);
      if (typeof rows[0]?.refused === 'string') throw new Error(`${source} was rejected: ${rows[0].refused}`);
      return (rows[0]?.serial ?? 0) > serial;
    }, 'an addition');
    if ((await fetchRelease(server, suite)) === before) throw new Error('the served Release is the old one');
  });
  // Not measured: that the package is really there.
  const packages = await (await fetch(`${url}/main/binary-amd64/Packages.gz`)).arrayBuffer();
  if (!gunzipSync(Buffer.from(packages)).includes(`Package: ${source}\n`))
    throw new Error(`${source} is not in the index`);
  return sample;
}

/** What a worker uploads before it says that it has delivered. */
async function upload(
  server: BenchServer,
  blobs: FolderBlobStore,
  worker: Worker,
  attemptId: number,
  added: AddedPackage,
): Promise<void> {
  await exec(['debsign', '--no-conf', '--no-re-sign', `-k${worker.openpgpFingerprint}`, added.changes], {
    cwd: added.folder,
    deadlineMs: 60_000,
    env: { GNUPGHOME: worker.home, HOME: added.folder },
  });
  const text = await readFile(join(added.folder, added.changes), 'utf8');
  const names = [...text.matchAll(/^ [0-9a-f]{64} [0-9]+ (\S+)$/gm)].map((match) => match[1] ?? '');
  for (const name of [...names, added.changes]) {
    const put = await blobs.put(await readFile(join(added.folder, name)));
    if (put.kind !== 'stored') throw new Error(`${name} could not be stored`);
    await server.db
      .insertInto('attempt_files')
      .values({ attempt_id: attemptId, name, sha256: put.sha256, size: put.size })
      .execute();
  }
}

function* batches<T>(rows: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < rows.length; at += BATCH) yield rows.slice(at, at + BATCH);
}
