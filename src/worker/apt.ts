/**
 * Build dependencies, phase 1: apt runs outside the sandbox as ourselves, with a private configuration, the base's list of
 * installed packages and only the job's sources, each verified with its own keyring; it downloads and installs nothing.
 * What it brought is then installed inside, without network, from a folder that is bound read-only.
 *
 * What apt cannot find is the package's fault, and returned: `builddeps.unsatisfiable` with apt's lines. A mirror that is away or
 * cannot be trusted is the machine's, and thrown: `apt.mirror-away`, `apt.untrusted`, `apt.failed`.
 *
 * @see apt-get(8), apt.conf(5)
 */
import { link, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LandfallError, isFault } from '../platform/errors.ts';
import { ProgramFailed, exec, type OutputHandler } from '../platform/exec.ts';
import { ensureDirectory, sha256 } from '../platform/files.ts';
import { formatAptConf, judgesAgeOf, readMachineApt, sourceLine } from './apt-configuration.ts';
import type { DebCache } from './deb-cache.ts';
import { withLock } from './lock.ts';
import type { Bind } from './sandbox.ts';
import type { AptSource } from './wire.ts';

export interface BuildDependenciesOptions {
  readonly architecture: string;
  readonly sources: readonly AptSource[];
  /** dpkg's list of what the base has. */
  readonly status: string;
  /** The source package's .dsc. */
  readonly dsc: string;
  readonly buildProfiles: readonly string[];
  /** Also what architecture-independent packages need. */
  readonly withAll: boolean;
  /** A folder of this job's own; what apt brings lies in it. */
  readonly folder: string;
  /** Indices by the sources that they are of, shared between jobs. */
  readonly listsCache: string;
  readonly debs: DebCache;
  readonly onOutput: OutputHandler;
  readonly signal?: AbortSignal;
}

export interface DownloadedPackage {
  readonly file: string;
  readonly sha256: string;
  readonly size: number;
}

export type BuildDependencies =
  | {
      readonly kind: 'ready';
      /** What the base lacks; nothing has to be installed when it is empty. */
      readonly packages: readonly DownloadedPackage[];
      /** Where the indices came from and their Release files' dates, for the build's facts. */
      readonly indices: readonly { readonly file: string; readonly date: string }[];
      /** How to install them inside. */
      readonly install: {
        readonly argv: readonly [string, ...string[]];
        readonly env: Readonly<Record<string, string>>;
        readonly binds: readonly Bind[];
      };
    }
  | {
      readonly kind: 'unsatisfiable';
      readonly code: 'builddeps.unsatisfiable';
      readonly reason: string;
      readonly lines: readonly string[];
    };

/** Where a job's input files are seen inside. */
export const INPUTS_INSIDE = '/run/landfall/inputs';
const INSIDE = '/run/landfall/apt';
const DEADLINE_MS = 3_600_000;
/** Before the second and the third try to reach what was away. */
const PAUSES_MS = [2_000, 5_000];

