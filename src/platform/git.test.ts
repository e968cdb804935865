import { createHash } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exec } from './exec.ts';
import { exists, makeTemporaryDirectory, type TemporaryDirectory } from './files.ts';
import { openObjects, readObject } from './git-objects.ts';
import {
  fetchRefs,
  git,
  indexPack,
  initBare,
  listTree,
  lsRemote,
  packObjects,
  parseTree,
  pathText,
  writeShallow,
} from './git.ts';

const deadlineMs = 60_000;
const IDENTITY = {
  GIT_AUTHOR_NAME: 'Alice',
  GIT_AUTHOR_EMAIL: 'alice@example.org',
  GIT_COMMITTER_NAME: 'Alice',
  GIT_COMMITTER_EMAIL: 'alice@example.org',
  GIT_AUTHOR_DATE: '2026-01-01T00:00:00Z',
  GIT_COMMITTER_DATE: '2026-01-01T00:00:00Z',
};

let folder: TemporaryDirectory;
let work: string;
let commits: string[];
let count = 0;

async function run(cwd: string, ...args: [string, ...string[]]): Promise<string> {
  const { stdout } = await git(args, { cwd, deadlineMs, env: IDENTITY });
  return stdout.toString().trim();
}

async function bare(): Promise<string> {
  count += 1;
  const path = join(folder.path, `bare-${count}.git`);
  await initBare(path);
  return path;
}

/** Writes an object as it is, without git's own checks. */
async function writeRaw(gitDir: string, type: string, body: Buffer | string): Promise<string> {
  const { stdout } = await git(['hash-object', '-t', type, '-w', '--literally', '--stdin'], {
    gitDir,
    deadlineMs,
    input: body,
  });
  return stdout.toString().trim();
}

beforeAll(async () => {
  folder = await makeTemporaryDirectory('lf-git-');
  work = join(folder.path, 'work');
  await exec(['mkdir', '-p', join(work, 'debian')], { deadlineMs });
  await run(folder.path, 'init', '--quiet', '--initial-branch=main', work);
  commits = [];
  for (const version of ['1', '2', '3']) {
    await writeFile(join(work, 'debian', 'changelog'), `hello (${version})\n`);
    await writeFile(join(work, 'file ä'), version);
    await run(work, 'add', '--all');
    await run(work, 'commit', '--quiet', '-m', version);
    commits.push(await run(work, 'rev-parse', 'HEAD'));
  }
  await run(work, 'tag', '-a', '-m', 'a release', 'landing/1#2', 'HEAD');
}, 60_000);

afterAll(async () => {
  await folder.remove();
});

const url = (): string => `file://${work}`;
const file = ['file'] as const;

