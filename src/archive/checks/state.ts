/**
 * Checks against what the archive holds. They run inside the deciding transaction, behind the archive's lock, so what they
 * find is still true when the upload is accepted: of two uploads for one name one wins, and the other is told (H43).
 */
import type { Changes } from '../../debian/changes.ts';
import { poolPath } from '../../debian/pool.ts';
import type { Trx } from '../../platform/database.ts';
import {
  findPoolFile,
  highWaterMark,
  isNewerVersion,
  suiteOrder,
  versionHolder,
  type Suite,
} from '../../registry/index.ts';
import { debugSymbolsOf, declaredBinaries, type DeclaredBinary } from '../package-list.ts';
import { findOverride, place, type Placed } from '../placement.ts';
import { currentBinary, currentSource } from '../suite-content.ts';
import type { Upload } from '../upload.ts';
import type { AcceptedSource, ReadBinaries, ReadBinary } from './binaries.ts';
import { failed, passed, RELEASE_ANEW, type CheckResult } from './checklist.ts';
import type { FileDigests } from './changes.ts';
import type { ReadDsc } from './source.ts';

export interface StateDeps {
  readonly trx: Trx;
  readonly suite: Suite;
  /** A person has looked and lets it in: what would be held passes. */
  readonly approved: boolean;
}

type Source = Upload & { readonly changes: Changes; readonly digests: ReadonlyMap<string, FileDigests> } & ReadDsc;
type Binaries = Upload & ReadBinaries & AcceptedSource;

