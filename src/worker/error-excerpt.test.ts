import { expect, it } from 'vitest';
import { errorExcerpt } from './error-excerpt.ts';

it('shows a message that repeats only once, so that it does not crowd out the cause', () => {
  const noise = Array.from({ length: 30 }, () => 'sh: 1: build-aux/git-version-gen: not found');
  const log = [...noise, 'src/hello.c:1:16: error: nowhere is undeclared', 'make[1]: *** [Makefile:1: all] Error 1'];
  const { lines, kind } = errorExcerpt(log.join('\n'));
  expect(kind).toBe('compiler');
  expect(lines.filter((line) => line.includes('git-version-gen')).length).toBe(1);
  expect(lines.join('\n')).toContain('src/hello.c:1:16: error');
});
