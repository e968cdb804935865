import { expect, test } from 'vitest';
import { LandfallError, describeError, isErrnoException, isFault, toError } from './errors.ts';
import { readFile } from 'node:fs/promises';

test('a fault says what could not be done, why, and keeps its code, remedy and cause', () => {
  const cause = new Error('no route');
  const error = new LandfallError({ code: 'a.b', doing: 'reach it', reason: 'it is away', remedy: 'start it', cause });
  expect(error.message).toBe('could not reach it: it is away');
  expect(error).toMatchObject({ code: 'a.b', remedy: 'start it', cause });
  expect(isFault(error, 'a.b')).toBe(true);
  expect(isFault(error, 'a.')).toBe(true);
  expect(isFault(error, 'a')).toBe(false);
});

test('a description joins the causes that add something and ends with the remedy', () => {
  const inner = new LandfallError({ code: 'x', doing: 'connect', reason: 'refused', remedy: 'start the server' });
  const outer = new Error('the page cannot be shown', { cause: inner });
  expect(describeError(outer)).toBe('the page cannot be shown; because: could not connect: refused (start the server)');
});

test('a cause that the message repeats is not said twice, and a circle of causes ends', () => {
  const first = new Error('one');
  const second = new Error('two', { cause: first });
  first.cause = second;
  expect(describeError(first)).toBe('one; because: two');
  expect(describeError(new AggregateError([new Error('a'), new Error('a'), new Error('b')], 'both failed'))).toBe(
    'both failed: a, b',
  );
  expect(describeError('text')).toBe('text');
  expect(describeError(undefined)).toBe('unknown error');
});

test('errors of system calls are recognised', async () => {
  const error = await readFile('/does/not/exist').catch((thrown: unknown) => thrown);
  expect(isErrnoException(error) && error.code).toBe('ENOENT');
  expect(isErrnoException(new Error('x'))).toBe(false);
  expect(toError(7).message).toBe('7');
});
