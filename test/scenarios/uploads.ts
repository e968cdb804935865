/**
 * Real uploads for the archive: a tiny package whose source and binaries are made by dpkg's own tools and signed by `debsign`
 * with a worker's real key, delivered through Lighthouse as a worker delivers it.
 */
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkerIdentity } from '../../src/lighthouse/index.ts';
import { createJob } from '../../src/lighthouse/index.ts';
import { claimJobs } from '../../src/lighthouse/leases.ts';
import { createSecret } from '../../src/lighthouse/identity.ts';
import { receiveDelivery, type DeliveryAnswer } from '../../src/archive/receive.ts';
import { withTransaction, type Db } from '../../src/platform/database.ts';
import { exec } from '../../src/platform/exec.ts';
import { clearSign, exportPublicKey, generateKey } from '../../src/platform/gpg.ts';
import { createSubmission, describeSubmission, reserveVersion } from '../../src/registry/index.ts';
import { putBlob, type ArchiveWorld } from './archive.ts';

export interface SigningWorker extends WorkerIdentity {
  /** Its GnuPG home. */
  readonly home: string;
}

/** Makes a worker's key; the same one may join several worlds. */
export async function createWorkerKey(home: string): Promise<{ home: string; fingerprint: string; key: Buffer }> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  const fingerprint = await generateKey({ home, userId: 'A worker <worker@example.org>', algorithm: 'ed25519' });
  return { home, fingerprint, key: await exportPublicKey(home, fingerprint, { armor: false }) };
}

/** Lets a worker with this key join the world's pool. */
export async function joinSigningWorker(
  world: ArchiveWorld,
  name: string,
  key: { readonly home: string; readonly fingerprint: string; readonly key: Buffer },
): Promise<SigningWorker> {
  const architectures = ['amd64', 'arm64'];
  const pool = await world.db.selectFrom('worker_pools').selectAll().executeTakeFirstOrThrow();
  const row = await world.db
    .insertInto('workers')
    .values({
      name,
      worker_pool_id: pool.id,
      architectures,
      secret_sha256: createSecret('lfw').sha256,
      openpgp_fingerprint: key.fingerprint,
      openpgp_key: key.key,
      revoked_at: null,
      last_contact_at: new Date(),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return {
    kind: 'worker',
    workerId: row.id,
    name,
    workerPoolId: pool.id,
    workerPool: pool.name,
    architectures,
    openpgpFingerprint: key.fingerprint,
    home: key.home,
  };
}

export interface TinyPackage {
  readonly source: string;
  readonly version: string;
  readonly distribution?: string;
  /** Name and Architecture of each binary package. */
  readonly binaries: readonly (readonly [name: string, architecture: string])[];
  readonly section?: string;
  /** Content of the upstream file; another one gives another orig. */
  readonly upstream?: string;
}

/** Files in a folder, with the .changes among them. */
export interface BuiltUpload {
  readonly folder: string;
  readonly changes: string;
}

/** Writes the unpacked source tree, with its orig tarball beside it, below `folder`. */
export async function writeTinyPackage(folder: string, spec: TinyPackage): Promise<string> {
  const [upstream = spec.version] = spec.version.replace(/^\d+:/, '').split('-');
  const tree = join(folder, `${spec.source}-${upstream}`);
  await mkdir(join(tree, 'debian', 'source'), { recursive: true });
  await writeFile(join(tree, 'greeting'), spec.upstream ?? 'good morning\n');
  await exec(
    [
      'tar',
      '--sort=name',
      '--mtime=@1700000000',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      '-czf',
      join(folder, `${spec.source}_${upstream}.orig.tar.gz`),
      '--exclude=debian',
      '-C',
      folder,
      `${spec.source}-${upstream}`,
    ],
    { deadlineMs: 30_000, env: { GZIP: '-n' } },
  );
  const files: Record<string, string> = {
    'debian/source/format': '3.0 (quilt)\n',
    'debian/changelog': [
      `${spec.source} (${spec.version}) ${spec.distribution ?? 'landing'}; urgency=medium`,
      '',
      '  * A release.',
      '',
      ' -- Alice <alice@example.org>  Fri, 20 Nov 2026 10:00:00 +0000',
      '',
    ].join('\n'),
    'debian/control': [
      `Source: ${spec.source}`,
      `Section: ${spec.section ?? 'utils'}`,
      'Priority: optional',
      'Maintainer: Alice <alice@example.org>',
      'Standards-Version: 4.6.2',
      ...spec.binaries.flatMap(([name, architecture]) => [
        '',
        `Package: ${name}`,
        `Architecture: ${architecture}`,
        `Description: the package ${name}`,
        ' It is made for a test.',
      ]),
      '',
    ].join('\n'),
    'debian/rules': [
      '#!/usr/bin/make -f',
      'build build-arch build-indep clean:',
      'binary: binary-arch binary-indep',
      'define pack',
      '\tmkdir -p debian/$(1)/DEBIAN debian/$(1)/usr/share/$(1)',
      '\tcp greeting debian/$(1)/usr/share/$(1)/',
      '\tdpkg-gencontrol -p$(1) -Pdebian/$(1)',
      '\tdpkg-deb --root-owner-group -Zxz -b debian/$(1) ..',
      'endef',
      'binary-arch:',
      ...spec.binaries.filter(([, architecture]) => architecture !== 'all').map(([name]) => `\t$(call pack,${name})`),
      'binary-indep:',
      ...spec.binaries.filter(([, architecture]) => architecture === 'all').map(([name]) => `\t$(call pack,${name})`),
      '',
    ].join('\n'),
  };
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(tree, name), content, { mode: name === 'debian/rules' ? 0o755 : 0o644 });
  }
  return tree;
}

