/**
 * A named world: the archive `main` with the suite `landing`, a signer that runs, and a folder to publish into. Packages are
 * real ones, made by dpkg-deb and dpkg-source, and can be put into the suite as if their uploads had been accepted.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CheckDeps } from '../../src/archive/checks/deps.ts';
import type { FaultPoint, PublishDeps } from '../../src/archive/publish/publication.ts';
import { inspectDeb } from '../../src/archive/read-deb.ts';
import { publishSuite } from '../../src/archive/publish/publisher.ts';
import { folderStorages, type Storages } from '../../src/archive/storage.ts';
import { packageLocation } from '../../src/debian/contents.ts';
import { formatPackagesStanza, formatTranslationStanza } from '../../src/debian/packages.ts';
import { poolPath } from '../../src/debian/pool.ts';
import { createFolderBlobStore, type FolderBlobStore } from '../../src/platform/blobs.ts';
import { exec } from '../../src/platform/exec.ts';
import { makeTemporaryDirectory } from '../../src/platform/files.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { statePaths } from '../../src/platform/paths.ts';
import { createSignerClient } from '../../src/signer/client.ts';
import { runSigner, type RunningSigner } from '../../src/signer/server.ts';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';
import { createAptClient, type AptClient, type AptOptions } from './apt-client.ts';
import { serveArchives, type ArchiveServer } from './archive-server.ts';

export interface ArchiveWorld {
  readonly database: TestDatabase;
  readonly db: TestDatabase['db'];
  /** The state folder. */
  readonly folder: string;
  readonly blobs: FolderBlobStore;
  readonly deps: PublishDeps & CheckDeps;
  readonly archiveId: number;
  readonly suiteId: number;
  /** Where what is published lies, when it lies in a folder. */
  readonly archiveFolder: string;
  readonly server: ArchiveServer;
  /** A fresh apt of that architecture that reads the suite. */
  apt(architecture?: string, suite?: string, options?: AptOptions): Promise<AptClient>;
  /** Publishes until there is nothing new, waiting for the next second where it must. */
  publish(): Promise<number>;
  /** Ends the signer and starts it again, with what it remembers. */
  restartSigner(): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly architectures?: readonly string[];
  /** Default: folders below the state folder. */
  readonly storage?: Storages;
  /** Where the state folder is made; default: the system's folder for temporary files. */
  readonly parent?: string;
}

