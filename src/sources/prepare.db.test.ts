/**
 * Where the upstream tarballs of a release come from, in the order that model.ts gives, with real tags, a real pristine-tar, and a
 * real parent that apt reads. Each test adds a better place, and all the worse ones stay; in each lie other bytes under the same
 * names, so that it is seen which were taken. There is a component, and upstream has signed each tarball.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { debianFiles, tagRelease } from '../../test/scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';
import { serveFolder, type StaticServer } from '../../test/scenarios/static-server.ts';
import { withTransaction } from '../platform/database.ts';
import { exec } from '../platform/exec.ts';
import { makeTemporaryDirectory, sha256File, type TemporaryDirectory } from '../platform/files.ts';
import { clearSign, exportPublicKey } from '../platform/gpg.ts';
import { statePaths } from '../platform/paths.ts';
import { writeNoAttributes } from './make-orig.ts';
import { prepareSource, type SourceDeps } from './prepare.ts';
import { assembleSource, unpackFrozenInput } from './recipe.ts';
import { findAcceptedTag, origsOf } from './store.ts';

const MAIN = 'hello_1.0.orig.tar.gz';
const COMPONENT = 'hello_1.0.orig-vendor.tar.gz';
const NAMES = [COMPONENT, `${COMPONENT}.asc`, MAIN, `${MAIN}.asc`];
const UPSTREAM = { README: 'hello\n', 'src/hello.c': 'int main(void) { return 0; }\n', 'vendor/lib.c': '/* lib */\n' };

let keys: KeyRing;
let alice: OpenPgpKey;
let world: TagWorld;
let scratch: TemporaryDirectory;
let repository: TestRepository;
let repositoryId: number;
let upstreamCommitId: string;
/** The commit with pristine-tar's data, to which no branch of the forge leads. */
let pristineTar: string;
let deps: SourceDeps;
let server: StaticServer | undefined;
let revision = 0;

beforeAll(async () => {
  [keys, world, scratch] = await Promise.all([createKeyRing(), createTagWorld(), makeTemporaryDirectory('lf-origs-')]);
  alice = await keys.openPgp({ userId: 'Alice <alice@example.org>' });
  await world.addPerson({ handle: 'alice', name: 'Alice', keys: [alice] });
  repository = await createRepository();
  repositoryId = await world.register(repository);
  upstreamCommitId = await repository.commit({ files: UPSTREAM, message: 'Upstream 1.0', branch: 'upstream' });
  await repository.point('refs/tags/upstream/1.0', upstreamCommitId);
  deps = { db: world.db, blobs: world.blobs, paths: statePaths(join(scratch.path, 'state')) };
  pristineTar = await describeTarballs(await tarballs('pristine'));
});
afterAll(async () => {
  await server?.close();
  await repository.remove();
  await world.remove();
  await scratch.remove();
  await keys.remove();
});

/** Both tarballs with their signatures, with the files of upstream, and other bytes for each `mark`. */
async function tarballs(mark: string): Promise<string> {
  const folder = join(scratch.path, mark);
  const tree = join(folder, `hello-1.0`);
  for (const [path, text] of Object.entries(UPSTREAM)) {
    await mkdir(join(tree, path, '..'), { recursive: true });
    await writeFile(join(tree, path), text);
  }
  const pack = ['tar', '--create', '--sort=name', '--owner=0', '--group=0', `--mtime=@${String(1e9 + mark.length)}`];
  const create = async (name: string, ...what: string[]): Promise<void> => {
    await exec([...pack, '--gzip', '--file', join(folder, name), ...what] as [string, ...string[]], {
      cwd: folder,
      deadlineMs: 60_000,
      env: { GZIP: '-n' },
    });
    await writeFile(join(folder, `${name}.asc`), signature(mark, name));
  };
  await create(MAIN, '--exclude=hello-1.0/vendor', 'hello-1.0');
  await create(COMPONENT, '--directory', tree, 'vendor');
  return folder;
}

/** dpkg-source looks no further than at its first line. */
function signature(mark: string, name: string): string {
  const body = Buffer.from(`${mark} ${name}`).toString('base64');
  return `-----BEGIN PGP SIGNATURE-----\n\n${body}\n-----END PGP SIGNATURE-----\n`;
}

