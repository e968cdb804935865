/**
 * What every kind of job has in common: what it is given, what it gives back, and how its inputs come to the disk.
 *
 * A job ends in one of three ways. It *made* something: the files to deliver. It *failed*: the package cannot be made; the
 * same job would fail anywhere. Or it throws: this machine could not do it (an infrastructure failure), another may.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isSafeFileName } from '../debian/names.ts';
import type { Clock } from '../platform/clock.ts';
import { LandfallError } from '../platform/errors.ts';
import type { Cgroups } from './cgroups.ts';
import type { ExcerptReader } from './error-excerpt.ts';
import type { RunLimits } from './limits.ts';
import type { LogStream } from './log-stream.ts';
import type { Facts, Lease } from './wire.ts';

/** The worker's OpenPGP key. */
export interface WorkerKey {
  readonly home: string;
  readonly fingerprint: string;
}

export interface JobContext {
  readonly lease: Lease;
  readonly workerName: string;
  readonly key: WorkerKey;
  readonly limits: RunLimits;
  readonly clock: Clock;
  readonly cgroups: Cgroups | undefined;
  /** Processors that a build may use. */
  readonly parallel: number;
  /** A fresh folder of this job's own, removed when it is over. */
  readonly folder: string;
  /** Bases, roots, indices and packages, shared by the jobs of this machine. */
  readonly cache: string;
  readonly log: LogStream;
  readonly excerpt: ExcerptReader;
  /** Brings a file that the job names to `path`, its sha256 and size checked. */
  readonly fetch: (file: { readonly sha256: string; readonly size: number }, path: string) => Promise<void>;
  /** What is known so far; goes with heartbeats and with the result. */
  readonly note: (facts: Facts) => void;
  /** The job is not wanted any more. */
  readonly signal: AbortSignal;
}

export interface MadeFile {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

export type JobResult =
  | { readonly kind: 'made'; readonly changes: string; readonly files: readonly MadeFile[] }
  | { readonly kind: 'failed'; readonly code: string; readonly reason: string };

/** Fetches files by name into a folder of the job, and gives the folder. */
export async function fetchInputs(
  context: JobContext,
  files: readonly { readonly name: string; readonly sha256: string; readonly size: number }[],
): Promise<string> {
  const folder = join(context.folder, 'inputs');
  await mkdir(folder, { recursive: true });
  for (const file of files) {
    if (!isSafeFileName(file.name)) {
      throw new LandfallError({
        code: 'job.input-name',
        doing: 'fetch the inputs of the job',
        reason: `${JSON.stringify(file.name)} is not a plain file name`,
      });
    }
    await context.log.say(`fetching ${file.name} (${file.size} bytes, sha256 ${file.sha256})`);
    await context.fetch(file, join(folder, file.name));
  }
  return folder;
}
