import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LandfallError } from './errors.ts';
import { createLogger, redactSecrets, silentLogger } from './log.ts';

function capture(human: boolean): { lines: string[]; destination: { write(line: string): void } } {
  const lines: string[] = [];
  return { lines, destination: { write: (line) => lines.push(line) }, ...{ human } };
}

test('a line for machines is one JSON object with time, level, role and facts', () => {
  const { lines, destination } = capture(false);
  const logger = createLogger({ role: 'serve', destination });
  logger.info({ job: 7 }, 'a job began');
  logger.debug('not at this level');
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', role: 'serve', job: 7, msg: 'a job began' });
});

test('an error is logged with its code, its causes and its remedy', () => {
  const { lines, destination } = capture(false);
  const error = new LandfallError({
    code: 'a.b',
    doing: 'x',
    reason: 'y',
    remedy: 'do z',
    cause: new Error('deep down'),
  });
  createLogger({ role: 'serve', destination }).error({ error }, 'failed');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    error: { code: 'a.b', message: 'could not x: y; because: deep down (do z)' },
  });
});

test('a line for people is short and shows control characters instead of obeying them', () => {
  const { lines, destination } = capture(true);
  const logger = createLogger({ role: 'bot', destination, human: true });
  logger.warn({ ref: 'a\u001b[31mb\nc\u202e', error: new Error('why') }, 'odd');
  expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d bot {4}warn: odd why ref=a\\u001b\[31mb\\u000ac\\u202e\n$/);
});

test('I7 H99 secrets are removed by field name and by shape, wherever they stand', () => {
  const { lines, destination } = capture(false);
  const logger = createLogger({ role: 'serve', destination });
  const secret = `lf_${'Ab3-_'.repeat(9)}`;
  logger.info(
    {
      token: 'short',
      worker: { secret: 'deep' },
      request: { headers: { authorization: 'Bearer abcdefgh12345678', cookie: 'session=1' } },
      url: 'postgresql://user:hunter2@db/x',
      text: `the token ${secret} and Bearer ${secret}`,
      error: new Error(`refused https://me:pass@forge/x with ${secret}`),
    },
    `said ${secret}`,
  );
  for (const leaked of ['short', 'deep', 'abcdefgh', 'session=1', 'hunter2', 'Ab3', 'pass@']) {
    expect(lines[0]).not.toContain(leaked);
  }
  expect(() => void JSON.parse(lines[0] ?? '')).not.toThrow();
});

test('I7 private keys are removed, and ordinary text is left alone', () => {
  const block = (kind: string): string => `-----BEGIN ${kind}-----\nabc\n-----END ${kind}-----`;
  expect(redactSecrets(`x ${block('OPENSSH PRIVATE KEY')} y`)).toBe('x [removed] y');
  expect(redactSecrets(block('PGP PRIVATE KEY BLOCK'))).toBe('[removed]');
  expect(redactSecrets(block('PGP PUBLIC KEY BLOCK'))).toBe(block('PGP PUBLIC KEY BLOCK'));
  for (const plain of ['shelf_life of 3', 'https://host:80/a@b', 'a basic test', 'sha256:abcdef']) {
    expect(redactSecrets(plain)).toBe(plain);
  }
});

test('whatever is logged, a line stays one line of valid JSON', () => {
  const { lines, destination } = capture(false);
  const logger = createLogger({ role: 'serve', destination });
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      lines.length = 0;
      logger.info({ text }, text);
      expect(lines).toHaveLength(1);
      expect(lines[0]?.indexOf('\n')).toBe((lines[0]?.length ?? 0) - 1);
      JSON.parse(lines[0] ?? '');
    }),
  );
  silentLogger().error('nothing');
});
