import { exec } from '../platform/exec.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseFacts } from './sandbox.ts';
import { SANDBOX_INIT, encodePlan } from './sandbox-init.ts';

test('the program of process 1 is good Perl', async () => {
  await exec(['perl', '-wc', '-e', SANDBOX_INIT], { deadlineMs: 30_000 });
});

test('a plan comes to the program as it was meant, whatever the values hold', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (values) => {
      const plain = values.map((value) => value.replaceAll('\0', ''));
      const text = encodePlan(plain.map((value) => ['arg', value] as const)).toString('utf8');
      expect(text.split('\0').slice(0, -1)).toEqual(plain.map((value) => `arg=${value}`));
    }),
  );
  expect(() => encodePlan([['env', 'A=b\0arg=evil']])).toThrow('NUL');
});

test('reads what process 1 tells', () => {
  expect(parseFacts('ended 137 12.50\n')).toEqual({ kind: 'ended', code: 137, cpuSeconds: 12.5 });
  expect(parseFacts('setup mount of overlay at merged: Invalid argument\n')).toEqual({
    kind: 'setup',
    reason: 'mount of overlay at merged: Invalid argument',
  });
  for (const text of ['', 'ended', 'ended x 1.0', 'nonsense']) expect(parseFacts(text)).toBeUndefined();
});
