/** Looking at Git repositories: polling, obstacles, the baseline and the way out of it, and namespaces. */
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { commitPackage, tagRelease, type PackageCommits } from '../../test/scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';
import { ANONYMOUS, type PersonActor } from '../permissions/index.ts';
import { adoptTag, findNoticed, planDiscovery, receiveNotice, takeFirstNotice, type Noticed } from './index.ts';

const REF = 'refs/tags/landing/1.0-1';

let keys: KeyRing;
let alice: OpenPgpKey;
let world: TagWorld;
let actor: PersonActor;
let stranger: PersonActor;
let repository: TestRepository;
let commits: PackageCommits;

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  repository = await createRepository();
  commits = await commitPackage(repository, { version: '1.0-1' });
});

afterAll(async () => {
  await repository.remove();
  await keys.remove();
});

beforeEach(async () => {
  world = await createTagWorld();
  const personId = await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice] });
  actor = { kind: 'person', personId, handle: 'alice', groups: [], administrator: false };
  const bob = await world.addPerson({ handle: 'bob', name: 'Bob Example', keys: [], mayRelease: false });
  stranger = { kind: 'person', personId: bob, handle: 'bob', groups: [], administrator: false };
});

afterEach(async () => {
  await repository.git(['update-ref', '-d', REF]);
  await world.remove();
});

/** Runs what waits in the queue for Git repositories, once each. */
async function runLooks(): Promise<void> {
  for (const task of ['tags.discover', 'tags.scan', 'tags.decide']) {
    for (const { payload } of await world.waiting(task)) {
      await sql`DELETE FROM graphile_worker._private_jobs j USING graphile_worker._private_tasks t
        WHERE t.id = j.task_id AND t.identifier = ${task} AND j.payload::text = ${JSON.stringify(payload)}::json::text`.execute(
        world.db,
      );
      await world.runTask(task, payload);
    }
  }
}

async function rowOf(id: number) {
  return await world.db.selectFrom('git_repositories').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
}

async function secondsToNextLook(id: number): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    SELECT extract(epoch FROM next_look_at - clock_timestamp())::float8 AS seconds FROM git_repositories WHERE id = ${id}
  `.execute(world.db);
  return rows[0]?.seconds ?? -1;
}

async function eventsOf(kind: string): Promise<readonly unknown[]> {
  const rows = await world.db.selectFrom('events').select('data').where('kind', '=', kind).orderBy('id').execute();
  return rows.map(({ data }) => data);
}

test('a tag whose notice was lost is found by the next poll, and accepted', async () => {
  const id = await world.register(repository);
  await world.scan(id);
  expect(await secondsToNextLook(id)).toBeGreaterThan(260);
  await tagRelease(repository, commits, alice.sign);
  await world.runTask('tags.poll', {});
  expect(await world.waiting('tags.scan')).toEqual([]);
  // Minutes pass.
  await world.db.updateTable('git_repositories').set({ next_look_at: new Date() }).execute();
  await world.runTask('tags.poll', {});
  await runLooks();
  expect(await world.tag(REF)).toMatchObject({ state: 'accepted' });
});

describe('obstacles of a look', () => {
  test('H80 a repository that is gone is shown with what to do, asked for ever more seldom, and back when it is back', async () => {
    const id = await world.register(repository);
    await world.scan(id);
    const away = `${repository.gitDir}.away`;
    await rename(repository.gitDir, away);
    const pauses: number[] = [];
    try {
      for (let look = 1; look <= 3; look += 1) {
        await expect(world.scan(id)).rejects.toMatchObject({ code: 'repository.gone' });
        pauses.push(await secondsToNextLook(id));
      }
      expect(await rowOf(id)).toMatchObject({
        failed_looks: 3,
        obstacle_sentence: expect.stringContaining('packages/hello is not there, or not for us') as string,
        obstacle_remedy: expect.stringContaining('landfall apply') as string,
      });
    } finally {
      await rename(away, repository.gitDir);
    }
    expect(pauses.map((seconds) => Math.round(Math.log2(seconds / 60)) + 0)).toEqual([0, 1, 2]);
    await tagRelease(repository, commits, alice.sign);
    // A notice is looked at at once, whatever was planned.
    await receiveNotice(world.deps, { repository: { id }, via: 'hook' });
    await runLooks();
    expect(await rowOf(id)).toMatchObject({ failed_looks: 0, obstacle_code: null, obstacle_since: null });
    expect(await world.tag(REF)).toMatchObject({ state: 'accepted' });
    expect(await eventsOf('git-repository.obstructed')).toMatchObject([{ code: 'repository.gone' }]);
    expect(await eventsOf('git-repository.reachable')).toHaveLength(1);
  });

  test('a forge that is away is asked by one of its repositories at a time; others are not held up', async () => {
    const add = async (name: string, obstacle: string | null): Promise<void> => {
      await world.db
        .insertInto('git_repositories')
        .values({
          name,
          url: `https://${name}.git`,
          place: name,
          failed_looks: obstacle === null ? 0 : 1,
          obstacle_code: obstacle,
          obstacle_sentence: obstacle,
          obstacle_remedy: obstacle,
          obstacle_since: obstacle === null ? null : new Date(),
        })
        .execute();
    };
    for (const name of ['a', 'b', 'c', 'd']) await add(`away.example/${name}`, 'forge.timeout');
    await add('away.example/e', null);
    for (const name of ['a', 'b', 'c']) await add(`well.example/${name}`, null);
    await world.runTask('tags.poll', {});
    expect(await world.waiting('tags.scan')).toHaveLength(1 + 3);
  });
});

