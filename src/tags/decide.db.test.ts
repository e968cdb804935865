/** A tag from its push to its decision: what is recorded, once and whole, whatever happens in between. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { commitPackage, tagRelease, type PackageCommits } from '../../test/scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagFacts, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';
import { withTransaction } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { makeTemporaryDirectory } from '../platform/files.ts';
import { indexPack, initBare, writeShallow } from '../platform/git.ts';
import { silentLogger } from '../platform/log.ts';
import { startTasks } from '../platform/tasks.ts';
import { ANONYMOUS, grant, type PersonActor } from '../permissions/index.ts';
import {
  CHECKS,
  receiveNotice,
  redecideTag,
  retryTag,
  tagTasks,
  verifyDecisionOf,
  verifyDecisionOfTag,
  waitForRef,
} from './index.ts';
import { mirrorPath, tidyMirror } from './mirror.ts';

const LANDFALL = { kind: 'system', name: 'landfall' } as const;
const VERSION = '1.0-1';
const REF = `refs/tags/landing/${VERSION}`;

let keys: KeyRing;
let alice: OpenPgpKey;
let bob: OpenPgpKey;
let world: TagWorld;
let repository: TestRepository;
let repositoryId: number;
let commits: PackageCommits;
let administrator: PersonActor;

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  bob = await keys.openPgp({ userId: 'Bob Example <bob@example.org>' });
  repository = await createRepository();
  commits = await commitPackage(repository, { version: VERSION });
});

afterAll(async () => {
  await repository.remove();
  await keys.remove();
});

beforeEach(async () => {
  world = await createTagWorld();
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice] });
  await world.addPerson({ handle: 'bob', name: 'Bob Example', keys: [bob], mayRelease: false });
  const personId = await world.addPerson({ handle: 'root', name: 'Root', keys: [], mayRelease: false });
  await withTransaction(world.db, async (trx) => await grant(trx, { to: 'root', action: 'administer' }, LANDFALL));
  administrator = { kind: 'person', personId, handle: 'root', groups: [], administrator: true };
  repositoryId = await world.register(repository);
});

afterEach(async () => {
  await repository.git(['update-ref', '-d', REF]);
  await world.remove();
});

async function expectDecidedOnce(tag: TagFacts): Promise<void> {
  expect(tag.state).toBe('accepted');
  expect(tag.decisions).toHaveLength(1);
  const counts = await sql<{ versions: number; frozen: number; accepted: number; submissions: number }>`
    SELECT (SELECT count(*) FROM versions) AS versions,
           (SELECT count(*) FROM frozen_inputs) AS frozen,
           (SELECT count(*) FROM events WHERE kind = 'tag.accepted') AS accepted,
           (SELECT count(*) FROM submissions) AS submissions
  `.execute(world.db);
  expect(counts.rows).toEqual([{ versions: 1, frozen: 1, accepted: 1, submissions: 1 }]);
  expect(await world.waiting('sources.prepare')).toHaveLength(1);
}

test('a tag as git debpush makes it is accepted: decision, submission, version, frozen input, event and next step', async () => {
  const objectId = await tagRelease(repository, commits, alice.sign);
  const tag = await world.push(repositoryId, REF);

  await expectDecidedOnce(tag);
  expect(tag.decisions.map(({ code, sentence }) => `${code}: ${sentence}`)).toEqual([
    'accepted: All 22 checks passed: Alice Example (alice) releases hello 1.0-1 to main/landing.',
  ]);
  expect(tag.decisions[0]?.checks.map(({ code }) => code)).toEqual(CHECKS.map(({ code }) => code));
  const frozen = await world.db.selectFrom('frozen_inputs').selectAll().executeTakeFirstOrThrow();
  expect(frozen).toMatchObject({
    submission_id: tag.submissionId,
    tag_object_id: objectId,
    commit_id: commits.commitId,
    upstream_commit_id: commits.upstreamCommitId,
    object_format: 'sha1',
  });
  const submission = await world.db.selectFrom('submissions').selectAll().executeTakeFirstOrThrow();
  expect(submission).toMatchObject({
    source: 'hello',
    version: VERSION,
    suite_id: world.landingId,
    audience: 'public',
  });
  const version = await world.db.selectFrom('versions').selectAll().executeTakeFirstOrThrow();
  expect(version).toMatchObject({
    source: 'hello',
    version: VERSION,
    state: 'reserved',
    submission_id: tag.submissionId,
  });
  expect(await world.waiting('sources.prepare')).toMatchObject([{ payload: { submissionId: tag.submissionId } }]);
});

test('the frozen pack holds tag, commit, upstream commit, their trees and blobs, and no history', async () => {
  const first = await repository.commit({ files: { old: 'history' } });
  const files = { README: 'hello\n' };
  const upstreamCommitId = await repository.commit({ files, parents: [first] });
  await repository.point('refs/tags/upstream/with-history', upstreamCommitId);
  const bound = { ...commits, upstreamCommitId, upstreamTag: 'upstream/with-history' };
  const objectId = await tagRelease(repository, bound, alice.sign);
  const tag = await world.push(repositoryId, REF);
  expect(tag.decisions.map(({ code, sentence }) => `${code} ${sentence}`)).toEqual([
    expect.stringContaining('accepted'),
  ]);

  const frozen = await world.db.selectFrom('frozen_inputs').selectAll().executeTakeFirstOrThrow();
  const folder = await makeTemporaryDirectory();
  try {
    const gitDir = `${folder.path}/frozen.git`;
    await initBare(gitDir);
    await writeShallow(gitDir, [commits.commitId, upstreamCommitId]);
    const pack = await world.blobs.read(frozen.sha256);
    expect(pack).toHaveLength(frozen.size);
    expect(await indexPack(gitDir, pack, { maxBytes: pack.length })).toEqual({ kind: 'indexed' });
    const run = promisify(execFile);
    const { stdout } = await run('git', [
      '--git-dir',
      gitDir,
      'cat-file',
      '--batch-all-objects',
      '--batch-check=%(objectname)',
    ]);
    const packed = new Set(stdout.trim().split('\n'));
    const listed = await repository.git([
      'rev-list',
      '--objects',
      '--no-object-names',
      '--no-walk=unsorted',
      objectId,
      upstreamCommitId,
    ]);
    expect(packed).toEqual(new Set([objectId, ...listed.trim().split('\n')]));
    expect(packed.has(first)).toBe(false);
  } finally {
    await folder.remove();
  }
});

describe('decided once', () => {
  test('H1 H2 the handler runs twice, one after another and at the same moment', async () => {
    await tagRelease(repository, commits, alice.sign);
    await world.notify(repositoryId, REF);
    const { id } = await world.tag(REF);
    await Promise.all([world.decide(id), world.decide(id)]);
    await world.decide(id);
    await expectDecidedOnce(await world.tag(REF));
  });

  test.each(['events', 'tag_decisions', 'frozen_inputs', 'versions'])(
    'H1 a death while %s is written leaves nothing of the decision, and the next run makes it whole',
    async (table) => {
      await tagRelease(repository, commits, alice.sign);
      await world.notify(repositoryId, REF);
      const { id } = await world.tag(REF);
      await sql`CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'killed'; END $$`.execute(
        world.db,
      );
      await sql`CREATE TRIGGER die AFTER INSERT ON ${sql.table(table)} FOR EACH ROW EXECUTE FUNCTION die()`.execute(
        world.db,
      );
      await expect(world.decide(id)).rejects.toThrow('killed');
      const between = await world.tag(REF);
      expect(between).toMatchObject({ state: 'seen', decisions: [] });
      expect(await world.db.selectFrom('versions').selectAll().execute()).toEqual([]);
      expect(await world.waiting('sources.prepare')).toEqual([]);
      await sql`DROP TRIGGER die ON ${sql.table(table)}`.execute(world.db);
      await world.decide(id);
      await expectDecidedOnce(await world.tag(REF));
    },
  );

  test('50 notices at one moment for one tag make one decision', async () => {
    await tagRelease(repository, commits, alice.sign);
    const tasks = await startTasks({
      connection: world.database.connection,
      handlers: { ...tagTasks(world.deps), 'sources.prepare': () => new Promise(() => undefined) },
      concurrency: 4,
      logger: silentLogger(),
    });
    try {
      const notice = { repository: { id: repositoryId }, ref: REF, via: 'hook' };
      await Promise.all(Array.from({ length: 50 }, async () => await receiveNotice(world.deps, notice)));
      const answer = await waitForRef(world.deps, { gitRepositoryId: repositoryId, ref: REF, timeoutMs: 30_000 });
      expect(answer).toMatchObject({ kind: 'tag', state: 'accepted' });
      await receiveNotice(world.deps, notice);
      const idle = async (): Promise<boolean> =>
        (await world.waiting('tags.scan')).length + (await world.waiting('tags.decide')).length === 0;
      while (!(await idle())) await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      await tasks.stop(100);
    }
    const tag = await world.tag(REF);
    expect(tag.decisions).toHaveLength(1);
    expect(await world.db.selectFrom('tags').select('id').execute()).toHaveLength(1);
    expect(await world.db.selectFrom('notices').select('id').execute()).toHaveLength(51);
  });

  test('two tags of one version in two Git repositories, decided at the same moment: one holds the version', async () => {
    const other = await createRepository();
    try {
      const otherId = await world.register(other, { name: 'packages/other' });
      const otherCommits = await commitPackage(other, { version: VERSION });
      await tagRelease(repository, commits, alice.sign);
      await tagRelease(other, otherCommits, alice.sign, { extra: 'x-other' });
      await world.notify(repositoryId, REF);
      await world.notify(otherId, REF);
      const rows = await world.db.selectFrom('tags').select('id').orderBy('id').execute();
      await Promise.all(rows.map(async ({ id }) => await world.decide(id)));
      const decisions = await world.db
        .selectFrom('tag_decisions')
        .select(['outcome', 'code'])
        .orderBy('outcome')
        .execute();
      expect(decisions).toEqual([
        { outcome: 'accepted', code: 'accepted' },
        { outcome: 'rejected', code: 'version.unused' },
      ]);
    } finally {
      await other.remove();
    }
  });

  test('a rejected tag gives way to another object under its name', async () => {
    await tagRelease(repository, commits, undefined);
    expect((await world.push(repositoryId, REF)).state).toBe('rejected');
    await tagRelease(repository, commits, alice.sign);
    expect((await world.push(repositoryId, REF)).state).toBe('accepted');
    expect(await world.db.selectFrom('tags').select('id').execute()).toHaveLength(2);
  });
});

describe('baseline', () => {
  test('what a Git repository had before its first scan decides nothing; what comes later does', async () => {
    await tagRelease(repository, commits, alice.sign);
    const id = await world.register(await copyOf(), { name: 'packages/copy', baseline: true });
    await world.scan(id);
    await world.scan(id);
    expect(await tagsOf(id)).toEqual([]);
    await tagRelease(repository, commits, alice.sign, { extra: 'x-later' });
    await world.scan(id);
    expect(await tagsOf(id)).toHaveLength(1);
  });

  test('H91 a notice that names a tag of the baseline changes nothing, then or later', async () => {
    await tagRelease(repository, commits, alice.sign);
    const id = await world.register(await copyOf(), { name: 'packages/first', baseline: true });
    await world.notify(id, REF);
    await world.notify(id, REF);
    expect(await tagsOf(id)).toEqual([]);
    const answer = await waitForRef(world.deps, { gitRepositoryId: id, ref: REF, timeoutMs: 5_000 });
    expect(answer).toEqual({ kind: 'passed-over' });
  });

  test('tags of other prefixes are passed over in silence', async () => {
    await repository.tag({ name: 'debian/1.0-1', commitId: commits.commitId, message: 'x', sign: alice.sign });
    await world.scan(repositoryId);
    expect(await tagsOf(repositoryId)).toEqual([]);
    await repository.git(['update-ref', '-d', 'refs/tags/debian/1.0-1']);
  });

  /** The same repository under another address. */
  async function copyOf(): Promise<TestRepository> {
    await mkdir(repository.gitDir, { recursive: true });
    return { ...repository, url: `${repository.url}/.` };
  }

  async function tagsOf(gitRepositoryId: number): Promise<readonly string[]> {
    const rows = await world.db
      .selectFrom('tags')
      .select('ref')
      .where('git_repository_id', '=', gitRepositoryId)
      .execute();
    return rows.map(({ ref }) => ref);
  }
});

