/**
 * The one way to run git on repositories that strangers fill: no configuration but ours, no hooks, no helpers, no prompts, no
 * replacement objects, no redirects, no submodules, only the protocols that the caller names, and every received object
 * checked. The harmless defects of real history (time zones, dates, identities) are let pass; names that play tricks with
 * paths or with `.git` are fatal.
 */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { LandfallError, isFault, toError } from './errors.ts';
import { ProgramFailed, exec, type ExecOptions, type ExecResult } from './exec.ts';
import { withTemporaryDirectory, writeFileDurably } from './files.ts';

export type GitProtocol = 'https' | 'ssh' | 'file';
export type ObjectFormat = 'sha1' | 'sha256';
export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag';

export interface GitOptions extends Omit<ExecOptions, 'env'> {
  readonly gitDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Default https and ssh. */
  readonly protocols?: readonly GitProtocol[];
  /** More `-c` settings. */
  readonly config?: Readonly<Record<string, string>>;
  /** Bounds of the git processes themselves; a larger file or more memory ends them. */
  readonly maxFileBytes?: number;
  readonly maxMemoryBytes?: number;
}

/** Of the checks that are fatal by default, those that real repositories fail without harm; and one that must be fatal. */
const FSCK_SEVERITIES: Readonly<Record<string, 'warn' | 'error'>> = {
  badDate: 'warn',
  badDateOverflow: 'warn',
  badEmail: 'warn',
  badName: 'warn',
  badTimezone: 'warn',
  missingEmail: 'warn',
  missingNameBeforeEmail: 'warn',
  missingSpaceBeforeDate: 'warn',
  missingSpaceBeforeEmail: 'warn',
  multipleAuthors: 'warn',
  zeroPaddedDate: 'warn',
  zeroPaddedFilemode: 'warn',
  hasDot: 'error',
  hasDotdot: 'error',
  hasDotgit: 'error',
  fullPathname: 'error',
  emptyName: 'error',
  nullSha1: 'error',
};

const CONFIG: Readonly<Record<string, string>> = {
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'core.askPass': '/bin/false',
  'core.packedGitWindowSize': '32m',
  'core.packedGitLimit': '256m',
  'credential.helper': '',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'pack.threads': '1',
  'protocol.allow': 'never',
  'protocol.ext.allow': 'never',
  'http.followRedirects': 'false',
  'fetch.recurseSubmodules': 'no',
  'submodule.recurse': 'false',
  'transfer.fsckObjects': 'true',
  ...Object.fromEntries(Object.entries(FSCK_SEVERITIES).map(([id, severity]) => [`fetch.fsck.${id}`, severity])),
};

/** The environment that isolates git from the machine's and the person's configuration. */
export function gitEnvironment(protocols: readonly GitProtocol[] = ['https', 'ssh']): Record<string, string> {
  return {
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_PROTOCOL_FROM_USER: '0',
    GIT_ALLOW_PROTOCOL: protocols.join(':'),
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_SSH_COMMAND: 'ssh -oBatchMode=yes -oStrictHostKeyChecking=yes',
  };
}

/** Runs git. `args` begins with the subcommand. @throws as exec does */
export async function git(args: readonly [string, ...string[]], options: GitOptions): Promise<ExecResult> {
  const { gitDir, protocols, config, maxFileBytes, maxMemoryBytes, ...rest } = options;
  const argv: [string, ...string[]] = [
    'git',
    ...(gitDir === undefined ? [] : [`--git-dir=${gitDir}`]),
    ...Object.entries({ ...CONFIG, ...config }).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ...args,
  ];
  return await exec(bounded(argv, maxFileBytes, maxMemoryBytes), {
    doing: `run git ${args[0]}`,
    // Never in a repository that somebody else made: git reads the configuration of the one that it finds itself in.
    cwd: '/',
    ...rest,
    env: { ...gitEnvironment(protocols), ...options.env },
  });
}

