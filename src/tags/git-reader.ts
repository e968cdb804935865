/**
 * Reading a bare repository of ours by object ids: one `git cat-file` process for all objects, whole trees among them.
 * No ref of others is resolved, nothing is checked out, no attribute, filter or hook of the repository has any effect.
 */
import { openObjects, type ObjectReader } from '../platform/git-objects.ts';
import type { GitObjects } from './git-objects.ts';
import { MAX_ENTRIES, readTreeListing } from './tree-listing.ts';
import { walkTree } from './tree-walk.ts';

const MAX_COMMIT_BYTES = 1024 * 1024;

/** The reader starts its process when it is first asked for something. */
export interface GitReader extends GitObjects {
  /** What a ref of our own making leads to, or the commit that it leads to. */
  resolve(ref: string, to?: 'commit' | 'untagged'): Promise<string | undefined>;
  isCommit(objectId: string): Promise<boolean>;
  /** Starts the process before it is needed. */
  begin(): void;
  close(): Promise<void>;
}

export function openGitReader(gitDir: string, deadlineMs?: number): GitReader {
  let reader: ObjectReader | undefined;
  const objects = (): ObjectReader => (reader ??= openObjects(gitDir, deadlineMs === undefined ? {} : { deadlineMs }));
  return {
    gitDir,
    begin: () => void objects(),
    resolve: async (ref, to) => await objects().resolve(ref, to),
    isCommit: async (objectId) => (await objects().info(objectId))?.type === 'commit',
    read: async (objectId, limit) => await objects().read(objectId, { maxBytes: limit }),
    list: async (commitId, maxBytes, wants) => {
      const commit = await objects().read(commitId, { maxBytes: MAX_COMMIT_BYTES });
      if (commit.kind === 'missing') return { kind: 'missing' };
      if (commit.type !== 'commit') return { kind: 'refused', reason: `it is a ${commit.type}, and no commit` };
      if (commit.kind === 'too-large') return { kind: 'refused', reason: 'its description is too large' };
      const tree = treeOf(commit.bytes);
      if (tree === undefined) return { kind: 'refused', reason: 'it names no tree' };
      const listing = readTreeListing({ commitId, treeId: tree }, maxBytes, wants);
      switch (await walkTree(objects(), tree, listing)) {
        case 'walked':
          return listing.finish();
        case 'missing':
          return { kind: 'missing' };
        case 'too-large':
          return { kind: 'refused', reason: `it has more than ${MAX_ENTRIES} entries` };
      }
    },
    close: async () => {
      await reader?.close();
      reader = undefined;
    },
  };
}

function treeOf(commit: Buffer): string | undefined {
  return /^tree ([0-9a-f]{40}|[0-9a-f]{64})\n/.exec(commit.toString('latin1', 0, 80))?.[1];
}