/** Has the real pristine-tar describe them, as `gbp import-orig --component=vendor` does. */
async function describeTarballs(folder: string): Promise<string> {
  await writeNoAttributes(repository.gitDir);
  const rest = (await repository.git(['ls-tree', upstreamCommitId]))
    .split('\n')
    .filter((line) => !line.endsWith('vendor'));
  const main = (await repository.git(['mktree'], rest.join('\n'))).trim();
  for (const [name, tree] of [
    [MAIN, main],
    [COMPONENT, (await repository.git(['rev-parse', `${upstreamCommitId}:vendor`])).trim()],
  ] as const) {
    await exec(['pristine-tar', 'commit', '-s', join(folder, `${name}.asc`), join(folder, name), tree], {
      cwd: repository.gitDir,
      env: {
        HOME: scratch.path,
        GIT_DIR: repository.gitDir,
        GIT_AUTHOR_NAME: 'Ann',
        GIT_AUTHOR_EMAIL: 'ann@example.org',
        GIT_COMMITTER_NAME: 'Ann',
        GIT_COMMITTER_EMAIL: 'ann@example.org',
      },
      deadlineMs: 60_000,
    });
  }
  return (await repository.git(['rev-parse', 'refs/heads/pristine-tar'])).trim();
}

/** Pushes and decides the next revision of hello 1.0, and prepares its source; gives the submission. */
async function prepare(extra?: string): Promise<number> {
  const version = `1.0-${++revision}`;
  const commitId = await repository.commit({
    files: { ...UPSTREAM, ...debianFiles({ version }) },
    parents: [upstreamCommitId],
  });
  await tagRelease(repository, { commitId, upstreamCommitId, upstreamTag: 'upstream/1.0' }, alice.sign, {
    version,
    ...(extra === undefined ? {} : { extra }),
  });
  const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
  expect(tag.decisions[0]?.sentence).toMatch(/checks passed/);
  await prepareSource(deps, tag.submissionId);
  return tag.submissionId;
}

async function found(submissionId: number): Promise<{ readonly provenance: string[]; readonly names: string[] }> {
  const origs = await origsOf(world.db, submissionId);
  return { provenance: [...new Set(origs.map((orig) => orig.provenance))], names: origs.map(({ name }) => name) };
}

/** The origs of the submission have the bytes that lie in `folder`. */
async function expectBytesOf(submissionId: number, folder: string): Promise<void> {
  for (const { name, sha256, size } of await origsOf(world.db, submissionId)) {
    expect([name, { sha256, size }]).toEqual([name, await sha256File(join(folder, name))]);
  }
}

/** Puts the tarballs into the pool of an archive. */
async function fillPool(archiveId: number, folder: string): Promise<void> {
  for (const name of NAMES) {
    const stored = await world.blobs.put(await readFile(join(folder, name)));
    if (stored.kind !== 'stored') throw new Error('a blob was refused');
    await world.db
      .insertInto('pool_files')
      .values({ archive_id: archiveId, path: `pool/main/h/hello/${name}`, sha256: stored.sha256, size: stored.size })
      .execute();
  }
}

