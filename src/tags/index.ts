/**
 * Tags: from a hint that something was pushed to a decision that the rest of Landfall acts upon.
 *
 * Read model.ts first (the states and the list of checks), then scan.ts, decide.ts and verify.ts.
 */
export { checkTag, type CheckedTag, type TagVerdict } from './check.ts';
export type { TagDeps } from './deps.ts';
export { CHECKS, type CheckCode, type CheckOutcome, type RecordedCheck, type TagState } from './model.ts';
export { adoptTag, type Adopted } from './adopt.ts';
export { createNoticeLimiter, type NoticeLimiter } from './notice-limit.ts';
export { findNoticed, planDiscovery, planLook, receiveNotice, takeFirstNotice, takeNotices } from './notices.ts';
export type { Notice, Noticed, RepositoryName } from './notices.ts';
export { redecideTag, retryTag, waitForRef } from './service.ts';
export type { Asked, RefAnswer } from './service.ts';
export { TAG_CRON, tagTasks } from './tasks.ts';
export { verifyDecisionOf, verifyDecisionOfTag, type VerifiedDecision } from './verify-decision.ts';