/** A file and the name that it gets. */
export interface NamedFile {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

export interface PlacedSource {
  readonly placed: Placed;
  readonly declared: ReadonlyMap<string, DeclaredBinary>;
  /** The .dsc first. */
  readonly named: readonly NamedFile[];
}

export interface PlacedBinary {
  readonly binary: ReadBinary;
  readonly placed: Placed;
  readonly file: NamedFile;
  readonly suiteId: number;
}

export interface PlacedBinaries {
  readonly items: readonly PlacedBinary[];
}

/** `job.delivered`: the job still waits for this verdict; a person may have cancelled it meanwhile. */
export async function jobDelivered(deps: StateDeps, upload: Upload): Promise<CheckResult<object>> {
  if (upload.state === 'held') return { kind: 'not-applicable', adds: {}, detail: 'it was judged when it came' };
  const job = await deps.trx
    .selectFrom('jobs')
    .select('state')
    .where('id', '=', upload.build.jobId)
    .forNoKeyUpdate()
    .executeTakeFirstOrThrow();
  if (job.state === 'delivered') return passed();
  return failed(`The job that asked for it is ${job.state} meanwhile.`, 'give the build back if it is still wanted');
}

/** `version.reserved`: the version is still this release's. */
export async function versionReserved(deps: StateDeps, upload: Source): Promise<CheckResult<object>> {
  const { archiveId, source, version } = upload;
  const holder = await versionHolder(deps.trx, { archiveId, source, version });
  if (holder?.submissionId === upload.submissionId && holder.state === 'reserved') return passed();
  if (holder === undefined)
    return failed(`The reservation of ${source} ${version} was given up meanwhile.`, RELEASE_ANEW);
  if (holder.submissionId === upload.submissionId) {
    return failed(`${source} ${version} of this release was accepted already.`, 'nothing is to be done');
  }
  return failed(
    `${source} ${version} is ${holder.state} for submission ${holder.submissionId}.`,
    'release another version; one version has one content for ever',
  );
}

/** `component.known` for a source. */
export async function sourceComponent(deps: StateDeps, upload: Source): Promise<CheckResult<PlacedSource>> {
  const { dsc, dscName, digests } = upload;
  const declared = declaredBinaries(dsc.paragraph.lines('Package-List'), dsc.binaries);
  const first = [...declared.values()][0];
  const item = {
    kind: 'source' as const,
    package: dsc.source,
    section: dsc.paragraph.get('Section') ?? first?.section,
    priority: dsc.paragraph.get('Priority') ?? first?.priority,
  };
  const placed = await place(deps.trx, upload.archiveId, item, deps.suite.components);
  if (!deps.suite.components.includes(placed.component)) return unknownComponent(deps, dsc.source, placed.component);
  const dscDigests = digests.get(dscName);
  if (dscDigests === undefined) throw new Error(`${dscName} has no digests`);
  const name = (file: { name: string; sha256: string; size: number }): NamedFile => ({
    path: poolPath(placed.component, dsc.source, file.name),
    sha256: file.sha256,
    size: file.size,
  });
  const named = [name({ name: dscName, sha256: dscDigests.sha256, size: dscDigests.size }), ...dsc.files.map(name)];
  return passed({ placed, declared, named }, placed.component);
}

/** `component.known` for binaries, each of which has its own; debug symbols go to the suite's debug suite. */
export async function binaryComponents(deps: StateDeps, upload: Binaries): Promise<CheckResult<PlacedBinaries>> {
  const items: PlacedBinary[] = [];
  for (const binary of upload.binaries) {
    const { control, type, file, digests } = binary;
    const item = { kind: type, package: control.name, section: control.section, priority: control.priority };
    const placed = await place(deps.trx, upload.archiveId, item, deps.suite.components);
    if (!deps.suite.components.includes(placed.component)) {
      return unknownComponent(deps, control.name, placed.component);
    }
    const isDebug = debugSymbolsOf(control.name) !== undefined;
    items.push({
      binary,
      placed,
      file: {
        path: poolPath(placed.component, upload.source, file),
        sha256: digests.sha256,
        size: digests.size,
      },
      suiteId: (isDebug ? deps.suite.debugSuiteId : null) ?? deps.suite.id,
    });
  }
  return passed({ items });
}

/** `binary.unused`: the archive has no such binary yet (H43). */
export async function binaryUnused(deps: StateDeps, upload: Binaries): Promise<CheckResult<object>> {
  for (const { control } of upload.binaries) {
    const { name, version, architecture } = control;
    const there = await deps.trx
      .selectFrom('binary_packages')
      .select(['upload_id'])
      .where('archive_id', '=', upload.archiveId)
      .where('name', '=', name)
      .where('version', '=', version)
      .where('architecture', '=', architecture)
      .executeTakeFirst();
    if (there === undefined) continue;
    return failed(
      `The archive has ${name} ${version} for ${architecture} already, by upload ${there.upload_id}.`,
      'nothing is to be done, or build it anew under another version',
    );
  }
  return passed();
}

/** `names.unique`: no name in the pool gets other bytes than it ever had (H37, I8). */
export async function namesUnique(
  deps: StateDeps,
  upload: Upload & ({ readonly named: readonly NamedFile[] } | PlacedBinaries),
): Promise<CheckResult<object>> {
  const files = 'named' in upload ? upload.named : upload.items.map(({ file }) => file);
  for (const file of files) {
    const there = await findPoolFile(deps.trx, upload.archiveId, file.path);
    if (there === undefined || (there.sha256 === file.sha256 && there.size === file.size)) continue;
    return failed(
      `${file.path} stands for other bytes (${there.sha256}) for ever.`,
      'release the next version: a file name never changes its content',
    );
  }
  return passed();
}

/** `version.newer` for a source: than what the suite has or had, and in order with the suites around it (I2). */
export async function sourceNewer(deps: StateDeps, upload: Source): Promise<CheckResult<object>> {
  const { trx, suite } = deps;
  const { source, version } = upload;
  const current = await currentSource(trx, suite.id, source);
  if (current !== undefined && !isNewerVersion(version, current)) {
    return failed(`${suite.name} has ${source} ${current}, which ${version} is not newer than.`, RELEASE_ANEW);
  }
  const mark = await highWaterMark(trx, suite.id, source);
  if (mark !== undefined && isNewerVersion(mark, version)) {
    return failed(
      `${suite.name} once had ${source} ${mark}, which ${version} is older than.`,
      `release a version above ${mark}, or have an administrator lower the mark`,
    );
  }
  const order = await suiteOrder(trx, suite.id);
  for (const older of order.older) {
    const there = await currentSource(trx, older.id, source);
    if (there !== undefined && isNewerVersion(there, version)) {
      return failed(`${older.name} has ${source} ${there}, and ${suite.name} must not be behind it.`, RELEASE_ANEW);
    }
  }
  for (const newer of order.newer) {
    const there = await currentSource(trx, newer.id, source);
    if (there !== undefined && isNewerVersion(version, there)) {
      return failed(
        `${newer.name} has ${source} ${there}, and ${suite.name} must not be ahead of it.`,
        `release to ${newer.name} first`,
      );
    }
  }
  return passed({}, current === undefined ? `the first ${source} of ${suite.name}` : `newer than ${current}`);
}

/** `version.newer` for binaries: in each index that they would enter (I2). */
export async function binariesNewer(deps: StateDeps, upload: Binaries & PlacedBinaries): Promise<CheckResult<object>> {
  for (const { binary, suiteId } of upload.items) {
    const { name, version, architecture } = binary.control;
    const index = architecture === 'all' ? upload.build.architecture : architecture;
    const current = await currentBinary(deps.trx, suiteId, index, name);
    if (current === undefined || isNewerVersion(version, current)) continue;
    return failed(
      `${deps.suite.name} has ${name} ${current} for ${index}, which ${version} is not newer than.`,
      RELEASE_ANEW,
    );
  }
  return passed();
}

/** `binary.owner` for a source: a name that another source owns waits for a person (H41). */
export async function declaredOwner(deps: StateDeps, upload: Source & PlacedSource): Promise<CheckResult<object>> {
  const taken: string[] = [];
  for (const { name, type } of upload.declared.values()) {
    const override = await findOverride(deps.trx, upload.archiveId, type, name);
    if (override !== undefined && override.source !== upload.source) taken.push(`${name} (of ${override.source})`);
  }
  return ownership(deps, taken);
}

/** `binary.owner` for binaries. */
export async function binaryOwner(deps: StateDeps, upload: Binaries & PlacedBinaries): Promise<CheckResult<object>> {
  const taken = upload.items
    .filter(({ placed }) => placed.owner !== undefined && placed.owner !== upload.source)
    .map(({ binary, placed }) => `${binary.control.name} (of ${placed.owner ?? ''})`);
  return await Promise.resolve(ownership(deps, taken));
}

/** `new.policy`: what the archive never had waits for a person, or not, as the suite has it. */
export function newPolicy(deps: StateDeps, upload: Upload & (PlacedSource | PlacedBinaries)): CheckResult<object> {
  const fresh =
    'items' in upload
      ? upload.items.filter(({ placed }) => placed.isNew).map(({ binary }) => binary.control.name)
      : upload.placed.isNew
        ? [upload.source]
        : [];
  if (fresh.length === 0) return passed();
  const names = fresh.join(', ');
  if (deps.suite.newPolicy === 'accept') return passed({}, `new, and taken without review: ${names}`);
  if (deps.approved) return passed({}, `new, and approved: ${names}`);
  return {
    kind: 'held',
    adds: {},
    sentence: `New to the archive ${upload.archive}: ${names}.`,
    remedy: 'a reviewer of NEW accepts or rejects it',
  };
}

function ownership(deps: StateDeps, taken: readonly string[]): CheckResult<object> {
  if (taken.length === 0) return passed();
  const names = taken.join(', ');
  if (deps.approved) return passed({}, `taken over, approved: ${names}`);
  return {
    kind: 'held',
    adds: {},
    sentence: `It takes over names of other sources: ${names}.`,
    remedy: 'a reviewer accepts or rejects the takeover',
  };
}

function unknownComponent(deps: StateDeps, name: string, component: string): CheckResult<never> {
  return failed(
    `${name} belongs to the component ${component}, and ${deps.suite.name} has ${deps.suite.components.join(', ')}.`,
    'mend the Section in debian/control, or give the suite the component',
  );
}
