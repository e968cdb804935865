/**
 * What an acceptance writes, all in the caller's transaction: names in the pool, packages with their stanzas, overrides,
 * membership of the suite, and what follows from it. The caller holds the archive's lock and has run every check.
 */
import { packageLocation } from '../debian/contents.ts';
import { formatPackagesStanza, formatTranslationStanza } from '../debian/packages.ts';
import { poolDirectory } from '../debian/pool.ts';
import { formatSourcesStanza } from '../debian/sources.ts';
import type { Trx } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { recordEvent } from '../platform/events.ts';
import { enqueue } from '../platform/tasks.ts';
import { acceptVersion, namePoolFile, raiseHighWaterMark, type Suite } from '../registry/index.ts';
import type { AcceptableBinaries, AcceptableSource } from './checks/lists.ts';
import type { NamedFile } from './checks/state.ts';
import { debugSymbolsOf } from './package-list.ts';
import { componentOf, findOverride, setOverride } from './placement.ts';
import { addBinary, addSource, holdOpenSerial, settleIndependent } from './suite-content.ts';

export const PUBLISH_TASK = 'archive.publish';

/** Accepts a source package, and asks for its binaries to be built. */
export async function acceptSource(trx: Trx, upload: AcceptableSource, suite: Suite, actor: string): Promise<void> {
  const { archiveId, submissionId, source, version, dsc, placed } = upload;
  const accepted = await acceptVersion(trx, submissionId);
  if (accepted.kind === 'not-reserved') throw unsettled(`accept ${source} ${version}`, 'its version is not reserved');
  const poolFileIds = await nameAll(trx, archiveId, upload.named);
  const dscDigests = upload.digests.get(upload.dscName);
  if (dscDigests === undefined) throw new Error(`${upload.dscName} has no digests`);
  const stanza = formatSourcesStanza(
    dsc,
    { name: upload.dscName, ...dscDigests },
    poolDirectory(placed.component, source),
    { section: placed.section, priority: placed.priority },
  );
  const row = await trx
    .insertInto('source_packages')
    .values({
      archive_id: archiveId,
      upload_id: upload.id,
      submission_id: submissionId,
      name: source,
      version,
      component: placed.component,
      stanza,
      dsc_sha256: dscDigests.sha256,
      changelog_sha256: upload.changelog?.sha256 ?? null,
      changelog_size: upload.changelog?.size ?? null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await trx
    .insertInto('package_files')
    .values(poolFileIds.map((poolFileId) => ({ source_package_id: row.id, pool_file_id: poolFileId })))
    .execute();
  if (upload.paths !== undefined) {
    await trx
      .insertInto('package_contents')
      .values({ source_package_id: row.id, location: source, paths: upload.paths.join('\n') })
      .execute();
  }
  await addSource(trx, suite.id, await holdOpenSerial(trx, suite.id), row.id);
  await raiseHighWaterMark(trx, { suiteId: suite.id, source, version, actor, reason: `upload ${upload.id}` });

  await setOverride(trx, archiveId, { kind: 'source', package: source, source }, placed);
  for (const { name, type, section, priority } of upload.declared.values()) {
    const known = await findOverride(trx, archiveId, type, name);
    await setOverride(
      trx,
      archiveId,
      { kind: type, package: name, source },
      {
        component: known?.component ?? componentOf(section ?? placed.section, suite.components),
        section: known?.section ?? section ?? placed.section,
        priority: known?.priority ?? priority ?? 'optional',
      },
    );
  }

  await recordEvent(trx, {
    kind: 'source.accepted',
    submissionId,
    actor,
    data: {
      uploadId: upload.id,
      source,
      version,
      archive: upload.archive,
      suite: suite.name,
      component: placed.component,
    },
  });
  await enqueue(trx, 'builds.plan-binaries', { submissionId });
  await enqueuePublication(trx, suite.id);
}

/** Accepts the binary packages that one build made. */
export async function acceptBinaries(trx: Trx, upload: AcceptableBinaries, suite: Suite, actor: string): Promise<void> {
  const { archiveId, submissionId, sourcePackageId, source } = upload;
  const poolFileIds = await nameAll(
    trx,
    archiveId,
    upload.items.map(({ file }) => file),
  );
  const serials = new Map<number, number>();
  for (const suiteId of [...new Set(upload.items.map((item) => item.suiteId))].sort((a, b) => a - b)) {
    serials.set(suiteId, await holdOpenSerial(trx, suiteId));
  }
  for (const [index, { binary, placed, file, suiteId }] of upload.items.entries()) {
    const { control, type, digests, paths } = binary;
    // Installers read no Translation: a udeb's description stays whole.
    const description = type === 'deb' ? 'short' : 'whole';
    const row = await trx
      .insertInto('binary_packages')
      .values({
        archive_id: archiveId,
        upload_id: upload.id,
        source_package_id: sourcePackageId,
        name: control.name,
        version: control.version,
        architecture: control.architecture,
        type,
        component: placed.component,
        stanza: formatPackagesStanza(
          control,
          { filename: file.path, size: digests.size, md5: digests.md5, sha256: digests.sha256 },
          { section: placed.section, priority: placed.priority },
          { description },
        ),
        translation: description === 'short' ? formatTranslationStanza(control) : null,
        sha256: digests.sha256,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const poolFileId = poolFileIds[index];
    const serial = serials.get(suiteId);
    if (poolFileId === undefined || serial === undefined) throw new Error('a binary package has no file or no suite');
    await trx.insertInto('package_files').values({ binary_package_id: row.id, pool_file_id: poolFileId }).execute();
    if (paths !== undefined) {
      await trx
        .insertInto('package_contents')
        .values({
          binary_package_id: row.id,
          location: packageLocation(control.name, placed.section),
          paths: paths.join('\n'),
        })
        .execute();
    }
    if (debugSymbolsOf(control.name) === undefined) {
      await setOverride(trx, archiveId, { kind: type, package: control.name, source }, placed);
    }
    if (control.architecture !== 'all') await addBinary(trx, suiteId, control.architecture, serial, row.id);
  }
  for (const [suiteId, serial] of serials) {
    if (suiteId === suite.id) await settleIndependent(trx, suite, serial, sourcePackageId);
  }
  await recordEvent(trx, {
    kind: 'binary.accepted',
    submissionId,
    actor,
    data: {
      uploadId: upload.id,
      archive: upload.archive,
      suite: suite.name,
      architecture: upload.build.architecture,
      packages: upload.items.map(({ binary: { control } }) => ({
        name: control.name,
        version: control.version,
        architecture: control.architecture,
      })),
    },
  });
  for (const suiteId of serials.keys()) await enqueuePublication(trx, suiteId);
}

/** Asks for a suite to be published; asked for often, it is done once. */
export async function enqueuePublication(
  trx: Trx,
  suiteId: number,
  options: { readonly runAt?: Date; readonly reason?: 'change' | 'renewal' | 'request' } = {},
): Promise<void> {
  await enqueue(
    trx,
    PUBLISH_TASK,
    { suiteId, ...(options.reason === undefined ? {} : { reason: options.reason }) },
    { jobKey: `publish:${suiteId}`, ...(options.runAt === undefined ? {} : { runAt: options.runAt }) },
  );
}

async function nameAll(trx: Trx, archiveId: number, files: readonly NamedFile[]): Promise<number[]> {
  const ids: number[] = [];
  for (const file of files) {
    const named = await namePoolFile(trx, { archiveId, ...file });
    if (named.kind === 'conflict') throw unsettled(`name ${file.path}`, 'it stands for other bytes');
    ids.push(named.id);
  }
  return ids;
}

/** The checks ran behind the archive's lock, so this is a fault of the code; nothing of the transaction remains. */
function unsettled(doing: string, reason: string): LandfallError {
  return new LandfallError({ code: 'archive.unsettled', doing, reason });
}
