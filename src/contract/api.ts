/** Every route of the contract. The server must answer each; the description and the access test are made from this list. */
import { applyRoute, planRoute } from './apply.ts';
import {
  archiveKeysRoute,
  changeKeyRoute,
  checkSignerLogRoute,
  planKeyChangeRoute,
  signerLogRoute,
} from './archive-keys.ts';
import { planTakedownRoute, takeDownRoute, takedownsRoute } from './takedowns.ts';
import { buildRoute, buildsRoute, cancelRoute, giveBackRoute, jobRoute } from './builds.ts';
import { eventsRoute } from './events.ts';
import { gitRepositoriesRoute } from './git-repositories.ts';
import { importKeysRoute, keyRoute, keysRoute, planKeysRoute, revokeKeyRoute } from './keys.ts';
import { logRoute } from './logs.ts';
import { lowerMarkRoute, markRoute } from './marks.ts';
import { enrolRoute, inviteRoute, peopleRoute, personRoute } from './people.ts';
import { snapshotRoute, snapshotsRoute, snapshotSuitesRoute } from './snapshots.ts';
import { statusRoute } from './status.ts';
import { submissionRoute } from './submissions.ts';
import { suiteRoute, suitesRoute } from './suites.ts';
import { adoptTagRoute, checkTagRoute, redecideTagRoute, retryTagRoute, tagRoute, tagsRoute } from './tags.ts';
import { createTokenRoute, revokeTokenRoute, tokensRoute, whoamiRoute } from './tokens.ts';
import { verifyTagRoute } from './verification.ts';
import { whereRoute } from './where.ts';
import {
  appendLogRoute,
  deliverRoute,
  failRoute,
  heartbeatRoute,
  identityRoute,
  inputRoute,
  joinRoute,
  leaseRoute,
  phaseRoute,
  putFileRoute,
} from './worker.ts';
import { joinTokenRoute, revokeWorkerRoute, workersRoute } from './workers.ts';

export const API_ROUTES = [
  statusRoute,
  whereRoute,
  submissionRoute,
  gitRepositoriesRoute,
  tagsRoute,
  tagRoute,
  checkTagRoute,
  adoptTagRoute,
  retryTagRoute,
  redecideTagRoute,
  verifyTagRoute,
  buildsRoute,
  buildRoute,
  jobRoute,
  giveBackRoute,
  cancelRoute,
  logRoute,
  suitesRoute,
  suiteRoute,
  snapshotSuitesRoute,
  snapshotsRoute,
  snapshotRoute,
  archiveKeysRoute,
  planKeyChangeRoute,
  changeKeyRoute,
  signerLogRoute,
  checkSignerLogRoute,
  takedownsRoute,
  planTakedownRoute,
  takeDownRoute,
  workersRoute,
  joinTokenRoute,
  revokeWorkerRoute,
  eventsRoute,
  planRoute,
  applyRoute,
  peopleRoute,
  personRoute,
  inviteRoute,
  enrolRoute,
  keysRoute,
  keyRoute,
  planKeysRoute,
  importKeysRoute,
  revokeKeyRoute,
  markRoute,
  lowerMarkRoute,
  whoamiRoute,
  tokensRoute,
  createTokenRoute,
  revokeTokenRoute,
  joinRoute,
  identityRoute,
  leaseRoute,
  heartbeatRoute,
  appendLogRoute,
  phaseRoute,
  inputRoute,
  putFileRoute,
  deliverRoute,
  failRoute,
] as const;
