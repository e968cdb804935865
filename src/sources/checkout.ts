/**
 * Writes the files of a commit into a folder, byte for byte as they are in the objects. Git's own checkout is not used: it
 * obeys `.gitattributes` (filters, line ends, export-subst) and configuration, which whoever wrote the commit chooses.
 *
 * Refused, by name: submodules, and every path that a checkout could be led out of its folder by.
 */
import { chmod, lutimes, mkdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { openObjects } from '../platform/git-objects.ts';
import { listTree, type TreeEntry } from '../platform/git.ts';

export type CheckoutResult =
  | { readonly kind: 'checked-out'; readonly files: number; readonly bytes: number }
  | { readonly kind: 'refused'; readonly path: string; readonly reason: string };

export interface CheckoutLimits {
  readonly files: number;
  readonly bytes: number;
}

/** The largest source packages of Debian have some 400,000 files and 4 GB. */
export const CHECKOUT_LIMITS: CheckoutLimits = { files: 1_000_000, bytes: 16 * 1024 ** 3 };

/**
 * Checks out `commitId` into `folder`, which must exist and be empty.
 * @param timestamp seconds since 1970, given to every file: git keeps none.
 */
export async function checkOut(
  options: { gitDir: string; commitId: string; folder: string; timestamp: number },
  limits: CheckoutLimits = CHECKOUT_LIMITS,
): Promise<CheckoutResult> {
  const entries = await listTree(options.gitDir, options.commitId);
  if (entries.length > limits.files) {
    return refused('', `the commit has ${entries.length} files, and ${limits.files} are allowed`);
  }
  // Paths are bytes: one byte, one character here, so that any name can be a key.
  const files = new Set<string>();
  for (const entry of entries) {
    const reason = refusal(entry);
    if (reason !== undefined) return refused(shown(entry.path), reason);
    const path = entry.path.toString('latin1');
    if (files.has(path)) return refused(shown(entry.path), 'the tree has this name twice');
    files.add(path);
  }
  const folders = new Set<string>();
  for (const path of files) {
    for (const parent of parentsOf(path)) {
      if (files.has(parent)) return refused(path, `${parent} is both a file and a folder`);
      folders.add(parent);
    }
  }
  const time = new Date(options.timestamp * 1000);
  const within = (path: Buffer): Buffer => Buffer.concat([Buffer.from(`${options.folder}/`), path]);
  for (const folder of [...folders].sort()) {
    const path = within(Buffer.from(folder, 'latin1'));
    await mkdir(path);
    await chmod(path, 0o755);
  }
  let bytes = 0;
  const objects = openObjects(options.gitDir);
  try {
    for (const entry of entries) {
      const object = await objects.read(entry.objectId, { maxBytes: limits.bytes - bytes });
      if (object.kind === 'missing') return refused(shown(entry.path), 'its content is not in the frozen input');
      if (object.kind === 'too-large') {
        return refused(shown(entry.path), `the commit's files have more than ${limits.bytes} bytes`);
      }
      bytes += object.bytes.length;
      await writeEntry(within(entry.path), entry.mode, object.bytes, time);
    }
  } finally {
    await objects.close();
  }
  return { kind: 'checked-out', files: files.size, bytes };
}

async function writeEntry(path: Buffer, mode: string, content: Buffer, time: Date): Promise<void> {
  if (mode === '120000') {
    await symlink(content, path);
    await lutimes(path, time, time);
    return;
  }
  await writeFile(path, content, { flag: 'wx' });
  // Whatever the umask: the modes of files enter the source package.
  await chmod(path, mode === '100755' ? 0o755 : 0o644);
  await utimes(path, time, time);
}

/** Why an entry of a tree cannot be checked out, or undefined. */
export function refusal(entry: TreeEntry): string | undefined {
  if (entry.mode === '160000') return 'submodules are not supported: a source package is one tree';
  if (!['100644', '100664', '100755', '120000'].includes(entry.mode)) return `its mode ${entry.mode} is none of git's`;
  const path = entry.path.toString('latin1');
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..') return `a part of its path is ${JSON.stringify(part)}`;
    if (part.toLowerCase() === '.git') return 'a part of its path is .git';
    if (part.length > 255) return 'a part of its path has more than 255 bytes';
  }
  return undefined;
}

function* parentsOf(path: string): Generator<string> {
  for (let slash = path.lastIndexOf('/'); slash !== -1; slash = path.lastIndexOf('/', slash - 1)) {
    yield path.slice(0, slash);
  }
}

function shown(path: Buffer): string {
  return path.toString('utf8');
}

function refused(path: string, reason: string): CheckoutResult {
  return { kind: 'refused', path, reason };
}
