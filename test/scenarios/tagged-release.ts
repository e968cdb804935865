/**
 * A release in an archive's world that a signed tag let in, with all that the decision leaves behind, so that the archive can
 * verify it again: Alice, her key, her tag object with its real signature, the decision, the frozen input.
 */
import { sql } from 'kysely';
import { jsonText } from '../../src/platform/database.ts';
import { CHECKS } from '../../src/tags/index.ts';
import type { ArchiveWorld } from './archive.ts';
import { SIGNER_FINGERPRINT, SIGNER_MATERIAL, signedTag } from './signed-tag.ts';

export interface Signer {
  readonly personId: number;
  readonly keyId: number;
}

/** Alice, with the key that {@link letInByTag} signs with. Once in a world. */
export async function addSigner({ db }: ArchiveWorld): Promise<Signer> {
  const person = await db
    .insertInto('people')
    .values({ handle: 'alice', name: 'Alice', email: 'alice@example.org' })
    .returning('id')
    .executeTakeFirstOrThrow();
  const key = await db
    .insertInto('keys')
    .values({ person_id: person.id, kind: 'ssh', fingerprint: SIGNER_FINGERPRINT, material: SIGNER_MATERIAL })
    .returning('id')
    .executeTakeFirstOrThrow();
  return { personId: person.id, keyId: key.id };
}

/** The accepted tag of a submission whose version is reserved. */
export async function letInByTag(
  world: ArchiveWorld,
  release: {
    readonly submissionId: number;
    readonly source: string;
    readonly version: string;
    readonly personId: number;
  },
): Promise<void> {
  const { db } = world;
  const { submissionId, source, version, personId } = release;
  const commitId = 'c'.repeat(40);
  const { bytes, objectId } = signedTag({ distro: 'landing', source, version, commitId });
  const git = await db
    .insertInto('git_repositories')
    .values({ name: `${source}-${submissionId}`, url: `https://forge.example/${submissionId}` })
    .returning('id')
    .executeTakeFirstOrThrow();
  const grant = await db
    .insertInto('grants')
    .values({ person_id: personId, action: 'release', suite_pattern: `s${submissionId}`, granted_by: 'test' })
    .returning('id')
    .executeTakeFirstOrThrow();
  const tag = await db
    .insertInto('tags')
    .values({
      git_repository_id: git.id,
      submission_id: submissionId,
      ref: `refs/tags/landing/${version}`,
      object_id: objectId,
      distro: 'landing',
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await db
    .insertInto('tag_decisions')
    .values({
      tag_id: tag.id,
      outcome: 'accepted',
      code: 'accepted',
      sentence: 'Accepted.',
      checks: jsonText(CHECKS.map(({ code }) => ({ code, outcome: 'passed', detail: '' }))),
      tag_object: bytes,
      signature_kind: 'ssh',
      key_fingerprint: SIGNER_FINGERPRINT,
      key_material: SIGNER_MATERIAL,
      person_id: personId,
      commit_id: commitId,
      source,
      version,
      suite_id: world.suiteId,
      quilt: 'gbp',
      grant_id: grant.id,
      decided_by: 'landfall',
    })
    .execute();
  await sql`UPDATE tags SET state = 'accepted', decided_at = now() WHERE id = ${tag.id}`.execute(db);
  const pack = await world.blobs.put(Buffer.from(`pack ${submissionId}`));
  if (pack.kind !== 'stored') throw new Error('not stored');
  await db
    .insertInto('frozen_inputs')
    .values({
      submission_id: submissionId,
      sha256: pack.sha256,
      size: pack.size,
      object_format: 'sha1',
      tag_object_id: objectId,
      commit_id: commitId,
    })
    .execute();
}
