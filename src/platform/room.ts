/**
 * Room on the disk that holds the state folder: how much there is, whether new work may be taken, and a reserve, a file whose
 * room is set apart so that suites can still be renewed when everything else is full.
 *
 *     ample      all goes on
 *     low        less than `low` is left: no work is handed out, and no upload begins; publishing and renewal go on
 *     read-only  the file system takes no writes; nothing that writes can be done
 *
 * Each state is left by itself when what caused it is over.
 */
import { constants } from 'node:fs';
import { access, open, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { LandfallError, isErrnoException } from './errors.ts';
import { ProgramFailed, exec } from './exec.ts';
import { ensureDirectory, freeSpace, storing, syncDirectory } from './files.ts';

export interface RoomOptions {
  /** Below it lies what is stored. */
  readonly folder: string;
  /** Less than this is little; default: the lesser of 2 GiB and a twentieth of the file system. */
  readonly lowBytes?: number | undefined;
  /** Set apart; default: the lesser of 256 MiB and half of `lowBytes`. */
  readonly reserveBytes?: number | undefined;
}

export interface RoomState {
  readonly kind: 'ample' | 'low' | 'read-only';
  readonly availableBytes: number;
  readonly totalBytes: number;
  readonly lowBytes: number;
  readonly reserveBytes: number;
  /** Of the reserve file; 0 when it was given up. */
  readonly heldBytes: number;
}

export interface RoomProblem {
  /** Stable: `storage.low`, `storage.read-only`. */
  readonly code: string;
  /** Why, without numbers, so that it reads the same each time. */
  readonly sentence: string;
  readonly detail: string;
  readonly remedy: string;
}

export interface Room {
  state(): Promise<RoomState>;
  /** What keeps new work from being taken, if something does. */
  problem(): Promise<RoomProblem | undefined>;
  /** What keeps an upload of `bytes` from being taken: it may use half of what is kept free, so that work that was begun ends. */
  uploadProblem(bytes: number): Promise<RoomProblem | undefined>;
  /** Sets the reserve apart when there is room for it besides; true when it is there. */
  holdReserve(): Promise<boolean>;
  /** Gives the reserve up; the bytes that are free by it, 0 when there was none. */
  giveReserveUp(): Promise<number>;
}

const RESERVE = '.reserve';
const GIB = 1024 ** 3;
/** A look at the disk is good for so long. */
const FRESH_MS = 1_000;

/** Nothing is written before {@link Room.holdReserve}. */
export function openRoom(options: RoomOptions): Room {
  const { folder } = options;
  const path = join(folder, RESERVE);
  let last: { readonly at: number; readonly state: Promise<RoomState> } | undefined;
  const look = async (): Promise<RoomState> => {
    const { availableBytes, totalBytes } = await freeSpace(folder);
    const lowBytes = options.lowBytes ?? Math.min(2 * GIB, Math.floor(totalBytes / 20));
    // The reserve, given up, must not make little room look like enough.
    const reserveBytes = Math.min(options.reserveBytes ?? GIB / 4, Math.floor(lowBytes / 2));
    const kind = (await isReadOnly(folder)) ? 'read-only' : availableBytes < lowBytes ? 'low' : 'ample';
    return { kind, availableBytes, totalBytes, lowBytes, reserveBytes, heldBytes: await sizeOf(path) };
  };
  const state = async (): Promise<RoomState> => {
    if (last === undefined || performance.now() - last.at > FRESH_MS) last = { at: performance.now(), state: look() };
    return await last.state;
  };
  const forget = (): void => {
    last = undefined;
  };
  return {
    state,
    problem: async () => describe(folder, await state()),
    uploadProblem: async (bytes) => {
      const now = await state();
      if (now.kind === 'low' && now.availableBytes - bytes >= now.lowBytes / 2) return undefined;
      if (now.kind === 'ample' && now.availableBytes - bytes < now.lowBytes / 2) {
        return describe(folder, { ...now, kind: 'low' });
      }
      return describe(folder, now);
    },
    holdReserve: async () => {
      forget();
      await ensureDirectory(folder);
      const now = await look();
      if (now.reserveBytes === 0 || now.heldBytes >= now.reserveBytes) return true;
      if (now.kind !== 'ample' || now.availableBytes < now.lowBytes + now.reserveBytes) return false;
      await setApart(path, now.reserveBytes);
      forget();
      return true;
    },
    giveReserveUp: async () => {
      const size = await sizeOf(path);
      if (size === 0) return 0;
      await unlink(path);
      await syncDirectory(folder);
      forget();
      return size;
    },
  };
}

function describe(folder: string, state: RoomState): RoomProblem | undefined {
  switch (state.kind) {
    case 'ample':
      return undefined;
    case 'low':
      return {
        code: 'storage.low',
        sentence: `little room is left for ${folder}: no new work is handed out and no upload begins`,
        detail: `${mebibytes(state.availableBytes)} are free of ${mebibytes(state.totalBytes)}, and ${mebibytes(state.lowBytes)} are kept free`,
        remedy: 'free some space there, or make the file system larger; all goes on by itself then',
      };
    case 'read-only':
      return {
        code: 'storage.read-only',
        sentence: `the file system of ${folder} is read-only: what is published is served, and nothing new is taken or published`,
        detail: 'the kernel lets nothing be written',
        remedy: 'look at the kernel log (dmesg), check the file system, and mount it writable again',
      };
  }
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MiB`;
}

/** @see access(2): EROFS also for root */
async function isReadOnly(folder: string): Promise<boolean> {
  try {
    await access(folder, constants.W_OK);
    return false;
  } catch (error) {
    return isErrnoException(error) && error.code === 'EROFS';
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    const { blocks, size } = await stat(path);
    // Of a file with holes, only what it takes.
    return Math.min(size, blocks * 512);
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT') return 0;
    throw error;
  }
}

/** Room that is really taken: a file with holes would reserve nothing. @see fallocate(1) */
async function setApart(path: string, size: number): Promise<void> {
  try {
    await fallocate(path, size);
    await storing(`set ${mebibytes(size)} apart in ${path}`, async () => {
      const handle = await open(path, 'r+');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
  } catch (error) {
    // Half a reserve, or one that the disk did not take, is none.
    await unlink(path).catch(() => undefined);
    throw error;
  }
}

async function fallocate(path: string, size: number): Promise<void> {
  try {
    await exec(['fallocate', '--posix', '--length', String(size), path], {
      doing: 'set room apart for renewals',
      deadlineMs: 10 * 60_000,
    });
  } catch (error) {
    if (!(error instanceof ProgramFailed)) throw error;
    const failing = error.result.stderr.includes('Input/output error');
    throw new LandfallError({
      code: failing ? 'storage.io' : 'storage.full',
      doing: `set ${mebibytes(size)} apart in ${path}`,
      reason: failing ? 'the device failed to write' : 'there is no room for it',
      remedy: failing ? 'look at the kernel log' : 'free some space there',
      cause: error,
    });
  }
}
