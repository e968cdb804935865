/** Every test of exec once more, with programs started by the helper; and what only the helper can do wrong. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import './exec.test.ts';
import { exec } from './exec.ts';
import { beginSpawner, currentSpawner, type Spawner } from './spawner.ts';

let spawner: Spawner;

beforeAll(async () => {
  spawner = await beginSpawner();
});

afterAll(async () => {
  await spawner.stop();
});

async function parentOf(argv: readonly [string, ...string[]]): Promise<string> {
  return (await exec(argv, { deadlineMs: 10_000 })).stdout.toString('utf8').trim();
}

test('programs are children of the helper, each in a session of its own', async () => {
  expect(await parentOf(['perl', '-e', 'print getppid'])).not.toBe(String(process.pid));
  expect(await parentOf(['perl', '-e', 'use POSIX; print POSIX::getpgrp() == $$ ? "leader" : "member"'])).toBe(
    'leader',
  );
});

test('signals that the helper ignores are not ignored by what it starts', async () => {
  const script = 'kill "PIPE", $$; sleep 5; print "still here"';
  const { signal, stdout } = await exec(['perl', '-e', script], { deadlineMs: 10_000, okCodes: 'any' });
  expect([signal, stdout.toString('utf8')]).toEqual(['SIGPIPE', '']);
});

test('a hundred programs at once keep their streams apart', async () => {
  const texts = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const { stdout } = await exec(['cat'], { deadlineMs: 30_000, input: `${index}\n`.repeat(5_000) });
      return stdout.toString('utf8') === `${index}\n`.repeat(5_000);
    }),
  );
  expect(texts.every((same) => same)).toBe(true);
});

test('when the helper dies, what it ran is killed and told as killed, and programs are started without it', async () => {
  const doomed = exec(['perl', '-e', '$| = 1; print getppid, "\\n"; sleep 60'], {
    deadlineMs: 30_000,
    okCodes: 'any',
    stdout: (chunk) => {
      const helper = Number(chunk.toString('utf8'));
      if (helper !== process.pid) process.kill(helper, 'SIGKILL');
    },
  });
  expect((await doomed).signal).toBe('SIGKILL');
  expect(currentSpawner()).toBeUndefined();
  expect(await parentOf(['perl', '-e', 'print getppid'])).toBe(String(process.pid));
});
