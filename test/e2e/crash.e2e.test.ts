/**
 * `kill -9` at every step of the path: of the server, the worker, the signer, the database and the supervisor. Each time a next
 * version of a tiny package is released with `git debpush`; processes are ended at exact steps (see tiny-gates.ts) and come
 * back by themselves; then the version must be installable by apt, and every invariant must hold: nothing is lost and nothing
 * happens twice.
 */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiProblem, createClient } from '../../src/contract/client.ts';
import { deliverRoute } from '../../src/contract/worker.ts';
import { isAlive } from '../../src/worker/process-mark.ts';
import { SUPERSEDED } from '../../src/platform/tasks.ts';
import { checkInvariants, type Growth } from '../scenarios/invariants.ts';
import { makeGates, type Gates } from './tiny-gates.ts';
import { tinyWorld, until, type RoleName, type TinyWorld } from './tiny-world.ts';

/** Long enough to make the chroot when no test did so before. */
const FIRST_DEADLINE_MS = 600_000;
/** Many times what they take: only what never comes is a failure. */
const STEP_DEADLINE_MS = 300_000;
const RELEASE_DEADLINE_MS = 600_000;

let world: TinyWorld;
let gates: Gates;
let growth: Growth | undefined;

beforeAll(async () => {
  world = await tinyWorld('crash');
  await world.serve();
  await world.apply();
  const version = await world.nextVersion();
  await world.tiny.push();
  await world.waitPublished(version, FIRST_DEADLINE_MS);
  await requireSound();
  gates = await makeGates(world.database);
});

afterAll(async () => {
  await gates.end();
  await world.stop();
});

/** Where the path is struck, and which processes end there. */
interface Blow {
  readonly at: string;
  readonly kill: readonly RoleName[];
}

/** Releases the next version while the blows fall, one after another, and waits until apt can install it. */
async function releaseUnder(blows: readonly Blow[]): Promise<string> {
  const version = await world.nextVersion();
  await gates.close(blows.map(({ at }) => at));
  // The hook may be cut off in the middle; the push itself stands.
  const pushed = world.tiny.push();
  for (const { at, kill } of blows) {
    await gates.reached(at, STEP_DEADLINE_MS);
    for (const role of kill) process.kill(await world.pidOf(role), 'SIGKILL');
    await gates.open(at);
  }
  await pushed;
  await world.waitPublished(version, RELEASE_DEADLINE_MS);
  await requireSound();
  return version;
}

/** Waits until there is nothing left to do, and holds the invariants against what there is. */
async function requireSound(): Promise<void> {
  await until(
    async () => {
      const { rows } = await sql<{ left: number }>`
        SELECT count(*) AS left FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks k ON k.id = j.task_id
        WHERE (j.key IS NULL OR j.key NOT LIKE 'cron:%') AND NOT (${SUPERSEDED} AND j.locked_at IS NULL)`.execute(
        world.db,
      );
      return rows[0]?.left === 0 ? true : undefined;
    },
    'an end of the background tasks',
    STEP_DEADLINE_MS,
  );
  const { violations, growth: now } = await checkInvariants({
    db: world.db,
    paths: world.paths,
    url: world.url,
    keyUrl: (archive) => `${world.url}/archive/${archive}/key.asc`,
    before: growth,
  });
  expect([...violations, ...(await leftByWorker())]).toEqual([]);
  growth = now;
}

/** What a worker that was killed left behind, and the one after it did not sweep away. */
async function leftByWorker(): Promise<string[]> {
  const jobs = await readdir(join(world.paths.worker(`${world.mirror.architecture}-1`), 'jobs'));
  const roots = join(world.paths.chroots, 'roots');
  const left = jobs.map((name) => `the worker left its job ${name}`);
  for (const name of await readdir(roots)) {
    const owner = await readFile(join(roots, name, 'owner'), 'utf8').catch(() => '');
    if (!(await isAlive(owner))) left.push(`the worker left its root ${name}`);
  }
  return left;
}

const serve: readonly RoleName[] = ['serve'];
const worker: readonly RoleName[] = ['worker'];
const signer: readonly RoleName[] = ['signer'];
const everyone: readonly RoleName[] = ['serve', 'worker', 'signer'];

