/**
 * Tags: from a hint that something was pushed to a decision that the rest of Landfall acts upon.
 *
 * Read model.ts first (the states and the list of checks), then scan.ts, decide.ts and verify.ts.
 */
export { checkTag, type CheckedTag, type TagVerdict } from './check.ts';
export type { TagDeps } from './deps.ts';
export { CHECKS, type CheckCode, type CheckOutcome, type RecordedCheck, type TagState } from './model.ts';
export { receiveNotice, redecideTag, retryTag, waitForRef } from './service.ts';
export type { Asked, Notice, RefAnswer, RepositoryName } from './service.ts';
export { TAG_CRON, tagTasks } from './tasks.ts';
export type { DecisionEvidence } from './store.ts';
export { verifyDecision, verifyDecisionById, verifyDecisionOf, type DecisionCheck } from './verify-decision.ts';
