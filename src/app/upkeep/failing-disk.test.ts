import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bundleProgram } from '../../../test/child.ts';
import { exec, findProgram } from '../../platform/exec.ts';
import { withTemporaryDirectory } from '../../platform/files.ts';

test.skipIf(findProgram('strace') === undefined)(
  'H15 when fsync fails a backup stops and keeps nothing of it, and a reserve is none; nothing is tried again',
  async () => {
    await withTemporaryDirectory(async (folder) => {
      const program = await bundleProgram('copy-blobs.ts');
      const trace = join(folder, 'trace');
      const state = join(folder, 'state');
      await exec(['mkdir', state], { deadlineMs: 10_000 });
      const { stdout } = await exec(
        [
          'strace',
          '-f',
          '-o',
          trace,
          '-e',
          'trace=fsync',
          '-e',
          'inject=fsync:error=EIO',
          process.execPath,
          program,
          state,
        ],
        { deadlineMs: 60_000 },
      );
      expect(JSON.parse(stdout.toString('utf8'))).toEqual({
        made: 'storage.io',
        copied: 'storage.io',
        reserve: 'storage.io',
        files: [],
      });
      expect((await readFile(trace, 'utf8')).match(/fsync\(/g)).toHaveLength(3);
    });
  },
);
