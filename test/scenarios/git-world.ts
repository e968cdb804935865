/**
 * A named world for deciding tags: archive `main` with the suites `landing` (takes tags) and `stable` (does not), Alice who may
 * release `hello` to `landing`, and a Git repository with Debian's layout registered under a file URL. Tags are pushed by making
 * them in that repository; the tasks are run by hand, so that a test says what happens when.
 */
import { sql } from 'kysely';
import { createMemoryBlobStore, type BlobStore } from '../../src/platform/blobs.ts';
import { withTransaction, type Db } from '../../src/platform/database.ts';
import { makeTemporaryDirectory } from '../../src/platform/files.ts';
import { LandfallError } from '../../src/platform/errors.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { addKeys, createPerson, grant, type SystemActor } from '../../src/permissions/index.ts';
import { receiveNotice, tagTasks, type TagDeps } from '../../src/tags/index.ts';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';
import type { OpenPgpKey, SshKey } from './keys.ts';
import type { TestRepository } from './git-repository.ts';

const LANDFALL: SystemActor = { kind: 'system', name: 'landfall' };

export interface NewWorldPerson {
  readonly handle: string;
  readonly name: string;
  readonly keys: readonly (OpenPgpKey | SshKey)[];
  readonly mayRelease?: boolean;
  readonly active?: boolean;
}

/** What is known of a tag, for assertions. */
export interface TagFacts {
  readonly id: number;
  readonly submissionId: number;
  readonly state: string;
  readonly decisions: readonly {
    readonly id: number;
    readonly outcome: string;
    readonly code: string;
    readonly sentence: string;
    readonly remedy: string | null;
    readonly decidedBy: string;
    readonly checks: readonly { readonly code: string; readonly outcome: string; readonly detail: string }[];
  }[];
  readonly obstacles: readonly { readonly code: string; readonly sentence: string; readonly remedy: string | null }[];
}

export interface TagWorld {
  readonly db: Db;
  readonly database: TestDatabase;
  readonly deps: TagDeps;
  readonly blobs: BlobStore;
  readonly archiveId: number;
  readonly landingId: number;
  readonly stableId: number;
  addPerson(person: NewWorldPerson): Promise<number>;
  /** Registers a repository; `baseline: true` has its present tags passed over. */
  register(
    repository: Pick<TestRepository, 'url'>,
    options?: {
      readonly name?: string;
      readonly baseline?: boolean;
      readonly plain?: { readonly source: string; readonly quilt: 'gbp' | 'native' };
      readonly maxPackBytes?: number;
      readonly url?: string;
      readonly allowFile?: boolean;
    },
  ): Promise<number>;
  /** A notice for a ref, then the look that it causes. */
  notify(gitRepositoryId: number, ref?: string): Promise<void>;
  /** A look; one that comes to nothing throws its obstacle. */
  scan(gitRepositoryId: number): Promise<void>;
  decide(tagId: number): Promise<void>;
  /** Notice, look, decision: what one push causes. */
  push(gitRepositoryId: number, ref: string): Promise<TagFacts>;
  /** The tag seen last under a ref. */
  tag(ref: string, objectId?: string): Promise<TagFacts>;
  /** Tasks that wait, by name. */
  waiting(task: string): Promise<readonly { readonly payload: unknown; readonly key: string | null }[]>;
  runTask(task: string, payload: unknown): Promise<void>;
  remove(): Promise<void>;
}

