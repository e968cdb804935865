import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { openLogStream, type LogTarget } from './log-stream.ts';

let folder: TemporaryDirectory;
beforeEach(async () => {
  folder = await makeTemporaryDirectory('lf-log-');
});
afterEach(async () => {
  await folder.remove();
});

/** A log at the other end: it keeps what fits, as Lighthouse does. */
function receiver(
  limit = Number.POSITIVE_INFINITY,
): LogTarget & { text(): string; calls: string[]; forget(to: number): void } {
  let bytes = Buffer.alloc(0);
  const calls: string[] = [];
  return {
    calls,
    append: async (offset, piece) => {
      calls.push(`append ${offset}`);
      if (offset > bytes.length) return await Promise.resolve(0);
      bytes = Buffer.concat([bytes, piece.subarray(bytes.length - offset)]).subarray(
        0,
        Math.min(limit, offset + piece.length),
      );
      return bytes.length < offset + piece.length ? 'full' : bytes.length;
    },
    markPhase: async (name, at) => {
      calls.push(`phase ${name} ${at}`);
      await Promise.resolve();
    },
    text: () => bytes.toString('utf8'),
    forget: (to) => {
      bytes = bytes.subarray(0, to);
    },
  };
}

test('sends what is written, as it is, and phases with their place', async () => {
  const target = receiver();
  const log = await openLogStream({ file: join(folder.path, 'log'), target, gatherMs: 1 });
  await log.startPhase('one');
  await log.write('\u001b[31mred\u001b[0m\n');
  await log.startPhase('two');
  await log.say('a line\nof its own');
  await log.flush();
  expect(target.text()).toBe('\u001b[31mred\u001b[0m\nlandfall: a line of its own\n');
  expect(target.calls.filter((call) => call.startsWith('phase'))).toEqual(['phase one 0', 'phase two 13']);
  expect([log.size, log.phase]).toEqual([target.text().length, 'two']);
  await log.close();
});

test('writing never waits for the other end, and nothing is lost while it is away', async () => {
  const target = receiver();
  let open: () => void = () => undefined;
  const away = new Promise<void>((resolve) => (open = resolve));
  const log = await openLogStream({
    file: join(folder.path, 'log'),
    target: {
      ...target,
      append: async (offset, bytes) => {
        await away;
        return await target.append(offset, bytes);
      },
    },
    gatherMs: 1,
  });
  const line = `${'x'.repeat(999)}\n`;
  for (let count = 0; count < 1_000; count += 1) await log.write(line);
  expect(target.text()).toBe('');
  open();
  await log.flush();
  expect(target.text()).toBe(line.repeat(1_000));
  await log.close();
});

test('a server that was set back is told everything again', async () => {
  const target = receiver();
  const log = await openLogStream({ file: join(folder.path, 'log'), target, gatherMs: 1 });
  await log.write('first\n');
  await log.flush();
  target.forget(0);
  await log.write('second\n');
  await log.flush();
  expect(target.text()).toBe('first\nsecond\n');
  await log.close();
});

test('a full log ends the sending, not the build', async () => {
  const target = receiver(10);
  const log = await openLogStream({ file: join(folder.path, 'log'), target, gatherMs: 1 });
  await log.write('0123456789abcdef');
  await log.flush();
  await log.write('more');
  await log.flush();
  expect(target.text()).toBe('0123456789');
  expect(log.size).toBe(20);
  await log.close();
});

test('what the other end refuses for good comes to who waits for the end of the log', async () => {
  const log = await openLogStream({
    file: join(folder.path, 'log'),
    target: { append: () => Promise.reject(new Error('the lease was lost')), markPhase: () => Promise.resolve() },
    gatherMs: 1,
  });
  await log.write('x');
  await expect(log.flush()).rejects.toThrow('the lease was lost');
  await log.write('the build goes on');
  await log.close();
});
