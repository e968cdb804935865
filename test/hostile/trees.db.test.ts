/**
 * H71–H73 Commits built for attack, each signed by somebody who may release: trees, commits and tags as raw objects, through both
 * doors of the gate. Whatever they hold, there is one decision, in words, and the next right tag is accepted.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { git } from '../../src/platform/git.ts';
import { createAliceWorld, verdict, type AliceWorld } from '../scenarios/alice.ts';
import { commitPackage, debianFiles, releaseMessage, tagRelease, UPSTREAM_FILES } from '../scenarios/git-package.ts';
import { createRepository } from '../scenarios/git-repository.ts';
import type { TagFacts } from '../scenarios/git-world.ts';
let alices: AliceWorld;
let alice: AliceWorld['alice'];
let world: AliceWorld['world'];
let repository: AliceWorld['repository'];
let repositoryId: AliceWorld['repositoryId'];
let nextVersion: AliceWorld['nextVersion'];

beforeAll(async () => {
  alices = await createAliceWorld();
  ({ alice, world, repository, repositoryId, nextVersion } = alices);
});

afterAll(async () => await alices.remove());

interface Entry {
  readonly mode: string;
  readonly name: string | Buffer;
  readonly id: string;
}

/** A tree as it is written, in the order that is given. */
async function storeTree(entries: readonly Entry[]): Promise<string> {
  return await repository.store(
    'tree',
    Buffer.concat(
      entries.map(({ mode, name, id }) =>
        Buffer.concat([Buffer.from(`${mode} `), Buffer.from(name), Buffer.from([0]), Buffer.from(id, 'hex')]),
      ),
    ),
  );
}

/** In git's order, where a folder counts as if a slash followed its name. */
function ordered(entries: readonly Entry[]): readonly Entry[] {
  const key = ({ mode, name }: Entry): Buffer =>
    Buffer.concat([Buffer.from(name), Buffer.from(mode === '40000' ? '/' : '')]);
  return [...entries].sort((a, b) => Buffer.compare(key(a), key(b)));
}

async function storeCommit(treeId: string): Promise<string> {
  const who = 'A <a@example.org> 1700000000 +0000';
  return await repository.store('commit', `tree ${treeId}\nauthor ${who}\ncommitter ${who}\n\nx\n`);
}

/** The entries of a right package of this version. */
async function packageEntries(version: string): Promise<readonly Entry[]> {
  const commitId = await repository.commit({ files: { ...UPSTREAM_FILES, ...debianFiles({ version }) } });
  const listed = await repository.git(['ls-tree', commitId]);
  return listed
    .trim()
    .split('\n')
    .map((line) => {
      const [, mode = '', id = '', name = ''] = /^0*(\d+) \w+ ([0-9a-f]+)\t(.*)$/.exec(line) ?? [];
      return { mode, id, name };
    });
}

async function release(version: string, commitId: string): Promise<TagFacts> {
  const commits = await commitPackage(repository, { version });
  await tagRelease(repository, { ...commits, commitId }, alice.sign, { version });
  return await world.push(repositoryId, `refs/tags/landing/${version}`);
}

async function releaseWith(extra: (version: string) => Promise<readonly Entry[]>): Promise<TagFacts> {
  const version = nextVersion();
  const entries = [...(await packageEntries(version)), ...(await extra(version))];
  return await release(version, await storeCommit(await storeTree(ordered(entries))));
}

describe('H71 names that a file system takes for others', () => {
  test.each<[string, string | Buffer]>([
    ['.git', '.git'],
    ['.GIT', '.GIT'],
    ['NTFS: short name', 'git~1'],
    ['NTFS: blanks and dots at the end', '.git . .'],
    ['NTFS: a stream', '.git::$INDEX_ALLOCATION'],
    ['NTFS: behind a backslash', 'a\\.git'],
    ['HFS+: a zero-width character within', '.g\u200cit'],
    ['HFS+: another', '.gi\u202at'],
    ['one dot', '.'],
    ['two dots', '..'],
    ['a slash', 'a/b'],
  ])('%s is refused', async (_what, name) => {
    const tag = await releaseWith(async () => {
      const inner = await storeTree([{ mode: '100644', name: 'config', id: await repository.store('blob', 'evil') }]);
      return [{ mode: '40000', name, id: inner }];
    });
    expect([tag.state, verdict(tag)]).toEqual(['rejected', expect.stringMatching(/^(?:fetch\.ok|commit\.bound): /)]);
    expect(tag.decisions).toHaveLength(1);
  });

  test('bytes that are no UTF-8 are a name like any other', async () => {
    const tag = await releaseWith(async () => [
      { mode: '100644', name: Buffer.from([0x66, 0xff, 0xfe]), id: await repository.store('blob', 'x') },
    ]);
    expect(verdict(tag)).toMatch(/^accepted: /);
  });
});