describe('polling', () => {
  test('a flood of notices with ever other names is one look at the names and one at all, and keeps few rows', async () => {
    for (let index = 0; index < 200; index += 1) {
      const ref = `refs/tags/landing/${index}`;
      await receiveNotice(world.deps, { repository: { id: repositoryId }, ref, via: 'hook' });
    }
    expect(await world.waiting('tags.scan')).toHaveLength(2);
    expect(await world.db.selectFrom('notices').select('id').execute()).toHaveLength(120);
  });

  test('a repository that is due is looked at, another is not', async () => {
    await world.runTask('tags.poll', {});
    expect(await world.waiting('tags.scan')).toMatchObject([{ payload: { gitRepositoryId: repositoryId } }]);
    await sql`DELETE FROM graphile_worker._private_jobs`.execute(world.db);
    await world.scan(repositoryId);
    await world.runTask('tags.poll', {});
    expect(await world.waiting('tags.scan')).toEqual([]);
  });
});

describe('obstacles', () => {
  test('H13 a full disk while the input is frozen is an obstacle, and the same tag is accepted when there is room', async () => {
    await tagRelease(repository, commits, alice.sign);
    await world.notify(repositoryId, REF);
    const { id } = await world.tag(REF);
    const full = new LandfallError({
      code: 'storage.full',
      doing: 'store a file',
      reason: 'no space left on the device',
      remedy: 'free some space',
    });
    const tasks = tagTasks({ ...world.deps, blobs: { ...world.blobs, put: async () => await Promise.reject(full) } });
    await tasks['tags.decide']?.({ tagId: id }, { signal: new AbortController().signal, attempt: 1, maxAttempts: 25 });
    const obstructed = await world.tag(REF);
    expect(obstructed).toMatchObject({ state: 'obstructed', obstacles: [{ code: 'storage.full' }], decisions: [] });
    const answer = await waitForRef(world.deps, { gitRepositoryId: repositoryId, ref: REF, timeoutMs: 0 });
    expect(answer).toMatchObject({ state: 'obstructed', code: 'storage.full', remedy: 'free some space' });
    await world.decide(id);
    await expectDecidedOnce(await world.tag(REF));
  });

  test('a retry is for obstructed tags, by whoever is known', async () => {
    await tagRelease(repository, commits, alice.sign);
    await world.notify(repositoryId, REF);
    const { id } = await world.tag(REF);
    expect(await retryTag(world.deps, id, ANONYMOUS)).toMatchObject({ kind: 'denied' });
    expect(await retryTag(world.deps, id, administrator)).toMatchObject({ kind: 'enqueued' });
    await world.decide(id);
    expect(await retryTag(world.deps, id, administrator)).toMatchObject({ kind: 'not-now', code: 'tags.decided' });
    expect(await retryTag(world.deps, 999, administrator)).toEqual({ kind: 'unknown-tag' });
  });

  test('a switched-off repository holds its tags back until it is switched on', async () => {
    await tagRelease(repository, commits, alice.sign);
    await world.notify(repositoryId, REF);
    const { id } = await world.tag(REF);
    await world.db.updateTable('git_repositories').set({ enabled: false }).execute();
    await world.decide(id);
    expect(await world.tag(REF)).toMatchObject({ state: 'obstructed', obstacles: [{ code: 'repository.disabled' }] });
    await world.db.updateTable('git_repositories').set({ enabled: true }).execute();
    await world.decide(id);
    expect((await world.tag(REF)).state).toBe('accepted');
  });

  test('a damaged mirror is an obstacle, thrown away, and the next attempt decides', async () => {
    await tagRelease(repository, commits, bob.sign);
    const denied = await world.push(repositoryId, REF);
    await repository.git(['update-ref', '-d', REF]);
    const gitDir = join(world.deps.paths.git, `${repositoryId}.git`);
    const packs = join(gitDir, 'objects', 'pack');
    // The tag's ref is kept after a denial for its signer, and its objects are lost.
    for (const name of await readdir(packs)) await rm(join(packs, name));
    const kept = await readFile(join(gitDir, 'HEAD'), 'utf8');
    expect(kept).toContain('refs/heads');
    await tagRelease(repository, commits, alice.sign);
    await world.notify(repositoryId, REF);
    const { id } = await world.tag(REF);
    expect(id).not.toBe(denied.id);
    for (let attempt = 0; attempt < 7 && (await world.tag(REF)).state !== 'accepted'; attempt += 1)
      await world.decide(id);
    expect((await world.tag(REF)).state).toBe('accepted');
  });
});