describe('a remote repository', () => {
  test('lists the refs that are asked for, tags by their own object', async () => {
    const listed = await lsRemote({ url: url(), protocols: file, deadlineMs, patterns: ['refs/tags/landing/*'] });
    const tag = await run(work, 'rev-parse', 'refs/tags/landing/1#2');
    expect(listed).toEqual({ kind: 'refs', refs: [{ ref: 'refs/tags/landing/1#2', objectId: tag }] });
  });

  test('is fetched without other tags, history or FETCH_HEAD when that is asked for', async () => {
    const gitDir = await bare();
    const refspec = '+refs/tags/landing/1#2:refs/tags/landing/1#2';
    const options = { gitDir, url: url(), protocols: file, deadlineMs, refspecs: [refspec], maxPackBytes: 1e6 };
    expect(await fetchRefs({ ...options, depth: 1 })).toEqual({ kind: 'fetched' });
    expect(await exists(join(gitDir, 'FETCH_HEAD'))).toBe(false);
    expect(await run(gitDir, 'rev-list', '--count', '--all')).toBe('1');
    expect(await fetchRefs(options)).toEqual({ kind: 'fetched' });
  });

  test('H80 that is away, or refuses, is an obstacle with git’s own words and nothing invisible', async () => {
    const gitDir = await bare();
    const options = { gitDir, deadlineMs, refspecs: ['refs/heads/main'], maxPackBytes: 1e6 };
    expect(await fetchRefs({ ...options, url: `file://${work}/absent`, protocols: file })).toMatchObject({
      kind: 'unreachable',
      detail: expect.stringContaining('does not appear to be a git repository') as unknown,
    });
    expect(await fetchRefs({ ...options, url: 'https://127.0.0.1:1/x' })).toMatchObject({
      kind: 'unreachable',
      detail: expect.stringContaining('127.0.0.1') as unknown,
    });
    expect(await fetchRefs({ ...options, url: 'ssh://127.0.0.1:1/x' })).toMatchObject({ kind: 'unreachable' });
    expect(await lsRemote({ url: 'https://127.0.0.1:1/x', deadlineMs, patterns: ['refs/tags/*'] })).toMatchObject({
      kind: 'unreachable',
    });
  });

  test('without the ref says so', async () => {
    expect(
      await fetchRefs({
        gitDir: await bare(),
        url: url(),
        protocols: file,
        deadlineMs,
        refspecs: ['refs/tags/absent'],
        maxPackBytes: 1e6,
      }),
    ).toMatchObject({ kind: 'missing-ref' });
  });

  test('H70 is reached only by the protocols that were allowed', async () => {
    const gitDir = await bare();
    const result = await fetchRefs({
      gitDir,
      url: url(),
      deadlineMs,
      refspecs: ['refs/heads/main'],
      maxPackBytes: 1e6,
    });
    expect(result).toMatchObject({
      kind: 'unreachable',
      detail: expect.stringContaining("'file' not allowed") as unknown,
    });
  });

  test('H70 whose URL or ref is an option, a command or has odd bytes is refused before git runs', async () => {
    const gitDir = await bare();
    const options = { gitDir, protocols: file, deadlineMs, maxPackBytes: 1e6 };
    const touched = join(folder.path, 'touched');
    for (const bad of [
      `--upload-pack=touch ${touched}`,
      '-oProxyCommand=touch',
      `ext::sh -c touch% ${touched}`,
      'http://example.org/x',
      'git://example.org/x',
      '/etc',
      'file:///a b',
      'file:///a\0b',
      'https://',
      '',
    ]) {
      await expect(fetchRefs({ ...options, url: bad, refspecs: ['refs/heads/main'] }), bad).rejects.toMatchObject({
        code: 'git.url',
      });
      await expect(lsRemote({ url: bad, deadlineMs, patterns: [] }), bad).rejects.toMatchObject({ code: 'git.url' });
    }
    for (const bad of ['--upload-pack=x', '-x', 'refs/tags/a b', 'refs/tags/a\0', 'refs/tags/a\nb', '', 'a:-b']) {
      await expect(fetchRefs({ ...options, url: url(), refspecs: [bad] }), bad).rejects.toMatchObject({
        code: 'git.ref',
      });
    }
    expect(await exists(touched)).toBe(false);
  });

  test('H73 that brings more bytes than allowed is stopped, and nothing of it stays', async () => {
    const big = join(folder.path, 'big');
    await run(folder.path, 'init', '--quiet', '--initial-branch=main', big);
    await exec(['sh', '-c', 'head -c 6000000 /dev/urandom > blob'], { cwd: big, deadlineMs });
    await run(big, 'add', '--all');
    await run(big, 'commit', '--quiet', '-m', 'big');
    const gitDir = await bare();
    const options = { gitDir, url: `file://${big}`, protocols: file, deadlineMs, refspecs: ['refs/heads/main:refs/x'] };
    expect(await fetchRefs({ ...options, maxPackBytes: 1_000_000 })).toMatchObject({ kind: 'too-large' });
    expect(await exists(join(gitDir, 'refs', 'x'))).toBe(false);
    expect(await readdir(join(gitDir, 'objects', 'pack'))).toEqual([]);
    expect(await fetchRefs({ ...options, maxPackBytes: 10_000_000 })).toEqual({ kind: 'fetched' });
  });

  test('H73 that takes too long is a timeout', async () => {
    expect(
      await lsRemote({
        url: 'ssh://127.0.0.1/x',
        deadlineMs: 200,
        env: { GIT_SSH_COMMAND: 'sleep 60 #' },
        patterns: [],
      }),
    ).toEqual({ kind: 'timeout', detail: 'it took longer than 0 s' });
  });

  test('H72 hooks, filters and configuration of the machine or the tree are not executed', async () => {
    const touched = join(folder.path, 'executed');
    const home = join(folder.path, 'home');
    await exec(['mkdir', home], { deadlineMs });
    await writeFile(
      join(home, '.gitconfig'),
      `[core]\n\tfsmonitor = touch ${touched}\n[filter "x"]\n\tsmudge = touch ${touched}\n[uploadpack]\n\tpackObjectsHook = touch ${touched}\n`,
    );
    const gitDir = await bare();
    await writeFile(join(gitDir, 'hooks-are-absent'), '');
    const result = await fetchRefs({
      gitDir,
      url: url(),
      protocols: file,
      deadlineMs,
      env: { HOME: home },
      refspecs: ['refs/heads/main:refs/heads/main'],
      maxPackBytes: 1e6,
    });
    expect(result.kind).toBe('fetched');
    expect(await exists(touched)).toBe(false);
  });

  test.skipIf(process.getuid?.() !== 0)('in a folder of another user is read when file URLs were allowed', async () => {
    const foreign = join(folder.path, 'foreign.git');
    await run(folder.path, 'clone', '--quiet', '--bare', '--no-local', work, foreign).catch(() => undefined);
    await exec(['cp', '-r', join(work, '.git'), foreign], { deadlineMs, okCodes: 'any' });
    await exec(['chown', '-R', '65534:65534', foreign], { deadlineMs });
    expect(
      await lsRemote({ url: `file://${foreign}`, protocols: file, deadlineMs, patterns: ['refs/heads/main'] }),
    ).toMatchObject({ kind: 'refs' });
  });
});

