/** What the decision on a submission's tag said, read back to hold a delivered source against it. */
import type { Db } from '../platform/database.ts';
import type { QuiltMode } from '../sources/index.ts';

export interface AcceptedTag {
  /** Of the key that signed the tag. */
  readonly fingerprint: string;
  /** `Name <address>`, as the tag says it. */
  readonly tagger: string;
  readonly quilt: QuiltMode;
  readonly tagObjectId: string;
  readonly commitId: string;
  readonly upstreamCommitId: string | null;
  readonly pristineTarCommitId: string | null;
  readonly frozen: { readonly sha256: string; readonly size: number; readonly objectFormat: 'sha1' | 'sha256' };
}

const QUILT_MODES: readonly QuiltMode[] = ['gbp', 'unapplied', 'linear', 'baredebian', 'native'];

/** Undefined when the submission did not come by a tag, or its tag was not accepted. */
export async function findAcceptedTag(db: Db, submissionId: number): Promise<AcceptedTag | undefined> {
  const row = await db
    .selectFrom('tags as t')
    .innerJoin('tag_decisions as d', 'd.tag_id', 't.id')
    .innerJoin('frozen_inputs as f', 'f.submission_id', 't.submission_id')
    .where('t.submission_id', '=', submissionId)
    .where('t.state', '=', 'accepted')
    .where('d.outcome', '=', 'accepted')
    .select([
      'd.key_fingerprint',
      'd.tag_object',
      'd.quilt',
      'f.sha256',
      'f.size',
      'f.object_format',
      'f.tag_object_id',
      'f.commit_id',
      'f.upstream_commit_id',
      'f.pristine_tar_commit_id',
    ])
    .executeTakeFirst();
  const quilt = QUILT_MODES.find((mode) => mode === row?.quilt);
  if (row?.key_fingerprint == null || row.tag_object === null || quilt === undefined) return undefined;
  return {
    fingerprint: row.key_fingerprint,
    tagger: taggerOf(row.tag_object),
    quilt,
    tagObjectId: row.tag_object_id,
    commitId: row.commit_id,
    upstreamCommitId: row.upstream_commit_id,
    pristineTarCommitId: row.pristine_tar_commit_id,
    frozen: { sha256: row.sha256, size: row.size, objectFormat: row.object_format },
  };
}

/** Name and address of a tag object's header, whose form the decision has checked. */
function taggerOf(tagObject: Buffer): string {
  const text = tagObject.toString('utf8');
  const headers = text.slice(0, Math.max(0, text.indexOf('\n\n')));
  return /^tagger ([^\n]*<[^<>\n]*>) [0-9]+ [+-][0-9]{4}$/m.exec(headers)?.[1] ?? '';
}