describe('H71 trees that two readers read differently', () => {
  test('one name twice', async () => {
    const version = nextVersion();
    const entries = await packageEntries(version);
    const other = await packageEntries('6.6-6');
    const debian = other.find(({ name }) => name === 'debian');
    if (debian === undefined) throw new Error('the package has no debian folder');
    const tag = await release(version, await storeCommit(await storeTree(ordered([...entries, debian]))));
    expect([tag.state, verdict(tag)]).toEqual(['rejected', expect.stringContaining('fetch.ok: ')]);
  });

  test('a folder and a file of one name', async () => {
    const tag = await releaseWith(async () => [
      { mode: '100644', name: 'debian', id: await repository.store('blob', 'x') },
    ]);
    expect(tag.state, verdict(tag)).toBe('rejected');
  });

  test('entries in another order', async () => {
    const version = nextVersion();
    const entries = [...(await packageEntries(version))].reverse();
    const tag = await release(version, await storeCommit(await storeTree(entries)));
    expect(tag.state, verdict(tag)).toBe('rejected');
  });

  test.each(['100', '0100644', '160755', '777777'])('the mode %s', async (mode) => {
    const tag = await releaseWith(async () => [{ mode, name: 'odd', id: await repository.store('blob', 'x') }]);
    // A zero in front is a harmless defect of old history; git then reads the mode that was meant.
    expect(verdict(tag)).toMatch(mode === '0100644' ? /^accepted: / : /^(?!accepted|fault|none)/);
  });

  test('an entry that says it is a file and is a folder', async () => {
    const tag = await releaseWith(async () => [
      {
        mode: '100644',
        name: 'odd',
        id: await storeTree([{ mode: '100644', name: 'x', id: await repository.store('blob', 'x') }]),
      },
    ]);
    expect(
      tag.decisions.every(({ outcome }) => outcome === 'rejected'),
      verdict(tag),
    ).toBe(true);
  });
});

describe('H71 debian/ and what is read of it', () => {
  const cases: Readonly<Record<string, [mode: string, content: string, expected: RegExp]>> = {
    'a changelog that may be executed is a changelog': ['100755', 'right', /^accepted: /],
    'a changelog that leads out of the tree': ['120000', '../../../etc/passwd', /^commit\.bound: .*not a regular file/],
    'a changelog that leads into .git': ['120000', '../.git/config', /^commit\.bound: .*not a regular file/],
    'an empty changelog': ['100644', '', /^changelog\.agrees: /],
    'H55 a changelog of 20 MB': ['100644', 'x'.repeat(20_000_000), /^commit\.bound: .*at most 17 MB are read/],
  };
  test.each(Object.entries(cases))('%s', async (_name, [mode, content, expected]) => {
    const version = nextVersion();
    const files = debianFiles({ version });
    const right = files['debian/changelog'];
    const commitId = await repository.commit({
      files: {
        ...UPSTREAM_FILES,
        ...files,
        'debian/changelog': { mode, content: content === 'right' && typeof right === 'string' ? right : content },
      },
    });
    expect(verdict(await release(version, commitId))).toMatch(expected);
  });

  test('a source format behind a link is none', async () => {
    const version = nextVersion();
    const { 'debian/source/format': _format, ...files } = debianFiles({ version });
    const commitId = await repository.commit({
      files: {
        ...files,
        'debian/source': { mode: '120000', content: 'elsewhere' },
        'debian/elsewhere/format': '3.0 (quilt)\n',
      },
    });
    expect(verdict(await release(version, commitId))).toMatch(/^policy\.source-format: .*"1\.0" was found/);
  });

  test('debian itself as a submodule', async () => {
    const version = nextVersion();
    const entries = (await packageEntries(version)).filter(({ name }) => name !== 'debian');
    const tree = [...entries, { mode: '160000', name: 'debian', id: '0123456789abcdef0123456789abcdef01234567' }];
    const tag = await release(version, await storeCommit(await storeTree(ordered(tree))));
    expect(verdict(tag)).toMatch(/^commit\.bound: debian\/changelog /);
  });

  test('.gitmodules with a command for a URL, and without any submodule', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, {
      version,
      files: { '.gitmodules': '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch\n' },
    });
    const tag = await release(version, commits.commitId);
    expect(tag.state, verdict(tag)).toBe('rejected');
    expect(tag.decisions[0]?.code).toBe('fetch.ok');
  });

  test('a pointer of LFS is a file of three lines', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, {
      version,
      files: {
        '.gitattributes': 'big filter=lfs diff=lfs merge=lfs -text\n',
        '.lfsconfig': '[lfs]\n\turl = https://127.0.0.1:1/\n',
        big: `version https://git-lfs.github.com/spec/v1\noid sha256:${'0'.repeat(64)}\nsize 5000000000\n`,
      },
    });
    expect(verdict(await release(version, commits.commitId))).toMatch(/^accepted: /);
  });
});

