/**
 * The source package of an upload: the .dsc is signed by the same worker, says what the .changes says, shares the archive's
 * upstream tarballs, and is what the tag's frozen commit gives.
 */
import type { Changes } from '../../debian/changes.ts';
import { parseDsc, type Dsc } from '../../debian/dsc.ts';
import { poolPath } from '../../debian/pool.ts';
import { describeProblem } from '../../debian/problem.ts';
import { getArchive } from '../../registry/index.ts';
import { origsOf } from '../../sources/index.ts';
import type { Upload } from '../upload.ts';
import type { FileDigests } from './changes.ts';
import { failed, LOOK_AT_WORKER, passed, type CheckResult } from './checklist.ts';
import type { CheckDeps } from './deps.ts';
import { readSigned } from './signature.ts';

type WithChanges = Upload & { readonly changes: Changes; readonly digests: ReadonlyMap<string, FileDigests> };

export interface ReadDsc {
  readonly dsc: Dsc;
  /** The .dsc's own name. */
  readonly dscName: string;
  /** Its text without the signature. */
  readonly dscText: Buffer;
}
type WithDsc = WithChanges & ReadDsc;

/** `dsc.signature` and what it signs. */
export async function dscSignature(
  deps: CheckDeps,
  upload: WithChanges,
): Promise<CheckResult<Pick<ReadDsc, 'dscName' | 'dscText'>>> {
  const file = upload.changes.files.find(({ role }) => role === 'dsc');
  if (file === undefined) return failed('There is no .dsc.', LOOK_AT_WORKER);
  const read = await readSigned(deps, upload, file.name);
  if (read.kind === 'bad') return failed(read.sentence, LOOK_AT_WORKER);
  if (read.signed.fingerprint !== upload.build.workerFingerprint) {
    return failed(`${file.name} is signed by another key than the upload.`, LOOK_AT_WORKER);
  }
  return passed({ dscName: file.name, dscText: read.signed.payload });
}

/** `dsc.shape` */
export function dscShape(
  _deps: CheckDeps,
  upload: WithChanges & Pick<ReadDsc, 'dscName' | 'dscText'>,
): CheckResult<Pick<ReadDsc, 'dsc'>> {
  const dsc = parseDsc(upload.dscText);
  if ('kind' in dsc) return failed(`${upload.dscName} cannot be read: ${describeProblem(dsc)}.`, LOOK_AT_WORKER);
  return passed({ dsc });
}

/** `dsc.agrees`: with the .changes, on name, version and every file. */
export function dscAgrees(_deps: CheckDeps, upload: WithDsc): CheckResult<object> {
  const { dsc, changes, dscName } = upload;
  if (dsc.source !== changes.source || dsc.version !== changes.version) {
    return failed(`${dscName} is of ${dsc.source} ${dsc.version}.`, LOOK_AT_WORKER);
  }
  const named = new Map(dsc.files.map((file) => [file.name, file]));
  for (const file of changes.files.filter(({ role }) => role === 'source')) {
    const entry = named.get(file.name);
    if (entry === undefined)
      return failed(`${file.name} is delivered, and ${dscName} does not name it.`, LOOK_AT_WORKER);
    if (entry.sha256 !== file.sha256 || entry.size !== file.size) {
      return failed(`${dscName} and ${upload.changesName} disagree on ${file.name}.`, LOOK_AT_WORKER);
    }
  }
  return passed();
}

/** `dsc.format`: one that the archive takes. */
export async function dscFormat(deps: CheckDeps, upload: WithDsc): Promise<CheckResult<object>> {
  const { acceptedFormats } = await getArchive(deps.db, upload.archiveId);
  if (acceptedFormats.includes(upload.dsc.format)) return passed({}, upload.dsc.format);
  return failed(
    `The archive ${upload.archive} takes the formats ${acceptedFormats.join(', ')}, and this is ${upload.dsc.format}.`,
    'convert the package (debian/source/format) and release the next version',
  );
}

/**
 * `orig.same`: an upstream tarball is the one that was found for the submission, and the one that the archive has under that
 * name, whatever the component (H42). Those that were not delivered are kept from before.
 */
export async function origSame(deps: CheckDeps, upload: WithDsc): Promise<CheckResult<object>> {
  const found = new Map((await origsOf(deps.db, upload.submissionId)).map((orig) => [orig.name, orig]));
  const kept: string[] = [];
  for (const file of upload.dsc.files) {
    const delivered = upload.digests.has(file.name);
    if (file.role !== 'orig' && file.role !== 'orig-component' && file.role !== 'orig-signature') {
      if (!delivered)
        return failed(`${file.name} is named by ${upload.dscName} and was not delivered.`, LOOK_AT_WORKER);
      continue;
    }
    const chosen = found.get(file.name);
    if (chosen !== undefined && chosen.sha256 !== file.sha256) {
      return failed(`${file.name} is not the one that was found for this release (${chosen.detail}).`, LOOK_AT_WORKER);
    }
    const pooled = await pooledOrigs(deps, upload, file.name);
    const other = pooled.find((one) => one.sha256 !== file.sha256);
    if (other !== undefined) {
      return failed(
        `The archive has another ${file.name} already (${other.path}); an upstream version has one tarball for ever.`,
        'release with the archive’s tarball (`apt-get source` gives it), or with a new upstream version',
      );
    }
    if (delivered) continue;
    if ((await deps.blobs.size(file.sha256)) !== file.size || (chosen === undefined && pooled.length === 0)) {
      return failed(`${file.name} was neither delivered nor is it known.`, LOOK_AT_WORKER);
    }
    kept.push(file.name);
  }
  return passed({}, kept.length === 0 ? undefined : `kept from before: ${kept.join(', ')}`);
}

async function pooledOrigs(
  deps: CheckDeps,
  upload: WithDsc,
  name: string,
): Promise<{ readonly path: string; readonly sha256: string }[]> {
  const suites = await deps.db
    .selectFrom('suites')
    .select('components')
    .where('archive_id', '=', upload.archiveId)
    .execute();
  const components = new Set(suites.flatMap((suite) => suite.components));
  const paths = [...components].map((component) => poolPath(component, upload.dsc.source, name));
  return await deps.db
    .selectFrom('pool_files')
    .select(['path', 'sha256'])
    .where('archive_id', '=', upload.archiveId)
    .where('path', 'in', paths)
    .execute();
}
