/**
 * Packages, Sources and Release as we write them, against apt-ftparchive's of the same files, and against apt as their reader.
 *
 * Where they differ, on purpose:
 * - Blanks at the end of a line are not kept (older dpkg wrote `Package-List: `).
 * - SHA512 (of packages) and Checksums-Sha512 are not written unless given: apt uses SHA256, Debian writes no SHA512 either.
 * - MD5Sum, SHA1 and SHA512 are not in Release: only SHA256 has been asked for since 2016.
 * - Release carries the fields of a suite in Debian's order; apt-ftparchive writes those that it is configured with.
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectDeb } from '../../src/archive/read-deb.ts';
import { formatContentsLine, pathBytes } from '../../src/debian/contents.ts';
import { parseClearsigned } from '../../src/debian/clearsign.ts';
import { readDebControl, type DebControl, type Decompress } from '../../src/debian/deb.ts';
import { fieldOf, formatParagraph, parseParagraph, splitStanzas } from '../../src/debian/deb822.ts';
import { parseDsc } from '../../src/debian/dsc.ts';
import { PACKAGES_ORDER, formatPackagesStanza, inOrder, type FieldOrder } from '../../src/debian/packages.ts';
import { formatRelease, parseRelease, type Release } from '../../src/debian/release.ts';
import { SOURCES_ORDER, formatSourcesStanza } from '../../src/debian/sources.ts';
import { exec } from '../../src/platform/exec.ts';
import { xzDecompress } from '../../src/platform/xz.ts';
import { binaryPackages, readPackagesIndex, readSourcesIndex, sample, sourcePackages } from './apt-lists.ts';

const decompress: Decompress = async (_, bytes, limit) => {
  const result = await xzDecompress(bytes, limit);
  if (result.kind !== 'decompressed') throw new Error(result.kind);
  return result.bytes;
};
const hash = (algorithm: string, bytes: Uint8Array): string => createHash(algorithm).update(bytes).digest('hex');
const digests = (bytes: Uint8Array) => ({
  size: bytes.length,
  md5: hash('md5', bytes),
  sha1: hash('sha1', bytes),
  sha256: hash('sha256', bytes),
});

let root = '';
const controls: { file: string; control: DebControl; bytes: Buffer }[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'landfall-indices-'));
  await mkdir(join(root, 'pool/debs'), { recursive: true });
  await mkdir(join(root, 'pool/dscs'), { recursive: true });
  for (const path of await binaryPackages()) {
    const bytes = await readFile(path);
    const read = await readDebControl(bytes, decompress);
    if ('kind' in read) throw new Error(read.reason);
    // The index has the name, whatever it is; apt-get download escapes the colon, an archive leaves the epoch out.
    const file = `pool/debs/${basename(path).replace(/_\d+%3a/, '_')}`;
    await copyFile(path, join(root, file));
    controls.push({ file, control: read.control, bytes });
  }
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

const ftparchive = async (...argv: string[]): Promise<string> => {
  const { stdout } = await exec(['apt-ftparchive', ...argv], { cwd: root, deadlineMs: 60_000 });
  return stdout.toString('utf8');
};
const byFirstLine = (text: string): Map<string, string> => {
  return new Map([...splitStanzas(text)].map((stanza) => [stanza.split('\n', 1)[0] ?? '', `${stanza}\n`]));
};

describe('Packages, against apt-ftparchive', () => {
  it('gives the same bytes for real packages', async () => {
    const theirs = byFirstLine(await ftparchive('packages', 'pool/debs'));
    expect(theirs.size).toBe(controls.length);
    for (const { file, control, bytes } of controls) {
      const stanza = formatPackagesStanza(control, {
        filename: file,
        ...digests(bytes),
        sha512: hash('sha512', bytes),
      });
      expect(stanza).toBe(theirs.get(`Package: ${control.name}`));
    }
  });

  it('gives the same bytes with overrides, and with short descriptions', async () => {
    const override = join(root, 'override');
    await writeFile(override, controls.map(({ control }) => `${control.name} important non-free/net\n`).join(''));
    const theirs = byFirstLine(
      await ftparchive(
        '-o',
        'APT::FTPArchive::LongDescription=false',
        '--no-sha512',
        'packages',
        'pool/debs',
        override,
      ),
    );
    for (const { file, control, bytes } of controls) {
      const stanza = formatPackagesStanza(
        control,
        { filename: file, ...digests(bytes) },
        { section: 'non-free/net', priority: 'important' },
        { description: 'short' },
      );
      expect(stanza).toBe(theirs.get(`Package: ${control.name}`));
    }
  });

  it('has every field of apt’s order in its place, and unknown ones behind them as they come', async () => {
    for (const [kind, order] of [
      ['packages', PACKAGES_ORDER],
      ['sources', SOURCES_ORDER],
    ] as const) {
      const names = ['X-Last', ...order.names, 'X-First'].toReversed();
      const stanza = names.map((name) => `${name}: v`).join('\n');
      expect(inOrderOf(stanza, order)).toBe((await sorted(kind, [stanza])).values().next().value);
    }
  });

  it('orders the fields of 1,500 real stanzas as apt does', async () => {
    const stanzas = sample([...splitStanzas(await readPackagesIndex())], 1_500);
    const theirs = await sorted('packages', stanzas);
    for (const stanza of stanzas) {
      const key = ['Package', 'Version', 'Architecture', 'Filename', 'Directory']
        .map((name) => fieldOf(stanza, name))
        .join(' ');
      expect(inOrderOf(stanza, PACKAGES_ORDER)).toBe(theirs.get(key));
    }
  });
});

describe('Contents, against apt-ftparchive', () => {
  it('has the same lines for real packages', async () => {
    const packages = new Map<string, Set<string>>();
    for (const { control, bytes } of controls) {
      const read = await inspectDeb(bytes);
      if ('kind' in read) throw new Error(read.reason);
      for (const path of read.paths ?? []) {
        const there = packages.get(path) ?? new Set();
        packages.set(path, there.add(control.name));
      }
    }
    const ours = [...packages].map(([path, names]) => formatContentsLine(pathBytes(path), [...names].sort()));
    const theirs = (await ftparchive('contents', 'pool/debs')).split('\n').filter((line) => line !== '');
    expect(ours.map((line) => Buffer.from(line.trimEnd(), 'latin1').toString('utf8')).sort()).toEqual(theirs.sort());
    expect(theirs.length).toBeGreaterThan(50);
  });
});

describe('Sources, against apt-ftparchive', () => {
  it('gives the same bytes for real source packages', async () => {
    const paths = await sourcePackages();
    const override = join(root, 'override.src');
    const names = paths.map((path) => basename(path).split('_', 1)[0] ?? '');
    await writeFile(override, names.map((name) => `${name} utils\n`).join(''));
    for (const path of paths) {
      for (const file of await filesBeside(path)) await copyFile(file, join(root, 'pool/dscs', basename(file)));
    }
    // The source's priority comes from the overrides of its binaries, of which there are none here.
    const theirs = byFirstLine(await ftparchive('--no-sha512', '--source-override', override, 'sources', 'pool/dscs'));
    for (const path of paths) {
      const bytes = await readFile(path);
      const dsc = parseDsc(signedText(bytes));
      if ('kind' in dsc) throw new Error(`${path}: ${dsc.reason}`);
      const stanza = formatSourcesStanza(dsc, { name: basename(path), ...digests(bytes) }, 'pool/dscs', {
        section: 'utils',
      });
      expect(stanza).toBe(theirs.get(`Package: ${dsc.source}`));
    }
  });

  it('orders the fields of 1,000 real stanzas as apt does', async () => {
    const stanzas = sample([...splitStanzas(await readSourcesIndex())], 1_000);
    const theirs = await sorted('sources', stanzas);
    for (const stanza of stanzas) {
      const key = ['Package', 'Version', 'Architecture', 'Filename', 'Directory']
        .map((name) => fieldOf(stanza, name))
        .join(' ');
      expect(inOrderOf(stanza, SOURCES_ORDER)).toBe(theirs.get(key));
    }
  });

  it('accepts 8,000 real sources as a .dsc of their name and version', async () => {
    const refused: string[] = [];
    for (const stanza of sample([...splitStanzas(await readSourcesIndex())], 8_000)) {
      // Sources has the .dsc in its lists and calls the source Package.
      const text = `${stanza.replace(/^Package: /, 'Source: ').replace(/^ [0-9a-f]+ [0-9]+ \S+\.dsc$\n?/gm, '')}\n`;
      const dsc = parseDsc(text);
      if ('kind' in dsc) refused.push(`${fieldOf(stanza, 'Package') ?? ''}: ${dsc.reason}`);
    }
    expect(refused).toEqual([]);
  });
});

describe('Release, against apt-ftparchive and apt', () => {
  const date = new Date('2026-11-22T13:00:01Z');

  it('names the same files with the same sums as apt-ftparchive release', async () => {
    const dists = join(root, 'dists/landing/main/binary-amd64');
    await mkdir(dists, { recursive: true });
    await writeFile(join(dists, 'Packages'), 'Package: x\n');
    await writeFile(join(dists, 'Packages.gz'), gzipSync('Package: x\n'));
    const text = await ftparchive(
      ...[
        '--no-md5',
        '--no-sha1',
        '--no-sha512',
        '-o',
        'APT::FTPArchive::Release::Suite=landing',
        '-o',
        'APT::FTPArchive::Release::Codename=landing',
      ],
      ...['-o', 'APT::FTPArchive::Release::Origin=Landfall', '-o', 'APT::FTPArchive::Release::Label=Landfall'],
      ...[
        '-o',
        'APT::FTPArchive::Release::Architectures=amd64',
        '-o',
        'APT::FTPArchive::Release::Components=main',
        'release',
        'dists/landing',
      ],
    );
    const theirs = parseRelease(text.replace(/^(?:MD5Sum|SHA1|SHA512):\n(?: .*\n)*/gm, ''));
    if ('kind' in theirs) throw new Error(theirs.reason);
    const files = await Promise.all(
      ['main/binary-amd64/Packages', 'main/binary-amd64/Packages.gz'].map(async (path) => {
        const bytes = await readFile(join(root, 'dists/landing', path));
        return { path, size: bytes.length, sha256: hash('sha256', bytes) };
      }),
    );
    expect(theirs.files.toSorted((a, b) => (a.path < b.path ? -1 : 1))).toEqual(files);
    const ours: Release = { ...theirs, files: theirs.files };
    expect(fieldOf(formatRelease(ours), 'SHA256')).toBe(fieldOf(text.trimEnd(), 'SHA256'));
  });

  it('reads the InRelease files that the machine has, and writes the same fields in the same order', async () => {
    const { stdout } = await exec(
      ['apt-get', 'indextargets', '--format', '$(METAKEY) $(FILENAME)', 'Origin: Debian', 'Created-By: Packages'],
      { deadlineMs: 20_000 },
    );
    const lists = stdout.toString('utf8').trim().split('\n');
    expect(lists.length).toBeGreaterThan(0);
    for (const line of lists) {
      const [key = '', index = ''] = line.split(' ');
      const file = `${index.slice(0, index.indexOf(key.replaceAll('/', '_')))}InRelease`;
      const text = signedText(await readFile(file));
      const release = parseRelease(text);
      if ('kind' in release) throw new Error(`${file}: ${release.reason}`);
      expect(release.files.length).toBeGreaterThan(10);
      const names = (release_: string): string[] =>
        [...release_.matchAll(/^([A-Za-z0-9-]+):/gm)]
          .map((match) => match[1] ?? '')
          .filter((name) => name !== 'MD5Sum');
      expect(names(formatRelease(release))).toEqual(names(text));
      expect(formatRelease(release)).toContain(`\nDate: ${/^Date: (.*)$/m.exec(text)?.[1] ?? ''}\n`);
    }
  });

  it('is a repository that apt updates from, shows and downloads, byte for byte', async () => {
    const dists = join(root, 'dists/stable/main/binary-amd64');
    await mkdir(dists, { recursive: true });
    const packages = Buffer.from(
      controls
        .map(({ file, control, bytes }) => formatPackagesStanza(control, { filename: file, ...digests(bytes) }))
        .join('\n'),
    );
    const packed = gzipSync(packages);
    await writeFile(join(dists, 'Packages.gz'), packed);
    const release: Release = {
      origin: 'Landfall',
      label: 'Landfall',
      suite: 'stable',
      codename: 'stable',
      date,
      acquireByHash: false,
      noSupportForArchitectureAll: 'Packages',
      architectures: ['all', 'amd64'],
      components: ['main'],
      description: 'Kept for good: ünïcödé',
      files: [
        { path: 'main/binary-amd64/Packages', size: packages.length, sha256: hash('sha256', packages) },
        { path: 'main/binary-amd64/Packages.gz', size: packed.length, sha256: hash('sha256', packed) },
      ],
    };
    await writeFile(join(root, 'dists/stable/Release'), formatRelease(release));
    await mkdir(join(root, 'apt/lists/partial'), { recursive: true });
    await mkdir(join(root, 'apt/cache/archives/partial'), { recursive: true });
    await writeFile(join(root, 'apt/sources.list'), `deb [trusted=yes arch=amd64] file:${root} stable main\n`);
    await writeFile(join(root, 'apt/status'), '');
    const options = [
      ...[
        'Dir::Etc::sourcelist=' + join(root, 'apt/sources.list'),
        'Dir::Etc::sourceparts=-',
        'Dir::State::Lists=' + join(root, 'apt/lists'),
      ],
      ...[
        'Dir::Cache=' + join(root, 'apt/cache'),
        'Dir::State::status=' + join(root, 'apt/status'),
        'APT::Architecture=amd64',
        'APT::Update::Error-Mode=any',
      ],
      ...[
        'Acquire::Check-Valid-Until=false',
        'Acquire::Check-Date=false',
        'Acquire::Languages=none',
        'APT::Sandbox::User=',
      ],
    ].flatMap((option) => ['-o', option]);
    await exec(['apt-get', 'update', ...options], { deadlineMs: 60_000 });
    const target = join(root, 'apt/got');
    await mkdir(target);
    for (const { control, bytes } of controls) {
      const { stdout } = await exec(['apt-cache', ...options, 'show', '--no-all-versions', control.name], {
        deadlineMs: 20_000,
      });
      expect(fieldOf(stdout.toString('utf8'), 'Version')).toBe(control.version);
      expect(fieldOf(stdout.toString('utf8'), 'SHA256')).toBe(hash('sha256', bytes));
    }
    await exec(['apt-get', 'download', ...options, ...controls.map(({ control }) => control.name)], {
      cwd: target,
      deadlineMs: 60_000,
    });
    expect((await stat(target)).isDirectory()).toBe(true);
  });
});

