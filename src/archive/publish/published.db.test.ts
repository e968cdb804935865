/**
 * What a publication holds besides Packages and Sources, from packages that came in by uploads, against apt-ftparchive's indices
 * of the same packages and against real apt.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createArchiveWorld, publishFully, putBinary, type ArchiveWorld } from '../../../test/scenarios/archive.ts';
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
  type SigningWorker,
} from '../../../test/scenarios/uploads.ts';
import { splitStanzas } from '../../debian/deb822.ts';
import { parseRelease } from '../../debian/release.ts';
import { exec } from '../../platform/exec.ts';
import { sha256 } from '../../platform/files.ts';
import type { ObjectStore } from '../../platform/objects.ts';
import { decideUpload } from '../decide.ts';
import { formatOf } from '../index-keeper/format.ts';
import type { IndexEntry } from '../index-keeper/keeper.ts';
import { withDerivedIndex, type DerivedIndex } from './derived.ts';
import { indexFolder, indexStem } from './index-names.ts';

let world: ArchiveWorld;
let worker: SigningWorker;
let key: Awaited<ReturnType<typeof createWorkerKey>>;
let published: ObjectStore;
let debugSuiteId: number;

beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  key = await createWorkerKey(join(world.folder, 'worker'));
  worker = await joinSigningWorker(world, 'one', key);
  ({ published } = await world.deps.storage('main'));
  const debug = await world.db
    .insertInto('suites')
    .values({
      archive_id: world.archiveId,
      name: 'landing-debug',
      codename: 'amber-debug',
      components: ['main'],
      architectures: ['amd64'],
      architecture_for_all: 'amd64',
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  debugSuiteId = debug.id;
  await world.db.updateTable('suites').set({ debug_suite_id: debugSuiteId }).where('id', '=', world.suiteId).execute();
  await release('1.0-1');
  await world.publish();
}, 180_000);
afterAll(async () => {
  await world.close();
});

/** A source with its binaries, delivered and accepted. */
async function release(version: string): Promise<void> {
  const folder = join(world.folder, `build-${version}`);
  await mkdir(folder);
  const tree = await writeTinyPackage(folder, {
    source: 'hello',
    version,
    binaries: [
      ['hello', 'any'],
      ['hello-data', 'all'],
    ],
  });
  const submissionId = await requestRelease(world, 'hello', version);
  for (const [how, kind, architecture] of [
    ['-S', 'source', 'source'],
    ['-b', 'binary', 'amd64'],
  ] as const) {
    const built = await buildUpload(tree, how, key);
    const build = await leaseBuild(world, submissionId, worker, { kind, architecture, withAll: kind === 'binary' });
    const received = await deliverFiles(world, build, await listedFiles(built), built.changes);
    if (received.kind !== 'received') throw new Error(received.reason);
    expect(
      await decideUpload(world.deps, received.uploadId),
      JSON.stringify(await uploadState(world.db, received.uploadId)),
    ).toMatchObject({ kind: 'accepted' });
  }
}

/** The text of an index below `dists/SUITE`, from the file that is there. */
async function index(path: string, suite = 'landing'): Promise<string> {
  const bytes = await published.read(`dists/${suite}/${path}.gz`);
  if (bytes === undefined) throw new Error(`there is no ${path}.gz`);
  return gunzipSync(bytes).toString('utf8');
}

/** apt-ftparchive's index of all binary packages in the pool. */
async function ftparchive(): Promise<{ contents: string; packages: string }> {
  const folder = join(world.folder, 'ftparchive');
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'conf'),
    [
      `Dir { ArchiveDir "${world.archiveFolder}"; CacheDir "${folder}"; };`,
      'Default { Packages::Compress "."; Contents::Compress "."; };',
      `BinDirectory "pool" { Packages "${folder}/Packages"; Contents "${folder}/Contents"; BinCacheDB "cache.db"; };`,
    ].join('\n'),
  );
  await exec(['apt-ftparchive', 'generate', join(folder, 'conf')], { deadlineMs: 60_000 });
  const short = ['-o', 'APT::FTPArchive::LongDescription=false', '--no-sha1', '--no-sha512'];
  const packages = await exec(['apt-ftparchive', ...short, 'packages', 'pool'], {
    cwd: world.archiveFolder,
    deadlineMs: 60_000,
  });
  return {
    contents: await readFile(join(folder, 'Contents'), 'utf8'),
    packages: packages.stdout.toString('utf8'),
  };
}

const lines = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .sort();

