import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { withTemporaryDirectory } from './files.ts';
import { spawnService } from './service.ts';

test('a service stays, writes to its file, and ends when it is asked', async () => {
  await withTemporaryDirectory(async (folder) => {
    const file = join(folder, 'log');
    const service = await spawnService(['sh', '-c', 'echo up; echo err >&2; exec sleep 600'], { output: { file } });
    await expect.poll(() => readFile(file, 'utf8')).toBe('up\nerr\n');
    expect(service.isRunning()).toBe(true);
    expect(await service.stop(10_000)).toEqual({ code: null, signal: 'SIGTERM' });
    expect(await service.stop(10_000)).toEqual({ code: null, signal: 'SIGTERM' });
    expect(service.isRunning()).toBe(false);
  });
});

test('lines are handed on one by one, the last also without its newline', async () => {
  const lines: string[] = [];
  const service = await spawnService(['printf', 'a\\nb\\nc'], { output: (line) => lines.push(line) });
  expect(await service.exited).toEqual({ code: 0, signal: null });
  await expect.poll(() => lines).toEqual(['a', 'b', 'c']);
});

test('one that does not listen is killed with its whole group', async () => {
  const lines: string[] = [];
  const service = await spawnService(['sh', '-c', 'trap "" TERM; sleep 600 & echo $!; while :; do wait; done'], {
    output: (line) => lines.push(line),
  });
  await expect.poll(() => lines.length).toBe(1);
  expect((await service.stop(100)).signal).toBe('SIGKILL');
  await expect
    .poll(() => readFile(`/proc/${lines[0] ?? ''}/status`, 'utf8').catch(() => 'State:\tX'))
    .toMatch(/^State:\t[ZX]/m);
});

test('a missing program is the same fault as with exec', async () => {
  await expect(spawnService(['no-such-program-here'], { output: 'ignore' })).rejects.toMatchObject({
    code: 'exec.missing-program',
  });
});
