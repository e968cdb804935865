import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exec } from '../platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { readLocalTag } from './git-tag.ts';
import { UsageError } from './failures.ts';

let folder: TemporaryDirectory;
let clone: string;

async function git(...argv: string[]): Promise<string> {
  const { stdout } = await exec(['git', '-C', clone, ...argv], {
    deadlineMs: 20_000,
    env: {
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_AUTHOR_NAME: 'A',
      GIT_AUTHOR_EMAIL: 'a@example.org',
      GIT_COMMITTER_NAME: 'A',
      GIT_COMMITTER_EMAIL: 'a@example.org',
    },
  });
  return stdout.toString().trim();
}

beforeEach(async () => {
  folder = await makeTemporaryDirectory();
  clone = folder.path;
  await git('init', '-q', '-b', 'main');
  await git('remote', 'add', 'origin', 'https://forge.example/packages/hello.git');
  for (const name of ['old', 'upstream', 'new']) {
    await exec(['sh', '-c', `echo ${name} > "${join(clone, name)}"`], { deadlineMs: 5_000 });
    await git('add', name);
    await git('commit', '-q', '-m', name);
    if (name === 'upstream') await git('tag', '-a', '-m', 'upstream', 'upstream/1');
  }
});
afterEach(async () => await folder.remove());

test('the pack has the tag, its commit with all that is in it, the upstream commit and tag, and no history', async () => {
  const upstream = await git('rev-parse', 'upstream/1^{commit}');
  await git(
    'tag',
    '-a',
    '-m',
    `release\n\n[dgit please-upload source=hello upstream-tag=upstream/1 upstream=${upstream}]`,
    'landfall/1-1',
  );
  const tag = await readLocalTag(clone, 'landfall/1-1');
  expect(tag.ref).toBe('refs/tags/landfall/1-1');
  expect(tag.objectId).toBe(await git('rev-parse', 'refs/tags/landfall/1-1'));
  expect(tag.remotes).toEqual(['https://forge.example/packages/hello.git']);
  const other = await makeTemporaryDirectory();
  try {
    await exec(['git', 'init', '-q', '--bare', other.path], { deadlineMs: 10_000 });
    await exec(['git', '-C', other.path, 'index-pack', '--stdin'], { deadlineMs: 10_000, input: tag.pack });
    const has = async (name: string): Promise<boolean> =>
      (await exec(['git', '-C', other.path, 'cat-file', '-e', name], { deadlineMs: 10_000, okCodes: 'any' })).code ===
      0;
    expect(await has(tag.objectId)).toBe(true);
    for (const name of ['HEAD^{commit}', 'HEAD^{tree}', 'HEAD:new', 'HEAD:old', 'upstream/1', 'upstream/1^{commit}']) {
      expect(await has(await git('rev-parse', name)), name).toBe(true);
    }
    expect(await has(await git('rev-parse', 'HEAD~2')), 'the oldest commit').toBe(false);
  } finally {
    await other.remove();
  }
});

test('a tag that is not there, and a folder that is no clone, are said so', async () => {
  await expect(readLocalTag(clone, 'landfall/9-9')).rejects.toThrow('there is no tag landfall/9-9 here');
  await expect(readLocalTag('/', 'landfall/9-9')).rejects.toThrow(UsageError);
});

test('H70 a name that looks like an option is only a name', async () => {
  await expect(readLocalTag(clone, '--output=/tmp/x')).rejects.toThrow(UsageError);
});
