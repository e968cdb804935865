/**
 * Whether an upstream tarball holds the files of a Git tree, and nothing else: every file with the same bytes and the same
 * executable bit, every symbolic link with the same target. What Git does not keep (times, owners, empty folders, a folder
 * around it all) does not count.
 *
 * The tarball is hostile until this is known. It is unpacked by the tar that dpkg-source would use, confined, and no further
 * than the tree is large; what is neither file, folder nor symbolic link, and every setuid, setgid or sticky bit of a file, is
 * refused (H50–H53).
 *
 * @see tag2upload(5) "!pristine-tar"
 */
import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { lstat, mkdir, readdir, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openObjects } from '../platform/git-objects.ts';
import { listTree } from '../platform/git.ts';
import { confined } from './confine.ts';

const DEADLINE_MS = 30 * 60_000;
/** Of a member's headers, and what an archive has besides its members. */
const BYTES_PER_MEMBER = 4096;
const SLACK_BYTES = 32 * 1024 ** 2;

export type TarballContent = { readonly kind: 'same' } | { readonly kind: 'other'; readonly reason: string };

/** Compares `folder/name` with the tree. `folder` is what the programs see, and is left as it was. */
export async function compareTarball(
  gitDir: string,
  treeId: string,
  folder: string,
  name: string,
): Promise<TarballContent> {
  const expected = await expectedFiles(gitDir, treeId);
  const maxBytes = SLACK_BYTES + expected.bytes + expected.files.size * BYTES_PER_MEMBER;
  const place = join(folder, 'compare');
  await mkdir(place);
  try {
    const unpacked = await confined(['sh', '-c', UNPACK, 'sh', name, String(maxBytes)], {
      folder,
      cwd: '/work/compare',
      deadlineMs: DEADLINE_MS,
      doing: `unpack ${name}`,
      okCodes: 'any',
    });
    if (unpacked.code !== 0) {
      const words = unpacked.stdout.toString('utf8').trim().split('\n').slice(-3).join('; ');
      return other(words === '' ? `it unpacks to more than ${maxBytes} bytes` : words);
    }
    return await compareFolder(await contentRoot(join(place, 'content')), expected.files);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** Unpacks /work/$1 into `content`. Below the limit of one file's size, a bomb ends as a program that was killed. */
const UNPACK = `
case $1 in
  *.gz) with=gzip ;;
  *.bz2) with=bzip2 ;;
  *.xz) with=xz ;;
  *.lzma) with='xz --format=lzma' ;;
esac
prlimit --fsize="$2" $with -dc <"/work/$1" >plain.tar || exit 1
odd=$(tar --list --verbose --file plain.tar | grep -m1 -E '^([^dl-]|-..[sS]|-.....[sS]|-........[tT])')
if [ -n "$odd" ]; then
  echo "neither a plain file, a folder nor a symbolic link: $odd"
  exit 1
fi
mkdir content
exec tar --extract --no-same-owner --no-same-permissions --file plain.tar --directory content
`;

interface ExpectedFile {
  readonly mode: string;
  readonly objectId: string;
  readonly size: number;
}

async function expectedFiles(
  gitDir: string,
  treeId: string,
): Promise<{ readonly files: ReadonlyMap<string, ExpectedFile>; readonly bytes: number }> {
  const files = new Map<string, ExpectedFile>();
  let bytes = 0;
  const objects = openObjects(gitDir);
  try {
    for (const { path, mode, objectId } of await listTree(gitDir, treeId)) {
      const size = (await objects.info(objectId))?.size ?? 0;
      bytes += size;
      files.set(path.toString('latin1'), { mode: mode === '100664' ? '100644' : mode, objectId, size });
    }
  } finally {
    await objects.close();
  }
  return { files, bytes };
}

/** As dpkg-source does: the one folder that holds everything is left away. */
async function contentRoot(folder: string): Promise<string> {
  const [only, ...others] = await readdir(folder, { withFileTypes: true });
  return only?.isDirectory() === true && others.length === 0 ? join(folder, only.name) : folder;
}

async function compareFolder(root: string, expected: ReadonlyMap<string, ExpectedFile>): Promise<TarballContent> {
  const missing = new Map(expected);
  const folders: Buffer[] = [Buffer.alloc(0)];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of await readdir(within(root, folder), { encoding: 'buffer' })) {
      const path = folder.length === 0 ? name : Buffer.concat([folder, Buffer.from('/'), name]);
      const absolute = within(root, path);
      const facts = await lstat(absolute);
      if (facts.isDirectory()) {
        folders.push(path);
        continue;
      }
      const key = path.toString('latin1');
      const wanted = missing.get(key);
      if (wanted === undefined) return other(`it has ${shown(path)}, which the tree does not have`);
      if (!(await isSame(absolute, facts, wanted))) return other(`its ${shown(path)} is another than the tree's`);
      missing.delete(key);
    }
  }
  for (const [path] of missing) return other(`it does not have the tree's ${shown(Buffer.from(path, 'latin1'))}`);
  return { kind: 'same' };
}

async function isSame(path: Buffer, facts: Stats, wanted: ExpectedFile): Promise<boolean> {
  const algorithm = wanted.objectId.length === 40 ? 'sha1' : 'sha256';
  if (facts.isSymbolicLink()) {
    const target = await readlink(path, { encoding: 'buffer' });
    const hash = createHash(algorithm).update(`blob ${target.length}\0`).update(target);
    return wanted.mode === '120000' && hash.digest('hex') === wanted.objectId;
  }
  const mode = (facts.mode & 0o100) === 0 ? '100644' : '100755';
  // The size first: a sparse file may seem to be of any.
  if (!facts.isFile() || wanted.mode !== mode || facts.size !== wanted.size) return false;
  const hash = createHash(algorithm).update(`blob ${facts.size}\0`);
  for await (const chunk of createReadStream(path)) if (Buffer.isBuffer(chunk)) hash.update(chunk);
  return hash.digest('hex') === wanted.objectId;
}

function within(root: string, path: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`), path]);
}

function shown(path: Buffer): string {
  return JSON.stringify(path.toString('utf8'));
}

function other(reason: string): TarballContent {
  return { kind: 'other', reason };
}
