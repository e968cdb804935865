/**
 * A named world: pool `trusted`; archive `main` (public) with the suites `landing` (amd64, arm64) and `stable`, both upon Debian's
 * stable; archive `embargo` for the group security with the suite `fixes`; alice, who releases hello, and bob; the Git repositories
 * packages/hello and security/hello. What happens in it is told step by step, each as its module leaves it in the database:
 * decisions, uploads and publications as rows, builds and jobs by the real services.
 */
import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import { whyJobsWait } from '../../src/lighthouse/index.ts';
import type { Db } from '../../src/platform/database.ts';
import type { TraceDeps } from '../../src/trace/index.ts';
import { createTestDatabase, type TestDatabase } from '../postgres.ts';
import { addWorker, type JoinedWorker } from './lighthouse.ts';

export const PUBLIC_URL = 'https://landfall.example';

export interface WorldArchive {
  readonly name: string;
  readonly id: number;
  readonly suiteId: number;
  readonly suite: string;
  readonly gitRepositoryId: number;
}

export interface World {
  readonly database: TestDatabase;
  readonly db: Db;
  /** For the read model. */
  readonly deps: TraceDeps;
  readonly main: WorldArchive;
  readonly embargo: WorldArchive;
  readonly alice: number;
  readonly bob: number;
  /** Of pool trusted, for amd64. */
  readonly worker: JoinedWorker;
  close(): Promise<void>;
}

export interface Release {
  readonly archive: WorldArchive;
  readonly submissionId: number;
  readonly tagId: number;
  readonly source: string;
  readonly version: string;
}

export async function createWorld(): Promise<World> {
  const database = await createTestDatabase();
  const { db } = database;
  const worker = await addWorker(db, 'w1');
  const person = async (handle: string, name: string): Promise<number> => {
    const row = await db
      .insertInto('people')
      .values({ handle, name, email: `${handle}@example.org` })
      .returning('id')
      .executeTakeFirstOrThrow();
    return row.id;
  };
  const [alice, bob] = [await person('alice', 'Alice Archer'), await person('bob', 'Bob Baker')];
  await db
    .insertInto('external_suites')
    .values({
      name: 'debian-stable',
      uri: 'https://debian.example/debian',
      suite: 'bookworm',
      components: ['main'],
      keyring: Buffer.from('debian keys'),
    })
    .execute();
  const archive = async (name: string, audience: string, suite: string, repository: string): Promise<WorldArchive> => {
    const { id } = await db
      .insertInto('archives')
      .values({
        name,
        audience,
        origin: 'Landfall',
        label: name,
        description: name,
        worker_pool_id: worker.workerPoolId,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const suiteId = await addSuite(db, id, suite, audience);
    const git = await db
      .insertInto('git_repositories')
      .values({ name: repository, url: `https://forge.example/${repository}.git` })
      .returning('id')
      .executeTakeFirstOrThrow();
    await db
      .insertInto('git_repository_archives')
      .values({ git_repository_id: git.id, distro: 'landfall', archive_id: id })
      .execute();
    return { name, id, suiteId, suite, gitRepositoryId: git.id };
  };
  const main = await archive('main', 'public', 'landing', 'packages/hello');
  await addSuite(db, main.id, 'stable', 'public');
  const embargo = await archive('embargo', 'group:security', 'fixes', 'security/hello');
  return {
    database,
    db,
    deps: { db, publicUrl: PUBLIC_URL, whyJobsWait },
    main,
    embargo,
    alice,
    bob,
    worker,
    close: async () => await database.drop(),
  };
}

async function addSuite(db: Db, archiveId: number, name: string, audience: string): Promise<number> {
  const { id } = await db
    .insertInto('suites')
    .values({
      archive_id: archiveId,
      name,
      codename: `${name}-code`,
      aliases: [],
      accepts: ['tags'],
      components: ['main'],
      architectures: ['amd64', 'arm64'],
      architecture_for_all: 'amd64',
      new_policy: 'accept',
      audience,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await sql`INSERT INTO suite_parents (suite_id, position, external_suite_id) SELECT ${id}, 1, id FROM external_suites`.execute(
    db,
  );
  return id;
}

export function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
