/** What is happening now, and what needs somebody: what the first page shows. */
import { sql } from 'kysely';
import { openAlerts, type Alert } from '../platform/alerts.ts';
import { databaseNow, type Db } from '../platform/database.ts';
import { listFailures } from './build-list.ts';
import { lackedArchitectures, LACKS_ONLY_A_WORKER } from './lacked-architectures.ts';
import { traceSubmissions } from './submissions.ts';
import { listSuites } from './suites.ts';
import { listStandingRejections } from './tags.ts';
import type {
  BuildSummary,
  LackedArchitecture,
  Overview,
  QueueView,
  ScrubView,
  SubmissionTrace,
  SuiteView,
  TraceDeps,
  Viewer,
} from './types.ts';
import { iso } from './values.ts';
import { listQueues, listWorkers } from './workers.ts';

const SHOWN = 50;
const SHOWN_REJECTIONS = 10;
const SHOWN_DONE = 5;
/** A suite is renewed long before this; one that comes so near to its end has not been. */
const EXPIRY_ALERT_MS = 24 * 60 * 60 * 1000;

/** How a submission stands that does not go on by itself and is not there either. */
const STOPPED: ReadonlySet<SubmissionTrace['state']> = new Set(['attention', 'failed', 'rejected', 'suspended']);

export async function overview(deps: TraceDeps, viewer: Viewer): Promise<Overview> {
  const now = await databaseNow(deps.db);
  const traces = await traceSubmissions(deps, await openSubmissions(deps.db, viewer), viewer);
  const [raised, failures, rejectedTags, lacked, suites, workers, queues] = [
    await openAlerts(deps.db, viewer.audiences),
    await listFailures(deps, viewer, SHOWN),
    await listStandingRejections(deps, viewer, SHOWN_REJECTIONS),
    await lackedArchitectures(deps, viewer),
    await listSuites(deps, viewer),
    await listWorkers(deps, viewer),
    await listQueues(deps, viewer),
  ];
  const told = new Set(failures.map(({ submissionId }) => submissionId));
  return {
    now: iso(now),
    inFlight: traces.filter((one) => one.state === 'in-flight'),
    attention: traces.filter(
      (one) => STOPPED.has(one.state) && one.mustAct !== null && !told.has(one.id) && !rejectedByItsTag(one),
    ),
    failures,
    rejectedTags,
    lacked,
    done: traces.filter((one) => one.state === 'published').slice(0, SHOWN_DONE),
    suites,
    workers,
    queues,
    scrub: await lastScrub(deps.db),
    alerts: [
      ...raised.map(inWords),
      ...suiteAlerts(suites, now),
      ...queueAlerts(queues, lacked),
      ...failureAlerts(failures),
    ],
  };
}

/** Such a one stands among the rejected tags, or was overtaken by another tag. */
function rejectedByItsTag(trace: SubmissionTrace): boolean {
  return trace.steps.some((step) => step.name === 'tag.decided' && step.state === 'failed');
}

/**
 * Submissions that may be under way or stopped: found from the small sets of what is open (tags, jobs, uploads), and the
 * newest, among which are those between two steps and those that have arrived. What only lacks a worker for one more architecture may be much
 * and old: it is counted elsewhere and does not push the rest off the page.
 */
async function openSubmissions(db: Db, viewer: Viewer): Promise<number[]> {
  const { rows } = await sql<{ id: number }>`
    SELECT s.id FROM submissions s
    WHERE s.audience = ANY (${[...viewer.audiences]}::text[]) AND s.id IN (
      (SELECT submission_id FROM tags WHERE state IN ('seen', 'obstructed') ORDER BY id DESC LIMIT ${SHOWN})
      UNION
      (SELECT b.submission_id FROM jobs j JOIN builds b ON b.job_id = j.id
        WHERE j.state IN ('blocked', 'ready', 'leased', 'delivered', 'quarantined')
          AND j.audience = ANY (${[...viewer.audiences]}::text[]) AND NOT (${LACKS_ONLY_A_WORKER})
        ORDER BY j.changed_at DESC LIMIT ${SHOWN * 4})
      UNION
      (SELECT submission_id FROM uploads WHERE state IN ('received', 'held') ORDER BY id DESC LIMIT ${SHOWN})
      UNION
      (SELECT submission_id FROM versions WHERE state = 'freed' ORDER BY id DESC LIMIT ${SHOWN})
      UNION
      (SELECT id FROM submissions ORDER BY id DESC LIMIT ${SHOWN})
    )
    ORDER BY s.id DESC LIMIT ${SHOWN * 2}`.execute(db);
  return rows.map((row) => row.id);
}

/** The newest pass that came to its end, or the one that goes on when none did yet. */
async function lastScrub(db: Db): Promise<ScrubView | null> {
  const row = await db
    .selectFrom('scrubs')
    .select(['started_at', 'finished_at', 'files', 'bytes', 'damaged'])
    .orderBy(sql`finished_at IS NULL`)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return null;
  const { started_at: startedAt, finished_at: finishedAt, files, bytes, damaged } = row;
  return {
    startedAt: iso(startedAt),
    finishedAt: finishedAt === null ? null : iso(finishedAt),
    files,
    bytes,
    damaged,
  };
}

function inWords(alert: Alert): string {
  return alert.remedy === null ? alert.sentence : `${alert.sentence} (${alert.remedy})`;
}

function suiteAlerts(suites: readonly SuiteView[], now: Date): string[] {
  return suites.flatMap((suite) => {
    const name = `${suite.archive}/${suite.suite}`;
    if (suite.published === null) return [`${name} was never published`];
    if (suite.published.validUntil === null) return [];
    const left = Date.parse(suite.published.validUntil) - now.getTime();
    if (left <= 0) return [`${name} expired at ${suite.published.validUntil}: apt refuses it`];
    return left < EXPIRY_ALERT_MS ? [`${name} expires at ${suite.published.validUntil} and was not renewed`] : [];
  });
}

/** Jobs without a worker; those of packages that are published without that architecture have a list of their own. */
function queueAlerts(queues: readonly QueueView[], lacked: readonly LackedArchitecture[]): string[] {
  return queues.flatMap((queue) => {
    if (queue.workers > 0) return [];
    const elsewhere = lacked.find((one) => one.pool === queue.pool && one.architecture === queue.architecture);
    const waiting = queue.ready - (elsewhere?.packages ?? 0);
    if (waiting <= 0) return [];
    return [
      `${waiting === 1 ? '1 job waits' : `${waiting} jobs wait`} in pool ${queue.pool}: ${queue.sentence ?? 'no worker'}`,
    ];
  });
}

function failureAlerts(failures: readonly BuildSummary[]): string[] {
  return failures
    .filter((build) => build.state === 'quarantined')
    .map((build) => `${build.source ?? `build ${build.id}`} ${build.architecture} is ${build.sentence}`);
}