/** Runs dpkg-buildpackage, then debsign with the worker's key; `how` is `-S`, `-b`, `-B` or `-A`. */
export async function buildUpload(
  tree: string,
  how: '-S' | '-b' | '-B' | '-A',
  worker: { readonly home: string; readonly fingerprint: string },
): Promise<BuiltUpload> {
  const folder = join(tree, '..');
  const before = new Set(await readdir(folder));
  await exec(['dpkg-buildpackage', how, '-us', '-uc', '-d', '-nc', ...(how === '-S' ? ['-sa'] : [])], {
    cwd: tree,
    deadlineMs: 120_000,
    env: { HOME: folder, DEB_BUILD_OPTIONS: 'noautodbgsym' },
  });
  const changes = (await readdir(folder)).find((name) => name.endsWith('.changes') && !before.has(name));
  if (changes === undefined) throw new Error('dpkg-buildpackage made no .changes');
  await exec(['debsign', '--no-conf', '--no-re-sign', `-k${worker.fingerprint}`, changes], {
    cwd: folder,
    deadlineMs: 60_000,
    env: { GNUPGHOME: worker.home, HOME: folder },
  });
  return { folder, changes };
}

/** The files that a .changes lists, and itself. */
export async function listedFiles(upload: BuiltUpload): Promise<ReadonlyMap<string, Buffer>> {
  const text = await readFile(join(upload.folder, upload.changes), 'utf8');
  const block = /^Checksums-Sha256:\n((?: .*\n)+)/m.exec(text)?.[1] ?? '';
  const names = block
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.trim().split(' ')[2] ?? '');
  const files = new Map<string, Buffer>();
  for (const name of [...names, upload.changes]) files.set(name, await readFile(join(upload.folder, name)));
  return files;
}

/** A submission whose version is reserved, as an accepted request leaves it. */
export async function requestRelease(
  world: ArchiveWorld,
  source: string,
  version: string,
  origin: 'import' | 'tag' = 'import',
): Promise<number> {
  return await withTransaction(world.db, async (trx) => {
    const id = await createSubmission(trx, { origin, archiveId: world.archiveId });
    await describeSubmission(trx, id, { suiteId: world.suiteId, source, version });
    await reserveVersion(trx, { archiveId: world.archiveId, source, version, submissionId: id });
    return id;
  });
}

export interface BuildSpec {
  readonly kind: 'source' | 'binary';
  readonly architecture: string;
  readonly withAll?: boolean;
}

export interface LeasedBuild {
  readonly jobId: number;
  readonly attemptId: number;
  readonly token: number;
  readonly worker: SigningWorker;
}

/** A build of the submission, leased by the worker. */
export async function leaseBuild(
  world: ArchiveWorld,
  submissionId: number,
  worker: SigningWorker,
  spec: BuildSpec,
): Promise<LeasedBuild> {
  const jobId = await withTransaction(world.db, async (trx) => {
    const id = await createJob(trx, {
      traceId: submissionId,
      audience: 'public',
      kind: spec.kind,
      key: `${spec.kind}:${submissionId}:${spec.architecture}`,
      fairGroup: 'test',
      workerPoolId: worker.workerPoolId,
      architecture: spec.kind === 'source' ? null : spec.architecture,
      payload: {},
      endedTask: 'builds.job-ended',
    });
    await trx
      .insertInto('builds')
      .values({
        submission_id: submissionId,
        kind: spec.kind,
        architecture: spec.architecture,
        with_all: spec.withAll ?? false,
        job_id: id,
      })
      .execute();
    return id;
  });
  for (;;) {
    const [lease] = await claimJobs(world.db, [worker.workerId]);
    if (lease === undefined) throw new Error('the job could not be leased');
    if (lease.jobId === jobId) return { jobId, attemptId: lease.attemptId, token: lease.token, worker };
  }
}

/** Puts the files into the attempt and delivers. */
export async function deliverFiles(
  world: ArchiveWorld,
  build: LeasedBuild,
  files: ReadonlyMap<string, Buffer>,
  changes: string,
): Promise<DeliveryAnswer> {
  for (const [name, bytes] of files) {
    const digest = await putBlob(world.blobs, bytes);
    await world.db
      .insertInto('attempt_files')
      .values({ attempt_id: build.attemptId, name, ...digest })
      .execute();
  }
  return await receiveDelivery({ db: world.db }, build.worker, build.attemptId, build.token, { changes });
}

/** Clear-signs a text anew with a worker's key. */
export async function signText(
  key: { readonly home: string; readonly fingerprint: string },
  text: string,
): Promise<Buffer> {
  return await clearSign({ home: key.home, fingerprint: key.fingerprint, payload: Buffer.from(text) });
}

/** The text of a clear-signed file. */
export function textOf(signed: Buffer): string {
  const text = signed.toString('utf8');
  const start = text.indexOf('\n\n') + 2;
  return text.slice(start, text.indexOf('-----BEGIN PGP SIGNATURE-----')).replace(/^- /gm, '');
}

/** Code and sentence of an upload's rejection, for assertions. */
export async function uploadState(
  db: Db,
  uploadId: number,
): Promise<{ state: string; code: string | null; sentence: string | null }> {
  return await db
    .selectFrom('uploads')
    .select(['state', 'code', 'sentence'])
    .where('id', '=', uploadId)
    .executeTakeFirstOrThrow();
}
