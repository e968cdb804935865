/**
 * An upstream tarball made from the upstream commit that a tag names: gzip -9n over `git archive`. Both give the same bytes on
 * Debian 12 and 13, which xz does not promise. No attribute of the tree has a say in it.
 *
 * @see git-archive(1), gitattributes(5)
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { git } from '../platform/git.ts';
import { exec } from '../platform/exec.ts';

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
  await writeNoAttributes(gitDir);
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

/** Takes all that the attributes of a tree could say away from every git that works in this repository of ours. */
export async function writeNoAttributes(gitDir: string): Promise<void> {
  await mkdir(join(gitDir, 'info'), { recursive: true });
  await writeFile(join(gitDir, 'info/attributes'), NO_ATTRIBUTES);
}

async function push(stream: PassThrough, chunk: Buffer): Promise<void> {
  if (stream.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const go = (): void => {
      stream.off('drain', go).off('close', go);
      resolve();
    };
    stream.once('drain', go).once('close', go);
  });
}