/** Finds out what is to be installed, and downloads it. */
export async function fetchBuildDependencies(options: BuildDependenciesOptions): Promise<BuildDependencies> {
  const { folder } = options;
  const folders = {
    keyrings: join(folder, 'keyrings'),
    lists: join(folder, 'lists'),
    archives: join(folder, 'archives'),
    state: join(folder, 'state'),
  };
  for (const path of [...Object.values(folders), join(folders.lists, 'partial'), join(folders.archives, 'partial')]) {
    await mkdir(path, { recursive: true });
  }
  const machine = await readMachineApt();
  const outside: string[] = [];
  const inside: string[] = [];
  const identity: string[] = [options.architecture];
  for (const [index, source] of options.sources.entries()) {
    const keyring = join(folders.keyrings, `${index}.gpg`);
    const bytes = Buffer.from(source.keyring, 'base64');
    await writeFile(keyring, bytes);
    const judgeAge = judgesAgeOf(source.uri, machine);
    outside.push(sourceLine({ ...source, architecture: options.architecture, keyring, judgeAge }));
    inside.push(sourceLine({ ...source, architecture: options.architecture, keyring: undefined, judgeAge: false }));
    identity.push(source.uri, source.suite, source.components.join(' '), sha256(bytes), String(judgeAge));
  }
  await writeFile(join(folder, 'sources.list'), outside.join(''));
  await writeFile(join(folder, 'inside.list'), inside.join(''));
  await writeFile(join(folder, 'status'), await readFile(options.status));

  const common = new Map<string, string | readonly string[]>([
    ['Dir::Etc::main', '/dev/null'],
    ['Dir::Etc::parts', '/dev/null'],
    ['Dir::Etc::sourceparts', '/dev/null'],
    ['Dir::Etc::trusted', '/dev/null'],
    ['Dir::Etc::trustedparts', '/dev/null'],
    ['Dir::Etc::preferences', '/dev/null'],
    ['Dir::Etc::preferencesparts', '/dev/null'],
    ['Dir::Cache::pkgcache', ''],
    ['Dir::Cache::srcpkgcache', ''],
    ['APT::Architecture', options.architecture],
    ['APT::Architectures', [options.architecture]],
    ['APT::Install-Recommends', 'false'],
    ['APT::Get::Assume-Yes', 'true'],
    ['APT::Get::AllowUnauthenticated', 'false'],
    ['APT::Cmd::Disable-Script-Warning', 'true'],
    ['Acquire::Languages', 'none'],
    ['Quiet', '1'],
  ]);
  const configuration = join(folder, 'outside.conf');
  const lists = await sharedLists(options.listsCache, identity);
  const outsideOptions = (listsFolder: string): string =>
    formatAptConf(
      new Map<string, string | readonly string[]>([
        ...common,
        ...machine.network,
        ['Dir::Etc::sourcelist', join(folder, 'sources.list')],
        ['Dir::State', folders.state],
        ['Dir::State::status', join(folder, 'status')],
        ['Dir::State::Lists', listsFolder],
        ['Dir::Cache', folder],
        ['Dir::Cache::archives', folders.archives],
        ['Dir::Log', folder],
        ['APT::Update::Error-Mode', 'any'],
        ['Acquire::AllowInsecureRepositories', 'false'],
        ['Acquire::AllowDowngradeToInsecureRepositories', 'false'],
      ]),
    );
  await withLock(
    `${lists}.lock`,
    async () => {
      await writeFile(configuration, outsideOptions(lists));
      await runApt(configuration, ['update'], 'read the package indices', options);
      await snapshot(lists, folders.lists);
    },
    options.signal,
  );
  await writeFile(configuration, outsideOptions(folders.lists));
  await writeFile(
    join(folder, 'inside.conf'),
    formatAptConf(
      new Map<string, string | readonly string[]>([
        ...common,
        ['Dir::Etc::sourcelist', `${INSIDE}/inside.list`],
        ['Dir::State::Lists', `${INSIDE}/lists`],
        ['Dir::Cache::archives', `${INSIDE}/archives`],
        ['APT::Sandbox::User', 'root'],
        ['Debug::NoLocking', 'true'],
        ['Dpkg::Use-Pty', 'false'],
        ['DPkg::Options', ['--force-confnew']],
      ]),
    ),
  );

  const what = [
    'build-dep',
    ...(options.withAll ? [] : ['--arch-only']),
    ...(options.buildProfiles.length > 0 ? [`--build-profiles=${options.buildProfiles.join(',')}`] : []),
  ];
  const planned = await planDownload(configuration, [...what, options.dsc], options);
  if (planned.kind === 'unsatisfiable') return planned;
  for (const { file, sha256: hash } of planned.packages) await options.debs.take(hash, join(folders.archives, file));
  if (planned.packages.length > 0) {
    await runApt(configuration, [...what, '--download-only', options.dsc], 'download the build dependencies', options);
  }
  for (const { file, sha256: hash } of planned.packages) await options.debs.keep(hash, join(folders.archives, file));
  return {
    kind: 'ready',
    packages: planned.packages,
    indices: await describeIndices(folders.lists),
    install: {
      argv: ['apt-get', ...what, '--no-download', `${INPUTS_INSIDE}/${basename(options.dsc)}`],
      env: { APT_CONFIG: `${INSIDE}/inside.conf`, DEBIAN_FRONTEND: 'noninteractive' },
      binds: [
        { from: folder, to: INSIDE },
        { from: dirname(options.dsc), to: INPUTS_INSIDE },
      ],
    },
  };
}

/** One folder of indices per set of sources: apt asks the mirror only whether they changed. */
async function sharedLists(cache: string, identity: readonly string[]): Promise<string> {
  const lists = join(cache, sha256(JSON.stringify(identity)).slice(0, 24));
  await ensureDirectory(join(lists, 'partial'));
  return lists;
}

/** Hard links are enough: apt replaces indices, it never writes into them. */
async function snapshot(from: string, to: string): Promise<void> {
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (!entry.isFile() || entry.name === 'lock') continue;
    await rm(join(to, entry.name), { force: true });
    await link(join(from, entry.name), join(to, entry.name));
  }
}

/**
 * apt tries again by itself, but never an address that refused it once in the same run, as our own server does while it is
 * being started again.
 */
