/**
 * Landfall as anybody runs it (`landfall init`, `landfall serve`, its own PostgreSQL with fsync), with Git repositories that are
 * given one tag after another. Nothing of it is ours alone: tags are pushed by writing a ref, and noticed by HTTP.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { askSupervisor } from '../../src/app/supervisor.ts';
import { applyRoute, planRoute } from '../../src/contract/apply.ts';
import { createClient } from '../../src/contract/client.ts';
import { createDatabase, type Db } from '../../src/platform/database.ts';
import { exec } from '../../src/platform/exec.ts';
import { initBare } from '../../src/platform/git.ts';
import { listen } from '../../src/platform/notifications.ts';
import { statePaths } from '../../src/platform/paths.ts';
import { spawnService } from '../../src/platform/service.ts';
import { DISTRO, type Corpus, type CorpusSource, type CorpusTag } from './corpus.ts';

export interface Forge {
  readonly source: CorpusSource;
  /** As it is registered. */
  readonly name: string;
  readonly gitDir: string;
  readonly url: string;
}

export interface World {
  readonly forges: readonly Forge[];
  /** The process that decides. */
  readonly serverPid: number;
  /** Seconds of processor time that the server, the database and all programs that they ran have used. */
  processorSeconds(): Promise<number>;
  /** Makes the tags visible in the forge; nobody is told. */
  push(forge: Forge, tags: readonly CorpusTag[]): Promise<void>;
  /** Tells the server by HTTP, as a post-receive hook does. */
  notify(forge: Forge, tag: CorpusTag): Promise<void>;
  /** Returns when the tag object is decided; anything but acceptance is a fault of the benchmark. */
  decided(tag: CorpusTag): Promise<void>;
  acceptedCount(): Promise<number>;
  /** Waits until no task waits or runs. */
  idle(): Promise<void>;
  stop(): Promise<void>;
}

const COMMAND_DEADLINE_MS = 120_000;
const DECISION_DEADLINE_MS = 60_000;

