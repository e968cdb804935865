/**
 * Real data to hold our formats against: the machine's own apt lists, and a few small packages and sources, fetched once by apt
 * itself from wherever the machine is set up to fetch from.
 *
 * Where there are no lists, or nothing can be fetched, the tests fail and say what to do; they are never skipped.
 */
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exec } from '../../src/platform/exec.ts';
import { isErrnoException } from '../../src/platform/errors.ts';
import { sha256 } from '../../src/platform/files.ts';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/landfall-oracles/', import.meta.url));
const DEADLINE_MS = 120_000;
const MAX_INDEX = 1024 * 1024 * 1024;
const MISSING = 'there are no apt lists of Debian on this machine: run "apt-get update" as root, then this test again';

/** Small, of different shapes: Essential, epochs, another source's name, arch:all, Pre-Depends, triggers, conffiles. */
const BINARIES = [
  'hello',
  'dash',
  'bsdutils',
  'hostname',
  'libattr1',
  'adduser',
  'sysvinit-utils',
  'debianutils',
  'sensible-utils',
  'netbase',
  'gzip',
  'ncal',
];
const SOURCES = [
  'hello',
  'dash',
  'hostname',
  'attr',
  'sensible-utils',
  'netbase',
  'debianutils',
  'ed',
  'bsdmainutils',
  'time',
];
const ENOUGH = 6;

interface Target {
  readonly file: string;
  readonly uri: string;
  readonly suite: string;
  readonly component: string;
}

/** The Packages indices that the machine's apt has, joined: tens of thousands of stanzas. */
export async function readPackagesIndex(): Promise<string> {
  return await readLists(await targets([]));
}

/** Debian's Sources index of the machine's suite, fetched into the cache the first time. */
export async function readSourcesIndex(): Promise<string> {
  const options = await sourceOptions();
  return await readLists(await targets(options, 'Sources'));
}

/** Files of some real binary packages. */
export async function binaryPackages(): Promise<readonly string[]> {
  const [main] = await requireLists();
  const folder = await cached(`binaries-${main.suite}`, async (empty) => {
    // A mirror may lack one; that there are enough is seen below.
    await exec(['apt-get', 'download', '--quiet', ...sandbox, ...BINARIES], {
      cwd: empty,
      deadlineMs: DEADLINE_MS,
      okCodes: 'any',
    });
  });
  return enough(folder, '.deb', await readdir(folder));
}

/** .dsc files of some real source packages, with all their files beside them. */
export async function sourcePackages(): Promise<readonly string[]> {
  const [folder, whole] = await fetchSources('sources', SOURCES);
  return await enough(folder, '.dsc', whole);
}

/**
 * The .dsc of these source packages, with all their files beside it; fetched once, together. A mirror may lack some; fewer than
 * `atLeast` are an error.
 */
export async function sourcePackagesOf(
  names: readonly string[],
  atLeast: number = names.length,
): Promise<ReadonlyMap<string, string>> {
  const [folder, whole] = await fetchSources(`sources-${sha256(names.join(' ')).slice(0, 12)}`, names);
  const found = new Map<string, string>();
  for (const name of names) {
    const dsc = whole.find((file) => file.startsWith(`${name}_`));
    if (dsc !== undefined) found.set(name, join(folder, dsc));
  }
  if (found.size >= atLeast) return found;
  const missing = names.filter((name) => !found.has(name));
  await rm(folder, { recursive: true, force: true });
  throw new Error(`apt could not fetch the source packages ${missing.join(', ')}: is the mirror reachable, and whole?`);
}

async function fetchSources(set: string, names: readonly string[]): Promise<[string, string[]]> {
  const [main] = await requireLists();
  const options = await sourceOptions();
  const folder = await cached(`${set}-${main.suite}`, async (empty) => {
    await exec(['apt-get', 'source', '--download-only', '--only-source', '--quiet', ...sandbox, ...options, ...names], {
      cwd: empty,
      deadlineMs: DEADLINE_MS,
      okCodes: 'any',
    });
  });
  const present = new Set(await readdir(folder));
  const whole: string[] = [];
  for (const name of present) {
    if (!name.endsWith('.dsc')) continue;
    const text = await readFile(join(folder, name), 'utf8');
    const files = [...text.matchAll(/^ [0-9a-f]{64} [0-9]+ (\S+)$/gm)].map((match) => match[1] ?? '');
    if (files.every((file) => present.has(file))) whole.push(name);
  }
  return [folder, whole];
}

/** Every n-th item, so that a sample reaches from one end to the other and is the same in each run. */
export function sample<T>(items: readonly T[], count: number): T[] {
  const step = Math.max(1, Math.floor(items.length / count));
  return items.filter((_, index) => index % step === 0).slice(0, count);
}