describe('a package that was accepted', () => {
  it('has its files in Contents as apt-ftparchive has them, and its stanza with the short description', async () => {
    const theirs = await ftparchive();
    expect(lines(await index('main/Contents-amd64'))).toEqual(lines(theirs.contents));
    expect(lines(theirs.contents).length).toBeGreaterThan(1);
    expect([...splitStanzas(await index('main/binary-amd64/Packages'))].sort()).toEqual(
      [...splitStanzas(theirs.packages)].sort(),
    );
  });

  it('has the files of its source in Contents-source, as they lie in the unpacked tree', async () => {
    const paths = lines(await index('main/Contents-source')).map((line) => line.split(/\s+/));
    expect(paths).toEqual(
      ['changelog', 'control', 'rules', 'source/format']
        .map((name) => [`debian/${name}`, 'hello'])
        .concat([['greeting', 'hello']]),
    );
  });

  it('has its whole description in Translation-en, and the real changelog behind the Changelogs of Release', async () => {
    expect(await index('main/i18n/Translation-en')).toContain(
      'Description-en: the package hello\n It is made for a test.\n',
    );
    const apt = await world.apt('amd64', 'landing', { configuration: ['Acquire::Languages=en'] });
    await apt.update();
    expect(await apt.run('apt-cache', 'show', 'hello')).toContain('It is made for a test.');
    const changelog = await readFile(join(world.folder, 'build-1.0-1/hello-1.0/debian/changelog'), 'utf8');
    expect(await apt.run('apt-get', 'changelog', 'hello')).toContain(changelog.trim());
    expect(await apt.run('apt-get', 'changelog', 'hello-data')).toContain(changelog.trim());
  });

  it('is told of by a Release with all that apt and Debian have in it', async () => {
    const text = (await published.read('dists/landing/Release'))?.toString('utf8') ?? '';
    const read = parseRelease(text);
    if ('kind' in read) throw new Error(read.reason);
    const { fingerprint } = await world.deps.signer.ensureKey('main', 'x');
    expect(read).toMatchObject({
      suite: 'landing',
      codename: 'amber',
      acquireByHash: true,
      changelogs: `${world.server.url}/archive/main/changelogs/@CHANGEPATH@_changelog`,
      signedBy: [fingerprint],
    });
    // In the order of Debian's own; SHA256 follows.
    expect([...text.matchAll(/^([A-Za-z-]+): /gm)].map(([, name]) => name)).toEqual([
      ...['Origin', 'Label', 'Suite', 'Codename', 'Changelogs', 'Date', 'Valid-Until', 'Acquire-By-Hash'],
      ...['Architectures', 'Components', 'Description', 'Snapshots', 'Signed-By'],
    ]);
  });

  it('and every file that Release names is there by name and by hash, whole for gzip and xz, and unpacks to the text', async () => {
    const read = parseRelease((await published.read('dists/landing/Release'))?.toString('utf8') ?? '');
    if ('kind' in read) throw new Error(read.reason);
    const sums = new Map(read.files.map((file) => [file.path, file.sha256]));
    const stems = [
      'Contents-amd64',
      'Contents-source',
      'binary-amd64/Packages',
      'i18n/Translation-en',
      'source/Sources',
    ];
    expect([...sums.keys()].filter((path) => !/\.(gz|xz)$/.test(path) && !path.endsWith('Release'))).toEqual(
      stems.map((stem) => `main/${stem}`),
    );
    for (const { path, sha256: sum, size } of read.files) {
      const bytes = await published.read(`dists/landing/${path}`);
      if (stems.includes(path.slice('main/'.length))) {
        expect(bytes, path).toBeUndefined();
        continue;
      }
      if (bytes === undefined) throw new Error(`${path} is not there`);
      expect({ sum: sha256(bytes), size: bytes.length }, path).toEqual({ sum, size });
      const folder = path.slice(0, path.lastIndexOf('/'));
      expect(await published.read(`dists/landing/${folder}/by-hash/SHA256/${sum}`)).toEqual(bytes);
      const program = path.endsWith('.gz') ? 'gzip' : path.endsWith('.xz') ? 'xz' : undefined;
      if (program === undefined) continue;
      await exec([program, '--test'], { input: bytes, deadlineMs: 20_000 });
      const { stdout } = await exec([program, '--decompress', '--stdout'], { input: bytes, deadlineMs: 20_000 });
      expect(sha256(stdout), path).toBe(sums.get(path.replace(/\.(gz|xz)$/, '')));
    }
  });
});