/** With limits for it and all that it starts. The shell is there for as long as it takes to set them. */
function bounded(
  argv: readonly [string, ...string[]],
  maxFileBytes: number | undefined,
  maxMemoryBytes: number | undefined,
): readonly [string, ...string[]] {
  const limits = [
    ...(maxFileBytes === undefined ? [] : [`ulimit -f ${Math.ceil(maxFileBytes / 512)}`]),
    ...(maxMemoryBytes === undefined ? [] : [`ulimit -v ${Math.ceil(maxMemoryBytes / 1024)}`]),
  ];
  if (limits.length === 0) return argv;
  // With the signal ignored, git says "File too large" where it would end without a word.
  const script = ["trap '' XFSZ", 'ulimit -c 0', ...limits, 'exec "$@"'].join(' && ');
  return ['sh', '-c', script, 'sh', ...argv];
}

const LOCAL_DEADLINE_MS = 120_000;
/** Where git finds no repository, and so no configuration that could send it elsewhere (`url.….insteadOf`). */
const NO_REPOSITORY = '/dev/null';

/** Makes a bare repository; one that is there already is left as it is. */
export async function initBare(gitDir: string, options: { readonly objectFormat?: ObjectFormat } = {}): Promise<void> {
  await git(['init', '--quiet', '--bare', '--template=', `--object-format=${options.objectFormat ?? 'sha1'}`, gitDir], {
    doing: `make the Git repository ${gitDir}`,
    deadlineMs: LOCAL_DEADLINE_MS,
  });
}