export async function createTagWorld(): Promise<TagWorld> {
  const database = await createTestDatabase();
  const { db } = database;
  const folder = await makeTemporaryDirectory('lf-world-');
  const blobs = createMemoryBlobStore();
  const deps: TagDeps = {
    db,
    log: silentLogger(),
    blobs,
    paths: { git: `${folder.path}/git`, ssh: `${folder.path}/ssh`, temporary: `${folder.path}/tmp` },
    publicUrl: 'http://landfall.example',
  };
  const tasks = tagTasks(deps);
  const pool = await db.insertInto('worker_pools').values({ name: 'main' }).returning('id').executeTakeFirstOrThrow();
  const archive = await db
    .insertInto('archives')
    .values({
      name: 'main',
      origin: 'Example',
      label: 'Example',
      description: 'An example',
      worker_pool_id: pool.id,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  const suite = async (name: string, codename: string, accepts: string[]): Promise<number> =>
    (
      await db
        .insertInto('suites')
        .values({
          archive_id: archive.id,
          name,
          codename,
          accepts,
          components: ['main'],
          architectures: ['amd64', 'arm64'],
          architecture_for_all: 'amd64',
        })
        .returning('id')
        .executeTakeFirstOrThrow()
    ).id;
  const landingId = await suite('landing', 'anchor', ['tags']);
  const stableId = await suite('stable', 'bay', ['copies']);

  const runTask = async (task: string, payload: unknown): Promise<void> => {
    const handler = tasks[task];
    if (handler === undefined) throw new Error(`there is no task ${task}`);
    await handler(payload, { signal: new AbortController().signal, attempt: 1, maxAttempts: 25 });
  };
  const scan = async (gitRepositoryId: number): Promise<void> => {
    await runTask('tags.scan', { gitRepositoryId });
    const { obstacle_code: code, obstacle_sentence: reason } = await db
      .selectFrom('git_repositories')
      .select(['obstacle_code', 'obstacle_sentence'])
      .where('id', '=', gitRepositoryId)
      .executeTakeFirstOrThrow();
    if (code !== null) throw new LandfallError({ code, doing: 'look at a Git repository', reason: reason ?? '' });
  };
  const decide = async (tagId: number): Promise<void> => await runTask('tags.decide', { tagId });
  const notify = async (gitRepositoryId: number, ref?: string): Promise<void> => {
    await receiveNotice(deps, {
      repository: { id: gitRepositoryId },
      ...(ref === undefined ? {} : { ref }),
      via: 'hook',
    });
    await scan(gitRepositoryId);
  };

  const tag = async (ref: string, objectId?: string): Promise<TagFacts> => {
    let query = db.selectFrom('tags').selectAll().where('ref', '=', ref);
    if (objectId !== undefined) query = query.where('object_id', '=', objectId);
    const row = await query.orderBy('id', 'desc').limit(1).executeTakeFirst();
    if (row === undefined) throw new Error(`no tag was seen under ${ref}`);
    const decisions = await db
      .selectFrom('tag_decisions')
      .selectAll()
      .where('tag_id', '=', row.id)
      .orderBy('id')
      .execute();
    const obstacles = await db
      .selectFrom('tag_obstacles')
      .selectAll()
      .where('tag_id', '=', row.id)
      .orderBy('id')
      .execute();
    return {
      id: row.id,
      submissionId: row.submission_id,
      state: row.state,
      decisions: decisions.map((one) => ({
        id: one.id,
        outcome: one.outcome,
        code: one.code,
        sentence: one.sentence,
        remedy: one.remedy,
        decidedBy: one.decided_by,
        checks: readChecks(one.checks),
      })),
      obstacles: obstacles.map(({ code, sentence, remedy }) => ({ code, sentence, remedy })),
    };
  };

  return {
    db,
    database,
    deps,
    blobs,
    archiveId: archive.id,
    landingId,
    stableId,
    runTask,
    scan,
    decide,
    notify,
    tag,
    push: async (gitRepositoryId, ref) => {
      await notify(gitRepositoryId, ref);
      await decide((await tag(ref)).id);
      return await tag(ref);
    },
    addPerson: async (person) =>
      await withTransaction(db, async (trx) => {
        const { id } = await createPerson(
          trx,
          {
            handle: person.handle,
            name: person.name,
            email: `${person.handle}@example.org`,
            active: person.active ?? true,
          },
          LANDFALL,
        );
        for (const key of person.keys) {
          const added = await addKeys(trx, { personId: id, handle: person.handle }, await key.publicKey(), LANDFALL);
          if (added.kind === 'refused') throw new Error(added.reason);
        }
        if (person.mayRelease !== false) {
          const given = await grant(
            trx,
            { to: person.handle, action: 'release', archive: 'main', suites: 'landing', packages: 'hello' },
            LANDFALL,
          );
          if (given.kind === 'refused') throw new Error(given.reason);
        }
        return id;
      }),
    register: async (repository, options = {}) => {
      const { id } = await db
        .insertInto('git_repositories')
        .values({
          name: options.name ?? 'packages/hello',
          url: options.url ?? repository.url,
          allow_file: options.allowFile ?? true,
          ...(options.plain === undefined
            ? {}
            : { plain_tags: true, plain_source: options.plain.source, plain_quilt: options.plain.quilt }),
          ...(options.maxPackBytes === undefined ? {} : { max_pack_bytes: options.maxPackBytes }),
          ...(options.baseline === true ? {} : { baseline_at: new Date() }),
        })
        .returning('id')
        .executeTakeFirstOrThrow();
      await db
        .insertInto('git_repository_archives')
        .values({ git_repository_id: id, distro: 'landing', archive_id: archive.id })
        .execute();
      return id;
    },
    waiting: async (task) => {
      const { rows } = await sql<{ payload: unknown; key: string | null }>`
        SELECT j.payload, j.key
        FROM graphile_worker._private_jobs j
        JOIN graphile_worker._private_tasks t ON t.id = j.task_id
        WHERE t.identifier = ${task}
        ORDER BY j.id
      `.execute(db);
      return rows;
    },
    remove: async () => {
      await database.drop();
      await folder.remove();
    },
  };
}

function readChecks(value: unknown): TagFacts['decisions'][number]['checks'] {
  if (!Array.isArray(value)) throw new Error('the checks are no list');
  return value.map((one: unknown) => {
    if (typeof one !== 'object' || one === null || !('code' in one) || !('outcome' in one) || !('detail' in one)) {
      throw new Error('a check is malformed');
    }
    return { code: String(one.code), outcome: String(one.outcome), detail: String(one.detail) };
  });
}