describe('the baseline', () => {
  test('a tag that a notice names is told about once, and whoever may release something adopts it', async () => {
    const objectId = await tagRelease(repository, commits, alice.sign);
    const id = await world.register(repository, { baseline: true });
    await world.notify(id, REF);
    await world.notify(id, REF);
    expect(await world.db.selectFrom('tags').select('id').execute()).toEqual([]);
    expect(await eventsOf('tag.passed-over')).toMatchObject([
      { name: 'landing/1.0-1', remedy: 'landfall tag adopt packages/hello landing/1.0-1' },
    ]);

    const question = { gitRepositoryId: id, ref: REF };
    expect(await adoptTag(world.deps, question, ANONYMOUS)).toMatchObject({ kind: 'denied' });
    expect(await adoptTag(world.deps, question, stranger)).toMatchObject({ kind: 'denied' });
    const both = await Promise.all([adoptTag(world.deps, question, actor), adoptTag(world.deps, question, actor)]);
    expect(both.map(({ kind }) => kind).sort()).toEqual(['adopted', 'known']);
    const tag = await world.tag(REF, objectId);
    await world.decide(tag.id);
    expect(await world.tag(REF)).toMatchObject({ state: 'accepted', decisions: [{ code: 'accepted' }] });
    await world.scan(id);
    expect(await world.db.selectFrom('tags').select('id').execute()).toHaveLength(1);
    const audit = await world.db
      .selectFrom('audit')
      .select(['actor', 'action'])
      .where('action', '=', 'tag.adopted')
      .execute();
    expect(audit).toEqual([{ actor: 'person:alice', action: 'tag.adopted' }]);
  });

  test('H76 only a name of a prefix that was there at the first look can be adopted', async () => {
    const id = await world.register(repository, { baseline: true });
    await world.scan(id);
    for (const ref of [REF, 'refs/tags/debian/1.0-1', 'refs/heads/main', 'refs/tags/landing/--x y']) {
      expect(await adoptTag(world.deps, { gitRepositoryId: id, ref }, actor)).toMatchObject({ kind: 'not-there' });
    }
  });
});