describe('H71 received objects', () => {
  /** A commit of a tree with one raw entry, in a repository that checks nothing. */
  async function commitOf(entry: { mode: string; name: string; blob: string }, author?: string): Promise<string> {
    const gitDir = await bare();
    const blob = await writeRaw(gitDir, 'blob', entry.blob);
    const tree = await writeRaw(
      gitDir,
      'tree',
      Buffer.concat([Buffer.from(`${entry.mode} ${entry.name}\0`), Buffer.from(blob, 'hex')]),
    );
    const who = author ?? 'Alice <alice@example.org> 1767225600 +0000';
    const commit = await writeRaw(gitDir, 'commit', `tree ${tree}\nauthor ${who}\ncommitter ${who}\n\nmessage\n`);
    await writeFile(join(gitDir, 'refs', 'heads', 'main'), `${commit}\n`);
    return gitDir;
  }
  const fetchFrom = async (gitDir: string): Promise<{ kind: string; detail?: string }> =>
    await fetchRefs({
      gitDir: await bare(),
      url: `file://${gitDir}`,
      protocols: file,
      deadlineMs,
      refspecs: ['refs/heads/main:refs/heads/main'],
      maxPackBytes: 1e6,
    });

  test.each([
    ['100644', '..', 'x'],
    ['100644', '.', 'x'],
    ['100644', '.git', 'x'],
    ['100644', '.GIT', 'x'],
    ['100644', 'git~1', 'x'],
    ['100644', 'a/b', 'x'],
    ['120000', '.gitmodules', '/etc/passwd'],
    ['100644', '.gitmodules', '[submodule "a"]\n\tpath = a\n\turl = --upload-pack=x\n'],
  ])('with mode %s and name %s are refused', async (mode, name, blob) => {
    expect(await fetchFrom(await commitOf({ mode, name, blob }))).toMatchObject({ kind: 'refused' });
  });

  test('with the harmless defects of real history pass', async () => {
    for (const author of [
      'Alice <alice@example.org> 1767225600 +051800',
      'Alice <alice@example.org> 01767225600 +0000',
      'Alice<alice@example.org> 1767225600 +0000',
      '<alice@example.org> 1767225600 +0000',
      'Alice <alice@example.org> 99999999999999999999 +0000',
    ]) {
      expect(await fetchFrom(await commitOf({ mode: '100664', name: 'x', blob: 'y' }, author)), author).toEqual({
        kind: 'fetched',
      });
    }
  });
});

