/** H1 with real processes: one that decides a tag is killed where it hurts most, and the next one finds a decision to make, or made. */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleProgram } from '../../test/child.ts';
import { commitPackage, tagRelease } from '../../test/scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';
import { createFolderBlobStore } from '../platform/blobs.ts';
import { clientConfig } from '../platform/database.ts';

let program: string;
let keys: KeyRing;
let alice: OpenPgpKey;
let world: TagWorld;
let repository: TestRepository;
let repositoryId: number;
let blobs: string;
let count = 0;
const children: ChildProcess[] = [];

beforeAll(async () => {
  program = await bundleProgram('decide-tag.ts');
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  repository = await createRepository();
  world = await createTagWorld();
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice] });
  repositoryId = await world.register(repository);
  blobs = join(world.deps.paths.temporary, 'blobs');
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await world.remove();
  await repository.remove();
  await keys.remove();
});

/** A release that was pushed and seen, and is not decided. */
async function seenTag(): Promise<{ readonly id: number; readonly ref: string; readonly version: string }> {
  count += 1;
  const version = `1.0-${count}`;
  const commits = await commitPackage(repository, { version });
  await tagRelease(repository, commits, alice.sign, { version });
  const ref = `refs/tags/landing/${version}`;
  await world.notify(repositoryId, ref);
  const { id } = await world.tag(ref);
  return { id, ref, version };
}

interface Decider {
  readonly child: ChildProcess;
  /** Settles when it says that it has decided. */
  readonly decided: Promise<void>;
  kill(): Promise<void>;
}

function startDecider(tagId: number): Decider {
  const argument = { connection: world.database.connection, ...world.deps.paths, blobs, tagId };
  const child = spawn(process.execPath, [program, JSON.stringify(argument)], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const decided = new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', () => reject(new Error('it ended without a decision')));
  });
  decided.catch(() => undefined);
  return {
    child,
    decided,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** Holds a table so that nobody else gets past it, runs `during` once somebody waits for it, then lets go. */
async function atTable(
  table: string,
  begin: () => Decider,
  during: (decider: Decider) => Promise<void>,
): Promise<void> {
  const holder = new pg.Client(clientConfig(world.database.connection));
  await holder.connect();
  try {
    await holder.query('BEGIN');
    await holder.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    const decider = begin();
    await expect
      .poll(
        async () => {
          const { rows } = await sql<{ waiting: number }>`
            SELECT count(*) AS waiting FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
            WHERE NOT l.granted AND a.application_name = 'decide-tag' AND l.relation = ${table}::regclass`.execute(
            world.db,
          );
          return rows[0]?.waiting;
        },
        { timeout: 120_000, interval: 20 },
      )
      .toBe(1);
    await during(decider);
  } finally {
    await holder.end();
  }
}

/** What there must be of an accepted tag, once. */
async function expectDecidedOnce(tagId: number, version: string): Promise<void> {
  const { rows } = await sql<Record<string, number>>`
    SELECT (SELECT count(*) FROM tag_decisions WHERE tag_id = t.id AND outcome = 'accepted') AS accepted,
           (SELECT count(*) FROM tag_decisions WHERE tag_id = t.id) AS decisions,
           (SELECT count(*) FROM tag_obstacles WHERE tag_id = t.id) AS obstacles,
           (SELECT count(*) FROM versions WHERE submission_id = t.submission_id AND version = ${version}) AS versions,
           (SELECT count(*) FROM frozen_inputs WHERE submission_id = t.submission_id) AS frozen,
           (SELECT count(*) FROM events WHERE submission_id = t.submission_id AND kind = 'tag.accepted') AS events
    FROM tags t WHERE t.id = ${tagId} AND t.state = 'accepted'`.execute(world.db);
  expect(rows).toEqual([{ accepted: 1, decisions: 1, obstacles: 0, versions: 1, frozen: 1, events: 1 }]);
  const { submission_id: submissionId, sha256 } = await world.db
    .selectFrom('tags')
    .innerJoin('frozen_inputs', 'frozen_inputs.submission_id', 'tags.submission_id')
    .select(['tags.submission_id', 'sha256'])
    .where('tags.id', '=', tagId)
    .executeTakeFirstOrThrow();
  const prepared = (await world.waiting('sources.prepare')).filter(
    ({ key }) => key === `sources.prepare:${submissionId}`,
  );
  expect(prepared).toHaveLength(1);
  expect(await (await createFolderBlobStore(blobs)).has(sha256)).toBe(true);
}

test.each([
  ['before the fetch', 'git_repository_archives'],
  ['after the fetch, before the signature is looked at', 'keys'],
  ['after the signature, before the person is asked for', 'grants'],
  ['in the transaction, with the decision written and the frozen input not', 'frozen_inputs'],
  ['in the transaction, before its commit, with everything written', 'graphile_worker._private_jobs'],
])('H1 kill -9 %s: nothing of it is there, and the next process decides once', async (_where, table) => {
  const tag = await seenTag();
  await atTable(
    table,
    () => startDecider(tag.id),
    async (decider) => await decider.kill(),
  );
  expect(await world.tag(tag.ref)).toMatchObject({ state: 'seen', decisions: [], obstacles: [] });
  const next = startDecider(tag.id);
  await next.decided;
  await next.kill();
  await expectDecidedOnce(tag.id, tag.version);
});

test('H1 kill -9 after the commit, before the task is over: the next process finds it decided', async () => {
  const tag = await seenTag();
  const first = startDecider(tag.id);
  await first.decided;
  await first.kill();
  const next = startDecider(tag.id);
  await next.decided;
  await next.kill();
  await expectDecidedOnce(tag.id, tag.version);
});

test('H1 two processes at the same tag, one of them killed while the other waits for it: one decision', async () => {
  const tag = await seenTag();
  let second: Decider | undefined;
  await atTable(
    'graphile_worker._private_jobs',
    () => startDecider(tag.id),
    async (decider) => {
      second = startDecider(tag.id);
      await expect
        .poll(
          async () => {
            const { rows } = await sql<{ waiting: number }>`
              SELECT count(DISTINCT l.pid) AS waiting FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
              WHERE NOT l.granted AND a.datname = current_database()`.execute(world.db);
            return rows[0]?.waiting;
          },
          { timeout: 120_000, interval: 20 },
        )
        .toBe(2);
      await decider.kill();
    },
  );
  await second?.decided;
  await second?.kill();
  await expectDecidedOnce(tag.id, tag.version);
});
