/**
 * The background step between the decision on a tag and its source job: finds the upstream tarballs, in the order that
 * model.ts gives, and keeps their bytes, so that from here on nothing depends on a mirror or a forge.
 *
 * What it cannot find is the signer's fault and ends the submission, with the version free again; a mirror that is away is
 * nobody's, and the task is run again until it is back.
 */
import { createReadStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseVersion, upstreamOf } from '../debian/version.ts';
import type { BlobStore } from '../platform/blobs.ts';
import { withTransaction, type Db, type Trx } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { recordEvent } from '../platform/events.ts';
import { withTemporaryDirectory } from '../platform/files.ts';
import type { Paths } from '../platform/paths.ts';
import { AFTER_DECISIONS, enqueue } from '../platform/tasks.ts';
import { freeVersion, suiteParents } from '../registry/index.ts';
import { makeOrig } from './make-orig.ts';
import { isOrigName, type Provenance } from './model.ts';
import { fetchParentOrigs } from './parent-sources.ts';
import { makePristineOrigs } from './pristine-tar.ts';
import { unpackFrozenInput } from './recipe.ts';
import {
  findAcceptedTag,
  findPoolFiles,
  holdLentFiles,
  isReserved,
  recordOrigs,
  type AcceptedTag,
  type Orig,
} from './store.ts';

export interface SourceDeps {
  readonly db: Db;
  readonly blobs: BlobStore;
  readonly paths: Paths;
}

interface Found {
  readonly kind: 'found';
  readonly origs: readonly Orig[];
  /** A pool has the bytes, and nothing was stored for it. */
  readonly lent?: boolean;
}

interface NoOrig {
  readonly kind: 'none';
  readonly code: string;
  readonly sentence: string;
  readonly remedy: string;
}

/** Done once or again, it ends the same. @throws LandfallError when a mirror or the disk is not there: run it again. */
export async function prepareSource(deps: SourceDeps, submissionId: number): Promise<void> {
  const tag = await findAcceptedTag(deps.db, submissionId);
  if (tag === undefined) {
    throw new LandfallError({
      code: 'source.no-tag',
      doing: `prepare the source of submission ${submissionId}`,
      reason: 'it has no accepted tag',
    });
  }
  while (!(await decide(deps, tag)));
}

/** False when what a pool was to lend was collected meanwhile: then it is looked for again (H10). */
async function decide(deps: SourceDeps, tag: AcceptedTag): Promise<boolean> {
  const found: Found | NoOrig = tag.quilt === 'native' ? { kind: 'found', origs: [] } : await findOrigs(deps, tag);
  return await withTransaction(deps.db, async (trx) => {
    if (found.kind === 'none') {
      await giveUp(trx, tag, found);
      return true;
    }
    const hashes = found.origs.map(({ sha256 }) => sha256);
    if (found.lent === true && !(await holdLentFiles(trx, hashes))) return false;
    await proceed(trx, tag, found.origs);
    return true;
  });
}

async function proceed(trx: Trx, tag: AcceptedTag, origs: readonly Orig[]): Promise<void> {
  await recordOrigs(trx, tag.submissionId, origs);
  await recordEvent(trx, {
    kind: 'source.prepared',
    submissionId: tag.submissionId,
    audience: tag.audience,
    actor: 'landfall',
    data: { origs: origs.map(({ name, sha256, provenance, detail }) => ({ name, sha256, provenance, detail })) },
  });
  await enqueue(trx, 'builds.plan-source', { submissionId: tag.submissionId }, { priority: AFTER_DECISIONS });
}

async function giveUp(trx: Trx, tag: AcceptedTag, reason: NoOrig): Promise<void> {
  if (!(await isReserved(trx, tag.submissionId))) return;
  await freeVersion(trx, tag.submissionId, reason.sentence);
  await recordEvent(trx, {
    kind: 'source.failed',
    submissionId: tag.submissionId,
    audience: tag.audience,
    actor: 'landfall',
    data: { code: reason.code, sentence: reason.sentence, remedy: reason.remedy },
  });
}

