/**
 * The archive: takes what workers deliver, checks it from scratch, accepts it into pool and suite, and publishes suites that
 * apt reads. model.ts has the states; checks/lists.ts the checks in order; publish/publisher.ts the way to a served suite.
 */
export { enqueuePublication } from './accept.ts';
export { checkCodes } from './checks/lists.ts';
export { decideUpload, reviewUpload, type Decision, type Review } from './decide.ts';
export { openIndexKeeper } from './index-keeper/store.ts';
export { archiveKey, archiveKeyring } from './keys.ts';
export { collectOrphans } from './orphans.ts';
export type { PublishDeps, PublishReason, PublishResult } from './publish/publication.ts';
export { publishSuite } from './publish/publisher.ts';
export { receiveDelivery, type DeliveryAnswer, type DeliveryNote } from './receive.ts';
export { renewSuites } from './renew.ts';
export type { ArchiveKey, ReleaseSigner, ReleaseStatement, SignedRelease } from './signer.ts';
export { ARCHIVE_CRON, archiveTasks, type ArchiveDeps } from './tasks.ts';