/** Runs a Perl program over lines and gives one line of answer for each. */
export async function perl(program: string, lines: readonly string[]): Promise<string[]> {
  if (lines.some((line) => line.includes('\n'))) throw new Error('a question to the oracle has a newline in it');
  const { stdout } = await exec(['perl', '-e', program], {
    doing: 'ask dpkg’s Perl library',
    input: lines.map((line) => `${line}\n`).join(''),
    deadlineMs: DEADLINE_MS,
    maxOutput: MAX_INDEX,
  });
  const answers = stdout.toString('utf8').split('\n');
  answers.pop();
  if (answers.length !== lines.length)
    throw new Error(`the oracle gave ${answers.length} answers to ${lines.length} questions`);
  return answers;
}

/** A root user's downloads into a private folder are not readable by apt's own sandbox user. */
const sandbox = process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : [];

async function targets(options: readonly string[], index = 'Packages'): Promise<Target[]> {
  const { stdout } = await exec(
    [
      'apt-get',
      'indextargets',
      ...options,
      '--format',
      '$(FILENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)',
      `Created-By: ${index}`,
    ],
    { deadlineMs: DEADLINE_MS },
  );
  return stdout
    .toString('utf8')
    .split('\n')
    .map((line) => line.split('|'))
    .flatMap(([file, uri, suite, component, origin]) =>
      file === undefined || uri === undefined || suite === undefined || component === undefined || origin !== 'Debian'
        ? []
        : [{ file, uri, suite, component }],
    );
}

async function requireLists(): Promise<[Target, ...Target[]]> {
  const [first, ...others] = await targets([]);
  if (first === undefined) throw new Error(MISSING);
  return [first, ...others];
}

async function readLists(found: readonly Target[]): Promise<string> {
  if (found.length === 0) throw new Error(MISSING);
  const texts: string[] = [];
  for (const { file } of found) {
    const { stdout } = await exec(['/usr/lib/apt/apt-helper', 'cat-file', file], {
      deadlineMs: DEADLINE_MS,
      maxOutput: MAX_INDEX,
    });
    texts.push(stdout.toString('utf8'));
  }
  return texts.join('\n');
}

/** apt's options for a configuration of our own, with deb-src for the machine's main suite; its lists are fetched once. */
async function sourceOptions(): Promise<string[]> {
  const [main] = await requireLists();
  const folder = await cached(`deb-src-${main.suite}`, async (empty) => {
    await mkdir(join(empty, 'lists/partial'), { recursive: true });
    await mkdir(join(empty, 'cache/archives/partial'), { recursive: true });
    const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
    await writeFile(
      join(empty, 'sources.list'),
      `deb-src [signed-by=${keyring}] ${main.uri} ${main.suite} ${main.component}\n`,
    );
    await exec(
      ['apt-get', 'update', '--quiet', ...sandbox, '-o', 'APT::Update::Error-Mode=any', ...optionsFor(empty)],
      {
        doing: 'fetch the Sources index of the machine’s suite',
        deadlineMs: DEADLINE_MS,
      },
    );
  });
  return optionsFor(folder);
}

function optionsFor(folder: string): string[] {
  return [
    `Dir::Etc::sourcelist=${join(folder, 'sources.list')}`,
    'Dir::Etc::sourceparts=-',
    `Dir::State::Lists=${join(folder, 'lists')}`,
    `Dir::Cache=${join(folder, 'cache')}`,
    'Acquire::Languages=none',
  ].flatMap((option) => ['-o', option]);
}

/** A folder of the cache, filled once: made beside its place and renamed, so that test files may run side by side. */
async function cached(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(CACHE, name);
  if ((await readFile(join(folder, 'complete'), 'utf8').catch(() => '')) !== '') return folder;
  await mkdir(dirname(folder), { recursive: true });
  const fresh = await mkdtemp(join(CACHE, '.new-'));
  try {
    await fill(fresh);
    await writeFile(join(fresh, 'complete'), 'yes\n');
    await rename(fresh, folder).catch((error: unknown) => {
      if (!isErrnoException(error) || (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST')) throw error;
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return folder;
}

async function enough(folder: string, suffix: string, names: readonly string[]): Promise<string[]> {
  const files = names.filter((name) => name.endsWith(suffix)).sort();
  if (files.length < ENOUGH) {
    await rm(folder, { recursive: true, force: true });
    throw new Error(
      `apt could fetch only ${files.length} of the ${suffix} files that the test needs: is the mirror reachable?`,
    );
  }
  return files.map((name) => join(folder, name));
}
