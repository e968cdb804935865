/**
 * The archive: takes what workers deliver, checks it from scratch, accepts it into pool and suite, and publishes suites that
 * apt reads. model.ts has the states; checks/lists.ts the checks in order; publish/publisher.ts the way to a served suite.
 */
export { publishOrTell } from './behind.ts';
export { changeArchiveKey, planKeyChange, type KeyChangeRequest, type KeyRefusal } from './key-changes.ts';
export { checkArchives, type CheckResult } from './check/check.ts';
export type { CheckArchiveDeps } from './check/deps.ts';
export { describeRepair, planRepairs, type CheckFinding, type Repair } from './check/findings.ts';
export { doRepairs, type RepairOutcome } from './check/repair.ts';
export { withoutCollection } from './collect-lock.ts';
export { archiveKey, archiveKeyring } from './keys.ts';
export { namedBlobs, usesOf, type NamedBlob } from './named-blobs.ts';
export { fillPools } from './publish/fill-pools.ts';
export { goForward, isBehind, readSerials, type SuiteSerials } from './publish/forward.ts';
export type { PublishDeps } from './publish/publication.ts';
export { publishSuite } from './publish/publisher.ts';
export { receiveDelivery } from './receive.ts';
export { renewSuites } from './renew.ts';
export { planRevocation, revokeAndSuspend } from './revocation.ts';
export { checkSignerLog } from './signer-log.ts';
export type { ArchiveKey, ReleaseSigner } from './signer.ts';
export { findSnapshot, parseSnapshotId } from './snapshots/find.ts';
export { openSnapshotFile, type SnapshotFile } from './snapshots/open.ts';
export { findTakedown, takedownWords } from './takedown/find.ts';
export { listTakedowns } from './takedown/list.ts';
export { planTakedown, takeDown, type TakedownPlan } from './takedown/takedown.ts';
export { folderStorages, type Storages } from './storage.ts';
export { ARCHIVE_CRON, archiveTasks } from './tasks.ts';
