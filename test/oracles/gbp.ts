/**
 * What git-buildpackage makes of a real source package: the oracle of our recipe. A Debian source package is imported as its
 * maintainer would (`gbp import-dsc --pristine-tar`), and its source is built again from Git (`gbp buildpackage -S`, and
 * `git deborig` for the upstream tarball). Kept between runs, by the versions of the package and of dpkg.
 */
import { mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseClearsigned } from '../../src/debian/clearsign.ts';
import { parseDsc, type Dsc } from '../../src/debian/dsc.ts';
import { parseVersion, upstreamOf } from '../../src/debian/version.ts';
import { exec } from '../../src/platform/exec.ts';
import { exists } from '../../src/platform/files.ts';
import { writeNoAttributes } from '../../src/sources/make-orig.ts';
import { componentOf } from '../../src/sources/model.ts';
import { testCache } from '../scenarios/debian-root.ts';

const DEADLINE_MS = 300_000;

export interface ImportedSource {
  readonly dsc: Dsc;
  /** Empty for a native package. */
  readonly upstreamVersion: string;
  /** The folder with the source package as Debian has it. */
  readonly debian: string;
  readonly gitDir: string;
  readonly commitId: string;
  readonly upstream: { readonly commitId: string; readonly pristineTar: string } | undefined;
  /** The folder where `gbp buildpackage -S` left its source package. */
  readonly gbp: string;
  /** The tarball that `git deborig` made. */
  readonly deborig: string | undefined;
}

/** Imports the source package of the .dsc, and has it built again; in `place`, or kept for other runs. */
export async function importedSource(path: string, place?: string): Promise<ImportedSource> {
  const signed = parseClearsigned(await readFile(path));
  const dsc = parseDsc('kind' in signed ? await readFile(path) : signed.text);
  if ('kind' in dsc) throw new Error(`${path}: ${dsc.reason}`);
  const version = parseVersion(dsc.version);
  if ('kind' in version) throw new Error(`${path}: ${version.reason}`);
  const native = dsc.format === '3.0 (native)';
  const upstreamVersion = native ? '' : upstreamOf(version);
  const folder =
    place === undefined
      ? await cachedImport(path, dsc, upstreamVersion)
      : await makeImport(path, dsc, upstreamVersion, place);
  const at = async (revision: string): Promise<string> => await git(join(folder, 'repository'), 'rev-parse', revision);
  const gbp = join(folder, 'gbp');
  const deborig = native
    ? undefined
    : (await readdir(join(folder, 'deborig'))).find((name) => name.includes('.orig.tar.'));
  return {
    dsc,
    upstreamVersion,
    debian: dirname(path),
    gitDir: join(folder, 'repository/.git'),
    commitId: await at('main'),
    upstream: native
      ? undefined
      : { commitId: await at('upstream^{commit}'), pristineTar: await at('pristine-tar^{commit}') },
    gbp,
    deborig: deborig === undefined ? undefined : join(folder, 'deborig', deborig),
  };
}

const ENVIRONMENT = {
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Ann',
  GIT_AUTHOR_EMAIL: 'ann@example.org',
  GIT_COMMITTER_NAME: 'Ann',
  GIT_COMMITTER_EMAIL: 'ann@example.org',
  DEBFULLNAME: 'Ann',
  DEBEMAIL: 'ann@example.org',
  // gbp takes its files out of `git archive`, which lets a group write; the umask of a maintainer does not.
  GIT_CONFIG_COUNT: '1',
  GIT_CONFIG_KEY_0: 'tar.umask',
  GIT_CONFIG_VALUE_0: '0022',
};

async function run(cwd: string, ...argv: [string, ...string[]]): Promise<string> {
  const { stdout } = await exec(argv, { cwd, deadlineMs: DEADLINE_MS, env: { ...ENVIRONMENT, HOME: cwd } });
  return stdout.toString('utf8').trim();
}

const git = async (cwd: string, ...args: string[]): Promise<string> => await run(cwd, 'git', ...args);

async function cachedImport(path: string, dsc: Dsc, upstreamVersion: string): Promise<string> {
  const { stdout } = await exec(['dpkg-query', '--show', '--showformat', '${Version}', 'dpkg-dev'], {
    deadlineMs: DEADLINE_MS,
  });
  const folder = join(testCache('imports'), `${basename(path, '.dsc')}-dpkg-${stdout.toString('utf8')}`);
  if (await exists(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const making = await mkdtemp(join(dirname(folder), '.making-'));
  try {
    await rename(await makeImport(path, dsc, upstreamVersion, making), folder);
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  return folder;
}

/** Makes it in `making`, a folder that exists. */
async function makeImport(path: string, dsc: Dsc, upstreamVersion: string, making: string): Promise<string> {
  const repository = join(making, 'repository');
  const branches = ['--debian-branch=main', '--upstream-branch=upstream'];
  await git(making, 'init', '--quiet', '--initial-branch=main', repository);
  // Else git would change files as their .gitattributes say, on their way out to gbp.
  await writeNoAttributes(join(repository, '.git'));
  await run(repository, 'gbp', 'import-dsc', '--pristine-tar', ...branches, path);
  await mkdir(join(making, 'gbp'));
  const components = new Set(dsc.files.map(({ name }) => componentOf(name)).filter((name) => name !== ''));
  await run(
    repository,
    ...([
      'gbp',
      'buildpackage',
      '--git-ignore-branch',
      '--git-ignore-new',
      '--git-pristine-tar',
      ...branches.map((one) => one.replace('--', '--git-')),
    ] as const),
    // The rules of the package are not run: our recipe runs none either.
    ...([
      '--git-builder=dpkg-buildpackage --build=source -us -uc -d --no-pre-clean',
      '--git-cleaner=/bin/true',
    ] as const),
    `--git-export-dir=${join(making, 'gbp')}`,
    ...[...components].map((name) => `--git-component=${name}`),
  );
  if (upstreamVersion !== '') {
    const place = join(making, 'deborig');
    await git(repository, 'clone', '--quiet', '.', join(place, 'clone'));
    await writeNoAttributes(join(place, 'clone/.git'));
    // Its tarball goes beside the clone; the tag of the import has the name that it looks for.
    await run(join(place, 'clone'), 'git', 'deborig', '--force');
  }
  return making;
}
