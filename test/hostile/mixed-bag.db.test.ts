/**
 * "Whatever arrives, no decision is made twice, nothing crashes, nothing outside the repository's folder is touched": a bag of
 * right, wrong and senseless tags thrown at one world by two deciders at once, with notices in between, and the machine's folders
 * listed before and after.
 */
import { randomBytes } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isFault } from '../../src/platform/errors.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../src/platform/files.ts';
import { receiveNotice, redecideTag, retryTag, tagTasks } from '../../src/tags/index.ts';
import { commitPackage, releaseMessage, type PackageCommits } from '../scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey, type SshKey, type TagSigner } from '../scenarios/keys.ts';

const RUNS = Number(process.env.LANDFALL_FUZZ_RUNS ?? 40);
const BAG = Math.min(RUNS, 400);

let keys: KeyRing;
let alice: OpenPgpKey;
let stranger: OpenPgpKey;
let ssh: SshKey;
let world: TagWorld;
let repository: TestRepository;
let repositoryId: number;
let outside: TemporaryDirectory;

beforeAll(async () => {
  keys = await createKeyRing();
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  stranger = await keys.openPgp({ userId: 'Stranger <stranger@example.org>' });
  ssh = await keys.ssh('alice');
  repository = await createRepository();
  world = await createTagWorld();
  outside = await makeTemporaryDirectory('lf-outside-');
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice, ssh] });
  repositoryId = await world.register(repository);
}, 120_000);
afterAll(async () => {
  await world.remove();
  await repository.remove();
  await keys.remove();
  await outside.remove();
});

/** Every path below a folder, with kind, size and time of its content. */
async function listing(folder: string, except: readonly string[] = []): Promise<readonly string[]> {
  const found: string[] = [];
  const walk = async (path: string): Promise<void> => {
    if (except.includes(path)) return;
    const facts = await lstat(path);
    found.push(`${path} ${facts.mode} ${facts.isDirectory() ? '' : `${facts.size} ${facts.mtimeMs}`}`);
    if (facts.isDirectory()) for (const name of (await readdir(path)).sort()) await walk(join(path, name));
  };
  await walk(folder);
  return found;
}

/** What one tag of the bag is like. */
interface Draw {
  readonly commit: 'right' | 'trick' | 'link' | 'missing';
  readonly signer: 'alice' | 'ssh' | 'stranger' | 'none' | 'garbage' | 'twice';
  readonly message: 'right' | 'plain' | 'garbage' | 'critical';
  readonly headers: 'right' | 'twice' | 'short' | 'tree';
  readonly name: 'right' | 'other';
}

const draw: fc.Arbitrary<Draw> = fc.record({
  commit: fc.constantFrom('right', 'right', 'trick', 'link', 'missing'),
  signer: fc.constantFrom('alice', 'alice', 'ssh', 'stranger', 'none', 'garbage', 'twice'),
  message: fc.constantFrom('right', 'right', 'right', 'plain', 'garbage', 'critical'),
  headers: fc.constantFrom('right', 'right', 'right', 'twice', 'short', 'tree'),
  name: fc.constantFrom('right', 'right', 'right', 'other'),
});

const HEADERS = ['object {object}', 'type commit', 'tag {tag}', 'tagger {tagger}'];

function headersOf(kind: Draw['headers']): readonly string[] {
  switch (kind) {
    case 'right':
      return HEADERS;
    case 'twice':
      return [...HEADERS, 'tag landing/9.9-9'];
    case 'short':
      return HEADERS.slice(0, 3);
    case 'tree':
      return HEADERS.map((header) => (header === 'type commit' ? 'type tree' : header));
  }
}

function signerOf(kind: Draw['signer']): TagSigner | undefined {
  switch (kind) {
    case 'alice':
      return alice.sign;
    case 'ssh':
      return ssh.sign;
    case 'stranger':
      return stranger.sign;
    case 'none':
      return undefined;
    case 'garbage':
      return () =>
        Promise.resolve(
          Buffer.from(
            `-----BEGIN PGP SIGNATURE-----\n\n${randomBytes(60).toString('base64')}\n-----END PGP SIGNATURE-----\n`,
          ),
        );
    case 'twice':
      return async (payload) => Buffer.concat([await ssh.sign(payload), await alice.sign(payload)]);
  }
}

async function commitOf(kind: Draw['commit'], version: string): Promise<PackageCommits> {
  const right = await commitPackage(repository, { version });
  const who = 'A <a@example.org> 1700000000 +0000';
  if (kind === 'right') return right;
  if (kind === 'link') {
    // Written through, these links would leave a trace in the folder that is listed.
    const files = {
      'debian/changelog': { mode: '120000', content: `${outside.path}/changelog` },
      out: { mode: '120000', content: outside.path },
      'zz/x': 'x',
    };
    return { ...right, commitId: (await commitPackage(repository, { version, files })).commitId };
  }
  if (kind === 'missing') return { ...right, commitId: randomBytes(20).toString('hex') };
  const blob = Buffer.from(await repository.store('blob', 'evil'), 'hex');
  const tree = await repository.store('tree', Buffer.concat([Buffer.from('100644 ../../outside\0'), blob]));
  return {
    ...right,
    commitId: await repository.store('commit', `tree ${tree}\nauthor ${who}\ncommitter ${who}\n\nx\n`),
  };
}