async function findOrigs(deps: SourceDeps, tag: AcceptedTag): Promise<Found | NoOrig> {
  const version = parseVersion(tag.version);
  if ('kind' in version) throw new Error(`the accepted version ${tag.version} is not one`);
  const wanted = { source: tag.source, upstream: upstreamOf(version) };
  const parents = await suiteParents(deps.db, tag.suiteId);

  const own = await poolOrigs(deps.db, [tag.archiveId], wanted);
  if (own.length > 0) return lent(own, 'archive', "this archive's pool");
  for (const parent of parents) {
    if (parent.kind === 'suite') {
      const theirs = await poolOrigs(deps.db, [parent.archiveId], wanted);
      if (theirs.length > 0) return lent(theirs, 'parent', `the archive ${parent.archive}`);
      continue;
    }
    const origs = await inScratch(deps, async (folder) => {
      const state = join(deps.paths.root, 'parents', parent.name);
      const names = await fetchParentOrigs(parent, wanted, state, folder);
      return await keep(deps.blobs, folder, names, 'parent', `${parent.name} (${parent.uri} ${parent.suite})`);
    });
    if (origs.length > 0) return { kind: 'found', origs };
  }
  return await inScratch(deps, async (folder) => await fromSignedObjects(deps, tag, wanted, folder));
}

function lent(files: readonly LentFile[], provenance: Provenance, detail: string): Found {
  return { kind: 'found', lent: true, origs: files.map((file) => ({ ...file, provenance, detail })) };
}

type LentFile = Pick<Orig, 'name' | 'sha256' | 'size'>;

async function poolOrigs(
  db: Db,
  archiveIds: readonly number[],
  wanted: { source: string; upstream: string },
): Promise<LentFile[]> {
  const files = await findPoolFiles(db, archiveIds, `${wanted.source}_${wanted.upstream}.orig`);
  return files
    .filter(({ name }) => isOrigName(name, wanted.source, wanted.upstream))
    .map(({ name, sha256, size }) => ({ name, sha256, size }));
}

/** Out of what the tag's signature covers: a pristine-tar commit before the upstream commit. */
async function fromSignedObjects(
  deps: SourceDeps,
  tag: AcceptedTag,
  wanted: { source: string; upstream: string },
  folder: string,
): Promise<Found | NoOrig> {
  const upstream = tag.upstreamCommitId;
  if (upstream === undefined) {
    return {
      kind: 'none',
      code: 'source.orig-missing',
      sentence: `no orig tarball of ${wanted.source} ${wanted.upstream} is in the archive or a parent, and the tag names no upstream commit to make one from`,
      remedy: 'tag with `git debpush --upstream=TAG`, or upload the orig once to a parent suite',
    };
  }
  const shallow = [tag.commitId, upstream, ...(tag.pristineTarCommitId === undefined ? [] : [tag.pristineTarCommitId])];
  const gitDir = await unpackFrozenInput(await deps.blobs.open(tag.frozen.sha256), join(folder, 'frozen.git'), {
    objectFormat: tag.frozen.objectFormat,
    shallow,
    maxBytes: tag.frozen.size,
  });
  if (tag.pristineTarCommitId !== undefined) {
    const commits = { pristineTar: tag.pristineTarCommitId, upstream };
    const made = await makePristineOrigs(gitDir, commits, wanted, folder);
    if (made.kind === 'made') {
      const detail = `the signed commit ${tag.pristineTarCommitId}`;
      return { kind: 'found', origs: await keep(deps.blobs, folder, made.names, 'pristine-tar', detail) };
    }
    return {
      kind: 'none',
      code: 'source.pristine-tar',
      sentence: `the signed pristine-tar commit gives no orig tarball: ${made.reason}`,
      remedy: 'mend the pristine-tar branch with `gbp pristine-tar commit`, and release the next version',
    };
  }
  const name = await makeOrig(gitDir, upstream, wanted, folder);
  const detail = `made from the upstream commit ${upstream}`;
  return { kind: 'found', origs: await keep(deps.blobs, folder, [name], 'upstream-commit', detail) };
}

/** Puts files into the blob store, which is the only place where their bytes are kept. */
async function keep(
  blobs: BlobStore,
  folder: string,
  names: readonly string[],
  provenance: Provenance,
  detail: string,
): Promise<Orig[]> {
  const origs: Orig[] = [];
  for (const name of names) {
    const stored = await blobs.put(createReadStream(join(folder, name)));
    if (stored.kind !== 'stored') throw new Error(`a blob without conditions was refused: ${stored.kind}`);
    origs.push({ name, sha256: stored.sha256, size: stored.size, provenance, detail });
  }
  return origs;
}

async function inScratch<T>(deps: SourceDeps, use: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(deps.paths.temporary, { recursive: true });
  return await withTemporaryDirectory(use, { parent: deps.paths.temporary });
}