/** Builds the world; nothing is published yet. */
export async function createArchiveWorld(options: WorldOptions = {}): Promise<ArchiveWorld> {
  const database = await createTestDatabase();
  const { db } = database;
  const temporary = await makeTemporaryDirectory('lf-archive-', options.parent);
  const paths = statePaths(temporary.path);
  const blobs = await createFolderBlobStore(paths.blobs);
  await mkdir(paths.run, { recursive: true, mode: 0o700 });
  let signer: RunningSigner;
  const startSigner = async (): Promise<void> => {
    signer = await runSigner({ socket: paths.signerSocket, home: paths.signer, log: silentLogger() });
  };
  await startSigner();
  const pool = await db
    .insertInto('worker_pools')
    .values({ name: 'trusted' })
    .returning('id')
    .executeTakeFirstOrThrow();
  const archive = await db
    .insertInto('archives')
    .values({
      name: 'main',
      origin: 'Landfall',
      label: 'Landfall',
      description: 'The distribution',
      worker_pool_id: pool.id,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const suite = await db
    .insertInto('suites')
    .values({
      archive_id: archive.id,
      name: 'landing',
      codename: 'amber',
      aliases: ['testing'],
      description: 'Where releases land',
      accepts: ['tags'],
      components: ['main'],
      architectures: [...(options.architectures ?? ['amd64', 'arm64'])],
      architecture_for_all: 'amd64',
      new_policy: 'accept',
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const storage = options.storage ?? folderStorages(paths);
  const server = await serveArchives({ db, storage });
  const deps: PublishDeps & CheckDeps = {
    db,
    blobs,
    paths,
    signer: createSignerClient({ socket: paths.signerSocket }),
    log: silentLogger(),
    storage,
    publicUrl: server.url,
  };
  let clients = 0;
  const world: ArchiveWorld = {
    database,
    db,
    folder: temporary.path,
    blobs,
    deps,
    archiveId: archive.id,
    suiteId: suite.id,
    archiveFolder: paths.archive('main'),
    server,
    apt: async (architecture, name = 'landing', aptOptions = {}) => {
      const folder = join(temporary.path, `apt-${(clients += 1)}`);
      const key = await deps.signer.ensureKey('main', 'Landfall archive main');
      return await createAptClient(
        folder,
        { url: `${server.url}/archive/main`, suite: name, components: ['main'], key: key.publicKey },
        architecture,
        aptOptions,
      );
    },
    publish: async () => await publishFully(deps, suite.id),
    restartSigner: async () => {
      await signer.stop();
      await startSigner();
    },
    close: async () => {
      await server.close();
      await signer.stop();
      await database.drop();
      await temporary.remove();
    },
  };
  return world;
}

/** Publishes as the background task does: comes again when it is too soon. Returns the serial, or that of nothing new: 0. */
export async function publishFully(deps: PublishDeps, suiteId: number): Promise<number> {
  for (;;) {
    const result = await publishSuite(deps, suiteId, 'change');
    if (result.kind === 'published') return result.serial;
    if (result.kind === 'nothing-new') return 0;
    if (result.kind !== 'too-soon') throw new Error(`the suite could not be published: ${result.kind}`);
    await new Promise((resolve) => setTimeout(resolve, result.waitMs + 5));
  }
}

/** What stops a publisher at a point, as the end of its process would. */
export class Stopped extends Error {}

export function stopAt(wanted: FaultPoint): (point: FaultPoint) => void {
  return (point) => {
    if (point === wanted) throw new Stopped(point);
  };
}

export interface BinarySpec {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly source?: string;
  readonly section?: string;
  readonly fields?: readonly string[];
  /** Files besides the copyright, by path, with their content. */
  readonly files?: Readonly<Record<string, string>>;
  readonly type?: 'deb' | 'udeb';
  /** Default: the world's. */
  readonly suiteId?: number;
}

/** Builds a real .deb; returns its path. */
export async function buildDeb(folder: string, spec: BinarySpec): Promise<string> {
  const root = join(folder, `${spec.name}_${spec.version.replace(/^\d+:/, '')}_${spec.architecture}`);
  await mkdir(join(root, 'DEBIAN'), { recursive: true, mode: 0o755 });
  await mkdir(join(root, 'usr', 'share', 'doc', spec.name), { recursive: true });
  await writeFile(join(root, 'usr', 'share', 'doc', spec.name, 'copyright'), `${spec.name} ${spec.version}\n`);
  for (const [path, content] of Object.entries(spec.files ?? {})) {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), content);
  }
  const control = [
    `Package: ${spec.name}`,
    ...(spec.source === undefined ? [] : [`Source: ${spec.source}`]),
    `Version: ${spec.version}`,
    `Architecture: ${spec.architecture}`,
    'Maintainer: Alice <alice@example.org>',
    `Section: ${spec.section ?? 'utils'}`,
    'Priority: optional',
    ...(spec.fields ?? []),
    `Description: the package ${spec.name}`,
    ' It is made for a test.',
  ];
  await writeFile(join(root, 'DEBIAN', 'control'), `${control.join('\n')}\n`);
  await exec(['dpkg-deb', '--root-owner-group', '-Zgzip', '--build', root, `${root}.deb`], { deadlineMs: 30_000 });
  return `${root}.deb`;
}

/** Puts a real binary package into the suite, as an accepted upload would; from the open serial on. */
export async function putBinary(world: ArchiveWorld, spec: BinarySpec): Promise<void> {
  const path = await buildDeb(join(world.folder, 'tmp-debs'), spec);
  const bytes = await readFile(path);
  const digest = await putBlob(world.blobs, bytes);
  const deb = await inspectDeb(bytes);
  if ('kind' in deb) throw new Error(deb.reason);
  const type = spec.type ?? 'deb';
  const suiteId = spec.suiteId ?? world.suiteId;
  const source = deb.control.source;
  const sourceId = await ensureSource(world, source, deb.control.sourceVersion);
  const file = `${spec.name}_${spec.version.replace(/^\d+:/, '')}_${spec.architecture}.${type}`;
  const filename = poolPath('main', source, file);
  const poolFile = await world.db
    .insertInto('pool_files')
    .values({ archive_id: world.archiveId, path: filename, ...digest })
    .returning('id')
    .executeTakeFirstOrThrow();
  const binary = await world.db
    .insertInto('binary_packages')
    .values({
      archive_id: world.archiveId,
      upload_id: sourceId.uploadId,
      source_package_id: sourceId.id,
      name: spec.name,
      version: spec.version,
      architecture: spec.architecture,
      component: 'main',
      type,
      stanza: formatPackagesStanza(
        deb.control,
        { filename, ...digest },
        {},
        { description: type === 'deb' ? 'short' : 'whole' },
      ),
      translation: type === 'deb' ? formatTranslationStanza(deb.control) : null,
      sha256: digest.sha256,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await world.db
    .insertInto('package_files')
    .values({ binary_package_id: binary.id, pool_file_id: poolFile.id })
    .execute();
  await world.db
    .insertInto('package_contents')
    .values({
      binary_package_id: binary.id,
      location: packageLocation(spec.name, deb.control.section),
      paths: (deb.paths ?? []).join('\n'),
    })
    .execute();
  const suite = await world.db
    .selectFrom('suites')
    .select(['open_serial', 'architectures'])
    .where('id', '=', suiteId)
    .executeTakeFirstOrThrow();
  const architectures = spec.architecture === 'all' ? suite.architectures : [spec.architecture];
  for (const architecture of architectures) {
    await world.db
      .updateTable('suite_binaries')
      .set({ removed_serial: suite.open_serial })
      .where('suite_id', '=', suiteId)
      .where('architecture', '=', architecture)
      .where('removed_serial', 'is', null)
      .where('binary_package_id', 'in', (query) =>
        query.selectFrom('binary_packages').select('id').where('name', '=', spec.name),
      )
      .execute();
    await world.db
      .insertInto('suite_binaries')
      .values({
        suite_id: suiteId,
        architecture,
        binary_package_id: binary.id,
        added_serial: suite.open_serial,
      })
      .execute();
  }
}

async function ensureSource(
  world: ArchiveWorld,
  name: string,
  version: string,
): Promise<{ id: number; uploadId: number }> {
  const there = await world.db
    .selectFrom('source_packages')
    .select(['id', 'upload_id'])
    .where('name', '=', name)
    .where('version', '=', version)
    .executeTakeFirst();
  if (there !== undefined) return { id: there.id, uploadId: there.upload_id };
  const submission = await world.db
    .insertInto('submissions')
    .values({
      origin: 'import',
      archive_id: world.archiveId,
      audience: 'public',
      suite_id: world.suiteId,
      source: name,
      version,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const upload = await world.db
    .insertInto('uploads')
    .values({
      submission_id: submission.id,
      archive_id: world.archiveId,
      suite_id: world.suiteId,
      kind: 'source',
      changes_name: `${name}_${version}_source.changes`,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const source = await world.db
    .insertInto('source_packages')
    .values({
      archive_id: world.archiveId,
      upload_id: upload.id,
      submission_id: submission.id,
      name,
      version,
      component: 'main',
      stanza: `Package: ${name}\nVersion: ${version}\n`,
      dsc_sha256: createHash('sha256').update(name).digest('hex'),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return { id: source.id, uploadId: upload.id };
}

/** Stores bytes and returns their digest. */
export async function putBlob(blobs: FolderBlobStore, bytes: Buffer): Promise<{ sha256: string; size: number }> {
  const put = await blobs.put(bytes);
  if (put.kind !== 'stored') throw new Error('the blob could not be stored');
  return { sha256: put.sha256, size: put.size };
}
