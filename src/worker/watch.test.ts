import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeTemporaryDirectory } from '../platform/files.ts';
import { resolveLimits } from './limits.ts';
import { watchSandbox, type Strike } from './watch.ts';

test('H57 processor time is counted over all processes, also where no control group counts it', async () => {
  const folder = await makeTemporaryDirectory('landfall-watch-');
  const child = spawn('sh', ['-c', '(while :; do :; done) & while :; do :; done'], { detached: true, stdio: 'ignore' });
  try {
    const pidFile = join(folder.path, 'pid');
    await writeFile(pidFile, String(child.pid));
    const limits = resolveLimits({ cpuSeconds: 1 }, 'small', { memoryBytes: 2 ** 34, processors: 2 });
    const struck = await new Promise<Strike>((resolve) => {
      watchSandbox({ limits, cgroup: undefined, pidFile, upper: folder.path, onStrike: resolve });
    });
    expect(struck).toEqual({ kind: 'limit', code: 'limit.cpu' });
  } finally {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await folder.remove();
  }
});