export async function startWorld(options: {
  readonly folder: string;
  readonly app: string;
  readonly corpus: Corpus;
  readonly signal: AbortSignal;
}): Promise<World> {
  const { folder, app, corpus } = options;
  const stateDir = join(folder, 'state');
  const environment = { LANDFALL_STATE_DIR: stateDir, HOME: stateDir };
  const landfall = async (args: readonly string[], okCodes: readonly number[] | 'any' = [0]): Promise<void> => {
    await exec([process.execPath, app, ...args], {
      env: environment,
      cwd: '/',
      deadlineMs: COMMAND_DEADLINE_MS,
      okCodes,
    });
  };
  // What an interrupted run left behind.
  await mkdir(stateDir, { recursive: true });
  await landfall(['stop'], 'any');
  for (const old of [stateDir, join(folder, 'forges')]) await rm(old, { recursive: true, force: true, maxRetries: 3 });
  await mkdir(stateDir, { recursive: true, mode: 0o700 });

  const forges: Forge[] = [];
  for (const source of corpus.sources) forges.push(await makeForge(folder, corpus, source));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await landfall(['init', '--listen', `127.0.0.1:${port}`]);
  const paths = statePaths(stateDir);
  const service = await spawnService([process.execPath, app, 'serve'], {
    doing: 'start landfall serve',
    cwd: '/',
    env: environment,
    output: { file: join(folder, 'serve.log') },
  });
  const database = { host: paths.run, port: 5432, database: 'landfall', user: 'landfall' };
  const db = createDatabase(database, { poolSize: 4, applicationName: 'bench' });
  const wake = new Set<() => void>();
  let listener: Awaited<ReturnType<typeof listen>> | undefined;
  const stop = async (): Promise<void> => {
    await listener?.stop();
    await db.destroy();
    await service.stop(30_000);
  };
  try {
    await until(async () => (await fetch(`${url}/readyz`)).ok, 'the server', COMMAND_DEADLINE_MS, options.signal);
    listener = await listen(database, {
      channels: ['events'],
      onNotification: () => {
        for (const one of [...wake]) one();
      },
    });
    await applyDistribution(url, (await readFile(join(paths.tokens, 'admin'), 'utf8')).trim(), corpus, forges);
    // The corpus was signed before this server existed, and what a key signed before it was made known is refused.
    await sql`UPDATE keys SET valid_from = valid_from - interval '20 days'`.execute(db);
    await lookAtAll(url, db, forges, options.signal);
    const roles = await askSupervisor(join(paths.run, 'supervisor.sock'), 'state');
    const serverPid = roles?.find(({ name }) => name === 'serve')?.pid;
    if (serverPid === undefined) throw new Error('the server has no process');
    return {
      forges,
      serverPid,
      stop,
      processorSeconds: async () => await processorSeconds(service.pid),
      push: async (forge, tags) => await writeRefs(forge.gitDir, tags),
      notify: async (forge, tag) => {
        const query = new URLSearchParams({ ref: tag.ref, object: tag.objectId });
        const response = await fetch(`${url}/hooks/git/${forge.name}?${query.toString()}`, { method: 'POST' });
        const text = await response.text();
        if (!response.ok) throw new Error(`the hook answered ${response.status}: ${text}`);
      },
      decided: async (tag) => {
        let woken = false;
        let wakeUp: () => void = () => undefined;
        const onWake = (): void => {
          woken = true;
          wakeUp();
        };
        wake.add(onWake);
        try {
          await until(
            async () => {
              woken = false;
              return await isAccepted(db, tag);
            },
            `the decision of ${tag.ref}`,
            DECISION_DEADLINE_MS,
            options.signal,
            async () => {
              if (woken) return;
              const nothing = new AbortController();
              await Promise.race([
                new Promise<void>((resolve) => (wakeUp = resolve)),
                sleep(1_000, undefined, { signal: nothing.signal }).catch(() => undefined),
              ]);
              nothing.abort();
            },
          );
        } finally {
          wake.delete(onWake);
        }
      },
      acceptedCount: async () => {
        const { rows } = await sql<{ accepted: number; other: number }>`
          SELECT count(*) FILTER (WHERE state = 'accepted') AS accepted,
                 count(*) FILTER (WHERE state IN ('rejected', 'obstructed')) AS other FROM tags`.execute(db);
        if ((rows[0]?.other ?? 0) > 0) throw new Error(await explainRefusal(db));
        return rows[0]?.accepted ?? 0;
      },
      idle: async () => {
        await until(async () => await isIdle(db), 'background tasks to end', COMMAND_DEADLINE_MS, options.signal);
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The first look decides nothing: what is there is not meant for us. */
async function lookAtAll(url: string, db: Db, forges: readonly Forge[], signal: AbortSignal): Promise<void> {
  for (const { name } of forges) await fetch(`${url}/hooks/git/${name}`, { method: 'POST' });
  await until(
    async () => {
      const { rows } = await sql<{ left: number }>`
        SELECT count(*) AS left FROM git_repositories WHERE baseline_at IS NULL`.execute(db);
      return rows[0]?.left === 0;
    },
    'the first look at each Git repository',
    COMMAND_DEADLINE_MS,
    signal,
  );
}

async function isAccepted(db: Db, tag: CorpusTag): Promise<boolean> {
  const rows = await db.selectFrom('tags').select('state').where('object_id', '=', tag.objectId).execute();
  const state = rows[0]?.state;
  if (state === 'rejected' || state === 'obstructed') throw new Refused(await explainRefusal(db));
  return state === 'accepted';
}

/** A benchmark of refusals would be another one. */
class Refused extends Error {}

async function explainRefusal(db: Db): Promise<string> {
  const decision = await db
    .selectFrom('tag_decisions')
    .select('sentence')
    .where('outcome', '=', 'rejected')
    .limit(1)
    .executeTakeFirst();
  const obstacle = await db.selectFrom('tag_obstacles').select('sentence').limit(1).executeTakeFirst();
  return `a tag was not accepted: ${decision?.sentence ?? obstacle?.sentence ?? 'no reason'}`;
}

async function isIdle(db: Db): Promise<boolean> {
  const { rows } = await sql<{ busy: number }>`
    SELECT count(*) AS busy FROM graphile_worker._private_jobs
    WHERE locked_at IS NOT NULL OR (run_at <= now() AND attempts < max_attempts)`.execute(db);
  return rows[0]?.busy === 0;
}

/** A bare repository that borrows the corpus's objects and has no tag of ours yet. */
async function makeForge(folder: string, corpus: Corpus, source: CorpusSource): Promise<Forge> {
  const gitDir = join(folder, 'forges', `${source.source}.git`);
  await mkdir(dirname(gitDir), { recursive: true });
  await initBare(gitDir);
  await mkdir(join(gitDir, 'objects', 'info'), { recursive: true });
  await writeFile(join(gitDir, 'objects', 'info', 'alternates'), `${join(corpus.store, 'objects')}\n`);
  if (source.upstreamTag !== undefined) await writeRefs(gitDir, [source.upstreamTag]);
  return { source, name: `bench/${source.source}`, gitDir, url: `file://${gitDir}` };
}

/** As git writes a loose ref: a file beside it, renamed. */
async function writeRefs(gitDir: string, tags: readonly CorpusTag[]): Promise<void> {
  for (const tag of tags) {
    const file = join(gitDir, tag.ref);
    await mkdir(dirname(file), { recursive: true });
    const beside = `${file}.${randomBytes(4).toString('hex')}.lock`;
    await writeFile(beside, `${tag.objectId}\n`);
    await rename(beside, file);
  }
}

async function applyDistribution(url: string, token: string, corpus: Corpus, forges: readonly Forge[]): Promise<void> {
  const text = `
[pool.trusted]

[archive.main]
origin = "Bench"
label = "Bench"
description = "What is released to be measured"
pool = "trusted"

[archive.main.suite.landing]
codename = "landing"
description = "Where releases land"
accepts = ["tags"]
components = ["main"]
architectures = ["amd64"]
architecture-for-all = "amd64"
new-policy = "accept"

[person.bea]
name = "Bea Bench"
email = "bea@example.org"
keys = ["bea.asc"]

[[grant]]
to = "bea"
action = "release"
archive = "main"
suites = "landing"
packages = "*"
${forges.map((forge) => `\n[git."${forge.name}"]\nurl = "${forge.url}"\nallow-file = true\nnotices-per-minute = 6000\nprefixes = { ${DISTRO} = "main" }\n`).join('')}`;
  const client = createClient({ url, token });
  const attachments = [{ name: 'bea.asc', bytes: corpus.publicKey.toString('base64') }];
  const files = [{ name: 'distribution.toml', text, attachments }];
  const plan = await client.call(planRoute, { body: { files } });
  if (plan.kind === 'problems') throw new Error(JSON.stringify(plan.problems));
  await client.call(applyRoute, { body: { files, hash: plan.hash } });
}

async function until(
  holds: () => Promise<boolean>,
  what: string,
  deadlineMs: number,
  signal: AbortSignal,
  pause: () => Promise<unknown> = async () => await sleep(50),
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    signal.throwIfAborted();
    try {
      if (await holds()) return;
    } catch (error) {
      if (error instanceof Refused || performance.now() > deadline) throw error;
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${deadlineMs / 1000} s`);
    await pause();
  }
}

const TICKS_PER_SECOND = 100;

/** Of a process, its descendants, and those of them that have ended. @see proc(5), stat */
async function processorSeconds(root: number): Promise<number> {
  const processes = new Map<number, { readonly parent: number; readonly ticks: number }>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => undefined);
    // The name of the program may hold anything; behind its last bracket come state, parent, …
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields === undefined) continue;
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    processes.set(Number(name), { parent: Number(fields[1]), ticks });
  }
  const belongs = (pid: number): boolean => {
    const parent = processes.get(pid)?.parent;
    return pid === root || (parent !== undefined && parent !== 0 && belongs(parent));
  };
  const ticks = [...processes].reduce((sum, [pid, process]) => (belongs(pid) ? sum + process.ticks : sum), 0);
  return ticks / TICKS_PER_SECOND;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}
