/**
 * Watches the room on the disk for a server: raises and clears alerts, holds the reserve while there is room for it, and gives it
 * up when the disk is full and a suite comes near to the end of its validity, so that it can be renewed (H14).
 *
 * Which suites those are is read from what is published: the database may be the one that has no room.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { clearAlert, raiseAlert } from '../platform/alerts.ts';
import { withTransaction, type Db } from '../platform/database.ts';
import { describeError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Room } from '../platform/room.ts';

export interface RoomWatchDeps {
  readonly room: Room;
  readonly db: Db;
  readonly log: Logger;
  /** The published trees, one folder for each archive. */
  readonly archives: string;
  readonly now: () => Date;
  /** Asks for the publications that are due. */
  readonly renew: () => Promise<unknown>;
}

export interface NearingSuite {
  /** `main/landing` */
  readonly suite: string;
  readonly validUntil: Date;
}

const LOOK_MS = 10_000;
const KEYS = ['storage.low', 'storage.read-only'] as const;
const RESERVE_KEY = 'storage.reserve-used';

/** Looks now, and then again and again; the returned function ends it. */
export async function watchRoom(deps: RoomWatchDeps): Promise<() => Promise<void>> {
  let ended = false;
  let wake = (): void => undefined;
  const hasEnded = (): boolean => ended;
  await lookAtRoom(deps);
  const watching = (async () => {
    while (!hasEnded()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (!hasEnded()) await lookAtRoom(deps);
    }
  })();
  return async () => {
    ended = true;
    wake();
    await watching;
  };
}

/** One look. Never throws: what cannot be told now is told at the next one. */
export async function lookAtRoom(deps: RoomWatchDeps): Promise<void> {
  const { room, log } = deps;
  try {
    const state = await room.state();
    const nearing = state.kind === 'low' ? await nearingSuites(deps.archives, deps.now()) : [];
    if (nearing.length === 0) await room.holdReserve();
    else if (state.heldBytes > 0 && state.availableBytes < state.reserveBytes) {
      const bytes = await room.giveReserveUp();
      log.error({ bytes, nearing }, 'the disk is full: the reserve was given up so that suites can be renewed');
    }
    // Again at each look, until they are renewed: a task that failed often waits long.
    if (nearing.length > 0) await deps.renew();
    await tell(deps);
  } catch (error) {
    log.error({ error: describeError(error) }, 'the room on the disk could not be looked after');
  }
}

async function tell(deps: RoomWatchDeps): Promise<void> {
  const { room, db } = deps;
  const problem = await room.problem();
  const state = await room.state();
  await withTransaction(db, async (trx) => {
    for (const key of KEYS) {
      if (problem?.code !== key) await clearAlert(trx, key);
    }
    if (problem !== undefined) {
      const { code: key, sentence, remedy } = problem;
      await raiseAlert(trx, { key, sentence, remedy });
    }
    if (state.heldBytes > 0 || state.reserveBytes === 0) await clearAlert(trx, RESERVE_KEY);
    else if (state.kind !== 'ample') {
      await raiseAlert(trx, {
        key: RESERVE_KEY,
        sentence: 'the room that is set apart for renewing suites is used up: when what is left is gone, suites expire',
        remedy: 'free some space now; the reserve is then set apart again by itself',
      });
    }
  });
}

/** Suites that are served with less than a quarter of their validity left. */
export async function nearingSuites(archives: string, now: Date): Promise<NearingSuite[]> {
  const nearing: NearingSuite[] = [];
  for (const archive of await namesIn(archives)) {
    for (const suite of await namesIn(join(archives, archive, 'dists'))) {
      const text = await readFile(join(archives, archive, 'dists', suite, 'InRelease'), 'utf8').catch(() => '');
      const [date, until] = ['Date', 'Valid-Until'].map((name) =>
        Date.parse(new RegExp(`^${name}: (.+)$`, 'm').exec(text)?.[1] ?? ''),
      );
      if (date === undefined || until === undefined || Number.isNaN(date) || Number.isNaN(until)) continue;
      if (until - now.getTime() < (until - date) / 4) {
        nearing.push({ suite: `${archive}/${suite}`, validUntil: new Date(until) });
      }
    }
  }
  return nearing;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter((name) => !name.startsWith('.'));
}
