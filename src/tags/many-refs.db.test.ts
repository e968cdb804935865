/**
 * H73 a Git repository with very many refs. `LANDFALL_MANY_REFS=1000000` makes it a million; they are written as git packs them,
 * which costs no process for each.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { commitPackage, tagRelease } from '../../test/scenarios/git-package.ts';
import { createRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';

const MANY = Number(process.env.LANDFALL_MANY_REFS ?? 20_000);
/** About as many names of releases as one listing may have. */
const LISTED = 200_000;
const DEADLINE_MS = 300_000;

let keys: KeyRing;
let alice: OpenPgpKey;
let world: TagWorld;

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  world = await createTagWorld();
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice] });
});

afterAll(async () => {
  await world.remove();
  await keys.remove();
});

async function packRefs(gitDir: string, names: (index: number) => string, objectId: string): Promise<void> {
  const file = join(gitDir, 'packed-refs');
  const before = await readFile(file, 'utf8').catch(() => '# pack-refs with: peeled fully-peeled sorted \n');
  const lines = Array.from({ length: MANY }, (_, index) => `${objectId} ${names(index)}`);
  const [header = '', ...others] = before.trimEnd().split('\n');
  await writeFile(file, `${[header, ...[...others, ...lines].sort(byName)].join('\n')}\n`);
}

function byName(one: string, other: string): number {
  return one.slice(41) < other.slice(41) ? -1 : 1;
}

function padded(index: number): string {
  return String(index).padStart(8, '0');
}

test(
  'H73 very many refs that are not ours: the release among them is found and accepted',
  async () => {
    const repository = await createRepository();
    const id = await world.register(repository, { name: 'packages/many' });
    const commits = await commitPackage(repository, { version: '1.0-1' });
    await packRefs(repository.gitDir, (index) => `refs/changes/${padded(index)}`, commits.commitId);
    await tagRelease(repository, commits, alice.sign, { version: '1.0-1' });
    expect(await world.push(id, 'refs/tags/landing/1.0-1')).toMatchObject({ state: 'accepted' });
    await repository.remove();
  },
  DEADLINE_MS,
);

test(
  'H73 very many releases: up to the limit they are a baseline that decides nothing, beyond it an obstacle says so',
  async () => {
    const repository = await createRepository();
    const id = await world.register(repository, { name: 'packages/releases', baseline: true });
    const commits = await commitPackage(repository, { version: '1.0-2' });
    const objectId = await repository.tag({
      name: 'landing/0.1-1',
      commitId: commits.commitId,
      message: 'long ago\n',
      sign: alice.sign,
    });
    await packRefs(repository.gitDir, (index) => `refs/tags/landing/0.2-${padded(index)}`, objectId);
    if (MANY > LISTED) {
      await expect(world.scan(id)).rejects.toThrow(/too many refs/);
      const known = await world.db
        .selectFrom('tag_baselines')
        .select(({ fn }) => fn.countAll().as('count'))
        .where('git_repository_id', '=', id)
        .executeTakeFirstOrThrow();
      expect(Number(known.count)).toBe(0);
      await repository.remove();
      return;
    }
    await world.scan(id);
    await tagRelease(repository, commits, alice.sign, { version: '1.0-2' });
    expect(await world.push(id, 'refs/tags/landing/1.0-2')).toMatchObject({ state: 'accepted' });
    const seen = await world.db.selectFrom('tags').select('ref').where('git_repository_id', '=', id).execute();
    expect(seen).toEqual([{ ref: 'refs/tags/landing/1.0-2' }]);
    await repository.remove();
  },
  DEADLINE_MS,
);
