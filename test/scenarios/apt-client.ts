/**
 * Real apts with folders of their own, as fresh machines have them: strict about errors, signatures and validity, whatever the
 * host's configuration says. Where a test names no release it is held against two: the apt of Debian 12 and that of Debian 13,
 * whose verifier is another one.
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec, type ExecResult } from '../../src/platform/exec.ts';
import { debianRoot, type DebianRoot } from './debian-root.ts';

export interface AptSource {
  readonly url: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Armored. */
  readonly key: string;
  /** Options of the line besides signed-by: `check-valid-until=no`. */
  readonly options?: string;
}

export interface AptOptions {
  /** The Debian release whose apt it is; default: {@link CLIENTS}, which must agree. */
  readonly root?: DebianRoot;
  /** More of apt.conf(5), after the client's own. */
  readonly configuration?: readonly string[];
}

export interface AptClient {
  /** Of several the first one's. */
  readonly folder: string;
  /** `apt-get update`; whatever apt calls an error or a warning of a download fails. */
  update(): Promise<ExecResult>;
  /** As {@link update}, with the exit code for the caller to judge. */
  tryUpdate(): Promise<ExecResult>;
  /** `Package=Version` of everything that apt can install. */
  packages(): Promise<string[]>;
  /** `apt-get download` into a folder; the names of the files. */
  download(name: string): Promise<string[]>;
  /** Any of apt's programs, with the client's configuration; what it prints. */
  run(program: 'apt-get' | 'apt-cache', ...args: readonly string[]): Promise<string>;
  /** `apt-get source --download-only`; the names of the files. */
  source(name: string): Promise<string[]>;
}

/** Only what never ends is a failure. */
const APT_DEADLINE_MS = 300_000;

/** Releases whose apts read what is published. */
const CLIENTS = ['bookworm', 'trixie'] as const;

/** Makes an apt for `architecture` below `folder`, which is its own: of one release, or of both at once. */
export async function createAptClient(
  folder: string,
  source: AptSource,
  architecture: string = 'amd64',
  options: AptOptions = {},
): Promise<AptClient> {
  if (options.root !== undefined) return await createOne(folder, source, architecture, options.root, options);
  const all: AptClient[] = [];
  for (const release of CLIENTS) {
    const root = await debianRoot(release);
    all.push(await createOne(join(folder, release), source, architecture, root, options));
  }
  return together(all);
}

/** Does with each client what it is asked to; answers that differ are a failure, and the first one's are given. */
function together(clients: readonly AptClient[]): AptClient {
  const each = async <T>(ask: (client: AptClient) => Promise<T>, same: (answer: T) => unknown): Promise<T> => {
    const answers: T[] = [];
    for (const client of clients) answers.push(await ask(client));
    const [first] = answers;
    if (first === undefined) throw new Error('there is no client');
    for (const answer of answers) {
      const [one, other] = [JSON.stringify(same(first)), JSON.stringify(same(answer))];
      if (one !== other) throw new Error(`the apts of ${CLIENTS.join(' and ')} do not agree: ${one} and ${other}`);
    }
    return first;
  };
  return {
    folder: clients[0]?.folder ?? '',
    update: async () =>
      await each(
        (client) => client.update(),
        () => true,
      ),
    tryUpdate: async () =>
      await each(
        (client) => client.tryUpdate(),
        ({ code }) => code === 0,
      ),
    packages: async () =>
      await each(
        (client) => client.packages(),
        (names) => names,
      ),
    download: async (name) =>
      await each(
        (client) => client.download(name),
        (names) => names,
      ),
    source: async (name) =>
      await each(
        (client) => client.source(name),
        (names) => names,
      ),
    // What apt prints differs from release to release; that it succeeds does not.
    run: async (program, ...args) =>
      await each(
        (client) => client.run(program, ...args),
        () => true,
      ),
  };
}

async function createOne(
  folder: string,
  source: AptSource,
  architecture: string,
  root: DebianRoot,
  { configuration = [] }: AptOptions,
): Promise<AptClient> {
  for (const part of ['lists/partial', 'cache/archives/partial', 'etc', 'work']) {
    await mkdir(join(folder, part), { recursive: true });
  }
  await writeFile(join(folder, 'etc', 'key.asc'), source.key);
  const line = `[signed-by=${folder}/etc/key.asc${source.options === undefined ? '' : ` ${source.options}`}] ${source.url} ${source.suite} ${source.components.join(' ')}\n`;
  await writeFile(join(folder, 'etc', 'sources.list'), `deb ${line}deb-src ${line}`);
  await writeFile(join(folder, 'etc', 'status'), '');
  const options = [
    `Dir::Etc::sourcelist=${folder}/etc/sources.list`,
    'Dir::Etc::sourceparts=-',
    'Dir::Etc::parts=-',
    'Dir::Etc::main=-',
    `Dir::State::Lists=${folder}/lists`,
    `Dir::State::status=${folder}/etc/status`,
    `Dir::Cache=${folder}/cache`,
    `APT::Architecture=${architecture}`,
    `APT::Architectures::=${architecture}`,
    'APT::Update::Error-Mode=any',
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'Acquire::Check-Valid-Until=true',
    'Acquire::Check-Date=true',
    'Acquire::Retries=0',
    ...configuration,
  ].flatMap((option) => ['-o', option]);
  const apt = async (program: string, args: readonly string[], anyCode = false): Promise<ExecResult> =>
    await exec(prefixed(inRoot(root, folder), [program, ...options, ...args]), {
      deadlineMs: APT_DEADLINE_MS,
      cwd: join(folder, 'work'),
      ...(anyCode ? { okCodes: 'any' as const } : {}),
    });
  const fetched = async (args: readonly string[]): Promise<string[]> => {
    const before = new Set(await readdir(join(folder, 'work')));
    await apt('apt-get', args);
    return (await readdir(join(folder, 'work'))).filter((name) => !before.has(name)).sort();
  };
  return {
    folder,
    update: () => apt('apt-get', ['update']),
    tryUpdate: () => apt('apt-get', ['update'], true),
    packages: async () => {
      const { stdout } = await apt('apt-cache', ['dumpavail']);
      const stanzas = stdout.toString('utf8').split('\n\n');
      const field = (stanza: string, name: string): string =>
        new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1] ?? '';
      return stanzas
        .filter((stanza) => stanza.trim() !== '')
        .map((stanza) => `${field(stanza, 'Package')}=${field(stanza, 'Version')}`)
        .sort();
    },
    run: async (program, ...args) => (await apt(program, args)).stdout.toString('utf8'),
    download: (name) => fetched(['download', name]),
    source: (name) => fetched(['source', '--download-only', name]),
  };
}

/** Runs what follows in another release's root: it sees that, read-only, the client's folder, and the network. */
function inRoot({ path }: DebianRoot, folder: string): string[] {
  if (path === '/') return [];
  return [
    ...['bwrap', '--unshare-user', '--unshare-pid', '--die-with-parent', '--ro-bind', path, '/'],
    ...['--dev', '/dev', '--proc', '/proc', '--tmpfs', '/tmp', '--tmpfs', '/run', '--bind', folder, folder, '--'],
  ];
}

function prefixed(before: readonly string[], argv: readonly [string, ...string[]]): readonly [string, ...string[]] {
  const [first, ...rest] = before;
  return first === undefined ? argv : [first, ...rest, ...argv];
}