export interface RemoteOptions {
  readonly url: string;
  readonly protocols?: readonly GitProtocol[];
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
  /** For example GIT_SSH_COMMAND with a key. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What may stand between us and a repository of others. */
export type RemoteObstacle =
  /** Away, refuses us, or speaks nonsense: worth another try later. */
  | { readonly kind: 'unreachable'; readonly detail: string }
  | { readonly kind: 'timeout'; readonly detail: string }
  /** It brings more than the limits allow. */
  | { readonly kind: 'too-large'; readonly detail: string };

export interface RemoteRef {
  readonly ref: string;
  /** Of what the ref names: for an annotated tag, the tag object. */
  readonly objectId: string;
}

/** The refs of a repository that match `patterns` (as `git ls-remote` takes them), at most some 16 MiB of them. */
export async function lsRemote(
  options: RemoteOptions & { readonly patterns: readonly string[]; readonly maxMemoryBytes?: number },
): Promise<{ readonly kind: 'refs'; readonly refs: readonly RemoteRef[] } | RemoteObstacle> {
  requireRemote(options.url);
  options.patterns.forEach(requireRefOrPattern);
  const result = await withRemote(options, async (env) => {
    const { stdout } = await git(['ls-remote', '--refs', '--', options.url, ...options.patterns], {
      ...remoteOptions(options, env),
      gitDir: NO_REPOSITORY,
      doing: `list the refs of ${options.url}`,
      // git keeps every ref that is sent, also those that nobody asked for, before it prints the first.
      maxMemoryBytes: options.maxMemoryBytes ?? 2 * 1024 ** 3,
    });
    const refs = stdout
      .toString('utf8')
      .split('\n')
      .flatMap((line) => {
        const [, objectId, ref] = /^([0-9a-f]{40}|[0-9a-f]{64})\t(refs\/.+)$/.exec(line) ?? [];
        return objectId === undefined || ref === undefined ? [] : [{ objectId, ref }];
      });
    return { kind: 'refs' as const, refs };
  });
  // A listing has no ref that could be missing and no object that could be refused.
  return result.kind === 'missing-ref' || result.kind === 'refused'
    ? { kind: 'unreachable', detail: result.detail }
    : result;
}

export interface FetchOptions extends RemoteOptions {
  readonly gitDir: string;
  /** `+refs/tags/x:refs/tags/x`, or an object id. */
  readonly refspecs: readonly string[];
  /** Commits of history; default all. */
  readonly depth?: number;
  /** Bytes that a received pack may have. */
  readonly maxPackBytes: number;
  readonly maxMemoryBytes?: number;
}

export type FetchResult =
  | { readonly kind: 'fetched' }
  | RemoteObstacle
  | { readonly kind: 'missing-ref'; readonly detail: string }
  /** An object of it did not pass git's checks. */
  | { readonly kind: 'refused'; readonly detail: string };

/**
 * Fetches refs into a bare repository of ours. Nothing is checked out, no tags come along, no gc starts. One at a time in a
 * repository: what a failed fetch leaves is removed.
 */
export async function fetchRefs(options: FetchOptions): Promise<FetchResult> {
  requireRemote(options.url);
  options.refspecs.forEach(requireRefspec);
  return await withRemote<FetchResult>(options, async (env) => {
    await removingUnfinishedPacks(options.gitDir, () =>
      git(
        [
          'fetch',
          '--quiet',
          '--no-tags',
          '--no-write-fetch-head',
          '--no-auto-maintenance',
          '--no-recurse-submodules',
          '--no-show-forced-updates',
          ...(options.depth === undefined ? [] : [`--depth=${options.depth}`]),
          '--',
          options.url,
          ...options.refspecs,
        ],
        {
          ...remoteOptions(options, env),
          gitDir: options.gitDir,
          doing: `fetch from ${options.url}`,
          // Loose objects have no common size to bound; a pack is one file.
          config: { 'fetch.unpackLimit': '1' },
          maxFileBytes: options.maxPackBytes,
          maxMemoryBytes: options.maxMemoryBytes ?? 2 * 1024 ** 3,
        },
      ),
    );
    return { kind: 'fetched' };
  });
}

export interface TreeEntry {
  /** Six octal digits: 100644, 100755, 120000 (symbolic link), 160000 (submodule), 040000 (folder). */
  readonly mode: string;
  readonly type: ObjectType;
  readonly objectId: string;
  /** From the root; any bytes but NUL. */
  readonly path: Buffer;
}

/** The entries of a tree; with `recursive` (the default) files only, with all their folders walked. */
export async function listTree(
  gitDir: string,
  treeish: string,
  options: { readonly recursive?: boolean; readonly paths?: readonly string[]; readonly maxBytes?: number } = {},
): Promise<TreeEntry[]> {
  requireObjectId(treeish);
  const { stdout } = await git(
    [
      'ls-tree',
      '-z',
      '--full-tree',
      ...(options.recursive === false ? [] : ['-r']),
      treeish,
      '--',
      ...(options.paths ?? []),
    ],
    {
      gitDir,
      doing: `list the tree ${treeish}`,
      deadlineMs: LOCAL_DEADLINE_MS,
      maxOutput: options.maxBytes ?? 256 * 1024 ** 2,
      env: { GIT_LITERAL_PATHSPECS: '1' },
    },
  );
  return parseTree(stdout);
}

/** Reads the NUL-terminated lines of `git ls-tree -z`. Exported for its tests. */
export function parseTree(listing: Buffer): TreeEntry[] {
  const entries: TreeEntry[] = [];
  let start = 0;
  for (let end = listing.indexOf(0); end !== -1; end = listing.indexOf(0, start)) {
    const line = listing.subarray(start, end);
    const tab = line.indexOf(9);
    const [mode, type, objectId] = line.subarray(0, tab).toString('latin1').split(' ');
    if (mode === undefined || !isObjectType(type) || objectId === undefined)
      throw new Error('git ls-tree speaks otherwise');
    entries.push({ mode, type, objectId, path: Buffer.from(line.subarray(tab + 1)) });
    start = end + 1;
  }
  return entries;
}

/** A path of a tree as text, when it is valid UTF-8. */
export function pathText(path: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(path);
  } catch {
    return undefined;
  }
}

/** A pack of exactly these objects, made the same way each time. Errors of git destroy the stream. */
export function packObjects(gitDir: string, objectIds: readonly string[]): Readable {
  objectIds.forEach(requireObjectId);
  const pack = new PassThrough();
  const cancel = new AbortController();
  pack.once('close', () => cancel.abort());
  // Deltas between the files of one tree save little, and to look for them costs more than all the rest.
  git(['pack-objects', '--stdout', '--quiet', '--no-reuse-delta', '--window=0'], {
    gitDir,
    doing: 'make a pack',
    input: `${objectIds.join('\n')}\n`,
    deadlineMs: 30 * 60_000,
    signal: cancel.signal,
    stdout: async (chunk) => {
      if (pack.write(chunk)) return;
      await new Promise<void>((resolve) => {
        pack.once('drain', resolve);
        pack.once('close', resolve);
      });
    },
  }).then(
    () => pack.end(),
    (error: unknown) => pack.destroy(toError(error)),
  );
  return pack;
}

