/**
 * Lighthouse: jobs, leases, fencing, worker pools, logs. It knows no Debian: what a job does is in its payload, and whether a
 * result is good is for others to say.
 */
export {
  createJob,
  succeedJob,
  refuseDelivery,
  loseDelivery,
  giveBack,
  cancel,
  block,
  unblock,
  type NewJob,
  type PersonsMove,
} from './jobs.ts';
export { authenticateWorker, type WorkerIdentity } from './identity.ts';
export { createJoinToken, joinWorker } from './join.ts';
export { ensureWorkerPool, revokeWorker, setWorkerEnabled } from './workers.ts';
export { lease, openLeaseDesk, type LeaseDesk } from './leases.ts';
export { deliver, failAttempt, heartbeat, markPhase } from './attempts.ts';
export { payloadOfAttempt } from './payload.ts';
export { putFile, type AnnouncedFile, type PutFileDeps } from './files.ts';
export { appendLog, followLog, getAttempt, logSize, readLog } from './logs.ts';
export { whyJobsWait, whyWaiting } from './why.ts';
export { LEASE_SECONDS, type JobState } from './model.ts';
export { LIGHTHOUSE_CHANNELS, createSignals, createWaiter, type Signals } from './signals.ts';
export { LIGHTHOUSE_CRON, lighthouseTasks, watchLeases } from './tasks.ts';
export type { Refusal } from './store.ts';
