/**
 * The pack that a maintainer sends to have a tag checked before it is pushed, as a source of the tag's objects: a repository
 * that lives as long as the check. Its objects pass the same checks of git as fetched ones.
 */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { isFault } from '../platform/errors.ts';
import { ProgramFailed } from '../platform/exec.ts';
import { git, indexPack, initBare, writeShallow } from '../platform/git.ts';
import type { Candidate } from './facts.ts';
import type { TagSource } from './git-objects.ts';
import { openGitReader } from './git-reader.ts';
import { notApplicable, rejected, type CheckResult } from './model.ts';
import { formatBytes } from './words.ts';

const DEADLINE_MS = 10 * 60_000;
const MAX_LISTING = 128 * 1024 * 1024;

export interface PackSource extends TagSource {
  close(): Promise<void>;
}

/** Stores the pack below `folder`. What is wrong with it shows in the check `fetch.ok`. */
export async function openPack(
  folder: string,
  candidate: Candidate,
  pack: Readable,
  signal: AbortSignal,
  /** Where the clone's upstream tag leads; undefined when the clone has none. */
  upstreamCommitId?: string,
): Promise<PackSource> {
  const gitDir = join(folder, 'checked.git');
  await initBare(gitDir, { objectFormat: candidate.objectFormat });
  const stored = await storePack(folder, gitDir, candidate, pack, signal);
  const reader = openGitReader(gitDir);
  return {
    objects: reader,
    close: async () => await reader.close(),
    // Nothing awaits: what was sent was looked at when it was stored.
    fetchTag: () => Promise.resolve(stored),
    fetchUpstream: async ({ commitId }) => {
      if (upstreamCommitId !== undefined) return { kind: 'resolved', commitId: upstreamCommitId };
      const found = await reader.read(commitId, 1024 * 1024);
      return found.kind === 'missing' ? { kind: 'absent' } : { kind: 'sent' };
    },
    fetchPristineTar: async (commitId) => {
      const found = await reader.read(commitId, 1024 * 1024);
      return found.kind === 'missing' ? { kind: 'absent' } : { kind: 'there' };
    },
  };
}

async function storePack(
  folder: string,
  gitDir: string,
  candidate: Candidate,
  pack: Readable,
  signal: AbortSignal,
): Promise<CheckResult<undefined>> {
  const maxBytes = candidate.repository.maxPackBytes;
  const refuse = (reason: string): CheckResult<undefined> =>
    rejected(
      'fetch.ok',
      `A pack with the tag, its commit and what is in it was expected, and the one that was sent cannot be taken: ${reason}.`,
      'Update the landfall client, check your clone with git fsck, and try again.',
    );
  // The history is not sent. git takes that for a fault unless it is told at which commits it ends, so it lists them first.
  const listing = join(folder, 'listed.git');
  await initBare(listing, { objectFormat: candidate.objectFormat });
  let commits: readonly string[];
  try {
    await git(['index-pack', '--stdin', `--max-input-size=${maxBytes}`], {
      gitDir: listing,
      doing: 'store a pack',
      input: pack,
      signal,
      deadlineMs: DEADLINE_MS,
      maxFileBytes: maxBytes + 1024 ** 2,
      maxMemoryBytes: 2 * 1024 ** 3,
    });
    const format = '--batch-check=%(objecttype) %(objectname)';
    const { stdout } = await git(['cat-file', '--batch-all-objects', '--unordered', format], {
      gitDir: listing,
      doing: 'list the objects of a pack',
      signal,
      deadlineMs: DEADLINE_MS,
      maxOutput: MAX_LISTING,
    });
    commits = [...stdout.toString('latin1').matchAll(/^commit ([0-9a-f]+)$/gm)].flatMap(([, id]) => id ?? []);
  } catch (error) {
    if (isFault(error, 'exec.output-limit')) return refuse('it holds too many objects');
    if (!(error instanceof ProgramFailed)) throw error;
    if (/exceeds maximum allowed size|File too large|signal 25/.test(error.result.stderr)) {
      return refuse(`it is larger than ${formatBytes(maxBytes)}`);
    }
    return refuse('git cannot read it');
  }
  const packs = join(listing, 'objects', 'pack');
  const file = (await readdir(packs)).find((name) => name.endsWith('.pack'));
  if (file === undefined) return refuse('it is empty');
  await writeShallow(gitDir, commits);
  const indexed = await indexPack(gitDir, createReadStream(join(packs, file)), { maxBytes, deadlineMs: DEADLINE_MS });
  if (indexed.kind !== 'indexed') return refuse(indexed.detail);
  return notApplicable(undefined, 'sent by the client, not fetched');
}