test('a tidied mirror still serves the next tag', async () => {
  const gitDir = join(world.deps.paths.git, `${repositoryId}.git`);
  const packs = async (): Promise<number> =>
    (await readdir(join(gitDir, 'objects', 'pack'))).filter((name) => name.endsWith('.pack')).length;
  for (const [index, extra] of ['x-1', 'x-2', 'x-3'].entries()) {
    const other = await commitPackage(repository, { version: VERSION, files: { extra } });
    await tagRelease(repository, other, bob.sign, { extra });
    const denied = await world.push(repositoryId, REF);
    expect(denied.decisions.at(-1)?.code, String(index)).toBe('signer.permission');
  }
  expect(await packs()).toBeGreaterThan(2);
  await tidyMirror(gitDir, 1);
  expect(await packs()).toBe(1);
  await tagRelease(repository, commits, alice.sign);
  expect((await world.push(repositoryId, REF)).state).toBe('accepted');
});

describe('decided again', () => {
  async function runRedecision(): Promise<void> {
    for (const { payload, key } of await world.waiting('tags.decide')) {
      if (key?.startsWith('tags.redecide:') === true) await world.runTask('tags.decide', payload);
    }
  }

  test('a denial for the signer is decided again after the grant was mended; the first decision stays', async () => {
    await tagRelease(repository, commits, bob.sign);
    const denied = await world.push(repositoryId, REF);
    expect(denied).toMatchObject({ state: 'rejected', decisions: [{ code: 'signer.permission' }] });
    const person: PersonActor = { kind: 'person', personId: 2, handle: 'bob', groups: [], administrator: false };
    expect(await redecideTag(world.deps, denied.id, person)).toMatchObject({ kind: 'denied' });

    expect(await redecideTag(world.deps, denied.id, administrator)).toMatchObject({ kind: 'enqueued' });
    await runRedecision();
    const again = await world.tag(REF);
    expect(again.decisions.map(({ code }) => code)).toEqual(['signer.permission', 'signer.permission']);
    await runRedecision();
    expect((await world.tag(REF)).decisions).toHaveLength(2);

    await withTransaction(
      world.db,
      async (trx) =>
        await grant(
          trx,
          { to: 'bob', action: 'release', archive: 'main', suites: 'landing', packages: 'hello' },
          LANDFALL,
        ),
    );
    await redecideTag(world.deps, denied.id, administrator);
    await runRedecision();
    await runRedecision();
    const accepted = await world.tag(REF);
    expect(accepted.state).toBe('accepted');
    expect(accepted.decisions.map(({ code, decidedBy }) => `${code} ${decidedBy}`)).toEqual([
      'signer.permission landfall',
      'signer.permission person:root',
      'accepted person:root',
    ]);
    const audit = await world.db.selectFrom('audit').select('action').where('action', '=', 'tag.redecided').execute();
    expect(audit).toHaveLength(2);
  });

  test('H78 a key that is made known after the tag was signed lets it in only when an administrator vouches for it', async () => {
    const yesterday = new Date(Date.now() - 24 * 60 * 60_000);
    const late = await keys.openPgp({ userId: 'Late <late@example.org>', at: yesterday });
    await world.addPerson({ handle: 'late', name: 'Late', keys: [late] });
    const before = late.signWith({ at: new Date(yesterday.getTime() + 60_000) });
    await tagRelease(repository, commits, before);
    const refused = await world.push(repositoryId, REF);
    expect(
      refused.decisions.map(({ code, sentence }) => [code, sentence.includes('after the tag was signed')]),
    ).toEqual([['signer.known', true]]);
    await redecideTag(world.deps, refused.id, administrator);
    await runRedecision();
    expect(await world.tag(REF)).toMatchObject({ state: 'accepted' });
  });

  test('with the forge away: the denial stays, the obstacle is recorded, and it is tried again by itself', async () => {
    await tagRelease(repository, commits, bob.sign);
    const denied = await world.push(repositoryId, REF);
    expect(denied.decisions.map(({ code }) => code)).toEqual(['signer.permission']);
    await redecideTag(world.deps, denied.id, administrator);
    const { url } = await world.db.selectFrom('git_repositories').select('url').executeTakeFirstOrThrow();
    await world.db
      .updateTable('git_repositories')
      .set({ url: `${url}-away` })
      .execute();
    await rm(mirrorPath(world.deps, repositoryId, 'sha1'), { recursive: true, force: true });
    await runRedecision();
    expect(await world.tag(REF)).toMatchObject({ state: 'rejected', decisions: [{ code: 'signer.permission' }] });
    const obstacles = await world.db.selectFrom('tag_obstacles').select('code').execute();
    expect(obstacles).toHaveLength(1);
    const { rows } = await sql<{ later: boolean }>`
      SELECT run_at > now() AS later FROM graphile_worker.jobs WHERE key = ${`tags.redecide:${denied.id}`}`.execute(
      world.db,
    );
    expect(rows).toEqual([{ later: true }]);
    await world.db.updateTable('git_repositories').set({ url }).execute();
    await runRedecision();
    expect((await world.tag(REF)).decisions).toHaveLength(2);
  });

  test('an old tag that an administrator vouches for', async () => {
    await tagRelease(repository, commits, alice.sign, { time: 1_700_000_000 });
    const old = await world.push(repositoryId, REF);
    expect(old.decisions.map(({ code }) => code)).toEqual(['tag.fresh']);
    await redecideTag(world.deps, old.id, administrator);
    await runRedecision();
    expect(await world.tag(REF)).toMatchObject({ state: 'accepted' });
  });

  test('any other rejection is final', async () => {
    await tagRelease(repository, commits, undefined);
    const tag = await world.push(repositoryId, REF);
    expect(await redecideTag(world.deps, tag.id, administrator)).toMatchObject({
      kind: 'not-now',
      code: 'tags.not-redecidable',
    });
    const row = await world.db.selectFrom('tag_decisions').select('id').executeTakeFirstOrThrow();
    await world.runTask('tags.decide', {
      tagId: tag.id,
      redecision: { actor: 'person:root', afterDecisionId: row.id },
    });
    expect((await world.tag(REF)).decisions).toHaveLength(1);
  });
});

