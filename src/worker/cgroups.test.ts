/** Real groups are used by test/e2e/worker.e2e.test.ts; here the files of version 2, which not every machine has, are laid out by hand. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withTemporaryDirectory } from '../platform/files.ts';
import { findCgroups } from './cgroups.ts';

async function ownPath(): Promise<string> {
  return /^0::\/(.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8'))?.[1] ?? 'none';
}

test.skipIf((await ownPath()) === 'none')(
  'version 2: limits are written, strikes are read, and this process gives up the place above',
  async () => {
    await withTemporaryDirectory(async (root) => {
      const folder = join(root, await ownPath());
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'cgroup.controllers'), 'cpu memory pids\n');
      await writeFile(join(folder, 'cgroup.procs'), '17\n');
      const cgroups = await findCgroups(root);
      expect(cgroups?.version).toBe(2);
      expect(await readFile(join(folder, 'main', 'cgroup.procs'), 'utf8')).toBe('17');
      expect(await readFile(join(folder, 'cgroup.subtree_control'), 'utf8')).toBe('+memory +pids');

      const group = await cgroups?.make('root-x-1', { memoryBytes: 1000, processes: 7 });
      const path = group?.folders[0] ?? '';
      expect(path).toBe(join(folder, 'root-x-1'));
      expect(await readFile(join(path, 'memory.max'), 'utf8')).toBe('1000');
      expect(await readFile(join(path, 'pids.max'), 'utf8')).toBe('7');
      expect(await group?.strikes()).toEqual({ memory: false, processes: false });
      await writeFile(join(path, 'memory.events'), 'low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\n');
      await writeFile(join(path, 'pids.events'), 'max 2\n');
      expect(await group?.strikes()).toEqual({ memory: true, processes: true });
    });
  },
);

test('without controllers, or without the right to use them, there are none', async () => {
  await withTemporaryDirectory(async (root) => {
    expect(await findCgroups(root)).toBeUndefined();
    const folder = join(root, await ownPath());
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'cgroup.controllers'), 'cpu\n');
    await writeFile(join(folder, 'cgroup.procs'), '');
    expect(await findCgroups(root)).toBeUndefined();
  });
});