describe('reading objects', () => {
  test('one reader gives type, size and bytes, in any order of asking', async () => {
    const reader = openObjects(join(work, '.git'));
    const [first, second] = [commits[0] ?? '', commits[1] ?? ''];
    const [info, one, two, missing] = await Promise.all([
      reader.info(first),
      reader.read(first, { maxBytes: 10_000 }),
      reader.read(second, { maxBytes: 10_000 }),
      reader.read('0'.repeat(40), { maxBytes: 10 }),
    ]);
    expect(info?.type).toBe('commit');
    expect(one.kind === 'object' && one.bytes.toString()).toContain('\n\n1\n');
    expect(two.kind === 'object' && two.bytes.toString()).toContain(`parent ${first}`);
    expect(one.kind === 'object' && one.bytes.length).toBe(info?.size);
    expect(missing).toEqual({ kind: 'missing' });
    expect(await reader.info('1'.repeat(40))).toBeUndefined();
    await reader.close();
    await expect(reader.info(first)).rejects.toMatchObject({ code: 'git.closed' });
  });

  test('H73 an object that is larger than asked for is not read, also when it is a small delta', async () => {
    const gitDir = await bare();
    const blob = await writeRaw(gitDir, 'blob', Buffer.alloc(3_000_000));
    expect(await readObject(gitDir, blob, { maxBytes: 1000 })).toEqual({
      kind: 'too-large',
      type: 'blob',
      size: 3_000_000,
    });
    const read = await readObject(gitDir, blob, { maxBytes: 3_000_000 });
    expect(read.kind === 'object' && read.bytes.equals(Buffer.alloc(3_000_000))).toBe(true);
  });

  test('blobs of any bytes come back as they were written', async () => {
    const gitDir = await bare();
    const reader = openObjects(gitDir);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const id = await writeRaw(gitDir, 'blob', Buffer.from(bytes));
        const oracle = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
        expect(id).toBe(oracle);
        const read = await reader.read(id, { maxBytes: 300 });
        expect(read.kind === 'object' && read.bytes.equals(bytes)).toBe(true);
      }),
      { numRuns: 20 },
    );
    await reader.close();
  });

  test('H70 what is no object id never reaches git', async () => {
    const reader = openObjects(join(work, '.git'));
    for (const name of ['HEAD', '--help', 'a'.repeat(39), `${'a'.repeat(40)}\ncontents x`, '']) {
      await expect(reader.info(name)).rejects.toMatchObject({ code: 'git.object-id' });
      await expect(listTree(work, name)).rejects.toMatchObject({ code: 'git.object-id' });
    }
    await reader.close();
  });

  test('a folder that is no repository fails the readers that wait', async () => {
    await expect(readObject(join(folder.path, 'no-such.git'), '1'.repeat(40), { maxBytes: 1 })).rejects.toMatchObject({
      code: 'exec.failed',
    });
  });

  test('H17 an object that lost its end is a fault: git gives out what is left of it as if it were whole', async () => {
    const gitDir = await bare();
    const id = await writeRaw(gitDir, 'blob', 'hello');
    const path = join(gitDir, 'objects', id.slice(0, 2), id.slice(2));
    await exec(['chmod', 'u+w', path], { deadlineMs });
    await writeFile(path, deflateSync('blob 5\0hel'));
    const alone = openObjects(gitDir, { idleMs: 200 });
    await expect(alone.read(id, { maxBytes: 100 })).rejects.toMatchObject({ code: 'git.damaged' });
    await alone.close();
    const followed = openObjects(gitDir);
    const read = followed.read(id, { maxBytes: 100 });
    await followed.info(id);
    const others = [followed.info(id), followed.info(id)];
    await expect(read).rejects.toMatchObject({ code: 'git.damaged' });
    await Promise.allSettled(others);
    await followed.close();
  });

  test('a tree is listed with modes and raw paths', async () => {
    const commit = commits[2] ?? '';
    const entries = await listTree(join(work, '.git'), commit);
    expect(entries.map(({ mode, type, path }) => `${mode} ${type} ${pathText(path) ?? '?'}`)).toEqual([
      '100644 blob debian/changelog',
      '100644 blob file ä',
    ]);
    const top = await listTree(join(work, '.git'), commit, { recursive: false });
    expect(top.map(({ type }) => type)).toEqual(['tree', 'blob']);
    const one = await listTree(join(work, '.git'), commit, { paths: ['debian/changelog'] });
    expect(one).toHaveLength(1);
    expect(await listTree(join(work, '.git'), commit, { paths: ['*'] })).toEqual([]);
  });

  test('tree listings with any path bytes are read back', () => {
    const entry = fc.record({
      mode: fc.constantFrom('100644', '120000', '040000'),
      type: fc.constantFrom('blob' as const, 'tree' as const, 'commit' as const),
      path: fc.uint8Array({ min: 1, minLength: 1, maxLength: 20 }),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 10 }), (entries) => {
        const listing = Buffer.concat(
          entries.flatMap(({ mode, type, path }) => [
            Buffer.from(`${mode} ${type} ${'a'.repeat(40)}\t`),
            Buffer.from(path),
            Buffer.from([0]),
          ]),
        );
        expect(parseTree(listing)).toEqual(
          entries.map(({ mode, type, path }) => ({
            mode,
            type,
            objectId: 'a'.repeat(40),
            path: Buffer.from(path),
          })),
        );
      }),
    );
    expect(pathText(Buffer.from([0xff, 0x2f]))).toBeUndefined();
  });
});

