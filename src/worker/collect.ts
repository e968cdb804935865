/**
 * Takes what a build made out of its root. The build was hostile for all we know: only plain files are read, no link is followed,
 * and only what the .changes names is taken, when its bytes are as it says.
 */
import { constants, createWriteStream } from 'node:fs';
import { lstat, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseChanges, type Changes } from '../debian/changes.ts';
import { isSafeFileName } from '../debian/names.ts';
import { isErrnoException } from '../platform/errors.ts';
import { sha256File } from '../platform/files.ts';
import { execInUserNamespace } from './user-namespace.ts';

export interface Collected {
  readonly kind: 'collected';
  readonly changes: Changes;
  /** Name of the .changes; it and what it names lie in the target folder. */
  readonly name: string;
}

export interface NotCollected {
  readonly kind: 'failed';
  readonly code: 'build.no-changes' | 'build.bad-changes' | 'build.bad-file';
  readonly reason: string;
}

const MAX_CHANGES_BYTES = 8 * 1024 * 1024;

/** Copies the upload that `name` (a .changes in `from`) describes to `to`. Nothing may run in the root any more. */
export async function collectUpload(options: {
  readonly from: string;
  readonly name: string;
  readonly to: string;
  readonly expected: { readonly source: string; readonly sourceVersion: string };
  /** Gives us the right to read the folder and the plain files in it; they belong to a subordinate id. */
  readonly open?: (folder: string) => Promise<void>;
}): Promise<Collected | NotCollected> {
  const { from, name, to, expected } = options;
  await mkdir(to, { recursive: true });
  const facts = await lstat(from).catch(() => undefined);
  if (facts?.isDirectory() !== true) return failed('build.no-changes', 'the build folder is gone');
  await (options.open ?? openToUs)(from);
  const listed = await take(from, name, to, MAX_CHANGES_BYTES);
  if (listed !== 'taken') return failed('build.no-changes', `${name} ${listed}`);
  const changes = parseChanges(await readText(join(to, name)));
  if ('kind' in changes) return failed('build.bad-changes', `${name}: ${changes.reason}`);
  if (changes.source !== expected.source || changes.sourceVersion !== expected.sourceVersion) {
    return failed('build.bad-changes', `${name} is of ${changes.source} ${changes.sourceVersion}`);
  }
  for (const file of changes.files) {
    const taken = await take(from, file.name, to, file.size);
    if (taken !== 'taken') return failed('build.bad-file', `${file.name} ${taken}`);
    const digest = await sha256File(join(to, file.name));
    if (digest.sha256 !== file.sha256 || digest.size !== file.size) {
      return failed('build.bad-file', `${file.name} is not as ${name} describes it`);
    }
  }
  return { kind: 'collected', changes, name };
}

async function openToUs(folder: string): Promise<void> {
  const doing = 'open what the build made';
  const files = ['find', folder, '-maxdepth', '1', '-type', 'f', '-exec', 'chmod', '0644', '{}', '+'] as const;
  await execInUserNamespace(['chmod', '0755', folder], { doing, deadlineMs: 60_000 });
  await execInUserNamespace(files, { doing, deadlineMs: 60_000 });
}

function failed(code: NotCollected['code'], reason: string): NotCollected {
  return { kind: 'failed', code, reason };
}

/** Copies one plain file; otherwise says, as it follows its name, why not. */
async function take(from: string, name: string, to: string, maxBytes: number): Promise<string> {
  if (!isSafeFileName(name)) return 'has no plain file name';
  // Without NONBLOCK the opening of a FIFO would wait for ever.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let handle;
  try {
    handle = await open(join(from, name), flags);
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT') return 'was not made';
    if (isErrnoException(error) && (error.code === 'ELOOP' || error.code === 'ENXIO')) return 'is not a plain file';
    throw error;
  }
  try {
    const facts = await handle.stat();
    if (!facts.isFile()) return 'is not a plain file';
    if (facts.size > maxBytes) return `is larger than ${maxBytes} bytes`;
    await pipeline(handle.createReadStream({ autoClose: false }), createWriteStream(join(to, name), { flags: 'wx' }));
    return 'taken';
  } finally {
    await handle.close();
  }
}

async function readText(path: string): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}
