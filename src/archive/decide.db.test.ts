import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createArchiveWorld, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import {
  buildUpload,
  createWorkerKey,
  deliverFiles,
  joinSigningWorker,
  leaseBuild,
  listedFiles,
  requestRelease,
  signText,
  textOf,
  uploadState,
  writeTinyPackage,
  type BuildSpec,
  type BuiltUpload,
  type SigningWorker,
  type TinyPackage,
} from '../../test/scenarios/uploads.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { killAgents } from '../platform/gpg.ts';
import { revokeWorker } from '../lighthouse/index.ts';
import { withTransaction } from '../platform/database.ts';
import { checkCodes } from './checks/lists.ts';
import { decideUpload, reviewUpload } from './decide.ts';
import { planTakedown, takeDown } from './takedown/takedown.ts';

const HELLO: TinyPackage = {
  source: 'hello',
  version: '1.0-1',
  binaries: [
    ['hello', 'any'],
    ['hello-data', 'all'],
  ],
};
const SOURCE: BuildSpec = { kind: 'source', architecture: 'source' };
const AMD64: BuildSpec = { kind: 'binary', architecture: 'amd64', withAll: true };

type Files = ReadonlyMap<string, Buffer>;

let scratch: TemporaryDirectory;
let key: Awaited<ReturnType<typeof createWorkerKey>>;
let otherKey: Awaited<ReturnType<typeof createWorkerKey>>;
let builtSource: BuiltUpload;
let builtBinary: BuiltUpload;
let sourceFiles: Files;
let binaryFiles: Files;
let world: ArchiveWorld;
let worker: SigningWorker;
let other: SigningWorker;

async function build(name: string, spec: TinyPackage): Promise<{ source: BuiltUpload; binary: BuiltUpload }> {
  const folder = join(scratch.path, name);
  await mkdir(folder);
  const tree = await writeTinyPackage(folder, spec);
  return { source: await buildUpload(tree, '-S', key), binary: await buildUpload(tree, '-b', key) };
}

beforeAll(async () => {
  scratch = await makeTemporaryDirectory('lf-up-');
  key = await createWorkerKey(join(scratch.path, 'key'));
  otherKey = await createWorkerKey(join(scratch.path, 'other'));
  const built = await build('hello', HELLO);
  builtSource = built.source;
  builtBinary = built.binary;
  sourceFiles = await listedFiles(builtSource);
  binaryFiles = await listedFiles(builtBinary);
}, 120_000);

afterAll(async () => {
  for (const { home } of [key, otherKey]) await killAgents(home);
  await scratch.remove();
});

beforeEach(async () => {
  world = await createArchiveWorld();
  worker = await joinSigningWorker(world, 'anchor', key);
  other = await joinSigningWorker(world, 'buoy', otherKey);
});

afterEach(async () => {
  await world.close();
});

/** Delivers files as the answer to a build of a release, and decides. */
async function upload(
  submissionId: number,
  spec: BuildSpec,
  files: Files,
  changes: string,
  by: SigningWorker = worker,
): Promise<{ uploadId: number; jobId: number; state: string; code: string | null; sentence: string | null }> {
  const leased = await leaseBuild(world, submissionId, by, spec);
  const answer = await deliverFiles(world, leased, files, changes);
  if (answer.kind !== 'received') throw new Error(answer.reason);
  await decideUpload(world.deps, answer.uploadId);
  return { uploadId: answer.uploadId, jobId: leased.jobId, ...(await uploadState(world.db, answer.uploadId)) };
}

async function release(spec: TinyPackage = HELLO): Promise<number> {
  return await requestRelease(world, spec.source, spec.version);
}

/** The files with the .changes altered and signed again. */
async function altered(files: Files, changes: string, alter: (text: string) => string, by = key): Promise<Files> {
  const text = alter(textOf(files.get(changes) ?? Buffer.alloc(0)));
  return new Map([...files, [changes, await signText(by, text)]]);
}

