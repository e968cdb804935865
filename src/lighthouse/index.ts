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
  type Verdict,
} from './jobs.ts';
export { authenticateWorker, type WorkerIdentity } from './identity.ts';
export { createJoinToken, joinWorker, type JoinRequest, type JoinResult, type NewJoinToken } from './join.ts';
export { ensureWorkerPool, revokeWorker, setWorkerEnabled, type RevokeResult, type WorkerOutput } from './workers.ts';
export { lease, openLeaseDesk, type Lease, type LeaseDesk, type LeaseDeskDeps, type LeaseRequest } from './leases.ts';
export {
  deliver,
  failAttempt,
  heartbeat,
  markPhase,
  type AttemptFailure,
  type Delivered,
  type Heartbeat,
} from './attempts.ts';
export { payloadOfAttempt } from './payload.ts';
export { putFile, type AnnouncedFile, type PutFileDeps, type PutFileResult } from './files.ts';
export {
  MAX_LOG_BYTES,
  appendLog,
  followLog,
  getAttempt,
  logSize,
  readLog,
  type AppendResult,
  type AttemptView,
  type FollowOptions,
  type LogRange,
} from './logs.ts';
export { PRESENT_SECONDS, whyJobsWait, whyWaiting, type Waiting } from './why.ts';
export { LEASE_SECONDS, type AttemptState, type EndState, type JobState } from './model.ts';
export { LIGHTHOUSE_CHANNELS, createSignals, createWaiter, type Signals } from './signals.ts';
export { LIGHTHOUSE_CRON, lighthouseTasks, watchLeases, type LighthouseTaskDeps } from './tasks.ts';
export type { Refusal } from './store.ts';
