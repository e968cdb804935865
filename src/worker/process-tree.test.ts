import { spawn } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exec } from '../platform/exec.ts';
import { clockTicks, measureTree, pageSize, parseStat, sumTree, type ProcessFacts } from './process-tree.ts';

test('reads a line of /proc/PID/stat whose process is named like one', () => {
  const tail = 'S 41 7 7 0 -1 4194560 1 0 0 0 5 6 7 8 20 0 3 0 100 1000 250 18446744073709551615';
  expect(parseStat(`7 (a) b (c) ${tail}`)).toEqual({ parent: 41, threads: 3, residentPages: 250, cpuTicks: 26 });
  expect(parseStat('')).toBeUndefined();
});

test('no text makes it throw', () => {
  fc.assert(fc.property(fc.string(), (text) => void parseStat(text)));
});

test('sums up what descends from a process, and nothing else', () => {
  const facts = (parent: number): ProcessFacts => ({
    parent,
    threads: 2,
    residentPages: 10,
    cpuTicks: 3,
  });
  const processes = new Map([
    [1, facts(0)],
    [2, facts(1)],
    [3, facts(2)],
    [4, facts(1)],
    [9, facts(0)],
  ]);
  expect(sumTree(2, processes, 4096)).toEqual({ tasks: 4, residentBytes: 20 * 4096, cpuTicks: 6 });
  expect(sumTree(7, processes, 4096)).toEqual({ tasks: 0, residentBytes: 0, cpuTicks: 0 });
});

test('sees a real tree', async () => {
  const child = spawn('sh', ['-c', 'sleep 60 & sleep 60 & echo; wait'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const use = await measureTree(child.pid ?? 0, await pageSize());
    expect(use.tasks).toBe(3);
    expect(use.residentBytes).toBeGreaterThan(100_000);
  } finally {
    child.kill();
    child.stdout.destroy();
  }
});

test('knows the size of a page and the ticks of the clock as getconf does', async () => {
  const getconf = async (name: string): Promise<number> =>
    Number((await exec(['getconf', name], { deadlineMs: 10_000 })).stdout.toString('utf8'));
  expect(await pageSize()).toBe(await getconf('PAGESIZE'));
  expect(await clockTicks()).toBe(await getconf('CLK_TCK'));
});
