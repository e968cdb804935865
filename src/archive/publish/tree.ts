/**
 * Where things lie in an archive's published folder:
 *
 *     pool/…                        files by name, hard links to the blobs
 *     .publications/SUITE/SERIAL/   one publication, whole: InRelease, Release, Release.gpg, COMPONENT/binary-ARCH/… with by-hash
 *     dists/SUITE                   → ../.publications/SUITE/SERIAL, replaced by one rename
 *     dists/ALIAS                   → SUITE
 *
 * A publication's folder is written before anything points at it, and never changed while something does.
 */
import { readdir, readlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrnoException } from '../../platform/errors.ts';
import { replaceSymlink, storing, syncDirectory } from '../../platform/files.ts';

/** The folder of all publications of a suite. */
export function publicationsFolder(archiveFolder: string, suite: string): string {
  return join(archiveFolder, '.publications', suite);
}

export function publicationFolder(archiveFolder: string, suite: string, serial: number): string {
  return join(publicationsFolder(archiveFolder, suite), String(serial));
}

export function distsFolder(archiveFolder: string): string {
  return join(archiveFolder, 'dists');
}

/** The serial that `dists/SUITE` points at, or undefined when it points at none. */
export async function servedSerial(archiveFolder: string, suite: string): Promise<number | undefined> {
  const target = await linkTarget(join(distsFolder(archiveFolder), suite));
  const prefix = `../.publications/${suite}/`;
  const serial = target?.startsWith(prefix) === true ? target.slice(prefix.length) : '';
  return /^[1-9][0-9]*$/.test(serial) ? Number(serial) : undefined;
}

/** Makes `dists/SUITE` point at the publication, unless it does already. */
export async function serve(archiveFolder: string, suite: string, serial: number): Promise<void> {
  if ((await servedSerial(archiveFolder, suite)) === serial) return;
  await replaceSymlink(`../.publications/${suite}/${serial}`, join(distsFolder(archiveFolder), suite));
}

/**
 * Makes `dists/NAME` lead to the suite for every name in `names`, and removes other names that led to it. A name that is a
 * suite of its own is left alone and returned.
 */
export async function nameAliases(
  archiveFolder: string,
  suite: string,
  names: readonly string[],
): Promise<readonly string[]> {
  const dists = distsFolder(archiveFolder);
  const wanted = new Set(names.filter((name) => name !== suite));
  const taken: string[] = [];
  let removed = false;
  for (const name of await readdir(dists)) {
    const target = name.startsWith('.') ? undefined : await linkTarget(join(dists, name));
    if (target === suite && !wanted.has(name)) {
      await storing(`remove the name ${name} of the suite ${suite}`, () => unlink(join(dists, name)));
      removed = true;
    } else if (target === suite) {
      wanted.delete(name);
    } else if (wanted.has(name) && target?.startsWith('../') === true) {
      wanted.delete(name);
      taken.push(name);
    }
  }
  if (removed) await syncDirectory(dists);
  for (const name of wanted) await replaceSymlink(suite, join(dists, name));
  return taken;
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isErrnoException(error) && (error.code === 'ENOENT' || error.code === 'EINVAL')) return undefined;
    throw error;
  }
}
