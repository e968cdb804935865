/**
 * The packages that are measured with: Debian's own index of this machine's release, fetched once by apt from the mirror that the
 * machine is set up with. Real names, real dependencies, real descriptions, and the real size of an index.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findMirror } from '../../src/app/demo/mirror.ts';
import { fieldOf, splitStanzas } from '../../src/debian/deb822.ts';
import { exec } from '../../src/platform/exec.ts';
import { exists } from '../../src/platform/files.ts';

export interface IndexedPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Its name; of a binary package that of the source that it was built from. */
  readonly source: string;
  readonly sourceVersion: string;
  /** As it stands in the index. */
  readonly stanza: string;
}

export interface RealIndex {
  /** `bookworm main amd64` */
  readonly title: string;
  readonly binaries: readonly IndexedPackage[];
  readonly sources: readonly IndexedPackage[];
}

const DEADLINE_MS = 10 * 60_000;
const MAX_INDEX_BYTES = 1024 ** 3;

/** Fetches it into `folder` the first time. */
export async function readRealIndex(folder: string, progress: (text: string) => void): Promise<RealIndex> {
  const complete = join(folder, 'complete');
  if (!(await exists(complete))) {
    progress("fetching Debian's index, once");
    await rm(folder, { recursive: true, force: true });
    await fetchIndex(folder);
    await writeFile(complete, '');
  }
  const read = async (name: string): Promise<string> => await readFile(join(folder, name), 'utf8');
  return {
    title: (await read('title')).trim(),
    binaries: readStanzas(await read('Packages'), 'Package'),
    sources: readStanzas(await read('Sources'), 'Package'),
  };
}

async function fetchIndex(folder: string): Promise<void> {
  const { uri, codename, component, architecture, keyring } = await findMirror();
  for (const name of ['lists/partial', 'cache/archives/partial']) await mkdir(join(folder, name), { recursive: true });
  const sources = join(folder, 'sources.list');
  await writeFile(
    sources,
    ['deb', 'deb-src'].map((kind) => `${kind} [signed-by=${keyring}] ${uri} ${codename} ${component}\n`).join(''),
  );
  const options = [
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=-',
    `Dir::State::Lists=${join(folder, 'lists')}`,
    `Dir::Cache=${join(folder, 'cache')}`,
    'Acquire::Languages=none',
    'APT::Update::Error-Mode=any',
  ].flatMap((option) => ['-o', option]);
  await exec(['apt-get', 'update', '--quiet', ...options], {
    doing: "fetch Debian's index",
    deadlineMs: DEADLINE_MS,
  });
  for (const index of ['Packages', 'Sources']) {
    const { stdout } = await exec(
      ['apt-get', 'indextargets', ...options, '--format', '$(FILENAME)', `Created-By: ${index}`],
      { deadlineMs: DEADLINE_MS },
    );
    const [file] = stdout.toString('utf8').trim().split('\n');
    if (file === undefined || file === '') throw new Error(`apt fetched no ${index}`);
    const { stdout: text } = await exec(['/usr/lib/apt/apt-helper', 'cat-file', file], {
      deadlineMs: DEADLINE_MS,
      maxOutput: MAX_INDEX_BYTES,
    });
    await writeFile(join(folder, `.${index}`), text);
    await rename(join(folder, `.${index}`), join(folder, index));
  }
  await writeFile(join(folder, 'title'), `${codename} ${component} ${architecture}\n`);
}

/** The index has a few names in more than one version: the archive's own order keeps them apart, and so does this. */
function readStanzas(text: string, nameField: string): IndexedPackage[] {
  const seen = new Set<string>();
  const packages: IndexedPackage[] = [];
  for (const stanza of splitStanzas(text)) {
    const name = fieldOf(stanza, nameField);
    const version = fieldOf(stanza, 'Version');
    if (name === undefined || version === undefined) continue;
    const key = `${name} ${version}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const [, source = name, sourceVersion = version] =
      /^(\S+)(?: \((.*)\))?$/.exec(fieldOf(stanza, 'Source') ?? name) ?? [];
    const architecture = fieldOf(stanza, 'Architecture') ?? 'source';
    packages.push({ name, version, architecture, source, sourceVersion, stanza: `${stanza.trimEnd()}\n` });
  }
  return packages;
}
