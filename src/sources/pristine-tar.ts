/**
 * Upstream's own tarballs, byte for byte, out of a pristine-tar commit that the tag's signature covers, with upstream's
 * signatures of them.
 *
 * Nothing in that commit is believed: each tarball must be of the tree that the same tag names as `upstream=`, and what
 * pristine-tar made is compared with that tree, file for file. With components (`orig-NAME.tar.*`), each holds the folder NAME
 * of that tree, and the main tarball holds the rest.
 *
 * @see pristine-tar(1), tag2upload(5) "!pristine-tar", dpkg-source(1) "Format: 3.0 (quilt)"
 */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec } from '../platform/exec.ts';
import { readObject } from '../platform/git-objects.ts';
import { git, listTree, type TreeEntry } from '../platform/git.ts';
import { confined } from './confine.ts';
import { writeNoAttributes } from './make-orig.ts';
import { componentOf, isOrigName } from './model.ts';
import { compareTarball } from './tarball-content.ts';

const DEADLINE_MS = 30 * 60_000;
const MAX_SIGNATURE_BYTES = 64 * 1024;

export type PristineTar =
  { readonly kind: 'made'; readonly names: readonly string[] } | { readonly kind: 'unusable'; readonly reason: string };

/** Makes the tarballs of this upstream version in `folder`; names of tarballs, each with its signature behind it. */
export async function makePristineOrigs(
  gitDir: string,
  commits: { pristineTar: string; upstream: string },
  wanted: { source: string; upstream: string },
  folder: string,
): Promise<PristineTar> {
  const data = new Map<string, string>();
  for (const { path, mode, objectId } of await listTree(gitDir, commits.pristineTar)) {
    if (mode.startsWith('100')) data.set(path.toString('latin1'), objectId);
  }
  const tarballs = [...data.keys()]
    .filter((path) => path.endsWith('.delta'))
    .map((path) => path.slice(0, -'.delta'.length))
    .filter((name) => isOrigName(name, wanted.source, wanted.upstream));
  const components = tarballs.map(componentOf);
  if (!components.includes('')) {
    return unusable(`it has no delta for ${wanted.source}_${wanted.upstream}.orig.tar.*`);
  }
  const twice = components.find((component, index) => components.indexOf(component) !== index);
  if (twice !== undefined) {
    return unusable(`it has two tarballs for ${twice === '' ? 'the main part' : `the component ${twice}`}`);
  }
  const work = join(folder, 'pristine-tar');
  await mkdir(join(work, 'tmp'), { recursive: true });
  try {
    const repository = join(work, 'repository.git');
    await exec(['cp', '-a', '--', gitDir, repository], { doing: 'copy the frozen objects', deadlineMs: DEADLINE_MS });
    await git(['update-ref', 'refs/heads/pristine-tar', commits.pristineTar], {
      gitDir: repository,
      deadlineMs: 60_000,
    });
    const trees = await treesOf(repository, commits.upstream, components);
    const names: string[] = [];
    for (const name of tarballs) {
      const component = componentOf(name);
      const tree = trees.get(component);
      if (tree === undefined)
        return unusable(`its ${name} is of the folder ${component}, which upstream= does not have`);
      const id = await textOf(gitDir, data.get(`${name}.id`));
      if (id !== tree) return unusable(`its ${name}.id names ${id ?? 'nothing'}, and the tree of upstream= is ${tree}`);
      const failure = await checkOut(work, name);
      if (failure !== undefined) return unusable(failure);
      const content = await compareTarball(repository, tree, work, name);
      if (content.kind === 'other') return unusable(`${name} is not what upstream= holds: ${content.reason}`);
      await rename(join(work, name), join(folder, name));
      names.push(name);
      const signature = data.get(`${name}.asc`);
      if (signature === undefined) continue;
      const object = await readObject(gitDir, signature, { maxBytes: MAX_SIGNATURE_BYTES });
      if (object.kind !== 'object') return unusable(`its ${name}.asc has more than ${MAX_SIGNATURE_BYTES} bytes`);
      await writeFile(join(folder, `${name}.asc`), object.bytes);
      names.push(`${name}.asc`);
    }
    return { kind: 'made', names };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * Has pristine-tar make the tarball; gives its words when it cannot. It was described over `git archive`, which obeys the
 * attributes of the tree where the maintainer's clone had them in force; where they were made void, it is so here. None of them
 * runs a program: there is no configuration that would name one. What comes out is compared with the tree either way.
 */
async function checkOut(work: string, name: string): Promise<string | undefined> {
  let words = '';
  for (const attributes of ['obeyed', 'void'] as const) {
    if (attributes === 'void') await writeNoAttributes(join(work, 'repository.git'));
    else await rm(join(work, 'repository.git/info/attributes'), { force: true });
    const made = await confined(['pristine-tar', 'checkout', `/work/${name}`], {
      folder: work,
      cwd: '/work',
      env: { GIT_DIR: '/work/repository.git', TMPDIR: '/work/tmp' },
      deadlineMs: DEADLINE_MS,
      doing: `make ${name} with pristine-tar`,
      okCodes: 'any',
    });
    if (made.code === 0) return undefined;
    words = made.stdout.toString('utf8').trim().split('\n').slice(-3).join('; ');
    await rm(join(work, name), { force: true });
  }
  return words;
}

/** The tree that each component's tarball holds; the main one (`''`) holds what is in no component. */
async function treesOf(
  gitDir: string,
  upstream: string,
  components: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const entries = await listTree(gitDir, upstream, { recursive: false });
  const named = (entry: TreeEntry): string => entry.path.toString('latin1');
  const rest = entries.filter((entry) => !components.includes(named(entry)));
  const trees = new Map<string, string>();
  for (const entry of entries) {
    if (entry.mode === '040000' && components.includes(named(entry))) trees.set(named(entry), entry.objectId);
  }
  const { stdout } = await git(['mktree', '-z'], {
    gitDir,
    doing: 'put together the tree of the main tarball',
    deadlineMs: DEADLINE_MS,
    input: Buffer.concat(
      rest.map(({ mode, objectId, path }) => {
        const type = mode === '040000' ? 'tree' : 'blob';
        return Buffer.concat([Buffer.from(`${mode} ${type} ${objectId}\t`), path, Buffer.from([0])]);
      }),
    ),
  });
  return trees.set('', stdout.toString('latin1').trim());
}

async function textOf(gitDir: string, objectId: string | undefined): Promise<string | undefined> {
  if (objectId === undefined) return undefined;
  const object = await readObject(gitDir, objectId, { maxBytes: 1024 });
  return object.kind === 'object' ? object.bytes.toString('latin1').trim() : undefined;
}

function unusable(reason: string): PristineTar {
  return { kind: 'unusable', reason };
}