async function runApt(
  configuration: string,
  args: readonly string[],
  doing: string,
  options: BuildDependenciesOptions,
): Promise<void> {
  for (const pause of PAUSES_MS) {
    try {
      await runAptOnce(configuration, args, doing, options);
      return;
    } catch (error) {
      if (!isFault(error, 'apt.mirror-away')) throw error;
    }
    await sleep(pause, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
  await runAptOnce(configuration, args, doing, options);
}

async function runAptOnce(
  configuration: string,
  args: readonly string[],
  doing: string,
  options: BuildDependenciesOptions,
): Promise<void> {
  let said = '';
  try {
    await exec(['apt-get', ...args], {
      doing,
      env: { APT_CONFIG: configuration },
      deadlineMs: DEADLINE_MS,
      mergeStderr: true,
      stdout: async (chunk) => {
        said = `${said}${chunk.toString('utf8')}`.slice(-16_384);
        await options.onOutput(chunk);
      },
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
  } catch (error) {
    throw error instanceof ProgramFailed ? explainApt(doing, said, error) : error;
  }
}

/** Names what kept apt from reading or downloading. */
export function explainApt(doing: string, said: string, cause: unknown): LandfallError {
  const lines = said.split('\n').filter((line) => /^(?:E|Err|W):/.test(line));
  const reason =
    (lines.length > 0 ? lines : said.trim().split('\n')).slice(-6).join('; ') || 'apt-get does not say why';
  const facts = ((): { code: string; remedy: string } => {
    if (/No space left on device|don't have enough free space/.test(said)) {
      return { code: 'storage.full', remedy: 'free some space where the worker keeps its files' };
    }
    if (
      /NO_PUBKEY|GPG error|is not signed|EXPKEYSIG|REVKEYSIG|BADSIG|is expired|is not valid yet|Hash Sum mismatch|insecure repositor/.test(
        said,
      )
    ) {
      return {
        code: 'apt.untrusted',
        remedy: 'look at the keyring in the distribution file, the date of the mirror and the clock of the worker',
      };
    }
    if (
      /Could not (?:resolve|connect)|Failed to fetch|Temporary failure|Connection|404 +Not Found|does not have a Release file|Unable to connect/.test(
        said,
      )
    ) {
      return { code: 'apt.mirror-away', remedy: 'look whether the worker can reach its mirrors and the archive' };
    }
    return { code: 'apt.failed', remedy: 'the log shows what apt said' };
  })();
  return new LandfallError({ ...facts, doing, reason, cause });
}

async function planDownload(
  configuration: string,
  what: readonly string[],
  options: BuildDependenciesOptions,
): Promise<{ kind: 'planned'; packages: DownloadedPackage[] } | Extract<BuildDependencies, { kind: 'unsatisfiable' }>> {
  const doing = 'find the build dependencies';
  const result = await exec(['apt-get', ...what, '--print-uris', '-o', 'Acquire::ForceHash=SHA256'], {
    doing,
    env: { APT_CONFIG: configuration },
    deadlineMs: DEADLINE_MS,
    mergeStderr: true,
    okCodes: 'any',
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const text = result.stdout.toString('utf8');
  if (result.code === 0) return { kind: 'planned', packages: parseUris(text) };
  await options.onOutput(result.stdout);
  const lines = unmetLines(text);
  if (lines === undefined) throw explainApt(doing, text, undefined);
  return {
    kind: 'unsatisfiable',
    code: 'builddeps.unsatisfiable',
    reason: `the build dependencies cannot be satisfied: ${lines.slice(0, 5).join('; ')}`,
    lines,
  };
}

/**
 * The files of `apt-get --print-uris`: `'URI' NAME SIZE SHA256:HASH`.
 * @throws LandfallError `apt.failed` for a file without sha256, whose bytes nobody could hold apt to
 */
export function parseUris(text: string): DownloadedPackage[] {
  const packages: DownloadedPackage[] = [];
  for (const line of text.split('\n')) {
    if (!line.startsWith("'")) continue;
    const [, file, size, hash] = URI_LINE.exec(line) ?? [];
    if (file === undefined || size === undefined || hash === undefined) {
      throw new LandfallError({
        code: 'apt.failed',
        doing: 'find the build dependencies',
        reason: `apt-get says of a file what cannot be read: ${line.slice(0, 200)}`,
      });
    }
    packages.push({ file, sha256: hash, size: Number(size) });
  }
  return packages;
}

const URI_LINE = /^'[^']*' ([A-Za-z0-9][A-Za-z0-9+._~%:-]*\.deb) (\d+) SHA256:([0-9a-f]{64})$/;

/** What apt says is missing, when that is why it failed. */
export function unmetLines(text: string): string[] | undefined {
  if (
    !/unmet dependencies|Unable to satisfy|Unable to correct problems|Build-Depends dependency|held broken packages|Unable to locate package/.test(
      text,
    )
  ) {
    return undefined;
  }
  const lines = text
    .split('\n')
    .map((line) => line.trim().replace(/^builddeps:\S+ : /, ''))
    .filter((line) => /^(?:Pre-)?Depends: |^Conflicts: |^Breaks: |^E: |but it is not|^\d+\. |^- /.test(line))
    // The last word is the same for all.
    .toSorted((a, b) => Number(a.startsWith('E: ')) - Number(b.startsWith('E: ')));
  return lines.length > 0 ? lines.slice(0, 40) : [text.trim().split('\n').at(-1) ?? ''];
}

async function describeIndices(lists: string): Promise<{ file: string; date: string }[]> {
  const found: { file: string; date: string }[] = [];
  for (const name of (await readdir(lists)).sort()) {
    if (!name.endsWith('_InRelease') && !name.endsWith('_Release')) continue;
    const date = /^Date: (.*)$/m.exec(await readFile(join(lists, name), 'utf8'))?.[1];
    if (date !== undefined) found.push({ file: name, date });
  }
  return found;
}
