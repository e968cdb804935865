/**
 * Reading a bare repository of ours by object ids: one `git cat-file` process for all objects, `git ls-tree` for whole trees.
 * No ref of others is resolved, nothing is checked out, no attribute, filter or hook of the repository has any effect.
 */
import { openObjects, type ObjectReader } from '../platform/git-objects.ts';
import { git } from '../platform/git.ts';
import type { GitObjects } from './git-objects.ts';
import { readTreeListing } from './tree-listing.ts';

const DEADLINE_MS = 10 * 60_000;

/** The reader starts its process when it is first asked for something. */
export interface GitReader extends GitObjects {
  /** What a ref of our own making leads to, or the commit that it leads to. */
  resolve(ref: string, to?: 'commit'): Promise<string | undefined>;
  isCommit(objectId: string): Promise<boolean>;
  close(): Promise<void>;
}

export function openGitReader(gitDir: string, deadlineMs?: number): GitReader {
  let reader: ObjectReader | undefined;
  const objects = (): ObjectReader => (reader ??= openObjects(gitDir, deadlineMs === undefined ? {} : { deadlineMs }));
  return {
    gitDir,
    resolve: async (ref, to) => await objects().resolve(ref, to),
    isCommit: async (objectId) => (await objects().info(objectId))?.type === 'commit',
    read: async (objectId, limit) => await objects().read(objectId, { maxBytes: limit }),
    list: async (commitId, maxBytes, wants) => {
      const commit = await objects().info(commitId);
      if (commit === undefined) return { kind: 'missing' };
      if (commit.type !== 'commit') return { kind: 'refused', reason: `it is a ${commit.type}, and no commit` };
      const listing = readTreeListing(commitId, maxBytes, wants);
      const enough = new AbortController();
      try {
        await git(['ls-tree', '-r', '-t', '-z', '-l', '--full-tree', commitId], {
          gitDir,
          doing: `list the tree of commit ${commitId}`,
          deadlineMs: DEADLINE_MS,
          signal: enough.signal,
          stdout: (chunk) => {
            if (!listing.push(chunk)) enough.abort();
          },
        });
      } catch (error) {
        if (!enough.signal.aborted) throw error;
      }
      return listing.finish();
    },
    close: async () => {
      await reader?.close();
      reader = undefined;
    },
  };
}
