/**
 * The .changes: it can be read, everything that it lists was delivered unharmed, and it is what was asked for.
 */
import { createHash } from 'node:crypto';
import { parseChanges, type Changes, type ChangesFile } from '../../debian/changes.ts';
import { describeProblem } from '../../debian/problem.ts';
import { parseVersion, withoutEpoch } from '../../debian/version.ts';
import { chunksOf } from '../../platform/files.ts';
import { findSuite } from '../../registry/index.ts';
import type { Upload } from '../upload.ts';
import { failed, LOOK_AT_WORKER, passed, RELEASE_ANEW, type CheckResult } from './checklist.ts';
import type { CheckDeps } from './deps.ts';
import type { SignedText } from './signature.ts';

type WithChanges = Upload & { readonly changes: Changes };

/** Every digest of a delivered file, reckoned from its bytes. */
export interface FileDigests {
  readonly sha256: string;
  readonly sha1: string;
  readonly md5: string;
  readonly size: number;
}

/** `changes.shape` */
export function changesShape(
  _deps: CheckDeps,
  upload: Upload & { readonly signed: SignedText },
): CheckResult<{ readonly changes: Changes }> {
  const changes = parseChanges(upload.signed.payload);
  if ('kind' in changes) {
    return failed(`${upload.changesName} cannot be read: ${describeProblem(changes)}.`, LOOK_AT_WORKER);
  }
  const version = parseVersion(changes.version);
  const stem = `${changes.source}_${'kind' in version ? '' : withoutEpoch(version)}_`;
  if (!upload.changesName.startsWith(stem) || !upload.changesName.endsWith('.changes')) {
    return failed(`${upload.changesName} speaks of ${changes.source} ${changes.version}.`, LOOK_AT_WORKER);
  }
  return passed({ changes });
}

/** `files.complete`: each listed file was delivered, with this size and these digests (H35, H36). */
export async function filesComplete(
  deps: CheckDeps,
  upload: WithChanges,
): Promise<CheckResult<{ readonly digests: ReadonlyMap<string, FileDigests> }>> {
  const digests = new Map<string, FileDigests>();
  for (const file of upload.changes.files) {
    const delivered = upload.files.get(file.name);
    if (delivered === undefined) return failed(`${file.name} is listed and was not delivered.`, LOOK_AT_WORKER);
    if (delivered.size !== file.size) {
      return failed(`${file.name} has ${delivered.size} bytes, and ${file.size} are listed.`, LOOK_AT_WORKER);
    }
    const found = await digestsOf(deps, delivered.sha256);
    const differing = differingDigest(file, found);
    if (differing !== undefined)
      return failed(`The ${differing} of ${file.name} is not the listed one.`, LOOK_AT_WORKER);
    digests.set(file.name, found);
  }
  return passed({ digests }, `${digests.size} files`);
}

/** `changes.contents`: a source upload brings source only (H40), a binary one binaries only. */
export function changesContents(_deps: CheckDeps, upload: WithChanges): CheckResult<object> {
  const { files, architectures } = upload.changes;
  const other = files.find((file) => file.role === 'other');
  if (other !== undefined) return failed(`${other.name} is of a kind that is not taken.`, RELEASE_ANEW);
  const count = (role: ChangesFile['role']): number => files.filter((file) => file.role === role).length;
  if (upload.kind === 'source') {
    if (count('binary') > 0 || architectures.some((name) => name !== 'source')) {
      return failed('A source upload must not bring binary packages: they are built here.', LOOK_AT_WORKER);
    }
    if (count('dsc') !== 1)
      return failed(`A source upload has one .dsc; this one has ${count('dsc')}.`, LOOK_AT_WORKER);
    return passed();
  }
  if (count('dsc') > 0 || count('source') > 0 || architectures.includes('source')) {
    return failed('A binary upload must not bring a source package.', LOOK_AT_WORKER);
  }
  if (count('binary') === 0) return failed('A binary upload brings at least one binary package.', LOOK_AT_WORKER);
  if (count('buildinfo') !== 1) {
    return failed(`A binary upload has one .buildinfo; this one has ${count('buildinfo')}.`, LOOK_AT_WORKER);
  }
  return passed();
}

/** `source.name` */
export function sourceName(_deps: CheckDeps, upload: WithChanges): CheckResult<object> {
  if (upload.changes.source === upload.source) return passed();
  return failed(`The upload is of ${upload.changes.source}, and ${upload.source} was asked for.`, LOOK_AT_WORKER);
}

/** `source.version`: of the source, which a rebuilt binary's own version may differ from (H38). */
export function sourceVersion(_deps: CheckDeps, upload: WithChanges): CheckResult<object> {
  const { sourceVersion: found } = upload.changes;
  if (found === upload.version) return passed();
  return failed(`The upload is of version ${found}, and ${upload.version} was asked for.`, LOOK_AT_WORKER);
}

/** `source.distribution`: one word, which names the suite that was asked for. */
export async function sourceDistribution(deps: CheckDeps, upload: WithChanges): Promise<CheckResult<object>> {
  const [word, ...others] = upload.changes.distributions;
  const suite = word === undefined ? undefined : await findSuite(deps.db, upload.archiveId, word);
  if (suite?.id === upload.suiteId && others.length === 0) return passed();
  return failed(
    `The upload is for ${upload.changes.distributions.join(' ')}, which is not the suite that was asked for.`,
    LOOK_AT_WORKER,
  );
}

async function digestsOf(deps: CheckDeps, sha256: string): Promise<FileDigests> {
  const hashes = { sha256: createHash('sha256'), sha1: createHash('sha1'), md5: createHash('md5') };
  let size = 0;
  for await (const chunk of chunksOf(await deps.blobs.open(sha256))) {
    size += chunk.length;
    for (const hash of Object.values(hashes)) hash.update(chunk);
  }
  return {
    size,
    sha256: hashes.sha256.digest('hex'),
    sha1: hashes.sha1.digest('hex'),
    md5: hashes.md5.digest('hex'),
  };
}

function differingDigest(listed: ChangesFile, found: FileDigests): string | undefined {
  if (listed.size !== found.size) return 'size';
  if (listed.sha256 !== found.sha256) return 'SHA256';
  if (listed.sha1 !== undefined && listed.sha1 !== found.sha1) return 'SHA1';
  return listed.md5 !== undefined && listed.md5 !== found.md5 ? 'MD5' : undefined;
}