describe('H73 trees without end', () => {
  test('5,000 folders within each other end in a decision', async () => {
    const tag = await releaseWith(async () => {
      let id = await storeTree([{ mode: '100644', name: 'f', id: await repository.store('blob', 'x') }]);
      // Written by hand: a process for each would take minutes.
      for (let depth = 0; depth < 5_000; depth++) {
        const content = Buffer.concat([Buffer.from('40000 d\0'), Buffer.from(id, 'hex')]);
        const whole = Buffer.concat([Buffer.from(`tree ${content.length}\0`), content]);
        id = createHash('sha1').update(whole).digest('hex');
        const folder = join(repository.gitDir, 'objects', id.slice(0, 2));
        await mkdir(folder, { recursive: true });
        await writeFile(join(folder, id.slice(2)), deflateSync(whole, { level: 1 }));
      }
      return [{ mode: '40000', name: 'deep', id }];
    });
    expect(verdict(tag)).toMatch(/^(?:fetch\.ok|commit\.bound|forge\.unreachable): /);
  });

  test('a blob of 5 GB in some megabytes is refused by what it would unpack to', async () => {
    const version = nextVersion();
    const limited = await createRepository();
    try {
      const id = await world.register(limited, { name: `h73/${version}`, maxPackBytes: 20_000_000 });
      const commits = await commitPackage(limited, { version, files: { zeros: Buffer.alloc(90_000_000) } });
      await tagRelease(limited, commits, alice.sign, { version });
      const tag = await world.push(id, `refs/tags/landing/${version}`);
      expect(verdict(tag)).toMatch(/^commit\.bound: .*more than 80000000 bytes/);
    } finally {
      await limited.remove();
    }
  });
});

