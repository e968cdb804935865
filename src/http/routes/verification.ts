/** A decision verified again when somebody asks. */
import { EVIDENCE_FORMAT, verifyTagRoute, type Evidence } from '../../contract/verification.ts';
import { verifyDecisionOfTag, type VerifiedDecision } from '../../tags/index.ts';
import type { HttpDeps } from '../deps.ts';
import { Refusal } from '../refusal.ts';
import { viewsFor } from '../views.ts';
import { audiencesOfCaller, mutable, orNotFound, requirePerson, type Api } from './shared.ts';

export function verificationRoutes(app: Api, deps: HttpDeps): void {
  app.openapi(verifyTagRoute, async (c) => {
    const person = requirePerson(c.get('caller'));
    const { id } = c.req.valid('param');
    const tag = orNotFound(await viewsFor(deps, audiencesOfCaller(person)).tag(id), `tag ${id}`);
    const verified = await verifyDecisionOfTag(deps, id);
    if (verified === undefined) {
      throw new Refusal({
        status: 409,
        code: 'tags.undecided',
        detail: `tag ${id} is ${tag.state}: there is no decision to verify yet`,
        remedy: `see what it waits for: landfall tag show ${id}`,
      });
    }
    const { evidence, verification } = verified;
    return c.json(
      {
        tagId: id,
        decisionId: evidence.decisionId,
        decision: evidence.outcome,
        verified: verification.kind === 'verified',
        code: verification.kind === 'failed' ? verification.code : null,
        sentence: verification.sentence,
        steps: mutable(verification.steps),
        evidence: evidenceOf(verified, deps.clock.now()),
      },
      200,
    );
  });
}

function evidenceOf(verified: VerifiedDecision, now: Date): Evidence {
  const { evidence, surroundings } = verified;
  const base64 = (bytes: Uint8Array | null): string | null =>
    bytes === null ? null : Buffer.from(bytes).toString('base64');
  const { fingerprint, revoked } = surroundings;
  return {
    format: EVIDENCE_FORMAT,
    record: {
      ...mutable(evidence),
      checks: evidence.checks.map((check) => ({ ...check })),
      tagObject: base64(evidence.tagObject),
      keyMaterial: base64(evidence.keyMaterial),
      decidedAt: evidence.decidedAt.toISOString(),
      frozen: evidence.frozen === null ? null : { ...evidence.frozen },
    },
    fingerprint: fingerprint === undefined ? null : { sha256: fingerprint.sha256, fields: { ...fingerprint.fields } },
    revoked: revoked === undefined ? null : { at: revoked.at.toISOString(), reason: revoked.reason },
    exportedAt: now.toISOString(),
  };
}