async function make(index: number, one: Draw): Promise<void> {
  const version = `1.0-${index + 1}`;
  const commits = await commitOf(one.commit, version);
  const upstream = { commitId: commits.upstreamCommitId, tag: commits.upstreamTag };
  const messages = {
    right: releaseMessage({ version, upstream }),
    plain: 'a release\n',
    garbage: randomBytes(200).toString('latin1'),
    critical: releaseMessage({ version, upstream, extra: '!x=1' }),
  };
  await repository.tag({
    name: one.name === 'right' ? `landing/${version}` : 'landing/8.8-8',
    ref: `refs/tags/landing/${version}`,
    commitId: commits.commitId,
    message: messages[one.message],
    headers: headersOf(one.headers),
    sign: signerOf(one.signer),
  });
}

test(`${BAG} tags of all kinds, two deciders at once: one decision each, everything alive, nothing touched elsewhere`, async () => {
  const bag = fc.sample(draw, { numRuns: BAG, seed: 2026 });
  for (const [index, one] of bag.entries()) await make(index, one);
  const mirrors = world.deps.paths.git;
  const before = {
    outside: await listing(outside.path),
    forge: await listing(repository.gitDir),
    state: await listing(join(mirrors, '..'), [mirrors, world.deps.paths.temporary]),
  };

  // Notices for all, for none, for garbage; and a look after each few, until nothing new is found.
  for (let round = 0; round * 200 < BAG + 200; round++) {
    for (const ref of ['refs/tags/landing/1.0-1', '--upload-pack=x', 'refs/tags/../../x', undefined]) {
      await receiveNotice(world.deps, {
        repository: { id: repositoryId },
        ...(ref === undefined ? {} : { ref }),
        via: 'hook',
      });
    }
    await world.scan(repositoryId);
  }
  const tags = await world.db.selectFrom('tags').select(['id', 'object_id']).orderBy('id').execute();
  expect(tags).toHaveLength(BAG);

  // Two replicas of serve, each with its own copy of the mirror's place but one database, in opposite orders.
  const other = tagTasks({ ...world.deps, paths: { ...world.deps.paths, git: join(mirrors, 'second') } });
  const faults: unknown[] = [];
  const run = async (decide: (tagId: number) => Promise<void>, ids: readonly number[]): Promise<void> => {
    for (const id of ids) await decide(id).catch((error: unknown) => faults.push(error));
  };
  const ids = tags.map(({ id }) => id);
  await Promise.all([
    run(async (tagId) => await world.decide(tagId), ids),
    run(
      async (tagId) => {
        await other['tags.decide']?.({ tagId }, { signal: new AbortController().signal, attempt: 1, maxAttempts: 25 });
      },
      [...ids].reverse(),
    ),
    run(
      async (tagId) => {
        await receiveNotice(world.deps, {
          repository: { id: repositoryId },
          ref: 'refs/tags/landing/1.0-2',
          via: 'hook',
        });
        await world.scan(repositoryId);
        const actor = { kind: 'anonymous' } as const;
        await Promise.allSettled([retryTag(world.deps, tagId, actor), redecideTag(world.deps, tagId, actor)]);
      },
      ids.slice(0, 10),
    ),
  ]);
  expect(faults.filter((error) => !isFault(error, 'database.'))).toEqual([]);

  const { rows } = await sql<{
    ref: string;
    decisions: number;
    obstacles: number;
    state: string;
    outcome: string | null;
    obstacle: string | null;
  }>`
    SELECT t.ref, t.state, (SELECT count(*) FROM tag_decisions d WHERE d.tag_id = t.id) AS decisions,
           (SELECT count(*) FROM tag_obstacles o WHERE o.tag_id = t.id) AS obstacles,
           (SELECT max(outcome) FROM tag_decisions d WHERE d.tag_id = t.id) AS outcome,
           (SELECT max(code || ': ' || sentence) FROM tag_obstacles o WHERE o.tag_id = t.id) AS obstacle
    FROM tags t ORDER BY t.id`.execute(world.db);
  for (const row of rows) {
    const one = bag[Number(row.ref.replace('refs/tags/landing/1.0-', '')) - 1];
    const label = `${JSON.stringify(one)} ${JSON.stringify(row)}`;
    expect(row.decisions, label).toBe(row.state === 'obstructed' ? 0 : 1);
    const right =
      one?.commit === 'right' &&
      one.message === 'right' &&
      one.headers === 'right' &&
      one.name === 'right' &&
      (one.signer === 'alice' || one.signer === 'ssh');
    expect(row.outcome === 'accepted', label).toBe(right);
    // Only what the forge itself cannot give is left waiting.
    if (row.state !== 'obstructed') continue;
    expect(one?.commit === 'missing' || one?.headers === 'tree', label).toBe(true);
    expect(row.obstacle, label).toMatch(/^forge\.unreachable: /);
  }
  const counts = await sql<{ accepted: number; versions: number; frozen: number; next: number }>`
    SELECT (SELECT count(*) FROM tag_decisions WHERE outcome = 'accepted') AS accepted,
           (SELECT count(*) FROM versions) AS versions, (SELECT count(*) FROM frozen_inputs) AS frozen,
           (SELECT count(*) FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks t ON t.id = j.task_id
            WHERE t.identifier = 'sources.prepare') AS next`.execute(world.db);
  const [count] = counts.rows;
  expect(count?.accepted).toBeGreaterThan(0);
  expect(new Set(Object.values(count ?? {})).size).toBe(1);

  expect({
    outside: await listing(outside.path),
    forge: await listing(repository.gitDir),
    state: await listing(join(mirrors, '..'), [mirrors, world.deps.paths.temporary]),
  }).toEqual(before);
  expect(await readdir(mirrors)).toEqual([`${repositoryId}.git`, 'second']);
  expect(await readdir(world.deps.paths.temporary).catch(() => [])).toEqual([]);
}, 600_000);