describe('kill -9 loses nothing and doubles nothing', () => {
  it('H1 of the server: after the notice, in the decision, and before what follows from it', async () => {
    await releaseUnder([
      { at: 'event:tag.seen', kill: serve },
      { at: 'event:tag.accepted', kill: serve },
      { at: 'event:source.prepared', kill: serve },
    ]);
  });

  it('H2 of the server when it makes the source job, and of server and worker when it is leased', async () => {
    await releaseUnder([
      { at: 'event:job.created:source', kill: serve },
      { at: 'event:job.leased:source', kill: ['serve', 'worker'] },
    ]);
  });

  it('H3 H4 of the worker while its log grows, of the server in the middle of an upload and when it is delivered', async () => {
    await releaseUnder([
      { at: 'log:source', kill: worker },
      { at: 'file:source:2', kill: serve },
      { at: 'event:upload.received', kill: serve },
    ]);
  });

  it('H4 of the server in the acceptance of the source and before its binary job, of the worker when that is leased', async () => {
    await releaseUnder([
      { at: 'event:source.accepted', kill: serve },
      { at: 'event:job.created:binary', kill: serve },
      { at: 'event:job.leased:binary', kill: worker },
    ]);
  });

  it('H3 H5 of the server while a build runs, of the worker in its upload, of the server when the binary is accepted', async () => {
    await releaseUnder([
      { at: 'log:binary', kill: serve },
      { at: 'file:binary:2', kill: worker },
      { at: 'event:binary.accepted', kill: serve },
    ]);
  });

  it('H5 H6 H7 of the server before a publication, while its indices are written, and when it is switched over', async () => {
    await releaseUnder([
      { at: 'publication:writing', kill: serve },
      { at: 'publication:written', kill: serve },
      { at: 'publication:published', kill: serve },
    ]);
  });

  it('H8 of the signer before it signs, and of signer and server when the signature is made and not yet recorded', async () => {
    await releaseUnder([
      { at: 'publication:written', kill: signer },
      { at: 'publication:signed', kill: ['signer', 'serve'] },
    ]);
  });

  it('of all roles at once, in a build and when a suite is being published', async () => {
    await releaseUnder([
      { at: 'log:binary', kill: everyone },
      { at: 'event:suite.published', kill: everyone },
    ]);
  });
});

describe('a worker that comes back', () => {
  it('H22 with the result of an attempt that was taken from it is refused by the token', async () => {
    const lost = await attemptIn('lost');
    const refusal = await deliverAgain(lost).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ApiProblem);
    expect(refusal).toMatchObject({ status: expect.toBeOneOf([409, 410]) as number });
    await requireSound();
  });

  it('H23 with a result that it delivered already is told the same, and nothing happens', async () => {
    await deliverAgain(await attemptIn('succeeded'));
    await requireSound();
  });
});

describe('when more than a role ends', () => {
  it('the supervisor: its roles end with it, and the next start goes on where they were', async () => {
    const version = await world.nextVersion();
    await gates.close(['log:binary']);
    await world.tiny.push();
    await gates.reached('log:binary', STEP_DEADLINE_MS);
    process.kill(world.supervisor().pid, 'SIGKILL');
    await gates.open('log:binary');
    await world.serve();
    await world.waitPublished(version, RELEASE_DEADLINE_MS);
    await requireSound();
  });

  it.each([
    ['of the decision of a tag', 'event:tag.accepted'],
    ['of a build', 'log:binary'],
    ['of a publication', 'publication:signed'],
  ])('H20 PostgreSQL in the middle %s: all roles reconnect, nothing is lost or doubled', async (_what, at) => {
    const version = await world.nextVersion();
    await gates.close([at]);
    const pushed = world.tiny.push();
    await gates.reached(at, STEP_DEADLINE_MS);
    const [postmaster] = (await readFile(join(world.paths.postgresData, 'postmaster.pid'), 'utf8')).split('\n');
    process.kill(Number(postmaster), 'SIGKILL');
    await pushed;
    await world.waitPublished(version, RELEASE_DEADLINE_MS);
    await gates.end();
    gates = await makeGates(world.database);
    await requireSound();
  });
});

interface DeliveredAttempt {
  readonly id: number;
  readonly token: number;
  readonly changes: string;
}

/** The newest attempt in that state, with the name of what its job delivered. */
async function attemptIn(state: string): Promise<DeliveredAttempt> {
  const { rows } = await sql<DeliveredAttempt>`
    SELECT a.id, a.token, u.changes_name AS changes
    FROM attempts a
    JOIN attempts good ON good.job_id = a.job_id AND good.state = 'succeeded'
    JOIN uploads u ON u.attempt_id = good.id
    WHERE a.state = ${state} ORDER BY a.id DESC LIMIT 1`.execute(world.db);
  const row = rows[0];
  if (row === undefined) throw new Error(`no attempt is ${state}`);
  return row;
}

/** Says as the worker that the attempt is delivered. */
async function deliverAgain(attempt: DeliveredAttempt): Promise<void> {
  const folder = world.paths.worker(`${world.mirror.architecture}-1`);
  const identity: unknown = JSON.parse(await readFile(join(folder, 'identity.json'), 'utf8'));
  if (typeof identity !== 'object' || identity === null || !('secret' in identity)) throw new Error('no identity');
  const client = createClient({ url: world.url, token: String(identity.secret) });
  await client.call(deliverRoute, {
    params: { id: attempt.id },
    headers: { 'landfall-token': attempt.token },
    body: { changes: attempt.changes },
  });
}