describe('the upstream tarballs of a release', () => {
  test('are never taken from a branch that nobody signed: without a signed pristine-tar commit one is made from upstream=', async () => {
    // The branch is there, with all that would be needed.
    expect((await repository.git(['ls-tree', '--name-only', 'refs/heads/pristine-tar'])).split('\n')).toContain(
      `${MAIN}.delta`,
    );
    const submissionId = await prepare();
    expect(await found(submissionId)).toEqual({ provenance: ['upstream-commit'], names: [MAIN] });
    const [orig] = await origsOf(world.db, submissionId);
    expect(orig?.detail).toBe(`made from the upstream commit ${upstreamCommitId}`);
    expect(orig?.sha256).not.toBe((await sha256File(join(scratch.path, 'pristine', MAIN))).sha256);
  });

  test('come from the pristine-tar commit that the tag signs, whether or not a branch leads to it, each with its signature', async () => {
    // Somebody throws the branch away and puts another history in its place.
    await repository.commit({ files: { [`${MAIN}.id`]: 'x', [`${MAIN}.delta`]: 'x' }, branch: 'pristine-tar' });
    const submissionId = await prepare(`!pristine-tar=${pristineTar}`);
    expect(await found(submissionId)).toEqual({ provenance: ['pristine-tar'], names: NAMES });
    await expectBytesOf(submissionId, join(scratch.path, 'pristine'));
    // And all of them are of the source package.
    const tag = await findAcceptedTag(world.db, submissionId);
    if (tag === undefined) throw new Error('the tag was not accepted');
    const work = join(scratch.path, 'assemble');
    const gitDir = await unpackFrozenInput(await world.blobs.open(tag.frozen.sha256), join(work, 'frozen.git'), {
      objectFormat: 'sha1',
      shallow: [tag.commitId, upstreamCommitId, pristineTar],
      maxBytes: tag.frozen.size,
    });
    const made = await assembleSource({
      gitDir,
      commitId: tag.commitId,
      source: tag.source,
      version: tag.version,
      quilt: tag.quilt,
      origs: NAMES.map((name) => ({ name, path: join(scratch.path, 'pristine', name) })),
      tag: { objectId: tag.tagObjectId, fingerprint: 'B'.repeat(40), tagger: 'Alice <alice@example.org>' },
      folder: join(work, 'source'),
      deadlineMs: 120_000,
    });
    if (made.kind === 'failed') throw new Error(made.reason);
    expect(made.files.map(({ name }) => name)).toEqual(
      [made.dsc, ...NAMES, `hello_${tag.version}.debian.tar.xz`].sort(bySourceFile),
    );
    const dsc = await readFile(join(work, 'source', made.dsc), 'utf8');
    for (const name of NAMES) expect(dsc.split('\n').filter((line) => line.endsWith(` ${name}`))).toHaveLength(3);
  });

  test('come from a parent that apt reads, before the signed pristine-tar commit', async () => {
    const folder = await tarballs('debian-has-these');
    await publishParent(folder);
    const submissionId = await prepare(`!pristine-tar=${pristineTar}`);
    expect(await found(submissionId)).toEqual({ provenance: ['parent'], names: NAMES });
    await expectBytesOf(submissionId, folder);
  });

  test('come from a parent of ours that stands before it', async () => {
    const folder = await tarballs('an-archive-of-ours-has-these');
    const pool = await world.db.selectFrom('worker_pools').select('id').executeTakeFirstOrThrow();
    const archive = await world.db
      .insertInto('archives')
      .values({ name: 'base', origin: 'x', label: 'x', description: 'x', worker_pool_id: pool.id })
      .returning('id')
      .executeTakeFirstOrThrow();
    const suite = await world.db
      .insertInto('suites')
      .values({
        archive_id: archive.id,
        name: 'base',
        codename: 'base',
        accepts: ['copies'],
        components: ['main'],
        architectures: ['amd64'],
        architecture_for_all: 'amd64',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    await world.db
      .insertInto('suite_parents')
      .values({ suite_id: world.landingId, position: 0, parent_suite_id: suite.id })
      .execute();
    await fillPool(archive.id, folder);
    const submissionId = await prepare(`!pristine-tar=${pristineTar}`);
    expect(await found(submissionId)).toEqual({ provenance: ['parent'], names: NAMES });
    await expectBytesOf(submissionId, folder);
  });

  test("come from the archive's own pool before all others", async () => {
    const folder = await tarballs('this-archive-has-accepted-these-before');
    await fillPool(world.archiveId, folder);
    const submissionId = await prepare(`!pristine-tar=${pristineTar}`);
    expect(await found(submissionId)).toEqual({ provenance: ['archive'], names: NAMES });
    await expectBytesOf(submissionId, folder);
  });

  test('H10 are looked for again when the pool lost them between the look and the word', async () => {
    const { rows } = await sql<{ id: number }>`SELECT id FROM pool_files WHERE archive_id = ${world.archiveId}`.execute(
      world.db,
    );
    const ids = rows.map(({ id }) => id);
    let prepared: Promise<number> = Promise.resolve(0);
    await withTransaction(world.db, async (trx) => {
      // As the collector does it: locked, marked, and told to others when it is done.
      await trx.selectFrom('pool_files').select('id').where('id', 'in', ids).forUpdate().execute();
      for (const id of ids) await trx.insertInto('collected_pool_files').values({ pool_file_id: id }).execute();
      prepared = prepare(`!pristine-tar=${pristineTar}`);
      prepared.catch(() => undefined);
      await expect
        .poll(
          async () => {
            const { rows: waiting } = await sql<{ n: number }>`SELECT count(*)::int AS n FROM pg_stat_activity
              WHERE datname = current_database() AND wait_event_type = 'Lock'`.execute(world.db);
            return waiting[0]?.n;
          },
          { timeout: 60_000, interval: 20 },
        )
        .toBe(1);
    });
    expect((await found(await prepared)).provenance).toEqual(['parent']);
    await world.db.deleteFrom('collected_pool_files').where('pool_file_id', 'in', ids).execute();
  });

  test('stay what they were found to be when the task runs again after the pool has changed', async () => {
    const first = await world.db
      .selectFrom('origs')
      .select('submission_id')
      .orderBy('submission_id')
      .executeTakeFirstOrThrow();
    const before = await origsOf(world.db, first.submission_id);
    await prepareSource(deps, first.submission_id);
    const after = await origsOf(world.db, first.submission_id);
    expect(after.filter(({ name }) => name === MAIN)).toEqual(before);
  });
});

/** The .dsc first, then by name, as {@link assembleSource} lists them. */
function bySourceFile(a: string, b: string): number {
  if (a.endsWith('.dsc') !== b.endsWith('.dsc')) return a.endsWith('.dsc') ? -1 : 1;
  return a < b ? -1 : 1;
}

/** A signed suite on a web server, whose hello 1.0-0 has these tarballs; the last parent of the suite landing. */
async function publishParent(folder: string): Promise<void> {
  const root = join(scratch.path, 'parent');
  const place = join(root, 'pool/hello');
  const dist = join(root, 'dists/parent');
  await mkdir(join(dist, 'main/source'), { recursive: true });
  await mkdir(place, { recursive: true });
  const tree = join(folder, 'hello-1.0');
  await exec(['sh', '-c', 'cp "$1"/hello_* "$2"', 'sh', folder, place], { deadlineMs: 60_000 });
  for (const [name, text] of Object.entries({
    'debian/changelog':
      'hello (1.0-0) unstable; urgency=low\n\n  * x\n\n -- Ann <ann@example.org>  Fri, 20 Nov 2026 10:00:00 +0000\n',
    'debian/control':
      'Source: hello\nMaintainer: Ann <ann@example.org>\n\nPackage: hello\nArchitecture: any\nDescription: x\n',
    'debian/rules': '#!/usr/bin/make -f\n',
    'debian/source/format': '3.0 (quilt)\n',
  })) {
    await mkdir(join(tree, name, '..'), { recursive: true });
    await writeFile(join(tree, name), text);
  }
  await exec(['dpkg-source', '--build', tree], { cwd: place, deadlineMs: 60_000 });
  const run = async (argv: [string, ...string[]], cwd: string): Promise<Buffer> =>
    (await exec(argv, { cwd, deadlineMs: 60_000 })).stdout;
  await writeFile(join(dist, 'main/source/Sources'), await run(['apt-ftparchive', 'sources', 'pool'], root));
  const fields = { Suite: 'parent', Codename: 'parent', Components: 'main', Architectures: 'source' };
  const options = Object.entries(fields).flatMap(([name, value]) => [
    '-o',
    `APT::FTPArchive::Release::${name}=${value}`,
  ]);
  const release = await run(['apt-ftparchive', ...options, 'release', dist], root);
  const parentKey = await keys.openPgp({ userId: 'Parent <parent@example.org>' });
  await writeFile(
    join(dist, 'InRelease'),
    await clearSign({ home: keys.home, fingerprint: parentKey.fingerprint, payload: release }),
  );
  server = await serveFolder(root);
  const external = await world.db
    .insertInto('external_suites')
    .values({
      name: 'debian',
      uri: server.url,
      suite: 'parent',
      components: ['main'],
      keyring: await exportPublicKey(keys.home, parentKey.fingerprint, { armor: false }),
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await world.db
    .insertInto('suite_parents')
    .values({ suite_id: world.landingId, position: 1, external_suite_id: external.id })
    .execute();
}
