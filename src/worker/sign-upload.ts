/**
 * Signs an upload with the worker's key, as debsign does: the .buildinfo first, then its new size and digests into the .changes,
 * then the .changes.
 * @see debsign(1), deb-changes(5)
 */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LandfallError } from '../platform/errors.ts';
import { clearSign } from '../platform/gpg.ts';
import type { WorkerKey } from './job.ts';

/** Signs the file in place and gives its new bytes. */
export async function signFile(path: string, key: WorkerKey): Promise<Buffer> {
  const signed = await clearSign({ ...key, payload: await readFile(path) });
  await writeFile(path, signed);
  return signed;
}

/** Signs the .buildinfo and the .changes in `folder`, in place. */
export async function signUpload(
  folder: string,
  upload: { readonly changes: string; readonly buildinfo: string | undefined },
  key: WorkerKey,
): Promise<void> {
  if (upload.buildinfo !== undefined) {
    const bytes = await signFile(join(folder, upload.buildinfo), key);
    const path = join(folder, upload.changes);
    await writeFile(path, updateChecksums(await readFile(path, 'utf8'), upload.buildinfo, bytes));
  }
  await signFile(join(folder, upload.changes), key);
}

const DIGESTS: ReadonlyMap<string, string> = new Map([
  ['files', 'md5'],
  ['checksums-sha1', 'sha1'],
  ['checksums-sha256', 'sha256'],
]);

/** The text of a .changes in which the file `name` has these bytes. @throws LandfallError when a list does not name it */
export function updateChecksums(changes: string, name: string, bytes: Uint8Array): string {
  const missing = new Set(DIGESTS.values());
  let digest: string | undefined;
  const lines = changes.split('\n').map((line) => {
    const field = /^([^ \t:]+):/.exec(line)?.[1];
    if (field !== undefined) digest = DIGESTS.get(field.toLowerCase());
    if (digest === undefined || !/^[ \t]/.test(line)) return line;
    const words = line.trim().split(/[ \t]+/);
    if (words.at(-1) !== name) return line;
    missing.delete(digest);
    const sum = createHash(digest).update(bytes).digest('hex');
    return ` ${[sum, String(bytes.length), ...words.slice(2)].join(' ')}`;
  });
  if (missing.size === 0) return lines.join('\n');
  throw new LandfallError({
    code: 'build.bad-changes',
    doing: 'sign the upload',
    reason: `its .changes does not list ${name} with ${[...missing].join(', ')}`,
  });
}