function signedText(bytes: Uint8Array): string {
  const parsed = parseClearsigned(bytes);
  if ('kind' in parsed) throw new Error(parsed.reason);
  return parsed.text;
}

async function filesBeside(dscPath: string): Promise<string[]> {
  const text = await readFile(dscPath, 'utf8');
  const names = [...text.matchAll(/^ [0-9a-f]{64} [0-9]+ (\S+)$/gm)].map((match) => match[1] ?? '');
  return [dscPath, ...names.map((name) => join(dscPath, '..', name))];
}

/** Stanzas after apt-sortpkgs, which writes fields in apt's order, by name, version and architecture. */
async function sorted(kind: 'packages' | 'sources', stanzas: readonly string[]): Promise<Map<string, string>> {
  const file = join(root, `to-sort.${kind}`);
  await writeFile(file, stanzas.map((stanza) => `${stanza}\n`).join('\n'));
  const { stdout } = await exec(['apt-sortpkgs', ...(kind === 'sources' ? ['--source'] : []), file], {
    deadlineMs: 60_000,
    maxOutput: 1 << 28,
  });
  return new Map(
    [...splitStanzas(stdout.toString('utf8'))].map((stanza) => [
      ['Package', 'Version', 'Architecture', 'Filename', 'Directory'].map((name) => fieldOf(stanza, name)).join(' '),
      `${stanza.replace(/[ \t]+$/gm, '')}\n`,
    ]),
  );
}

function inOrderOf(stanza: string, order: FieldOrder): string {
  const paragraph = parseParagraph(stanza);
  if ('kind' in paragraph) throw new Error(paragraph.reason);
  const fields = new Map(paragraph.fields.map(({ name, value }) => [name.toLowerCase(), [name, value] as const]));
  return formatParagraph(inOrder(fields, order));
}