describe('packs', () => {
  /** The commit, its trees and blobs, without its parents. */
  async function objectsOf(commit: string): Promise<string[]> {
    const listed = await run(work, 'rev-list', '--objects', '--no-walk', commit);
    return listed.split('\n').map((line) => line.slice(0, 40));
  }

  test('hold exactly what was asked for, are the same each time, and are stored elsewhere without history', async () => {
    const commit = commits[2] ?? '';
    const ids = await objectsOf(commit);
    const read = async (): Promise<Buffer> => {
      const chunks: Buffer[] = [];
      for await (const chunk of packObjects(join(work, '.git'), ids)) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
      return Buffer.concat(chunks);
    };
    const pack = await read();
    expect(await read()).toEqual(pack);
    const gitDir = await bare();
    expect(await indexPack(gitDir, pack, { maxBytes: 1e6 })).toMatchObject({ kind: 'refused' });
    await writeShallow(gitDir, [commit]);
    expect(await indexPack(gitDir, packObjects(join(work, '.git'), ids), { maxBytes: 1e6 })).toEqual({
      kind: 'indexed',
    });
    expect(await run(gitDir, 'rev-list', '--count', commit)).toBe('1');
    expect((await listTree(gitDir, commit)).length).toBe(2);
    expect(await readFile(join(gitDir, 'shallow'), 'utf8')).toBe(`${commit}\n`);
  });

  test('H73 that are too large, cut off or no pack are refused', async () => {
    const gitDir = await bare();
    const ids = await objectsOf(commits[0] ?? '');
    const chunks: Buffer[] = [];
    for await (const chunk of packObjects(join(work, '.git'), ids)) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
    const pack = Buffer.concat(chunks);
    expect(await indexPack(gitDir, pack, { maxBytes: 20 })).toMatchObject({ kind: 'too-large' });
    expect(await indexPack(gitDir, pack.subarray(0, 60), { maxBytes: 1e6 })).toMatchObject({ kind: 'refused' });
    expect(await indexPack(gitDir, Buffer.from('no pack'), { maxBytes: 1e6 })).toMatchObject({ kind: 'refused' });
    expect(await readdir(join(gitDir, 'objects', 'pack'))).toEqual([]);
  });

  test('that name an object which is not there fail their reader', async () => {
    const stream = packObjects(join(work, '.git'), ['1'.repeat(40)]);
    await expect(
      (async () => {
        for await (const _chunk of stream);
      })(),
    ).rejects.toMatchObject({ code: 'exec.failed' });
  });
});