/** Stores a pack in a repository, every object checked. Commits whose parents are not in it must be in the shallow file. */
export async function indexPack(
  gitDir: string,
  pack: Readable | Uint8Array,
  options: { readonly maxBytes: number; readonly maxMemoryBytes?: number; readonly deadlineMs?: number },
): Promise<{ readonly kind: 'indexed' } | { readonly kind: 'refused' | 'too-large'; readonly detail: string }> {
  const severities = Object.entries(FSCK_SEVERITIES).map(([id, severity]) => `${id}=${severity}`);
  try {
    await removingUnfinishedPacks(gitDir, () =>
      git(['index-pack', '--stdin', `--strict=${severities.join(',')}`, `--max-input-size=${options.maxBytes}`], {
        gitDir,
        doing: 'store a pack',
        input: pack,
        deadlineMs: options.deadlineMs ?? 30 * 60_000,
        maxFileBytes: options.maxBytes + 1024 ** 2,
        maxMemoryBytes: options.maxMemoryBytes ?? 2 * 1024 ** 3,
      }),
    );
    return { kind: 'indexed' };
  } catch (error) {
    if (!(error instanceof ProgramFailed)) throw error;
    const words = error.result.stderr;
    if (NO_SPACE.test(words)) throw full(error);
    return { kind: TOO_LARGE.test(words) ? 'too-large' : 'refused', detail: explain(words) };
  }
}

/** Says which commits' parents are left out on purpose. Replaces what was said before. */
export async function writeShallow(gitDir: string, commitIds: readonly string[]): Promise<void> {
  commitIds.forEach(requireObjectId);
  await writeFileDurably(join(gitDir, 'shallow'), commitIds.map((id) => `${id}\n`).join(''));
}

/** @throws LandfallError `git.object-id` */
export function requireObjectId(text: string): string {
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text)) return text;
  throw new LandfallError({
    code: 'git.object-id',
    doing: 'name a Git object',
    reason: `${JSON.stringify(text)} is not an object id`,
  });
}

export function isObjectType(text: string | undefined): text is ObjectType {
  return text === 'commit' || text === 'tree' || text === 'blob' || text === 'tag';
}

const NO_SPACE = /No space left on device|Disk quota exceeded/;
const TOO_LARGE = /File too large|exceeds maximum allowed size|[Oo]ut of memory|malloc failed|mmap failed|too large to/;
const MISSING_REF = /couldn't find remote ref|not our ref|no such remote ref|unadvertised object/;
/** An object was there as a whole, and was refused for what it is. */
const FSCK =
  /fsck error|fsckError|error in (object|tag|commit|tree|blob)|error: object [0-9a-f]+: |SHA1 COLLISION|collision attack/;
const REFUSED = /invalid index-pack output|index-pack failed|bad pack header|pack has bad object|inflate returned/;
/** The other side went away, so that what is missing says nothing about what was sent. */
const BROKEN_OFF = /hung up|unexpected disconnect|early EOF|RPC failed|Could not read from remote repository/;

