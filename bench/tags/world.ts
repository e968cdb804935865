/**
 * Landfall as anybody runs it (`landfall init`, `landfall serve`, its own PostgreSQL with fsync), with Git repositories that are
 * given one tag after another. Nothing of it is ours alone: tags are pushed by writing a ref, and noticed by HTTP.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sql } from 'kysely';
import type { Db } from '../../src/platform/database.ts';
import { initBare } from '../../src/platform/git.ts';
import { startServer, type BenchServer } from '../server.ts';
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

const DEADLINE_MS = 120_000;

export async function startWorld(options: {
  readonly folder: string;
  readonly app: string;
  readonly corpus: Corpus;
  readonly signal: AbortSignal;
}): Promise<World> {
  const { folder, corpus } = options;
  const server = await startServer(options);
  const { db, url } = server;
  try {
    await rm(join(folder, 'forges'), { recursive: true, force: true, maxRetries: 3 });
    const forges: Forge[] = [];
    for (const source of corpus.sources) forges.push(await makeForge(folder, corpus, source));
    await server.apply(distribution(forges), [{ name: 'bea.asc', bytes: corpus.publicKey }]);
    // The corpus was signed before this server existed, and what a key signed before it was made known is refused.
    await sql`UPDATE keys SET valid_from = valid_from - interval '20 days'`.execute(db);
    await lookAtAll(server, forges);
    return {
      forges,
      serverPid: server.pid,
      stop: async () => await server.stop(),
      processorSeconds: async () => await processorSeconds(server.treePid),
      push: async (forge, tags) => await writeRefs(forge.gitDir, tags),
      notify: async (forge, tag) => {
        const query = new URLSearchParams({ ref: tag.ref, object: tag.objectId });
        const response = await fetch(`${url}/hooks/git/${forge.name}?${query.toString()}`, { method: 'POST' });
        const text = await response.text();
        if (!response.ok) throw new Error(`the hook answered ${response.status}: ${text}`);
      },
      decided: async (tag) => {
        await server.until(async () => await isAccepted(db, tag), `the decision of ${tag.ref}`);
      },
      acceptedCount: async () => {
        const { rows } = await sql<{ accepted: number; other: number }>`
          SELECT count(*) FILTER (WHERE state = 'accepted') AS accepted,
                 count(*) FILTER (WHERE state IN ('rejected', 'obstructed')) AS other FROM tags`.execute(db);
        if ((rows[0]?.other ?? 0) > 0) throw new Error(await explainRefusal(db));
        return rows[0]?.accepted ?? 0;
      },
      idle: async () => {
        await server.until(async () => await isIdle(db), 'background tasks to end', DEADLINE_MS);
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** The first look decides nothing: what is there is not meant for us. */
async function lookAtAll(server: BenchServer, forges: readonly Forge[]): Promise<void> {
  for (const { name } of forges) await fetch(`${server.url}/hooks/git/${name}`, { method: 'POST' });
  await server.until(
    async () => {
      const { rows } = await sql<{ left: number }>`
        SELECT count(*) AS left FROM git_repositories WHERE baseline_at IS NULL`.execute(server.db);
      return rows[0]?.left === 0;
    },
    'the first look at each Git repository',
    DEADLINE_MS,
  );
}

async function isAccepted(db: Db, tag: CorpusTag): Promise<boolean> {
  const rows = await db.selectFrom('tags').select('state').where('object_id', '=', tag.objectId).execute();
  const state = rows[0]?.state;
  if (state === 'rejected' || state === 'obstructed') throw new Error(await explainRefusal(db));
  return state === 'accepted';
}

/** A benchmark of refusals would be another one. */
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

function distribution(forges: readonly Forge[]): string {
  return `
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
