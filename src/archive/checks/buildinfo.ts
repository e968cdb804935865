/** The .buildinfo: signed by the same worker, and of these very files. */
import { parseBuildinfo } from '../../debian/buildinfo.ts';
import type { Changes } from '../../debian/changes.ts';
import { describeProblem } from '../../debian/problem.ts';
import type { Upload } from '../upload.ts';
import type { FileDigests } from './changes.ts';
import { failed, LOOK_AT_WORKER, passed, type CheckResult } from './checklist.ts';
import type { CheckDeps } from './deps.ts';
import { readSigned } from './signature.ts';

/** `buildinfo.agrees`: what it says of a binary package is true; a source needs none. */
export async function buildinfoAgrees(
  deps: CheckDeps,
  upload: Upload & { readonly changes: Changes; readonly digests: ReadonlyMap<string, FileDigests> },
): Promise<CheckResult<object>> {
  const file = upload.changes.files.find(({ role }) => role === 'buildinfo');
  if (file === undefined) return { kind: 'not-applicable', adds: {}, detail: 'there is none' };
  const read = await readSigned(deps, upload, file.name);
  if (read.kind === 'bad') return failed(read.sentence, LOOK_AT_WORKER);
  if (read.signed.fingerprint !== upload.build.workerFingerprint) {
    return failed(`${file.name} is signed by another key than the upload.`, LOOK_AT_WORKER);
  }
  const buildinfo = parseBuildinfo(read.signed.payload);
  if ('kind' in buildinfo) {
    return failed(`${file.name} cannot be read: ${describeProblem(buildinfo)}.`, LOOK_AT_WORKER);
  }
  if (buildinfo.source !== upload.source || buildinfo.sourceVersion !== upload.version) {
    return failed(`${file.name} is of ${buildinfo.source} ${buildinfo.sourceVersion}.`, LOOK_AT_WORKER);
  }
  const told = new Map(buildinfo.files.map((entry) => [entry.name, entry]));
  for (const binary of upload.changes.files.filter(({ role }) => role === 'binary')) {
    const entry = told.get(binary.name);
    const found = upload.digests.get(binary.name);
    if (entry?.sha256 !== found?.sha256 || entry?.size !== found?.size) {
      return failed(`${file.name} does not tell of ${binary.name} as it was delivered.`, LOOK_AT_WORKER);
    }
  }
  return passed({});
}