describe('what a forge may hold beside the tag', () => {
  test('objects that the forge only borrows are fetched and frozen, and never borrowed by us', async () => {
    const lender = await createRepository();
    const alternates = join(repository.gitDir, 'objects', 'info', 'alternates');
    try {
      const version = nextVersion();
      const { upstreamCommitId, upstreamTag } = await commitPackage(repository, { version: '7.7-7' });
      const secret = `borrowed for ${version}\n`;
      const commitId = await lender.commit({ files: { ...UPSTREAM_FILES, ...debianFiles({ version }), secret } });
      await writeFile(alternates, `${join(lender.gitDir, 'objects')}\n`);
      await tagRelease(repository, { commitId, upstreamCommitId, upstreamTag }, alice.sign, { version });
      expect(verdict(await world.push(repositoryId, `refs/tags/landing/${version}`))).toMatch(/^accepted: /);
      await rm(alternates);
      await lender.remove();
      const gitDir = join(world.deps.paths.git, `${repositoryId}.git`);
      expect(existsSync(join(gitDir, 'objects', 'info', 'alternates'))).toBe(false);
      const { stdout } = await git(['show', `${commitId}:secret`], { gitDir, deadlineMs: 60_000 });
      expect(stdout.toString()).toBe(secret);
    } finally {
      await rm(alternates, { force: true });
      await lender.remove();
    }
  });

  test('replacement objects and grafts of the forge change nothing of what is decided', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    const evil = await repository.commit({ files: { ...UPSTREAM_FILES, ...debianFiles({ version: '6.6-7' }) } });
    await repository.point(`refs/replace/${commits.commitId}`, evil);
    const tagId = await tagRelease(repository, commits, alice.sign, { version });
    await writeFile(join(repository.gitDir, 'info', 'grafts'), `${commits.commitId} ${evil}\n`);
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    await repository.git(['update-ref', '-d', `refs/replace/${commits.commitId}`]);
    await writeFile(join(repository.gitDir, 'info', 'grafts'), '');
    expect(verdict(tag)).toMatch(/^accepted: /);
    const mirror = join(world.deps.paths.git, `${repositoryId}.git`);
    const { stdout } = await git(['for-each-ref', '--format=%(refname)'], { gitDir: mirror, deadlineMs: 60_000 });
    expect(stdout.toString()).toContain(`refs/landfall/tags/${tagId}`);
    expect(stdout.toString()).not.toContain('refs/replace');
  });

  test('H72 a forge that lacks objects on purpose has no command of its configuration run for them', async () => {
    const partial = await createRepository();
    try {
      const id = await world.register(partial, { name: 'h72/partial' });
      const version = nextVersion();
      const marker = join(partial.gitDir, 'executed');
      const commits = await commitPackage(partial, { version, files: { lacking: 'soon gone' } });
      await tagRelease(partial, commits, alice.sign, { version });
      const blob = (await partial.git(['rev-parse', `${commits.commitId}:lacking`])).trim();
      await partial.git(['repack', '-a', '-d', '-q', '--no-write-bitmap-index']);
      // The pack without that blob takes the place of the whole one.
      const all = await partial.git(['cat-file', '--batch-all-objects', '--batch-check=%(objectname)']);
      const folder = join(partial.gitDir, 'objects', 'pack');
      const whole = await readdir(folder);
      const rest = all
        .trim()
        .split('\n')
        .filter((one) => one !== blob);
      await partial.git(['pack-objects', '-q', join(partial.gitDir, 'rest')], `${rest.join('\n')}\n`);
      for (const name of whole) await rm(join(folder, name));
      for (const name of (await readdir(partial.gitDir)).filter((one) => one.startsWith('rest-'))) {
        await rename(join(partial.gitDir, name), join(folder, name.replace('rest-', 'pack-')));
      }
      for (const [name, value] of [
        ['core.repositoryformatversion', '1'],
        ['extensions.partialClone', 'evil'],
        ['remote.evil.promisor', 'true'],
        ['remote.evil.url', partial.url],
        ['remote.evil.uploadpack', `touch ${marker}; false`],
      ] as const) {
        await partial.git(['config', name, value]);
      }
      await expect(partial.git(['cat-file', 'blob', blob])).rejects.toThrow();
      expect(existsSync(marker), 'the trap works for whoever lets git fetch what is lacking').toBe(true);
      await rm(marker);
      const tag = await world.push(id, `refs/tags/landing/${version}`);
      expect(tag.state, verdict(tag)).toBe('obstructed');
      expect(existsSync(marker)).toBe(false);
    } finally {
      await partial.remove();
    }
  });

  test('H70 refs with odd names beside it are passed over', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    const tagId = await tagRelease(repository, commits, alice.sign, { version });
    for (const name of [
      'landing/-upload-pack',
      'landing/$(touch-x)',
      'landing/ü',
      "landing/a'b",
      'landing/x;y',
      'landing/a/b/c',
    ]) {
      // git itself takes these for names.
      await repository.point(`refs/tags/${name}`, tagId);
    }
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    expect(verdict(tag)).toMatch(/^accepted: /);
    const seen = await world.db.selectFrom('tags').select('ref').where('object_id', '=', tagId).execute();
    // What is safe to handle and is none of ours is refused by its name when it is decided.
    expect(seen.every(({ ref }) => /^refs\/tags\/landing\/[\x21-\x7e]+$/.test(ref))).toBe(true);
  });

  test('a tag that calls a tree a commit is an obstacle or a rejection, never more', async () => {
    const version = nextVersion();
    const tree = (await repository.git(['rev-parse', 'refs/heads/main^{tree}'])).trim();
    await repository.tag({
      name: `landing/${version}`,
      commitId: tree,
      message: releaseMessage({ version }),
      sign: alice.sign,
    });
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    expect(['rejected', 'obstructed']).toContain(tag.state);
    expect(verdict(tag)).not.toMatch(/^(?:fault|git\.damaged)/);
  });
});

test('after all of it a right tag is accepted', async () => {
  const version = nextVersion();
  const commits = await commitPackage(repository, { version });
  expect(verdict(await release(version, commits.commitId))).toMatch(/^accepted: /);
});
