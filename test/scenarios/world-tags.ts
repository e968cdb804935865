/** The world's tags and their sources, each as its module leaves it in the database: seen, obstructed, let in, rejected, prepared. */
import { sql } from 'kysely';
import { jsonText, withTransaction } from '../../src/platform/database.ts';
import { recordEvent } from '../../src/platform/events.ts';
import { createSubmission, describeSubmission, freeVersion, reserveVersion } from '../../src/registry/index.ts';
import { CHECKS } from '../../src/tags/index.ts';
import { SIGNER_FINGERPRINT, SIGNER_MATERIAL, signedTag } from './signed-tag.ts';
import { type Release, type World, type WorldArchive, hash } from './world.ts';

/** A tag is seen under refs/tags/landfall/VERSION. */
export async function seeTag(
  world: World,
  release: { readonly source?: string; readonly version: string; readonly archive?: WorldArchive },
): Promise<Release> {
  const archive = release.archive ?? world.main;
  const source = release.source ?? 'hello';
  return await withTransaction(world.db, async (trx) => {
    const submissionId = await createSubmission(trx, { origin: 'tag', archiveId: archive.id });
    const { id } = await trx
      .insertInto('tags')
      .values({
        git_repository_id: archive.gitRepositoryId,
        submission_id: submissionId,
        ref: `refs/tags/landfall/${release.version}`,
        object_id: tagOf(source, release.version).objectId,
        distro: 'landfall',
        decided_at: null,
        retry_at: null,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    await recordEvent(trx, { kind: 'tag.seen', submissionId, actor: 'landfall', data: { tagId: id } });
    return { archive, submissionId, tagId: id, source, version: release.version };
  });
}

const DECISION = {
  remedy: null,
  tag_object: null,
  signature_kind: null,
  key_fingerprint: null,
  key_material: null,
  person_id: null,
  commit_id: null,
  upstream_commit_id: null,
  source: null,
  version: null,
  suite_id: null,
  quilt: null,
  grant_id: null,
  decided_by: 'landfall',
} as const;

export async function rejectTag(
  world: World,
  release: Release,
  rejection: { readonly code: string; readonly sentence: string; readonly remedy: string; readonly personId?: number },
): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    await trx
      .insertInto('tag_decisions')
      .values({
        ...DECISION,
        tag_id: release.tagId,
        outcome: 'rejected',
        code: rejection.code,
        sentence: rejection.sentence,
        remedy: rejection.remedy,
        person_id: rejection.personId ?? null,
        source: release.source,
        version: release.version,
        checks: jsonText([
          { code: 'tag.object', outcome: 'passed', detail: 'an annotated tag' },
          { code: rejection.code, outcome: 'failed', detail: rejection.sentence },
        ]),
      })
      .execute();
    await sql`UPDATE tags SET state = 'rejected', decided_at = clock_timestamp() WHERE id = ${release.tagId}`.execute(
      trx,
    );
    await recordEvent(trx, { kind: 'tag.rejected', submissionId: release.submissionId, actor: 'landfall' });
  });
}

export async function obstructTag(world: World, release: Release, retryAt: Date | null): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    await trx
      .insertInto('tag_obstacles')
      .values({
        tag_id: release.tagId,
        code: 'forge.unreachable',
        sentence: 'the forge does not answer',
        remedy: null,
        checks: '[]',
      })
      .execute();
    await trx
      .updateTable('tags')
      .set({ state: 'obstructed', retry_at: retryAt })
      .where('id', '=', release.tagId)
      .execute();
  });
}

/** The tag object of a release; the same for the same words. */
function tagOf(source: string, version: string): { bytes: Buffer; objectId: string; commitId: string } {
  const commitId = hash(`commit ${source} ${version}`).slice(0, 40);
  return { ...signedTag({ distro: 'landfall', source, version, commitId }), commitId };
}

/** Alice's tag is let in: decision, reserved version, frozen input, one orig. */
export async function acceptTag(world: World, release: Release): Promise<void> {
  const { archive, submissionId, source, version } = release;
  const { bytes, objectId: tagObjectId, commitId } = tagOf(source, version);
  await withTransaction(world.db, async (trx) => {
    const grant = await trx
      .insertInto('grants')
      .values({
        person_id: world.alice,
        group_id: null,
        action: 'release',
        granted_by: 'landfall',
        valid_until: null,
        withdrawn_at: null,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning('id')
      .executeTakeFirst();
    const grantId = grant?.id ?? (await trx.selectFrom('grants').select('id').executeTakeFirstOrThrow()).id;
    await trx
      .insertInto('tag_decisions')
      .values({
        ...DECISION,
        tag_id: release.tagId,
        outcome: 'accepted',
        code: 'accepted',
        sentence: `Alice Archer may release ${source} to ${archive.suite}`,
        checks: jsonText(CHECKS.map(({ code }) => ({ code, outcome: 'passed', detail: 'as it should be' }))),
        tag_object: bytes,
        signature_kind: 'ssh',
        key_fingerprint: SIGNER_FINGERPRINT,
        key_material: SIGNER_MATERIAL,
        person_id: world.alice,
        commit_id: commitId,
        source,
        version,
        suite_id: archive.suiteId,
        quilt: 'gbp',
        grant_id: grantId,
      })
      .execute();
    await sql`UPDATE tags SET state = 'accepted', decided_at = clock_timestamp() WHERE id = ${release.tagId}`.execute(
      trx,
    );
    await describeSubmission(trx, submissionId, { suiteId: archive.suiteId, source, version, personId: world.alice });
    const reserved = await reserveVersion(trx, { archiveId: archive.id, source, version, submissionId });
    if (reserved.kind !== 'reserved') throw new Error(`${version} is taken`);
    await trx
      .insertInto('frozen_inputs')
      .values({
        submission_id: submissionId,
        sha256: hash(`pack ${source} ${version}`),
        size: 1234,
        object_format: 'sha1',
        tag_object_id: tagObjectId,
        commit_id: commitId,
        upstream_commit_id: null,
        pristine_tar_commit_id: null,
      })
      .execute();
    await recordEvent(trx, { kind: 'tag.accepted', submissionId, actor: 'person:alice' });
  });
}

/** The source of a tag that was let in is ready to be assembled: one orig tarball was found. */
export async function prepareSource(world: World, release: Release): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    await trx
      .insertInto('origs')
      .values({
        submission_id: release.submissionId,
        name: `${release.source}_1.orig.tar.gz`,
        sha256: hash(`orig ${release.source}`),
        size: 99,
        provenance: 'parent',
        detail: 'debian-stable',
      })
      .execute();
    await recordEvent(trx, { kind: 'source.prepared', submissionId: release.submissionId, actor: 'landfall' });
  });
}

/** Nobody has the upstream tarball: the version is freed. */
export async function failPreparation(world: World, release: Release): Promise<void> {
  await withTransaction(world.db, async (trx) => {
    await freeVersion(trx, release.submissionId, 'no orig');
    await recordEvent(trx, {
      kind: 'source.failed',
      submissionId: release.submissionId,
      actor: 'landfall',
      data: { code: 'orig.missing', sentence: 'no orig tarball was found', remedy: 'tag with upstream=' },
    });
  });
}
