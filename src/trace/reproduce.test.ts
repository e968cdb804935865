import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inputsOf } from './build.ts';
import { checksOf } from './tags.ts';
import { reproduceCommands } from './reproduce.ts';

const FACTS = {
  archiveUrl: 'https://landfall.example/archive/main',
  keyUrl: 'https://landfall.example/archive/main/key.asc',
  repositoryUrl: 'https://forge.example/hello.git',
  ref: 'refs/tags/landfall/1-1',
};

test('a binary build is made again by sbuild with the same base and repositories', () => {
  const commands = reproduceCommands({
    ...FACTS,
    payload: {
      kind: 'binary',
      archive: 'main',
      suite: 'landing',
      source: 'hello',
      version: '1-1',
      dsc: 'hello_1-1.dsc',
      architecture: 'arm64',
      withAll: false,
      chroot: { suite: 'bookworm' },
      aptSources: [{ uri: FACTS.archiveUrl, suite: 'landing', components: ['main', 'extra'] }],
    },
  });
  expect(commands.at(-1)).toBe(
    'sbuild --chroot-mode=unshare --dist=bookworm --arch=arm64 --no-arch-all ' +
      "'--extra-repository=deb [signed-by=/etc/apt/keyrings/main.asc] https://landfall.example/archive/main landing main extra' " +
      '--extra-repository-key=/etc/apt/keyrings/main.asc hello_1-1.dsc',
  );
});

test('a source build is made again from the tagged commit', () => {
  const commands = reproduceCommands({ ...FACTS, payload: { kind: 'source', source: 'hello', commitId: 'c0ffee' } });
  expect(commands).toContain('git checkout --detach c0ffee');
});

test('words are quoted so that a shell takes them for what they are', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }).filter((text) => text !== '' && !/[\u0000\r]/.test(text)),
      (word) => {
        const [first] = reproduceCommands({
          ...FACTS,
          repositoryUrl: word,
          payload: { kind: 'source', source: 'x', commitId: 'c' },
        });
        const script = (first ?? '').replace(/^git clone/, "printf '%s\\n'");
        expect(execFileSync('/bin/sh', ['-c', script]).toString('utf8')).toBe(`--no-checkout\n${word}\nx\n`);
      },
    ),
    { numRuns: 50 },
  );
});

test('whatever a payload or a record holds, nothing of it is believed and nothing throws', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const payload = JSON.parse(JSON.stringify(value)) as null;
      expect(Array.isArray(reproduceCommands({ ...FACTS, payload }))).toBe(true);
      expect(Array.isArray(inputsOf(payload))).toBe(true);
      expect(Array.isArray(checksOf(payload))).toBe(true);
    }),
  );
});
