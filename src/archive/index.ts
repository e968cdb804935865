/**
 * The archive: takes what workers deliver, checks it from scratch, accepts it into pool and suite, and publishes suites that
 * apt reads. model.ts has the states; checks/lists.ts the checks in order; publish/publisher.ts the way to a served suite.
 */
export { archiveKey, archiveKeyring } from './keys.ts';
export { receiveDelivery } from './receive.ts';
export type { ReleaseSigner } from './signer.ts';
export { folderStorages, type Storages } from './storage.ts';
export { ARCHIVE_CRON, archiveTasks } from './tasks.ts';