describe('Contents and Translation over many publications', () => {
  const derived: readonly DerivedIndex[] = [
    { kind: 'contents', component: 'main', architecture: 'amd64', type: 'deb' },
    { kind: 'translation', component: 'main' },
  ];

  it('are what they would be if they were made anew: files that move, that two packages have, that go', async () => {
    const put = async (name: string, version: string, files: readonly string[], text = ''): Promise<void> => {
      await putBinary(world, {
        name,
        version,
        architecture: 'amd64',
        fields: text === '' ? [] : [`X-Note: ${text}`],
        files: Object.fromEntries(files.map((path) => [path, 'x'])),
      });
    };
    await put('one', '1', ['usr/bin/tool', 'usr/bin/gone', 'usr/share/ünïcödé 🐧/a b']);
    await put('two', '1', ['usr/bin/other']);
    await world.publish();
    await put('two', '2', ['usr/bin/other', 'usr/bin/tool']);
    await world.publish();
    expect(await index('main/Contents-amd64')).toMatch(/^usr\/bin\/tool\s+utils\/one,utils\/two$/m);
    await put('one', '2', ['usr/bin/tool', 'usr/share/ünïcödé 🐧/a b']);
    await world.publish();
    expect(await index('main/Contents-amd64')).not.toContain('usr/bin/gone');
    const [last] = await world.db.selectFrom('suites').select('open_serial').where('id', '=', world.suiteId).execute();
    const serial = (last?.open_serial ?? 0) - 1;
    for (const one of derived) {
      const anew = await withDerivedIndex(world.db, world.suiteId, one, serial, async (entries) => {
        const all: IndexEntry[] = [];
        for await (const entry of entries) all.push(entry);
        return formatOf(indexStem(one)).textOf(all).toString('utf8');
      });
      expect(await index(`${indexFolder(one)}/${indexStem(one)}`)).toBe(anew);
    }
    const { contents } = await ftparchive();
    // The pool has the older versions too: what is not in the suite any more must be the only difference.
    const missing = lines(contents).filter((line) => !line.includes('usr/bin/gone'));
    expect(lines(await index('main/Contents-amd64'))).toEqual(missing);
  });

  it('change no chunk that the change does not touch', async () => {
    const ids = async (): Promise<readonly (string | undefined)[]> => {
      const rows = await world.db
        .selectFrom('publications')
        .select('facts')
        .where('suite_id', '=', world.suiteId)
        .orderBy('serial', 'desc')
        .limit(1)
        .execute();
      const indices = rows[0]?.facts.indices ?? {};
      return ['main/Contents-source', 'main/source/Sources'].map((path) =>
        JSON.stringify(Object.entries(indices).find(([name]) => name === path)?.[1]),
      );
    };
    const before = await ids();
    await putBinary(world, { name: 'three', version: '1', architecture: 'amd64' });
    await world.publish();
    expect(await ids()).toEqual(before);
  });
});

describe('debug symbols and packages of the installer', () => {
  it('stand in a suite of their own, and in indices of their own, where apt and the installer look', async () => {
    await putBinary(world, {
      name: 'hello-dbgsym',
      version: '1.0-1',
      architecture: 'amd64',
      source: 'hello',
      suiteId: debugSuiteId,
      section: 'debug',
    });
    await putBinary(world, {
      name: 'hello-udeb',
      version: '1.0-1',
      architecture: 'amd64',
      source: 'hello',
      section: 'debian-installer',
      type: 'udeb',
    });
    await world.publish();
    await publishFully(world.deps, debugSuiteId);
    expect(await index('main/debian-installer/binary-amd64/Packages')).toMatch(
      /^Package: hello-udeb$[\s\S]*It is made for a test/m,
    );
    expect(await index('main/binary-amd64/Packages')).not.toContain('hello-udeb');
    expect(await index('main/Contents-udeb-amd64')).toMatch(/debian-installer\/hello-udeb$/m);
    expect(await index('main/Contents-amd64')).not.toContain('hello-udeb');
    expect(await index('main/binary-amd64/Packages', 'landing-debug')).toContain('Package: hello-dbgsym');
    const apt = await world.apt('amd64', 'landing-debug');
    await apt.update();
    expect(await apt.packages()).toEqual(['hello-dbgsym=1.0-1']);
    const main = await world.apt();
    await main.update();
    expect((await main.packages()).filter((name) => /dbgsym|udeb/.test(name))).toEqual([]);
  });
});

describe('apt as apt-file sets it up', () => {
  it('fetches Contents, and finds the package of a file', async () => {
    const apt = await world.apt('amd64', 'landing', {
      configuration: [
        'Acquire::GzipIndexes=false',
        'Acquire::IndexTargets::deb::Contents-deb::MetaKey=$(COMPONENT)/Contents-$(ARCHITECTURE)',
        'Acquire::IndexTargets::deb::Contents-deb::ShortDescription=Contents-$(ARCHITECTURE)',
        'Acquire::IndexTargets::deb::Contents-deb::Description=$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents',
        'Acquire::IndexTargets::deb-src::Contents-dsc::MetaKey=$(COMPONENT)/Contents-source',
        'Acquire::IndexTargets::deb-src::Contents-dsc::ShortDescription=Contents-source',
        'Acquire::IndexTargets::deb-src::Contents-dsc::Description=$(RELEASE)/$(COMPONENT) source Contents',
      ],
    });
    await apt.update();
    const targets = await apt.run('apt-get', 'indextargets', '--format', '$(CREATED_BY) $(FILENAME)');
    for (const [name, line] of [
      ['Contents-deb', /^usr\/bin\/tool\s+utils\/one,utils\/two$/m],
      ['Contents-dsc', /^greeting\s+hello$/m],
    ] as const) {
      const file = new RegExp(`^${name} (.+)$`, 'm').exec(targets)?.[1] ?? '';
      expect(await readFile(file, 'utf8')).toMatch(line);
    }
  });
});