/** Runs a remote operation; what the other side does wrong becomes a value, what we lack a fault. */
async function withRemote<T>(
  options: RemoteOptions,
  operation: (env: Readonly<Record<string, string>>) => Promise<T>,
): Promise<T | RemoteObstacle | Exclude<FetchResult, { kind: 'fetched' }>> {
  try {
    if (options.protocols?.includes('file') !== true) return await operation({});
    // The other end of a local path is a git of ours, which refuses folders of other users unless its global file names them.
    return await withTemporaryDirectory(async (folder) => {
      const global = join(folder, 'gitconfig');
      await writeFile(global, '[safe]\n\tdirectory = *\n');
      return await operation({ GIT_CONFIG_GLOBAL: global });
    });
  } catch (error) {
    if (isFault(error, 'exec.deadline')) {
      return { kind: 'timeout', detail: `it took longer than ${Math.round(options.deadlineMs / 1000)} s` };
    }
    if (isFault(error, 'exec.output-limit')) return { kind: 'too-large', detail: 'it has too many refs' };
    if (!(error instanceof ProgramFailed)) throw error;
    const detail = explain(error.result.stderr);
    const words = ownWords(error.result.stderr);
    if (NO_SPACE.test(words)) throw full(error);
    // That the other side ran out of memory is its obstacle; that what it sent does not fit into ours is a verdict.
    if (TOO_LARGE.test(words) && !BROKEN_OFF.test(words)) {
      return { kind: 'too-large', detail: 'it brings more than the limit of this Git repository allows' };
    }
    if (MISSING_REF.test(words)) return { kind: 'missing-ref', detail };
    if (FSCK.test(words) || (REFUSED.test(words) && !BROKEN_OFF.test(words)))
      return { kind: 'refused', detail: explain(words) };
    return { kind: 'unreachable', detail };
  }
}

/** What our git says itself, without what the other side has it repeat: nobody else's words decide what happened here. */
function ownWords(stderr: string): string {
  return stderr
    .split(/[\r\n]+/)
    .filter((line) => !/^\s*(?:remote:|fatal: remote error:.*(?:memory|space|large))/.test(line))
    .join('\n');
}

/** git leaves the part of a pack that it received when it fails; the disk may have failed it because it is full. */
async function removingUnfinishedPacks<T>(gitDir: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    const folder = join(gitDir, 'objects', 'pack');
    const names = await readdir(folder).catch(() => []);
    for (const name of names) if (name.startsWith('tmp_')) await rm(join(folder, name), { force: true });
    throw error;
  }
}

function remoteOptions(options: RemoteOptions, env: Readonly<Record<string, string>>): GitOptions {
  return {
    deadlineMs: options.deadlineMs,
    env: { ...env, ...options.env },
    ...(options.protocols === undefined ? {} : { protocols: options.protocols }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}

function full(cause: unknown): LandfallError {
  return new LandfallError({
    code: 'storage.full',
    doing: 'store what was fetched',
    reason: 'no space left on the device',
    remedy: 'free some space in the git folder of the state folder',
    cause,
  });
}

/** The lines that say what is wrong, without git's advice and without the other side's control and direction characters. */
function explain(stderr: string): string {
  const lines = stderr
    .split(/[\r\n]+/)
    .map((line) => line.replace(/\p{C}|\p{Zl}|\p{Zp}/gu, '').trim())
    .filter((line) => line !== '' && !/^(hint:|Please make sure|and the repository exists)/.test(line));
  const important = lines.filter((line) =>
    /^(fatal|error|remote|ssh):|REMOTE HOST IDENTIFICATION HAS CHANGED|host key is known|Host key verification failed|Permission denied \(/.test(
      line,
    ),
  );
  return (important.length > 0 ? important : lines).slice(-4).join('; ').slice(0, 600);
}

/** A URL is never an option and never a command: the protocol is named, and there is nothing invisible in it. */
function requireRemote(url: string): void {
  if (/^(https|ssh|file):\/\/[\x21-\x7e\u00a1-\uffff]+$/.test(url)) return;
  throw new LandfallError({
    code: 'git.url',
    doing: 'reach a Git repository',
    reason: `${JSON.stringify(url)} is not an https, ssh or file URL`,
    remedy: 'write it with its protocol, and spaces as %20',
  });
}

function requireRefOrPattern(text: string): void {
  if (/^[A-Za-z0-9*][A-Za-z0-9*+._/%~^#@=,-]*$/.test(text)) return;
  throw new LandfallError({
    code: 'git.ref',
    doing: 'ask a Git repository for refs',
    reason: `${JSON.stringify(text)} is not a name of refs`,
  });
}

function requireRefspec(text: string): void {
  for (const side of text.replace(/^\+/, '').split(':')) requireRefOrPattern(side);
}