describe('a source upload', () => {
  it('is accepted with every check recorded, and asks for binaries and a publication', async () => {
    const id = await release();
    const result = await upload(id, SOURCE, sourceFiles, builtSource.changes);
    expect(result).toMatchObject({ state: 'accepted', code: null });
    const checks = await world.db.selectFrom('upload_checks').selectAll().orderBy('position').execute();
    expect(checks.map((check) => check.code)).toEqual(checkCodes('source'));
    expect(checks.filter((check) => check.outcome !== 'passed').map((check) => check.code)).toEqual([
      'decision.verified',
      'source.matches-tag',
      'decision.stands',
      'archive.quota',
    ]);
    const job = await world.db.selectFrom('jobs').select('state').executeTakeFirstOrThrow();
    expect(job.state).toBe('succeeded');
    const version = await world.db.selectFrom('versions').select('state').executeTakeFirstOrThrow();
    expect(version.state).toBe('accepted');
    const { rows } = await sql<{ task_identifier: string }>`
      SELECT task_identifier FROM graphile_worker.jobs`.execute(world.db);
    expect(rows.map((row) => row.task_identifier)).toEqual(
      expect.arrayContaining(['builds.plan-binaries', 'archive.publish']),
    );
  });

  it('is served to apt, which fetches its files', async () => {
    await upload(await release(), SOURCE, sourceFiles, builtSource.changes);
    await world.publish();
    const apt = await world.apt();
    await apt.update();
    expect(await apt.source('hello')).toEqual([
      'hello_1.0-1.debian.tar.xz',
      'hello_1.0-1.dsc',
      'hello_1.0.orig.tar.gz',
    ]);
  });

  it('decided again stays as it was', async () => {
    const result = await upload(await release(), SOURCE, sourceFiles, builtSource.changes);
    expect(await decideUpload(world.deps, result.uploadId)).toEqual({ kind: 'nothing-to-decide' });
  });

  it('H35 a file that is cut off is rejected, and the version is free again', async () => {
    const files = new Map([...sourceFiles]);
    const name = 'hello_1.0.orig.tar.gz';
    files.set(name, (files.get(name) ?? Buffer.alloc(0)).subarray(0, 40));
    const result = await upload(await release(), SOURCE, files, builtSource.changes);
    expect(result).toMatchObject({ state: 'rejected', code: 'files.complete' });
    const version = await world.db.selectFrom('versions').select('state').executeTakeFirstOrThrow();
    expect(version.state).toBe('freed');
    const job = await world.db.selectFrom('jobs').select(['state', 'failure_code']).executeTakeFirstOrThrow();
    expect(job).toEqual({ state: 'failed', failure_code: 'files.complete' });
    expect(await world.db.selectFrom('pool_files').selectAll().execute()).toEqual([]);
  });

  it('H36 a right hash with a wrong size is rejected', async () => {
    const files = await altered(sourceFiles, builtSource.changes, (text) =>
      text.replace(/ (\d+) ((?:\S+ \S+ )?hello_1\.0\.orig\.tar\.gz)/g, ' 7 $2'),
    );
    expect(await upload(await release(), SOURCE, files, builtSource.changes)).toMatchObject({
      state: 'rejected',
      code: 'files.complete',
    });
  });

  it('brings bytes back that were taken down: rejected by name, unless upstream tarballs were kept', async () => {
    await upload(await release(), SOURCE, sourceFiles, builtSource.changes);
    const asked = { source: 'hello', version: '1.0-1', reason: 'malware', legal: false, by: 'person:carol' };
    const takeItDown = async (keepUpstream: boolean): Promise<readonly string[]> => {
      const request = { ...asked, keepUpstream, audiences: ['public'] };
      const plan = await planTakedown(world.db, request);
      if (plan.kind !== 'plan') throw new Error(plan.kind);
      if (!keepUpstream) expect((await takeDown(world.db, request, plan.hash)).kind).toBe('done');
      return plan.shared.map(({ path }) => path);
    };
    expect(await takeItDown(true)).toEqual(['pool/main/h/hello/hello_1.0.orig.tar.gz']);
    expect(await takeItDown(false)).toEqual([]);
    const next = { ...HELLO, version: '1.0-2' };
    const built = await build('hello-again', next);
    const orig = 'hello_1.0.orig.tar.gz';
    const files = new Map([...(await listedFiles(built.source)), [orig, sourceFiles.get(orig) ?? Buffer.alloc(0)]]);
    const result = await upload(await release(next), SOURCE, files, built.source.changes);
    expect(result).toMatchObject({ state: 'rejected', code: 'files.allowed' });
    expect(result.sentence).toBe(`${orig} has bytes that were taken down.`);
  });

  it('a file that is listed and lacks is rejected', async () => {
    const files = new Map([...sourceFiles].filter(([name]) => !name.endsWith('.debian.tar.xz')));
    expect(await upload(await release(), SOURCE, files, builtSource.changes)).toMatchObject({ code: 'files.complete' });
  });

  it('H39 signed by another worker is rejected', async () => {
    const result = await upload(await release(), SOURCE, sourceFiles, builtSource.changes, other);
    expect(result).toMatchObject({ state: 'rejected', code: 'signature.worker' });
  });

  it('H39 of a worker that was revoked meanwhile is rejected', async () => {
    const leased = await leaseBuild(world, await release(), worker, SOURCE);
    const answer = await deliverFiles(world, leased, sourceFiles, builtSource.changes);
    if (answer.kind !== 'received') throw new Error(answer.reason);
    await withTransaction(world.db, (trx) => revokeWorker(trx, 'anchor', { actor: 'person:root', reason: 'stolen' }));
    await decideUpload(world.deps, answer.uploadId);
    expect(await uploadState(world.db, answer.uploadId)).toMatchObject({ state: 'rejected', code: 'signature.worker' });
  });

  it('whose bytes were lost from the store is made once again, and keeps its version', async () => {
    const leased = await leaseBuild(world, await release(), worker, SOURCE);
    const answer = await deliverFiles(world, leased, sourceFiles, builtSource.changes);
    if (answer.kind !== 'received') throw new Error(answer.reason);
    const { sha256 } = await world.db.selectFrom('upload_files').select('sha256').limit(1).executeTakeFirstOrThrow();
    await world.blobs.delete(sha256);
    await decideUpload(world.deps, answer.uploadId);
    expect(await uploadState(world.db, answer.uploadId)).toMatchObject({ state: 'rejected', code: 'delivery.lost' });
    const job = await world.db.selectFrom('jobs').select('state').executeTakeFirstOrThrow();
    expect(job.state).toBe('ready');
    const version = await world.db.selectFrom('versions').select('state').executeTakeFirstOrThrow();
    expect(version.state).toBe('reserved');
  });

  it('unsigned, and H45 with text around the signed part, is rejected', async () => {
    const signed = sourceFiles.get(builtSource.changes) ?? Buffer.alloc(0);
    for (const bytes of [
      Buffer.from(textOf(signed)),
      Buffer.concat([Buffer.from('Source: evil\n\n'), signed]),
      Buffer.concat([signed, signed]),
    ]) {
      const files = new Map([...sourceFiles, [builtSource.changes, bytes]]);
      const result = await upload(await release(), SOURCE, files, builtSource.changes);
      expect(result).toMatchObject({ state: 'rejected', code: 'signature.good' });
    }
  });

  it('H38 of another version, source or suite is rejected', async () => {
    const cases = [
      [await requestRelease(world, 'hello', '1.0-2'), 'source.version'],
      [await requestRelease(world, 'goodbye', '1.0-1'), 'source.name'],
    ] as const;
    for (const [id, code] of cases) {
      expect(await upload(id, SOURCE, sourceFiles, builtSource.changes)).toMatchObject({ state: 'rejected', code });
    }
    const files = await altered(sourceFiles, builtSource.changes, (text) =>
      text.replace('Distribution: landing', 'Distribution: stable'),
    );
    expect(await upload(await release(), SOURCE, files, builtSource.changes)).toMatchObject({
      code: 'source.distribution',
    });
  });

  it('H40 with binaries in it is rejected', async () => {
    const id = await release();
    const files = new Map([...binaryFiles]);
    expect(await upload(id, SOURCE, files, builtBinary.changes)).toMatchObject({ code: 'changes.contents' });
  });

  it('H42 with another orig than the archive has is rejected', async () => {
    await upload(await release(), SOURCE, sourceFiles, builtSource.changes);
    const next = { ...HELLO, version: '1.0-2', upstream: 'good evening\n' };
    const built = await build('other-orig', next);
    const result = await upload(await release(next), SOURCE, await listedFiles(built.source), built.source.changes);
    expect(result).toMatchObject({ state: 'rejected', code: 'orig.same' });
  });

  it('H37 under a name that stands for other bytes is rejected', async () => {
    await world.db
      .insertInto('pool_files')
      .values({
        archive_id: world.archiveId,
        path: 'pool/main/h/hello/hello_1.0-1.debian.tar.xz',
        sha256: 'a'.repeat(64),
        size: 1,
      })
      .execute();
    expect(await upload(await release(), SOURCE, sourceFiles, builtSource.changes)).toMatchObject({
      state: 'rejected',
      code: 'names.unique',
    });
  });

  it('that is older than what the suite once had is rejected', async () => {
    await world.db
      .insertInto('high_water_marks')
      .values({ suite_id: world.suiteId, source: 'hello', version: '2.0-1', actor: 'test', reason: 'test' })
      .execute();
    expect(await upload(await release(), SOURCE, sourceFiles, builtSource.changes)).toMatchObject({
      code: 'version.newer',
    });
  });

  it('waits in NEW where the suite holds what is new, and a reviewer lets it in', async () => {
    await world.db.updateTable('suites').set({ new_policy: 'hold' }).execute();
    const result = await upload(await release(), SOURCE, sourceFiles, builtSource.changes);
    expect(result).toMatchObject({ state: 'held', code: 'new.policy' });
    expect(await world.db.selectFrom('pool_files').selectAll().execute()).toEqual([]);
    const job = await world.db.selectFrom('jobs').select('state').executeTakeFirstOrThrow();
    expect(job.state).toBe('succeeded');
    const review = { uploadId: result.uploadId, verdict: 'accept', actor: 'person:alice', reason: 'fine' } as const;
    expect(await reviewUpload(world.deps, review)).toEqual({ kind: 'accepted' });
    expect((await uploadState(world.db, result.uploadId)).state).toBe('accepted');
  });

  it('is rejected by a reviewer with his words, and the version is free again', async () => {
    await world.db.updateTable('suites').set({ new_policy: 'hold' }).execute();
    const result = await upload(await release(), SOURCE, sourceFiles, builtSource.changes);
    await reviewUpload(world.deps, {
      uploadId: result.uploadId,
      verdict: 'reject',
      actor: 'person:alice',
      reason: 'The copyright file is missing.',
    });
    expect(await uploadState(world.db, result.uploadId)).toEqual({
      state: 'rejected',
      code: 'new.rejected',
      sentence: 'The copyright file is missing.',
    });
  });
});

