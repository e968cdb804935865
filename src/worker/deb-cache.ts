/**
 * Downloaded packages kept by their sha256, shared between the jobs of a machine: handed out as hard links, taken in after their
 * bytes were hashed, removed when they are old and the cache is large.
 */
import { link, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrnoException } from '../platform/errors.ts';
import { ensureDirectory, sha256File } from '../platform/files.ts';

export interface DebCache {
  /** Puts the file at `path` when the cache has it. */
  take(sha256: string, path: string): Promise<boolean>;
  /** Keeps the file at `path`, when its bytes are these. */
  keep(sha256: string, path: string): Promise<void>;
  /** Removes what was not used for longest until at most `maxBytes` are left. */
  prune(maxBytes: number): Promise<void>;
}

export async function openDebCache(folder: string): Promise<DebCache> {
  await ensureDirectory(folder);
  const at = (sha256: string): string => join(folder, `${sha256}.deb`);
  return {
    take: async (sha256, path) => {
      try {
        // Hashed anew: a bit that has flipped since must not get into a build.
        if ((await sha256File(at(sha256))).sha256 !== sha256) {
          await rm(at(sha256), { force: true });
          return false;
        }
        await link(at(sha256), path);
        const now = new Date();
        await utimes(at(sha256), now, now);
        return true;
      } catch (error) {
        if (isErrnoException(error) && error.code === 'ENOENT') return false;
        throw error;
      }
    },
    keep: async (sha256, path) => {
      if ((await sha256File(path)).sha256 !== sha256) return;
      await link(path, at(sha256)).catch((error: unknown) => {
        if (!isErrnoException(error) || error.code !== 'EEXIST') throw error;
      });
    },
    prune: async (maxBytes) => {
      const files: { path: string; size: number; usedMs: number }[] = [];
      for (const name of await readdir(folder)) {
        const facts = await stat(join(folder, name)).catch(() => undefined);
        if (facts !== undefined) files.push({ path: join(folder, name), size: facts.size, usedMs: facts.mtimeMs });
      }
      let total = files.reduce((sum, { size }) => sum + size, 0);
      for (const file of files.sort((a, b) => a.usedMs - b.usedMs)) {
        if (total <= maxBytes) return;
        await rm(file.path, { force: true });
        total -= file.size;
      }
    },
  };
}
