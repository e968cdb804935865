/**
 * Upstream tarballs out of signed objects: the one that a pristine-tar commit gives, or one made from the upstream commit.
 *
 * A made one is gzip -9n over `git archive`: both give the same bytes on Debian 12 and 13, which xz does not promise. No
 * attribute of the tree has a say in it.
 *
 * @see git-archive(1), pristine-tar(1), gitattributes(5)
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { readObject } from '../platform/git-objects.ts';
import { git, listTree } from '../platform/git.ts';
import { exec } from '../platform/exec.ts';
import { confined } from './confine.ts';
import { isOrigName } from './model.ts';

const DEADLINE_MS = 30 * 60_000;
/** In `info/attributes` they have the last word over whatever `.gitattributes` of the tree say. */
const NO_ATTRIBUTES = '* -export-ignore -export-subst -text -ident -filter -working-tree-encoding -diff -merge\n';

/** Makes `SOURCE_UPSTREAM.orig.tar.gz` in `folder` and gives its name. */
export async function makeOrig(
  gitDir: string,
  upstreamCommitId: string,
  wanted: { source: string; upstream: string },
  folder: string,
): Promise<string> {
  await mkdir(join(gitDir, 'info'), { recursive: true });
  await writeFile(join(gitDir, 'info/attributes'), NO_ATTRIBUTES);
  const name = `${wanted.source}_${wanted.upstream}.orig.tar.gz`;
  const tar = new PassThrough();
  const compressed = new PassThrough();
  await Promise.all([
    git(['archive', '--format=tar', `--prefix=${wanted.source}-${wanted.upstream}/`, upstreamCommitId], {
      gitDir,
      doing: `make ${name} from the upstream commit`,
      deadlineMs: DEADLINE_MS,
      config: { 'tar.umask': '0022' },
      stdout: (chunk) => push(tar, chunk),
    }).then(
      () => tar.end(),
      (error: unknown) => {
        tar.destroy();
        throw error;
      },
    ),
    exec(['gzip', '-9n'], {
      doing: `compress ${name}`,
      deadlineMs: DEADLINE_MS,
      input: tar,
      stdout: (chunk) => push(compressed, chunk),
    }).then(() => compressed.end()),
    pipeline(compressed, createWriteStream(join(folder, name))),
  ]);
  return name;
}

export type PristineTar =
  { readonly kind: 'made'; readonly names: readonly string[] } | { readonly kind: 'unusable'; readonly reason: string };

/**
 * Makes the tarballs that the signed pristine-tar commit describes for this version, and keeps their signatures. Each must
 * describe the tree of the upstream commit that the same tag names.
 */
export async function makePristineOrigs(
  gitDir: string,
  commits: { pristineTar: string; upstream: string },
  wanted: { source: string; upstream: string },
  folder: string,
): Promise<PristineTar> {
  const entries = new Map(
    (await listTree(gitDir, commits.pristineTar)).map((entry) => [entry.path.toString('latin1'), entry.objectId]),
  );
  const tarballs = [...entries.keys()]
    .filter((path) => path.endsWith('.delta'))
    .map((path) => path.slice(0, -'.delta'.length))
    .filter((name) => isOrigName(name, wanted.source, wanted.upstream));
  if (tarballs.length === 0)
    return { kind: 'unusable', reason: `it has no delta for ${wanted.source} ${wanted.upstream}` };
  const tree = await resolveTree(gitDir, commits.upstream);
  const work = join(folder, 'pristine-tar');
  await mkdir(work);
  try {
    const repository = join(work, 'repository.git');
    await exec(['cp', '-a', '--', gitDir, repository], { doing: 'copy the frozen objects', deadlineMs: DEADLINE_MS });
    await git(['update-ref', 'refs/heads/pristine-tar', commits.pristineTar], {
      gitDir: repository,
      deadlineMs: 60_000,
    });
    const names: string[] = [];
    for (const name of tarballs) {
      const id = await textOf(gitDir, entries.get(`${name}.id`));
      if (id !== commits.upstream && id !== tree) {
        return { kind: 'unusable', reason: `its ${name}.id names ${id ?? 'nothing'}, not the tag's upstream= commit` };
      }
      const made = await confined(['pristine-tar', 'checkout', `/work/${name}`], {
        folder: work,
        cwd: '/work/repository.git',
        deadlineMs: DEADLINE_MS,
        doing: `make ${name} with pristine-tar`,
        okCodes: 'any',
      });
      if (made.code !== 0) {
        return { kind: 'unusable', reason: made.stdout.toString('utf8').trim().split('\n').slice(-3).join('; ') };
      }
      await exec(['mv', '--', join(work, name), join(folder, name)], { doing: `keep ${name}`, deadlineMs: 60_000 });
      names.push(name);
      const signature = entries.get(`${name}.asc`);
      if (signature !== undefined) {
        const object = await readObject(gitDir, signature, { maxBytes: 64 * 1024 });
        if (object.kind === 'object') {
          await writeFile(join(folder, `${name}.asc`), object.bytes);
          names.push(`${name}.asc`);
        }
      }
    }
    return { kind: 'made', names };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function push(stream: PassThrough, chunk: Buffer): Promise<void> {
  if (stream.write(chunk)) return;
  await new Promise<void>((resolve) => {
    stream.once('drain', resolve);
    stream.once('close', resolve);
  });
}

async function resolveTree(gitDir: string, commitId: string): Promise<string> {
  const object = await readObject(gitDir, commitId, { maxBytes: 1024 * 1024 });
  const tree = object.kind === 'object' ? /^tree ([0-9a-f]+)\n/.exec(object.bytes.toString('latin1'))?.[1] : undefined;
  if (tree === undefined) throw new Error(`the frozen commit ${commitId} has no tree`);
  return tree;
}

async function textOf(gitDir: string, objectId: string | undefined): Promise<string | undefined> {
  if (objectId === undefined) return undefined;
  const object = await readObject(gitDir, objectId, { maxBytes: 1024 });
  return object.kind === 'object' ? object.bytes.toString('latin1').trim() : undefined;
}
