/** Tags, keys and repositories built for attack, H70–H80 of the list of hostile cases. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAliceWorld, verdict, type AliceWorld } from '../../test/scenarios/alice.ts';
import { commitPackage, debianFiles, releaseMessage, tagRelease } from '../../test/scenarios/git-package.ts';
import { createRepository } from '../../test/scenarios/git-repository.ts';
import type { TagFacts } from '../../test/scenarios/git-world.ts';
import type { TagSigner } from '../../test/scenarios/keys.ts';
import { receiveNotice, verifyDecisionOf } from './index.ts';

const DAY_MS = 24 * 60 * 60_000;

let alices: AliceWorld;
let keys: AliceWorld['keys'];
let alice: AliceWorld['alice'];
let world: AliceWorld['world'];
let repository: AliceWorld['repository'];
let repositoryId: AliceWorld['repositoryId'];
let nextVersion: AliceWorld['nextVersion'];
let count = 0;

beforeAll(async () => {
  alices = await createAliceWorld();
  ({ keys, alice, world, repository, repositoryId, nextVersion } = alices);
});

afterAll(async () => await alices.remove());

async function release(sign: TagSigner | undefined, version = nextVersion()): Promise<TagFacts> {
  const commits = await commitPackage(repository, { version });
  await tagRelease(repository, commits, sign, { version });
  return await world.push(repositoryId, `refs/tags/landing/${version}`);
}

describe('H70 addresses and refs that are commands', () => {
  test.each([
    ['--upload-pack=touch /tmp/landfall-h70', 'repository.address'],
    ['ext::sh -c touch% /tmp/landfall-h70', 'repository.address'],
    ['/tmp/repository', 'repository.address'],
    ['file:///tmp/x y', 'repository.address'],
    ['http://127.0.0.1/x.git', 'repository.address'],
    ['git://127.0.0.1/x.git', 'repository.address'],
    ['ssh://-oProxyCommand=touch/x', 'repository.address'],
    ['ssh://a$(touch${IFS}/tmp/landfall-h70)/x', 'repository.address'],
    ['ssh://-l@127.0.0.1`id`/x', 'repository.address'],
    ['https://127.0.0.1;touch/x', 'repository.address'],
    ['https://127.0.0.1/group/../other/x', 'repository.address'],
    ['https://127.0.0.1/group/%2E%2e/other/x', 'repository.address'],
    ['https://alice:secret@127.0.0.1/x', 'repository.address'],
  ])('%s is never given to git', async (url, code) => {
    const id = await world.register(repository, { name: `h70/${count++}`, url });
    await expect(world.scan(id)).rejects.toMatchObject({ code });
    expect(existsSync('/tmp/landfall-h70')).toBe(false);
  });

  test('a file URL is used only where an administrator allowed it', async () => {
    const copy = await createRepository();
    const id = await world.register(copy, { name: 'h70/file', allowFile: false });
    await expect(world.scan(id)).rejects.toMatchObject({ code: 'repository.address' });
    await copy.remove();
  });

  test('H90 the address in a notice only serves to find a registered one', async () => {
    const via = 'hook';
    const unknown = { repository: { url: 'http://169.254.169.254/latest' }, via };
    expect(await receiveNotice(world.deps, unknown)).toEqual({ kind: 'unknown-repository' });
    expect(await receiveNotice(world.deps, { repository: { url: repository.url }, via })).toMatchObject({
      kind: 'noted',
    });
  });

  test('a ref in a notice that is no name of a tag is left out', async () => {
    for (const ref of ['--exec=x', 'refs/tags/landing/1\0', 'refs/tags/a b', `refs/tags/${'x'.repeat(1000)}`]) {
      await receiveNotice(world.deps, { repository: { id: repositoryId }, ref, via: 'hook' });
    }
    const stored = await world.db.selectFrom('notices').select('ref').where('ref', 'is not', null).execute();
    expect(stored.every(({ ref }) => /^refs\/tags\/[\x21-\x7e]+$/.test(ref ?? ''))).toBe(true);
  });
});

describe('H71 trees with tricks', () => {
  test.each([
    ['a folder named .git', '.git'],
    ['a folder named ..', '..'],
    ['a folder named GIT~1', 'GIT~1'],
    ['a folder named .GiT', '.GiT'],
  ])('%s is refused, and nothing of it reaches a disk', async (_name, evil) => {
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    const blob = await repository.store('blob', 'evil');
    const inner = Buffer.concat([Buffer.from('100644 config\0'), Buffer.from(blob, 'hex')]);
    const innerId = await repository.store('tree', inner);
    const root = (await repository.git(['ls-tree', commits.commitId])).trim();
    const lines = `${root}\n040000 tree ${innerId}\t${evil}\n`;
    // mktree refuses such names, so the tree's bytes are put together here, in git's order.
    const entries = lines
      .trim()
      .split('\n')
      .map((line) => /^(\d+) (\w+) ([0-9a-f]+)\t(.*)$/.exec(line) ?? [])
      .map(([, mode = '', type = '', id = '', name = '']) => ({ mode: mode.replace(/^0/, ''), type, id, name }))
      .sort((a, b) => {
        const one = a.type === 'tree' ? `${a.name}/` : a.name;
        const other = b.type === 'tree' ? `${b.name}/` : b.name;
        return one < other ? -1 : 1;
      })
      .map(({ mode, id, name }) => Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, 'hex')]));
    const treeId = await repository.store('tree', Buffer.concat(entries));
    const commitId = await repository.store(
      'commit',
      `tree ${treeId}\nauthor A <a@example.org> 1700000000 +0000\ncommitter A <a@example.org> 1700000000 +0000\n\nx\n`,
    );
    await tagRelease(repository, { ...commits, commitId }, alice.sign, { version });
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    expect(tag.state, verdict(tag)).toBe('rejected');
    expect(verdict(tag)).toMatch(/^(fetch\.ok|commit\.bound): /);
  });
});

test('H72 attributes, filters, hooks and LFS pointers in the tree are data', async () => {
  const version = nextVersion();
  const marker = join(world.deps.paths.git, 'executed');
  const commits = await commitPackage(repository, {
    version,
    files: {
      '.gitattributes': `* filter=evil export-subst diff=evil merge=evil\n*.bin filter=lfs\n`,
      '.gitconfig': `[filter "evil"]\n\tsmudge = touch ${marker}\n\tclean = touch ${marker}\n`,
      'subst.txt': '$Format:%H$\n',
      'big.bin': 'version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n',
      'hooks/post-checkout': { mode: '100755', content: `#!/bin/sh\ntouch ${marker}\n` },
    },
  });
  const hook = join(repository.gitDir, 'hooks', 'post-upload-pack');
  await repository.git(['config', 'uploadpack.packObjectsHook', `touch ${marker}`]);
  await writeFile(join(repository.gitDir, 'marker'), '').catch(() => undefined);
  expect(existsSync(hook)).toBe(false);
  await tagRelease(repository, commits, alice.sign, { version });
  const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
  await repository.git(['config', '--unset', 'uploadpack.packObjectsHook']);
  expect(verdict(tag)).toMatch(/^accepted: /);
  expect(existsSync(marker)).toBe(false);
});

describe('H73 limits', () => {
  test('more than the repository may send is refused before it is stored', async () => {
    const big = await createRepository();
    try {
      const id = await world.register(big, { name: 'h73/big', maxPackBytes: 200_000 });
      const version = nextVersion();
      const commits = await commitPackage(big, { version, files: { noise: randomBytes(600_000) } });
      await tagRelease(big, commits, alice.sign, { version });
      const tag = await world.push(id, `refs/tags/landing/${version}`);
      expect(verdict(tag)).toContain('fetch.ok: At most 200 kB are fetched');
      expect(tag.state).toBe('rejected');
    } finally {
      await big.remove();
    }
  });

  test('a small pack that unpacks to much is refused by the size of its files', async () => {
    const bomb = await createRepository();
    try {
      const id = await world.register(bomb, { name: 'h73/bomb', maxPackBytes: 1_000_000 });
      const version = nextVersion();
      const commits = await commitPackage(bomb, { version, files: { zeros: 'a'.repeat(6_000_000) } });
      await tagRelease(bomb, commits, alice.sign, { version });
      const tag = await world.push(id, `refs/tags/landing/${version}`);
      expect(verdict(tag)).toContain('commit.bound: The tree of commit');
      expect(verdict(tag)).toContain('more than 4000000 bytes');
    } finally {
      await bomb.remove();
    }
  });

  test('a tree that lists for ever is cut off', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    let tree = await repository.store(
      'tree',
      Buffer.concat([Buffer.from('100644 f\0'), Buffer.from(await repository.store('blob', 'x'), 'hex')]),
    );
    for (let level = 0; level < 12; level++) {
      const entries = Array.from({ length: 10 }, (_entry, name) =>
        Buffer.concat([Buffer.from(`40000 ${name}\0`), Buffer.from(tree, 'hex')]),
      );
      tree = await repository.store('tree', Buffer.concat(entries));
    }
    const commitId = await repository.store(
      'commit',
      `tree ${tree}\nauthor A <a@example.org> 1700000000 +0000\ncommitter A <a@example.org> 1700000000 +0000\n\nx\n`,
    );
    await tagRelease(repository, { ...commits, commitId }, alice.sign, { version });
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    expect(verdict(tag)).toContain('more than 1000000 entries');
  });

  test('a tag object that is too large', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    const message = `${releaseMessage({ version })}${'x'.repeat(300_000)}\n`;
    await repository.tag({ name: `landing/${version}`, commitId: commits.commitId, message, sign: alice.sign });
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    expect(verdict(tag)).toContain('tag.object: A tag object of at most');
  });
});

describe('H74 and H75 what changes while it is looked at', () => {
  test('H74 the tag is replaced between the look and the fetch: the old one is rejected, the new one looked at', async () => {
    const version = nextVersion();
    const ref = `refs/tags/landing/${version}`;
    const commits = await commitPackage(repository, { version });
    const first = await tagRelease(repository, commits, alice.sign, { version });
    await world.notify(repositoryId, ref);
    const second = await tagRelease(repository, commits, alice.sign, { version, extra: 'x-again' });
    await world.decide((await world.tag(ref, first)).id);
    expect(verdict(await world.tag(ref, first))).toContain('fetch.ok: The tag');
    expect((await world.tag(ref, first)).state).toBe('rejected');
    await world.notify(repositoryId, ref);
    await world.decide((await world.tag(ref, second)).id);
    expect((await world.tag(ref, second)).state).toBe('accepted');
  });

  test('H74 the tag is removed between the look and the fetch: an obstacle, and accepted when it is pushed again', async () => {
    const version = nextVersion();
    const ref = `refs/tags/landing/${version}`;
    const commits = await commitPackage(repository, { version });
    const objectId = await tagRelease(repository, commits, alice.sign, { version });
    await world.notify(repositoryId, ref);
    await repository.git(['update-ref', '-d', ref]);
    const seen = await world.tag(ref);
    await world.decide(seen.id);
    expect(verdict(await world.tag(ref))).toContain('tag.gone');
    await repository.point(ref, objectId);
    await world.notify(repositoryId, ref);
    await world.decide(seen.id);
    expect((await world.tag(ref)).state).toBe('accepted');
  });

  test('H75 the branch is force-pushed after the tag: the tagged commit is what was frozen', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    await tagRelease(repository, commits, alice.sign, { version });
    await repository.commit({ files: { evil: 'evil' }, branch: 'main' });
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    const frozen = await world.db
      .selectFrom('frozen_inputs')
      .selectAll()
      .where('submission_id', '=', tag.submissionId)
      .executeTakeFirstOrThrow();
    expect(frozen.commit_id).toBe(commits.commitId);
  });
});

describe('H78 keys', () => {
  test('an expired key', async () => {
    const at = new Date(Date.now() - 20 * DAY_MS);
    const key = await keys.openPgp({ userId: 'Exa <exa@example.org>', at, expire: '10d' });
    await world.addPerson({ handle: 'exa', name: 'Exa', keys: [key] });
    const tag = await release(key.signWith({ at: new Date(at.getTime() + DAY_MS) }));
    expect(verdict(tag)).toContain(
      'signature.good: A good OpenPGP signature was expected, and the key that signed has expired',
    );
  });

  test('an expired signing subkey of a key that is valid', async () => {
    const at = new Date(Date.now() - 20 * DAY_MS);
    const key = await keys.openPgp({ userId: 'Esa <esa@example.org>', at, subkey: { expire: '10d' } });
    await world.addPerson({ handle: 'esa', name: 'Esa', keys: [key] });
    const tag = await release(key.signWith({ at: new Date(at.getTime() + DAY_MS) }));
    expect(verdict(tag)).toContain('has expired');
  });

  test('a revoked key, though its signature is from before', async () => {
    const key = await keys.openPgp({ userId: 'Rea <rea@example.org>' });
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    await tagRelease(repository, commits, key.sign, { version });
    await keys.revoke(key);
    await world.addPerson({ handle: 'rea', name: 'Rea', keys: [key] });
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    expect(verdict(tag)).toContain(
      'signature.good: A good OpenPGP signature was expected, and the key that signed is revoked',
    );
  });

  test('a revoked signing subkey of a key that is valid', async () => {
    const key = await keys.openPgp({ userId: 'Rosa <rosa@example.org>', subkey: {} });
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    await tagRelease(repository, commits, key.sign, { version });
    await keys.revokeSubkey(key);
    await world.addPerson({ handle: 'rosa', name: 'Rosa', keys: [key] });
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    expect(verdict(tag)).toContain('the key that signed is revoked');
  });

  test('a good signing subkey leads to its primary key’s person', async () => {
    const key = await keys.openPgp({ userId: 'Susi <susi@example.org>', subkey: {} });
    await world.addPerson({ handle: 'susi', name: 'Susi', keys: [key] });
    const tag = await release(key.sign);
    expect(verdict(tag)).toContain('Susi (susi) releases');
    const decision = await world.db
      .selectFrom('tag_decisions')
      .select('key_fingerprint')
      .where('tag_id', '=', tag.id)
      .executeTakeFirstOrThrow();
    expect(decision.key_fingerprint).toBe(key.fingerprint);
    expect(key.signingKey).not.toBe(key.fingerprint);
  });

  test('SHA-1', async () => {
    const key = await keys.openPgp({ userId: 'Sara <sara@example.org>', algorithm: 'rsa4096' });
    await world.addPerson({ handle: 'sara', name: 'Sara', keys: [key] });
    expect(verdict(await release(key.signWith({ digest: 'SHA1' })))).toContain(
      'signature.good: A good OpenPGP signature was expected, and it was made with SHA-1',
    );
    expect((await release(key.signWith({ digest: 'SHA256' }))).state).toBe('accepted');
  });

  test('a signature that has expired itself', async () => {
    const at = new Date(Date.now() - 2 * DAY_MS);
    const key = await keys.openPgp({ userId: 'Timo <timo@example.org>', at: new Date(at.getTime() - DAY_MS) });
    await world.addPerson({ handle: 'timo', name: 'Timo', keys: [key] });
    expect(verdict(await release(key.signWith({ at, expire: '1d' })))).toContain('the signature has expired');
  });

  test('a key that is registered after the tag was decided lets nothing in by itself', async () => {
    const key = await keys.openPgp({ userId: 'Late <late@example.org>' });
    const tag = await release(key.sign);
    expect(verdict(tag)).toContain('signer.known');
    await world.addPerson({ handle: 'late', name: 'Late', keys: [key] });
    await world.decide(tag.id);
    const ref = (await world.db.selectFrom('tags').select('ref').where('id', '=', tag.id).executeTakeFirstOrThrow())
      .ref;
    const before = await world.waiting('tags.decide');
    await world.notify(repositoryId, ref);
    expect(await world.waiting('tags.decide')).toEqual(before);
    expect((await world.tag(ref)).decisions).toHaveLength(1);
  });
});

describe('SSH', () => {
  test.each(['ed25519', 'rsa', 'ecdsa'] as const)(
    'a tag signed with a registered %s key is accepted, and verified again',
    async (type) => {
      const key = await keys.ssh(`good-${type}`, type);
      await world.addPerson({ handle: `ssh-${type}`, name: 'Sam', keys: [key] });
      const tag = await release(key.sign);
      expect(verdict(tag)).toMatch(/^accepted: /);
      expect(await verifyDecisionOf(world.deps, tag.submissionId)).toMatchObject({
        kind: 'verified',
        signed: { fingerprint: key.fingerprint },
      });
    },
  );

  test('a stranger’s key', async () => {
    const key = await keys.ssh('stranger');
    expect(verdict(await release(key.sign))).toContain('signer.known: The signature is good, and its key SHA256:');
  });

  test('H79 another namespace', async () => {
    const key = await keys.ssh('namespace');
    await world.addPerson({ handle: 'namespace', name: 'Nan', keys: [key] });
    const tag = await release(key.signWith({ namespace: 'file' }));
    expect(verdict(tag)).toContain(
      'signature.good: A good SSH signature was expected, and it was made in the namespace "file"',
    );
  });

  test('H79 a key whose time is over', async () => {
    const key = await keys.ssh('expired');
    await world.addPerson({ handle: 'expired', name: 'Ede', keys: [key] });
    await world.db
      .updateTable('keys')
      .set({ valid_until: new Date(Date.now() - DAY_MS) })
      .where('fingerprint', '=', key.fingerprint)
      .execute();
    expect(verdict(await release(key.sign))).toContain('signer.known: The key SHA256:');
  });

  test('a signature over another text', async () => {
    const key = await keys.ssh('other-text');
    const sign: TagSigner = async (payload) => await key.sign(Buffer.concat([payload, Buffer.from('x')]));
    expect(verdict(await release(sign))).toContain(
      'signature.good: A good SSH signature was expected, and it does not fit',
    );
  });
});

test('a repository with SHA-256 objects works the same', async () => {
  const modern = await createRepository({ objectFormat: 'sha256' });
  try {
    const id = await world.register(modern, { name: 'packages/modern' });
    const version = nextVersion();
    const commits = await commitPackage(modern, { version });
    await tagRelease(modern, commits, alice.sign, { version });
    const tag = await world.push(id, `refs/tags/landing/${version}`);
    expect(verdict(tag)).toMatch(/^accepted: /);
    const frozen = await world.db
      .selectFrom('frozen_inputs')
      .select('object_format')
      .where('submission_id', '=', tag.submissionId)
      .executeTakeFirstOrThrow();
    expect(frozen.object_format).toBe('sha256');
  } finally {
    await modern.remove();
  }
});

test('H80 the forge is away: an obstacle, then the same tag is accepted, with one decision', async () => {
  const version = nextVersion();
  const ref = `refs/tags/landing/${version}`;
  const commits = await commitPackage(repository, { version, files: debianFiles({ version }) });
  await tagRelease(repository, commits, alice.sign, { version });
  await world.notify(repositoryId, ref);
  const seen = await world.tag(ref);
  const head = join(repository.gitDir, 'HEAD');
  await chmod(head, 0o644);
  await repository.git(['config', 'core.repositoryformatversion', '99']);
  await world.decide(seen.id);
  const obstructed = await world.tag(ref);
  expect(obstructed.state).toBe('obstructed');
  expect(obstructed.obstacles.map(({ code }) => code)).toEqual(['forge.unreachable']);
  const again = (await world.waiting('tags.decide')).filter(({ key }) => key === `tags.decide:${seen.id}`);
  expect(again).toHaveLength(1);
  await expect(world.scan(repositoryId)).rejects.toMatchObject({ code: 'forge.unreachable' });
  await writeFile(join(repository.gitDir, 'config'), '[core]\n\trepositoryformatversion = 0\n\tbare = true\n');
  await world.decide(seen.id);
  const decided = await world.tag(ref);
  expect(decided.decisions.map(({ code }) => code)).toEqual(['accepted']);
});