describe('a binary upload', () => {
  let id: number;

  beforeEach(async () => {
    id = await release();
    const result = await upload(id, SOURCE, sourceFiles, builtSource.changes);
    expect(result.state).toBe('accepted');
  });

  it('is accepted with every check recorded, and apt installs from it', async () => {
    const result = await upload(id, AMD64, binaryFiles, builtBinary.changes);
    expect(result).toMatchObject({ state: 'accepted', sentence: null });
    const checks = await world.db
      .selectFrom('upload_checks')
      .selectAll()
      .where('upload_id', '=', result.uploadId)
      .orderBy('position')
      .execute();
    expect(checks.map((check) => check.code)).toEqual(checkCodes('binary'));
    await world.publish();
    const apt = await world.apt();
    await apt.update();
    expect(await apt.packages()).toEqual(['hello-data=1.0-1', 'hello=1.0-1']);
    expect(await apt.download('hello')).toEqual(['hello_1.0-1_amd64.deb']);
    const arm64 = await world.apt('arm64');
    await arm64.update();
    expect(await arm64.packages()).toEqual(['hello-data=1.0-1']);
  });

  it('H23 delivered twice has the same answer', async () => {
    const leased = await leaseBuild(world, id, worker, AMD64);
    const first = await deliverFiles(world, leased, binaryFiles, builtBinary.changes);
    const second = await deliverFiles(world, leased, new Map(), builtBinary.changes);
    expect(first.kind === 'received' && second.kind === 'received' && first.uploadId === second.uploadId).toBe(true);
  });

  it('H43 of two for one version at the same moment one wins and the other is told', async () => {
    const first = await leaseBuild(world, id, worker, AMD64);
    const second = await leaseBuild(world, id, worker, { ...AMD64, architecture: 'arm64' });
    await world.db.updateTable('builds').set({ architecture: 'amd64x' }).where('job_id', '=', first.jobId).execute();
    await world.db.updateTable('builds').set({ architecture: 'amd64' }).where('job_id', '=', second.jobId).execute();
    const answers = [
      await deliverFiles(world, first, binaryFiles, builtBinary.changes),
      await deliverFiles(world, second, binaryFiles, builtBinary.changes),
    ];
    const ids = answers.map((answer) => (answer.kind === 'received' ? answer.uploadId : 0));
    await Promise.all(ids.map((uploadId) => decideUpload(world.deps, uploadId)));
    const states = await Promise.all(ids.map((uploadId) => uploadState(world.db, uploadId)));
    expect(states.map(({ state }) => state).sort()).toEqual(['accepted', 'rejected']);
  });

  it('H38 of a package that the source does not declare is rejected', async () => {
    const built = await build('undeclared', { ...HELLO, binaries: [...HELLO.binaries, ['hello-backdoor', 'any']] });
    const result = await upload(id, AMD64, await listedFiles(built.binary), built.binary.changes);
    expect(result).toMatchObject({ state: 'rejected', code: 'binaries.declared' });
  });

  it('H38 for another architecture than was to be built is rejected', async () => {
    const result = await upload(id, { ...AMD64, architecture: 'arm64' }, binaryFiles, builtBinary.changes);
    expect(result).toMatchObject({ state: 'rejected', code: 'deb.agrees' });
  });

  it('with a .deb that is no .deb is rejected', async () => {
    const name = 'hello_1.0-1_amd64.deb';
    const files = new Map([...binaryFiles, [name, Buffer.from('!<arch>\nnothing')]]);
    const bytes = files.get(name) ?? Buffer.alloc(0);
    const digest = (kind: string): string => createHash(kind).update(bytes).digest('hex');
    const changed = await altered(files, builtBinary.changes, (text) =>
      text
        .replace(/ [0-9a-f]{40} \d+ hello_1\.0-1_amd64\.deb/, ` ${digest('sha1')} ${bytes.length} ${name}`)
        .replace(/ [0-9a-f]{64} \d+ hello_1\.0-1_amd64\.deb/, ` ${digest('sha256')} ${bytes.length} ${name}`)
        .replace(/ [0-9a-f]{32} \d+ (\S+ \S+) hello_1\.0-1_amd64\.deb/, ` ${digest('md5')} ${bytes.length} $1 ${name}`),
    );
    expect(await upload(id, AMD64, changed, builtBinary.changes)).toMatchObject({ code: 'deb.readable' });
  });

  it('H41 of a name that another source owns waits for a person, who lets it take the name over', async () => {
    await world.db.updateTable('overrides').set({ source: 'older' }).where('package', '=', 'hello-data').execute();
    const result = await upload(id, AMD64, binaryFiles, builtBinary.changes);
    expect(result).toMatchObject({ state: 'held', code: 'binary.owner' });
    await reviewUpload(world.deps, {
      uploadId: result.uploadId,
      verdict: 'accept',
      actor: 'person:alice',
      reason: 'agreed',
    });
    expect((await uploadState(world.db, result.uploadId)).state).toBe('accepted');
    const override = await world.db
      .selectFrom('overrides')
      .select('source')
      .where('package', '=', 'hello-data')
      .executeTakeFirstOrThrow();
    expect(override.source).toBe('hello');
  });

  it('leaves an old arch:all to an architecture until its own new binaries are there', async () => {
    await upload(id, AMD64, binaryFiles, builtBinary.changes);
    // arm64 gets its binaries of 1.0-1 as well.
    await world.publish();
    const binary = await world.db
      .selectFrom('binary_packages')
      .selectAll()
      .where('architecture', '=', 'amd64')
      .executeTakeFirstOrThrow();
    const arm = await world.db
      .insertInto('binary_packages')
      .values({
        archive_id: binary.archive_id,
        upload_id: binary.upload_id,
        source_package_id: binary.source_package_id,
        name: 'hello',
        version: '1.0-1',
        architecture: 'arm64',
        component: 'main',
        stanza: binary.stanza.replace('Architecture: amd64', 'Architecture: arm64'),
        sha256: binary.sha256,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    await world.db
      .insertInto('suite_binaries')
      .values({ suite_id: world.suiteId, architecture: 'arm64', binary_package_id: arm.id, added_serial: 2 })
      .execute();
    const next = { ...HELLO, version: '1.0-2' };
    const built = await build('next', next);
    const nextId = await release(next);
    expect(await upload(nextId, SOURCE, await listedFiles(built.source), built.source.changes)).toMatchObject({
      state: 'accepted',
    });
    expect(await upload(nextId, AMD64, await listedFiles(built.binary), built.binary.changes)).toMatchObject({
      state: 'accepted',
    });
    await world.publish();
    const [amd64, arm64] = [await world.apt('amd64'), await world.apt('arm64')];
    await amd64.update();
    await arm64.update();
    expect(await amd64.packages()).toEqual(['hello-data=1.0-2', 'hello=1.0-2']);
    expect(await arm64.packages()).toEqual(['hello-data=1.0-1', 'hello=1.0-1']);
  });
});
