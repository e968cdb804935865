/**
 * The binary packages of an upload: each is really read, agrees with its name and with the source that it is said to be built
 * from, and is one that the source declares.
 */
import type { Changes } from '../../debian/changes.ts';
import type { DebControl } from '../../debian/deb.ts';
import { fieldOf, linesOf } from '../../debian/deb822.ts';
import { poolFileName } from '../../debian/pool.ts';
import { describeProblem } from '../../debian/problem.ts';
import { debugSymbolsOf, declaredBinaries, type DeclaredBinary } from '../package-list.ts';
import { inspectDeb } from '../read-deb.ts';
import type { Upload } from '../upload.ts';
import type { FileDigests } from './changes.ts';
import { failed, LOOK_AT_WORKER, passed, RELEASE_ANEW, type CheckResult } from './checklist.ts';
import type { CheckDeps } from './deps.ts';

type WithChanges = Upload & { readonly changes: Changes; readonly digests: ReadonlyMap<string, FileDigests> };

/** The source package that the archive accepted for the submission. */
export interface AcceptedSource {
  readonly sourcePackageId: number;
  readonly sourceComponent: string;
  readonly declared: ReadonlyMap<string, DeclaredBinary>;
}

export interface ReadBinary {
  /** File name. */
  readonly file: string;
  readonly type: 'deb' | 'udeb';
  readonly control: DebControl;
  readonly digests: FileDigests;
  /** Of its files, for Contents; undefined when there are more than can be kept. */
  readonly paths: readonly string[] | undefined;
}

export interface ReadBinaries {
  readonly binaries: readonly ReadBinary[];
}

/** A package is read in memory; the largest of Debian's have some 1.5 GB. */
const MAX_DEB_BYTES = 2 * 1024 ** 3;

/** `source.accepted`: there is a source that these binaries can belong to. */
export async function sourceAccepted(deps: CheckDeps, upload: WithChanges): Promise<CheckResult<AcceptedSource>> {
  const row = await deps.db
    .selectFrom('source_packages')
    .select(['id', 'component', 'stanza'])
    .where('archive_id', '=', upload.archiveId)
    .where('submission_id', '=', upload.submissionId)
    .executeTakeFirst();
  if (row === undefined) {
    return failed(
      `The archive has no source ${upload.source} ${upload.version} of this release.`,
      'the source must be accepted before its binaries',
    );
  }
  const binary = (fieldOf(row.stanza, 'Binary') ?? '').split(/[\s,]+/).filter((name) => name !== '');
  return passed({
    sourcePackageId: row.id,
    sourceComponent: row.component,
    declared: declaredBinaries(linesOf(fieldOf(row.stanza, 'Package-List') ?? ''), binary),
  });
}

/** `deb.readable`: control and every member of every package can be read within bounds (H53). */
export async function debReadable(deps: CheckDeps, upload: WithChanges): Promise<CheckResult<ReadBinaries>> {
  const binaries: ReadBinary[] = [];
  for (const file of upload.changes.files) {
    const digests = upload.digests.get(file.name);
    if (file.role !== 'binary' || digests === undefined) continue;
    if (file.binary === undefined || file.binary.type === 'ddeb') {
      return failed(`${file.name} is of a kind that is not taken.`, RELEASE_ANEW);
    }
    if (digests.size > MAX_DEB_BYTES) return failed(`${file.name} has more than ${MAX_DEB_BYTES} bytes.`, RELEASE_ANEW);
    const read = await inspectDeb(await deps.blobs.read(digests.sha256));
    if ('kind' in read) return failed(`${file.name} cannot be read: ${describeProblem(read)}.`, LOOK_AT_WORKER);
    const { control, paths } = read;
    binaries.push({ file: file.name, type: file.binary.type, control, digests, paths });
  }
  return passed({ binaries });
}

/** `deb.agrees`: name, version, architecture, and the Source field that leads to our source (H38). */
export function debAgrees(_deps: CheckDeps, upload: WithChanges & ReadBinaries): CheckResult<object> {
  const { architecture, withAll } = upload.build;
  for (const { file, type, control } of upload.binaries) {
    const expected = poolFileName(control.name, control.version, control.architecture, type);
    if (file !== expected)
      return failed(`${file} holds ${control.name} ${control.version} (${expected}).`, LOOK_AT_WORKER);
    if (control.source !== upload.source || control.sourceVersion !== upload.version) {
      return failed(`${file} says that it is built from ${control.source} ${control.sourceVersion}.`, LOOK_AT_WORKER);
    }
    if (control.architecture !== architecture && control.architecture !== 'all') {
      return failed(`${file} is for ${control.architecture}, and ${architecture} was to be built.`, LOOK_AT_WORKER);
    }
    if (control.architecture === 'all' && !withAll) {
      return failed(`${file} is for all architectures, which this build was not asked for.`, LOOK_AT_WORKER);
    }
  }
  return passed();
}

/** `binaries.declared`: the source declares each, or the package whose debug symbols it holds (H38). */
export function binariesDeclared(
  _deps: CheckDeps,
  upload: WithChanges & ReadBinaries & AcceptedSource,
): CheckResult<object> {
  for (const { file, control, type } of upload.binaries) {
    const symbols = debugSymbolsOf(control.name);
    const declared = upload.declared.get(control.name) ?? upload.declared.get(symbols ?? '');
    if (declared === undefined) {
      return failed(`${file} is not among the packages that the source declares.`, RELEASE_ANEW);
    }
    if (upload.declared.has(control.name) && declared.type !== type) {
      return failed(`${file} is a ${type}, and the source declares a ${declared.type}.`, RELEASE_ANEW);
    }
  }
  return passed();
}
