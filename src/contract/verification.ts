/**
 * Decisions verified again, and the evidence that they are verified by: one document that holds all of it, so that it can be
 * verified on a machine without any server, years later.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { access } from './access.ts';
import { json, refusals } from './responses.ts';
import { id, idInPath, sha256, time } from './values.ts';

/** What the first line of an evidence file says. */
export const EVIDENCE_FORMAT = 'landfall-decision-evidence-1';

const bytes = z.base64();

export const evidenceSchema = z
  .object({
    format: z.literal(EVIDENCE_FORMAT),
    /** The decision, with all that was stored with it. */
    record: z.object({
      decisionId: id,
      tagId: id,
      submissionId: id,
      repository: z.string(),
      archive: z.string(),
      ref: z.string(),
      objectId: z.string(),
      outcome: z.enum(['accepted', 'rejected']),
      code: z.string(),
      sentence: z.string(),
      remedy: z.string().nullable(),
      checks: z.array(z.object({ code: z.string(), outcome: z.string(), detail: z.string() })),
      tagObject: bytes.nullable(),
      signatureKind: z.enum(['openpgp', 'ssh']).nullable(),
      keyFingerprint: z.string().nullable(),
      keyMaterial: bytes.nullable(),
      signer: z.string().nullable(),
      commitId: z.string().nullable(),
      upstreamCommitId: z.string().nullable(),
      source: z.string().nullable(),
      version: z.string().nullable(),
      suite: z.string().nullable(),
      quilt: z.string().nullable(),
      grant: z.string().nullable(),
      decidedBy: z.string(),
      decidedAt: time,
      frozen: z
        .object({
          sha256,
          size: z.int().nonnegative(),
          tagObjectId: z.string(),
          commitId: z.string(),
          upstreamCommitId: z.string().nullable(),
          pristineTarCommitId: z.string().nullable(),
        })
        .nullable(),
    }),
    /** What the event of the decision keeps about the record; null where none was kept. */
    fingerprint: z.object({ sha256, fields: z.record(z.string(), z.string()) }).nullable(),
    /** As of `exportedAt`. */
    revoked: z.object({ at: time, reason: z.string() }).nullable(),
    exportedAt: time,
  })
  .openapi('DecisionEvidence');
export type Evidence = z.infer<typeof evidenceSchema>;

export const verificationSchema = z
  .object({
    tagId: id,
    decisionId: id,
    /** What the decision was. */
    decision: z.enum(['accepted', 'rejected']),
    verified: z.boolean(),
    /** The first step that failed; null when none did. */
    code: z.string().nullable(),
    sentence: z.string(),
    steps: z.array(
      z.object({ code: z.string(), outcome: z.enum(['passed', 'failed', 'not-applicable']), detail: z.string() }),
    ),
    evidence: evidenceSchema,
  })
  .openapi('Verification');
export type TagVerification = z.infer<typeof verificationSchema>;

export const verifyTagRoute = createRoute({
  method: 'post',
  path: '/api/v1/tags/{id}/verify',
  summary: 'Verify the newest decision of a tag again, from what was stored with it',
  tags: ['tags'],
  ...access('person'),
  request: { params: z.object({ id: idInPath }) },
  responses: { 200: json(verificationSchema, 'What was looked at again, and the evidence'), ...refusals },
});