describe('the answer to a push', () => {
  test('an accepted tag, a rejected one, and one that was not seen', async () => {
    const ask = async (objectId?: string) =>
      await waitForRef(world.deps, { gitRepositoryId: repositoryId, ref: REF, objectId, timeoutMs: 0 });
    expect(await ask()).toEqual({ kind: 'not-seen', ours: true });
    const upstream = { gitRepositoryId: repositoryId, ref: 'refs/tags/upstream/1.0', timeoutMs: 60_000 };
    expect(await waitForRef(world.deps, upstream)).toEqual({ kind: 'not-seen', ours: false });
    const unsigned = await tagRelease(repository, commits, undefined);
    const first = await world.push(repositoryId, REF);
    expect(await ask()).toMatchObject({
      kind: 'tag',
      tagId: first.id,
      state: 'rejected',
      code: 'signature.present',
      sentence: 'A signed tag was expected, and this one carries no signature.',
      url: `http://landfall.example/tags/${first.id}`,
    });
    const signed = await tagRelease(repository, commits, alice.sign);
    expect(await ask(signed)).toEqual({ kind: 'not-seen', ours: true });
    await world.push(repositoryId, REF);
    expect(await ask(signed)).toMatchObject({ state: 'accepted' });
    expect(await ask(unsigned)).toMatchObject({ state: 'rejected' });
  });
});

