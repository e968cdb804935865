/** The background tasks of the archive. Each may be run again at any moment: what was done is found done. */
import { z } from 'zod';
import type { Clock } from '../platform/clock.ts';
import { withTransaction } from '../platform/database.ts';
import type { Paths } from '../platform/paths.ts';
import { enqueue, type CronEntry, type TaskHandlers } from '../platform/tasks.ts';
import { enqueuePublication, PUBLISH_TASK } from './accept.ts';
import { publishOrTell } from './behind.ts';
import { scrubSlice } from './check/scrub.ts';
import { collecting } from './collect-lock.ts';
import { collectPackages } from './collect-packages.ts';
import { decideUpload } from './decide.ts';
import { watchArchiveKeys } from './key-alerts.ts';
import { collectIndexChunks, collectOrphans } from './orphans.ts';
import type { PublishDeps, PublishResult } from './publish/publication.ts';
import { CHECK_TASK } from './receive.ts';
import { renewSuites } from './renew.ts';
import { markTakenDown } from './takedown/markers.ts';
import { removeTakenDown } from './takedown/remove.ts';
import { REMOVE_TASK } from './takedown/takedown.ts';

export interface ArchiveDeps extends PublishDeps {
  readonly clock: Clock;
  readonly paths: Pick<Paths, 'temporary'>;
}

/** How soon a removal that waits for a publication looks again. */
const REMOVAL_RETRY_MS = 2_000;
const KEYS_TASK = 'archive.watch-keys';
const RENEW_TASK = 'archive.renew';
const ORPHANS_TASK = 'archive.collect-orphans';
const SCRUB_TASK = 'archive.scrub';

/** How soon a publisher that met another one looks again. */
const BUSY_RETRY_MS = 1_000;

const check = z.strictObject({ uploadId: z.int().positive() });
const removal = z.strictObject({ takedownId: z.int().positive() });
const publish = z.strictObject({
  suiteId: z.int().positive(),
  reason: z.enum(['change', 'renewal', 'request']).default('change'),
});

export function archiveTasks(deps: ArchiveDeps): TaskHandlers {
  return {
    [CHECK_TASK]: async (payload) => {
      await decideUpload(deps, check.parse(payload).uploadId);
    },
    [PUBLISH_TASK]: async (payload) => {
      const { suiteId, reason } = publish.parse(payload);
      const result = await publishOrTell(deps, suiteId, reason);
      const waitMs = comesAgainIn(result);
      if (waitMs === undefined) return;
      await withTransaction(deps.db, async (trx) => {
        await enqueuePublication(trx, suiteId, { reason, runAt: new Date(deps.clock.now().getTime() + waitMs) });
      });
    },
    [RENEW_TASK]: async () => {
      await renewSuites(deps.db);
    },
    [REMOVE_TASK]: async (payload) => {
      const { takedownId } = removal.parse(payload);
      if ((await removeTakenDown(deps, takedownId)).kind !== 'waiting') return;
      const runAt = new Date(deps.clock.now().getTime() + REMOVAL_RETRY_MS);
      await withTransaction(deps.db, async (trx) => {
        await enqueue(trx, REMOVE_TASK, { takedownId }, { jobKey: `remove-taken-down:${takedownId}`, runAt });
      });
    },
    [KEYS_TASK]: async () => {
      await watchArchiveKeys(deps, deps.clock.now());
    },
    [SCRUB_TASK]: async (_payload, { signal }) => {
      await scrubSlice(deps, { signal });
    },
    [ORPHANS_TASK]: async () => {
      // They were not in a backup that was restored.
      await markTakenDown(deps);
      // A backup that runs needs what it has seen; the next night is soon enough.
      await collecting(deps.db, async () => {
        await collectPackages(deps);
        await collectOrphans(deps, deps.clock.now());
        await collectIndexChunks(deps, deps.clock.now());
      });
    },
  };
}

/**
 * When to publish again. Who met another publisher, or came too soon, comes later rather than waiting here, so that a worker
 * of the task pool is never asleep. Who finished what another run had begun comes at once: what changed since is not in it.
 */
function comesAgainIn(result: PublishResult): number | undefined {
  switch (result.kind) {
    case 'busy':
      return BUSY_RETRY_MS;
    case 'too-soon':
      return result.waitMs;
    case 'published':
      return result.resumed ? 0 : undefined;
    case 'nothing-new':
    case 'no-such-suite':
      return undefined;
  }
}

/** Valid-Until is looked at every quarter of an hour, the end of keys every hour; orphans are collected in the quiet of the night;
 * a slice of what is stored is read every five minutes, while a pass is due. */
export const ARCHIVE_CRON: readonly CronEntry[] = [
  { match: '*/15 * * * *', task: RENEW_TASK },
  { match: '41 * * * *', task: KEYS_TASK },
  { match: '17 3 * * *', task: ORPHANS_TASK },
  { match: '*/5 * * * *', task: SCRUB_TASK },
];
