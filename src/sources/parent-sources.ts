/**
 * Upstream tarballs that a parent has which is not ours: Debian's suite on a mirror. apt itself fetches the index and the
 * files and checks every signature and hash, through a configuration of its own that knows that one source and that one key.
 */
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fieldOf, splitStanzas } from '../debian/deb822.ts';
import { parseVersion, upstreamOf } from '../debian/version.ts';
import { exec, ProgramFailed } from '../platform/exec.ts';
import { LandfallError } from '../platform/errors.ts';
import { isOrigName, oneTarballPerComponent } from './model.ts';

export interface ExternalSuite {
  readonly name: string;
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  readonly keyring: Uint8Array;
}

/** An index older than this is fetched again before it is asked. */
const FRESH_MS = 60 * 60_000;
const FETCH_DEADLINE_MS = 15 * 60_000;

/**
 * Downloads the orig tarballs of `source` at the upstream version into `folder` and gives their names; none when the suite
 * does not have that upstream version.
 * @param state a folder kept between calls, for apt's index of this suite.
 * @throws LandfallError `parent.unreachable` when the mirror is away: worth another try.
 */
export async function fetchParentOrigs(
  external: ExternalSuite,
  wanted: { source: string; upstream: string },
  state: string,
  folder: string,
): Promise<string[]> {
  const apt = await aptConfiguration(external, state);
  await refresh(apt, external, state);
  const shown = await exec(['apt-cache', ...apt, 'showsrc', '--only-source', wanted.source], {
    doing: `look for ${wanted.source} in ${external.name}`,
    deadlineMs: 60_000,
    okCodes: [0, 100],
  });
  for (const stanza of splitStanzas(shown.stdout.toString('utf8'))) {
    const version = fieldOf(stanza, 'Version');
    if (fieldOf(stanza, 'Package') !== wanted.source || version === undefined) continue;
    const parsed = parseVersion(version);
    if ('kind' in parsed || upstreamOf(parsed) !== wanted.upstream) continue;
    await reaching(external, () =>
      exec(['apt-get', ...apt, '-q', 'source', '--download-only', `${wanted.source}=${version}`], {
        doing: `fetch ${wanted.source} ${version} from ${external.name}`,
        cwd: folder,
        deadlineMs: FETCH_DEADLINE_MS,
      }),
    );
    const names = (await readdir(folder)).filter((name) => isOrigName(name, wanted.source, wanted.upstream));
    return oneTarballPerComponent(names.sort().map((name) => ({ name }))).map(({ name }) => name);
  }
  return [];
}

/** Options that make apt use this one source and nothing of the machine's configuration of sources. */
async function aptConfiguration(external: ExternalSuite, state: string): Promise<string[]> {
  for (const part of ['parts', 'lists/partial', 'cache/archives/partial']) {
    await mkdir(join(state, part), { recursive: true });
  }
  const keyring = join(state, 'keyring.pgp');
  await writeFile(keyring, external.keyring);
  await writeFile(
    join(state, 'parts/parent.sources'),
    [
      'Types: deb-src',
      `URIs: ${external.uri}`,
      `Suites: ${external.suite}`,
      `Components: ${external.components.join(' ')}`,
      `Signed-By: ${keyring}`,
      '',
    ].join('\n'),
  );
  const settings = [
    'Dir::Etc::sourcelist=/dev/null',
    `Dir::Etc::sourceparts=${join(state, 'parts')}`,
    'Dir::Etc::preferencesparts=/dev/null',
    `Dir::State::Lists=${join(state, 'lists')}`,
    `Dir::Cache=${join(state, 'cache')}`,
    'APT::Update::Error-Mode=any',
    'Acquire::Languages=none',
  ];
  return settings.flatMap((setting) => ['-o', setting]);
}

async function refresh(apt: readonly string[], external: ExternalSuite, state: string): Promise<void> {
  const stamp = join(state, 'refreshed');
  const refreshed = await stat(stamp).catch(() => undefined);
  if (refreshed !== undefined && Date.now() - refreshed.mtimeMs < FRESH_MS) return;
  await reaching(external, () =>
    exec(['apt-get', ...apt, '-q', 'update'], {
      doing: `fetch the source index of ${external.name}`,
      deadlineMs: FETCH_DEADLINE_MS,
    }),
  );
  await writeFile(stamp, '');
}

async function reaching<T>(external: ExternalSuite, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof ProgramFailed)) throw error;
    throw new LandfallError({
      code: 'parent.unreachable',
      doing: `fetch from the parent suite ${external.name} (${external.uri} ${external.suite})`,
      reason: error.message,
      remedy: 'it is tried again by itself; check the address of the mirror and its key if it lasts',
      cause: error,
    });
  }
}