describe('verified again from what was stored', () => {
  test('without repository and keyring; a changed byte, another key and a later revocation show', async () => {
    await tagRelease(repository, commits, alice.sign);
    const tag = await world.push(repositoryId, REF);
    expect(await verifyDecisionOf(world.deps, tag.submissionId)).toMatchObject({
      kind: 'verified',
      signed: {
        commitId: commits.commitId,
        fingerprint: alice.fingerprint,
        tagger: 'Alice Example <alice@example.org>',
      },
    });
    const looked = await verifyDecisionOfTag(world.deps, tag.id);
    expect(looked?.verification.steps.map(({ code, outcome }) => `${code} ${outcome}`)).toEqual([
      'decision.tag-object passed',
      'decision.tag-name passed',
      'decision.commit passed',
      'decision.metadata passed',
      'decision.signature passed',
      'decision.checks passed',
      'decision.frozen passed',
      'decision.record passed',
      'decision.key-revoked passed',
    ]);
    await world.db
      .updateTable('keys')
      .set({ revoked_at: new Date(), revocation_reason: 'lost' })
      .where('fingerprint', '=', alice.fingerprint)
      .execute();
    expect(await verifyDecisionOf(world.deps, tag.submissionId)).toMatchObject({
      kind: 'failed',
      code: 'decision.key-revoked',
    });
    expect(await verifyDecisionOf(world.deps, 999)).toMatchObject({ kind: 'failed', code: 'decision.none' });
  });

  test('a rejection is as it was recorded, and a tag that nobody decided has nothing to verify', async () => {
    await tagRelease(repository, commits, undefined);
    const tag = await world.push(repositoryId, REF);
    expect(await verifyDecisionOfTag(world.deps, tag.id)).toMatchObject({
      verification: { kind: 'verified', signed: undefined },
    });
    expect(await verifyDecisionOfTag(world.deps, 999)).toBeUndefined();
  });

  test('a record that was changed in the database is found, and the field named', async () => {
    await tagRelease(repository, commits, alice.sign);
    const tag = await world.push(repositoryId, REF);
    await sql`ALTER TABLE tag_decisions DISABLE TRIGGER tag_decisions_only_added`.execute(world.db);
    await sql`UPDATE tag_decisions SET sentence = 'changed' WHERE tag_id = ${tag.id}`.execute(world.db);
    await sql`ALTER TABLE tag_decisions ENABLE TRIGGER tag_decisions_only_added`.execute(world.db);
    expect(await verifyDecisionOf(world.deps, tag.submissionId)).toMatchObject({
      kind: 'failed',
      code: 'decision.record',
      sentence: 'Changed since the decision: sentence.',
    });
  });
});