describe('namespaces', () => {
  let folder: string;
  let namespaceId: number;

  beforeEach(async () => {
    // The forge: group/NAME.git are folders beside the test's repository.
    folder = dirname(repository.gitDir);
    const { id } = await world.db
      .insertInto('git_namespaces')
      .values({
        name: 'team',
        url: `${pathToFileURL(folder).href}/*.git`,
        allow_file: true,
        max_repositories: 1,
        plain_tags: true,
        plain_quilt: 'gbp',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    namespaceId = id;
    await world.db
      .insertInto('git_namespace_archives')
      .values({ git_namespace_id: id, distro: 'landing', archive_id: world.archiveId })
      .execute();
  });

  /** The namespace's member, as a notice finds it. */
  async function member(name: string): Promise<Extract<Noticed['about'], { kind: 'member' }>> {
    const [noticed] = await findNoticed(world.deps, { name, addresses: [] });
    if (noticed?.about.kind !== 'member') throw new Error(`${name} is no unknown member`);
    return noticed.about;
  }

  async function repositories(): Promise<readonly string[]> {
    const rows = await world.db.selectFrom('git_repositories').select('name').orderBy('name').execute();
    return rows.map(({ name }) => name);
  }

  test('the first notice makes it known; its tags are a baseline; the next tag is decided', async () => {
    await tagRelease(repository, commits, alice.sign);
    await planDiscovery(world.deps, await member('team/forge'), [REF], 'hook');
    expect(await repositories()).toEqual([]);
    await runLooks();
    const row = await world.db.selectFrom('git_repositories').selectAll().executeTakeFirstOrThrow();
    expect(row).toMatchObject({
      name: 'team/forge',
      url: repository.url,
      namespace_id: namespaceId,
      namespace_path: 'forge',
      plain_source: 'forge',
      plain_quilt: 'gbp',
      baseline_at: expect.any(Date) as Date,
    });
    expect(await world.db.selectFrom('tags').select('id').execute()).toEqual([]);
    expect(await eventsOf('git-repository.registered')).toMatchObject([
      { repository: 'team/forge', namespace: 'team' },
    ]);
    expect(await eventsOf('tag.passed-over')).toMatchObject([
      { remedy: 'landfall tag adopt team/forge landing/1.0-1' },
    ]);

    await tagRelease(repository, commits, alice.sign, { extra: 'x-next' });
    const [known] = await findNoticed(world.deps, { name: undefined, addresses: [repository.url] });
    expect(known?.about).toMatchObject({ kind: 'repository', repository: { name: 'team/forge' } });
    await receiveNotice(world.deps, { repository: { id: row.id }, ref: REF, via: 'hook' });
    await runLooks();
    expect(await world.tag(REF)).toMatchObject({ state: 'accepted' });
  });

  test('invented names leave nothing behind, nor does a repository without a tag of ours', async () => {
    await planDiscovery(world.deps, await member('team/nothing-here'), [REF], 'hook');
    await planDiscovery(world.deps, await member('team/forge'), [REF], 'hook');
    await runLooks();
    expect(await repositories()).toEqual([]);
    expect(await world.db.selectFrom('notices').select('id').execute()).toEqual([]);
  });

  test('a namespace holds so many Git repositories and no more, and takes nobody else’s name', async () => {
    const first = await takeFirstNotice(world.deps, await member('team/one'), [REF], 'gitlab');
    expect(first).toMatchObject({ kind: 'added' });
    const two = { ...(await member('team/two')) };
    expect(await takeFirstNotice(world.deps, two, ['refs/tags/v1.0', 'refs/tags/debian/1'], 'gitlab')).toEqual({
      kind: 'not-ours',
    });
    expect(await takeFirstNotice(world.deps, two, [REF], 'gitlab')).toMatchObject({
      kind: 'refused',
      code: 'git-namespace.full',
      remedy: expect.stringContaining('max-repositories') as string,
    });
    await world.db.updateTable('git_namespaces').set({ max_repositories: 10 }).execute();
    await world.register(repository, { name: 'team/three' });
    const three = { ...two, path: 'THREE' };
    expect(await takeFirstNotice(world.deps, three, [REF], 'gitlab')).toMatchObject({
      code: 'git-namespace.name-taken',
    });
    expect(await repositories()).toEqual(['team/one', 'team/three']);
  });

  test('a known member that was deleted at the forge is an obstacle, and a folder without it no crash', async () => {
    const added = await takeFirstNotice(world.deps, await member('team/vanished'), [REF], 'gitlab');
    if (added.kind !== 'added') throw new Error('it was not added');
    await expect(world.scan(added.gitRepositoryId)).rejects.toMatchObject({ code: 'repository.gone' });
    await mkdir(join(folder, 'vanished.git'));
    await expect(world.scan(added.gitRepositoryId)).rejects.toMatchObject({ code: 'repository.gone' });
  });

  test('H70 H90 names and addresses that lead elsewhere, or are options, find nothing', async () => {
    const base = pathToFileURL(folder).href;
    for (const name of ['team/../secret', 'team/a/b', 'team/-x', 'team/x.git', 'team/x y', 'team/%2e%2e', 'other/x']) {
      expect(await findNoticed(world.deps, { name, addresses: [] })).toEqual([]);
    }
    const elsewhere = [
      `${base}/../../etc.git`,
      `${base}/a/b.git`,
      `${base}/--upload-pack=x.git`,
      'https://127.0.0.1/forge.git',
      'ext::sh -c id',
      'file:///etc/passwd',
    ];
    for (const address of elsewhere) {
      expect(await findNoticed(world.deps, { name: undefined, addresses: [address] })).toEqual([]);
      expect(await findNoticed(world.deps, { name: 'team', addresses: [address] })).toEqual([]);
    }
  });
});
