/**
 * Bad input and faults of the machine, met as a user meets them: files with mistakes, a port that is taken, a database that
 * is away, a program that is missing, a mirror that cannot be reached, no room. Each gives a clear message and a bad exit code,
 * leaves nothing half done, and the next run goes on.
 */
import { chown, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildRoute } from '../../src/contract/builds.ts';
import { joinTokenRoute } from '../../src/contract/workers.ts';
import { submissionRoute } from '../../src/contract/submissions.ts';
import { findProgram, type ExecResult } from '../../src/platform/exec.ts';
import { exists } from '../../src/platform/files.ts';
import { spawnService } from '../../src/platform/service.ts';
import { checkInvariants } from '../scenarios/invariants.ts';
import { program, withMounts, type Program, type RunOptions } from './program.ts';
import { freePort, POOL, tinyWorld, until, type TinyWorld } from './tiny-world.ts';

/** Many times what anything here takes: only what never comes is a failure. */
const DEADLINE_MS = 300_000;

/** Runs a command that must fail; gives its exit code and what it said. */
async function failing(landfall: Program, args: readonly string[], options: RunOptions = {}): Promise<Failure> {
  const result = await landfall.run(args, { okCodes: 'any', ...options });
  expect(result.code).not.toBe(0);
  return { code: result.code, said: said(result) };
}

interface Failure {
  readonly code: number | null;
  readonly said: string;
}

function said(result: ExecResult): string {
  return `${result.stdout.toString('utf8')}${result.stderr}`;
}

describe('before anything is set up', () => {
  let landfall: Program;
  let config: string;

  beforeAll(async () => {
    landfall = await program('faults-config');
    config = join(landfall.stateDir, 'landfall.toml');
    for (const part of ['landfall.toml', 'client.json', 'pg', 'tokens', 'run', 'logs']) {
      await rm(join(landfall.stateDir, part), { recursive: true, force: true });
    }
  });

  const write = async (text: string): Promise<void> => {
    await writeFile(config, text);
    if (landfall.user !== undefined) await chown(config, landfall.user.uid, landfall.user.gid);
  };

  it.each([
    ['init', ['init']],
    ['serve', ['serve']],
    ['signer', ['signer']],
  ])('malformed TOML in landfall.toml is named by line, and `landfall %s` does nothing', async (_name, args) => {
    await write('[server]\nlisten = "127.0.0.1:8463\n');
    const { code, said } = await failing(landfall, args);
    expect(code).toBe(2);
    expect(said).toContain(config);
    expect(said).toMatch(/line 2: not valid TOML/);
    expect(await exists(join(landfall.stateDir, 'pg'))).toBe(false);
  });

  it('an unknown key in landfall.toml is named by line', async () => {
    await write('[server]\nlisten = "127.0.0.1:8463"\nlissten = "x"\n');
    const { code, said } = await failing(landfall, ['serve']);
    expect(code).toBe(2);
    expect(said).toMatch(/line 3: server\.lissten: there is no such key/);
  });

  it('a database server that nobody reaches is named, with what to look at', async () => {
    await write(`[database]\nurl = "postgresql://127.0.0.1:${await freePort()}/landfall"\n`);
    const { code, said } = await failing(landfall, ['serve']);
    expect(code).toBe(70);
    expect(said).toMatch(/could not reach the database/);
    expect(said).toMatch(/database\.url/);
  });

  it('H13 without room for the database nothing is half done, and the next run goes on', async () => {
    await write(`[server]\nlisten = "127.0.0.1:${await freePort()}"\n`);
    const state = landfall.stateDir;
    const within = withMounts(
      landfall,
      `mount -t tmpfs -o size=8m,mode=0777 landfall-test '${state}'
if $as "$@"; then exit 99; else echo "ended with $?"; fi
echo "left: $(ls -A '${state}')"
mount -t tmpfs -o remount,size=400m landfall-test '${state}'`,
    );
    const { stdout, stderr } = await landfall.run(['init'], { within, deadlineMs: DEADLINE_MS });
    expect(stderr).toMatch(/no space left/i);
    expect(stderr).toMatch(/free some space/);
    const [failed, after] = stdout.toString('utf8').split(/^Kept /m);
    expect(failed).toMatch(/^ended with 70$/m);
    expect(failed).toMatch(/^left:/m);
    expect(failed).not.toMatch(/^left:.*\bpg\b/m);
    expect(after).toMatch(/has a token in/);
  });

  it('a taken port is refused with the name of who has it; nothing stays running, and the next run goes on', async () => {
    const port = await freePort();
    await write(`[server]\nlisten = "127.0.0.1:${port}"\n`);
    const holder = await spawnService(
      [process.execPath, '-e', `require('node:net').createServer().listen(${port}, '127.0.0.1')`],
      { output: 'ignore', ...(landfall.user === undefined ? {} : { user: landfall.user }) },
    );
    try {
      await until(async () => await refuses(port), 'the port to be taken', DEADLINE_MS);
      const { code, said } = await failing(landfall, ['serve']);
      expect(code).toBe(70);
      expect(said).toContain(`node (process ${holder.pid}) listens on port ${port} already`);
      expect(said).toMatch(/\[server\] listen/);
      expect(await exists(join(landfall.stateDir, 'pg', 'postmaster.pid'))).toBe(false);
    } finally {
      await holder.stop(1_000);
    }
    const service = await landfall.start(['serve'], join(landfall.stateDir, 'logs', 'machine.log'));
    try {
      await until(async () => await isReady(`http://127.0.0.1:${port}`), 'the server', DEADLINE_MS);
    } finally {
      await landfall.run(['stop']);
      await service.exited;
    }
  });

  it('a missing program is named by `landfall doctor`, with the package that brings it', async () => {
    const within = withMounts(landfall, hide('mmdebstrap'));
    const { code, said } = await failing(landfall, ['doctor'], { within });
    expect(code).toBe(1);
    expect(said).toMatch(/FAIL.*missing: mmdebstrap/);
    expect(said).toMatch(/apt-get install mmdebstrap/);
  });
});

describe('on a machine that runs', () => {
  let world: TinyWorld;

  beforeAll(async () => {
    world = await tinyWorld('faults');
    await world.serve();
    await world.apply();
  });

  afterAll(async () => {
    await world.stop();
  });

  it('a second start on the same folder of state is refused, and the first goes on', async () => {
    const { code, said } = await failing(world.landfall, ['serve']);
    expect(code).toBe(70);
    expect(said).toContain(`it runs already on ${world.landfall.stateDir}`);
    expect(said).toMatch(/landfall stop/);
    expect(await isReady(world.url)).toBe(true);
  });

  it.each([
    ['malformed TOML', '[archive.main]\norigin = "x\n', [/distribution\.toml:2/, /TOML/]],
    [
      'an unknown key, with the nearest one that there is',
      '[pool.trusted]\n[archive.main]\npool = "trusted"\norigim = "x"\n',
      [/distribution\.toml:4/, /origim/, /origin/],
    ],
    [
      'a reference to what is not there',
      '[pool.trusted]\n[archive.main]\npool = "trusted"\n[archive.main.suite.landing]\narchitectures = ["amd64"]\nparents = ["external:nowhere"]\n',
      [/distribution\.toml:6/, /"nowhere", which does not exist/],
    ],
  ])('%s in a distribution file is named by file and line, and nothing is applied', async (_name, text, words) => {
    const before = await auditCount(world);
    const file = join(world.landfall.stateDir, 'distribution.toml');
    await writeFile(file, text);
    const { code, said } = await failing(world.landfall, ['apply', '--yes', file]);
    expect(code).toBe(1);
    for (const word of words) expect(said).toMatch(word);
    expect(await auditCount(world)).toBe(before);
  });

  it('H20 a database that is away gives 503 in words, to programs and to people; when it is back, all goes on', async () => {
    // The supervisor would start it again at once.
    process.kill(world.supervisor().pid, 'SIGSTOP');
    try {
      const [postmaster] = (await readFile(join(world.paths.postgresData, 'postmaster.pid'), 'utf8')).split('\n');
      process.kill(Number(postmaster), 'SIGKILL');
      const problem = await until(
        async () => {
          const response = await fetch(`${world.url}/api/v1/tags`);
          return response.status === 503 ? response.json() : undefined;
        },
        'the answer 503',
        DEADLINE_MS,
      );
      expect(problem).toMatchObject({ code: 'database.away', detail: expect.stringMatching(/database/) as string });
      expect((await fetch(`${world.url}/`)).status).toBe(503);
      expect((await fetch(`${world.url}/readyz`)).status).toBe(503);
      expect((await fetch(`${world.url}/healthz`)).status).toBe(200);
      const { code, said } = await failing(world.landfall, ['tag', 'list']);
      expect(code).toBe(70);
      expect(said).toMatch(/database/);
    } finally {
      process.kill(world.supervisor().pid, 'SIGCONT');
    }
    await until(async () => await isReady(world.url), 'the server', DEADLINE_MS);
    expect((await fetch(`${world.url}/api/v1/tags`)).status).toBe(200);
  });

  describe('a worker that cannot do its work', () => {
    const elsewhere = { name: 'elsewhere-1', pool: 'other', distro: 'other' };
    let submissionId: number;

    beforeAll(async () => {
      const { architecture, keyring } = world.mirror;
      await world.apply({
        prefixes: ', other = "other"',
        more: `
[pool.other]

[external.away]
uri = "http://127.0.0.1:${await freePort()}/debian"
suite = "bookworm"
keyring = "${keyring}"

[archive.other]
pool = "${elsewhere.pool}"

[archive.other.suite.elsewhere]
accepts = ["tags"]
architectures = ["${architecture}"]
parents = ["external:away"]
new-policy = "accept"
`,
      });
      const token = await world.landfall.run([
        'worker',
        'token',
        elsewhere.name,
        '--pool',
        elsewhere.pool,
        '--architectures',
        architecture,
      ]);
      const tokenFile = join(world.landfall.stateDir, 'join-token');
      await writeFile(tokenFile, token.stdout);
      if (world.landfall.user !== undefined) {
        await chown(tokenFile, world.landfall.user.uid, world.landfall.user.gid);
      }
      await world.nextVersion('elsewhere');
      await world.tiny.push(elsewhere.distro);
      submissionId = await until(
        async () => {
          const { rows } = await sql<{ id: number }>`
            SELECT m.id FROM submissions m JOIN archives a ON a.id = m.archive_id
            WHERE a.name = 'other' AND m.source IS NOT NULL`.execute(world.db);
          return rows[0]?.id;
        },
        'the submission to the other archive',
        DEADLINE_MS,
      );
    });

    const runWorker = async (within?: RunOptions['within']) =>
      await world.landfall.start(
        [
          'worker',
          '--name',
          elsewhere.name,
          '--url',
          world.url,
          '--join-token-file',
          join(world.landfall.stateDir, 'join-token'),
        ],
        world.paths.log('elsewhere'),
        within === undefined ? {} : { within },
      );

    it('because a program is missing says which, and the job waits for another try', async () => {
      const worker = await runWorker(withMounts(world.landfall, hide('bwrap')));
      try {
        const waiting = await waitingBuild(world, submissionId, 'source', /bwrap/);
        expect(waiting.sentence).toMatch(/tried again at .*bwrap is not installed.*apt-get install bubblewrap/);
        expect(waiting.why).toMatch(/bwrap/);
      } finally {
        await worker.stop(20_000);
      }
    });

    it('because the mirror of its chroot is away says so, and the job waits: the package did nothing wrong', async () => {
      const worker = await runWorker();
      try {
        const waiting = await waitingBuild(world, submissionId, 'binary', /127\.0\.0\.1/);
        expect(waiting.sentence).toMatch(/tried again at .*make the build root of bookworm/);
        expect(waiting.sentence).toMatch(/can be reached from the worker/);
      } finally {
        await worker.stop(20_000);
      }
    });
  });
});

describe('on a machine whose disk is full', () => {
  let world: TinyWorld;
  /** Fills the file system that holds the stored files, inside the namespace of the machine. */
  let ballast: string;

  beforeAll(async () => {
    world = await tinyWorld('faults-room');
    const { blobs } = world.paths;
    const script = `mkdir -p '${blobs}'\nmount -t tmpfs -o size=4m,mode=0777 landfall-test '${blobs}'`;
    await world.serve({ within: withMounts(world.landfall, script) });
    await world.apply();
    ballast = join('/proc', String(await world.pidOf('serve')), 'root', blobs, 'ballast');
  });

  afterAll(async () => {
    await world.stop();
  });

  it('H13 a tag that cannot be stored is not rejected: it waits, says why, and goes on when there is room', async () => {
    await world.landfall.beside(['dd', 'if=/dev/zero', `of=${ballast}`, 'bs=64k'], { okCodes: 'any' });
    const version = await world.nextVersion();
    const pushed = await world.tiny.push();
    expect(pushed).toMatch(/could not be decided yet, it is tried again by itself.*no space left/is);
    const ref = `refs/tags/landfall/${version}`;
    const tag = await tagUnder(world, ref);
    expect(tag.state).toBe('obstructed');
    const ready = await fetch(`${world.url}/readyz`);
    expect(ready.status).toBe(200);

    await world.landfall.beside(['rm', ballast]);
    await world.landfall.run(['tag', 'retry', String(tag.id)]);
    await until(
      async () => ((await tagUnder(world, ref)).state === 'accepted' ? true : undefined),
      'the acceptance of the tag',
      DEADLINE_MS,
    );
  });
});

describe('on a machine whose database has no room', () => {
  let world: TinyWorld;
  /** Fills the file system that holds the whole of the database's cluster, inside the namespace of the machine. */
  let ballast: string;

  beforeAll(async () => {
    world = await tinyWorld('faults-pg');
    const { postgresData: data } = world.paths;
    // The cluster that `landfall init` made moves onto a small file system of its own.
    const script = `
mount -t tmpfs -o size=192m,mode=0755 landfall-test /mnt
cp -a '${data}/.' /mnt/
chown --reference='${data}' /mnt
chmod 0700 /mnt
mount --move /mnt '${data}'`;
    await world.serve({ within: withMounts(world.landfall, script) });
    await world.apply();
    ballast = join('/proc', String(world.supervisor().pid), 'root', data, 'ballast');
  });

  afterAll(async () => {
    await world.stop();
  });

  const fill = async (): Promise<void> => {
    await world.landfall.beside(['dd', 'if=/dev/zero', `of=${ballast}`, 'bs=64k'], { okCodes: 'any' });
    await world.landfall.beside(['dd', 'if=/dev/zero', `of=${ballast}.rest`, 'bs=512'], { okCodes: 'any' });
  };
  const makeRoom = async (): Promise<void> => {
    await world.landfall.beside(['rm', '-f', ballast, `${ballast}.rest`]);
  };
  /** Grows a table until the server says that it cannot: what room it had left within its files is used up too. */
  const useUp = async (table: string): Promise<unknown> => {
    try {
      for (;;)
        await sql`INSERT INTO ${sql.table(table)} SELECT repeat(md5(n::text), 60) FROM generate_series(1, 2000) n`.execute(
          world.db,
        );
    } catch (error) {
      return error;
    }
  };
  /** That all is well: the version is there for apt, nothing is left to do that was given up, the archive is sound. */
  const requirePublished = async (version: string): Promise<void> => {
    await world.waitPublished(version, DEADLINE_MS * 2);
    let left: readonly string[] = [];
    await until(
      async () => {
        ({ violations: left } = await checkInvariants({
          db: world.db,
          paths: world.paths,
          url: world.url,
          keyUrl: (archive) => `${world.url}/archive/${archive}/key.asc`,
        }));
        return left.length === 0 ? true : undefined;
      },
      'an archive at rest',
      DEADLINE_MS,
      1_000,
    ).catch(() => expect(left).toEqual([]));
  };

  it('H13 says so with 503, takes nothing by halves, goes on serving, and does the rest when there is room', async () => {
    const first = await world.nextVersion();
    await world.tiny.push();
    await world.waitPublished(first, DEADLINE_MS * 2);
    const served = await (await fetch(`${world.url}/archive/main/dists/landing/InRelease`)).text();
    await sql`CREATE TABLE scratch_room (text text)`.execute(world.db);
    await fill();
    expect(await useUp('scratch_room')).toMatchObject({ code: '53100' });
    const version = await world.nextVersion();
    // The push stands, whatever becomes of the notice of it.
    await world.tiny.push();
    // Small rows still fit into what there is, until a table would have to grow.
    const ask = async (n: number): Promise<unknown> =>
      await world.client
        .call(joinTokenRoute, { body: { name: `none-${n}`, pool: POOL, architectures: ['amd64'], validSeconds: 60 } })
        .then(
          () => undefined,
          (error: unknown) => error,
        );
    let refusal: unknown;
    for (let n = 1; refusal === undefined && n < 2_000; n += 1) refusal = await ask(n);
    expect(refusal).toMatchObject({ status: 503, code: 'database.full' });
    const token = ['worker', 'token', 'none-0', '--pool', POOL, '--architectures', 'amd64'];
    const { said: refused } = await failing(world.landfall, token);
    expect(refused).toMatch(/no room left for the database/);
    expect(refused).toMatch(/free some space where the database lies/);
    // What is published is served as before, and the pages can be read.
    expect(await (await fetch(`${world.url}/archive/main/dists/landing/InRelease`)).text()).toBe(served);
    expect((await fetch(`${world.url}/`)).status).toBe(200);
    await makeRoom();
    await requirePublished(version);
  });

  it('H13 H20 comes back by itself when it could not even write its log and ended', async () => {
    await fill();
    await useUp('scratch_room');
    // The next segment of the log has no room: PostgreSQL ends itself, and cannot start again either.
    for (let n = 0; n < 50; n += 1) {
      const ended = await sql`SELECT pg_switch_wal(), pg_logical_emit_message(true, 'x', repeat('x', 100000))`
        .execute(world.db)
        .then(
          () => false,
          () => true,
        );
      if (ended) break;
    }
    await until(
      async () => ((await fetch(`${world.url}/readyz`)).status === 503 ? true : undefined),
      'a server that is not ready',
      DEADLINE_MS,
    );
    const answer = await fetch(`${world.url}/api/v1/tags`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ code: 'database.away' });
    await makeRoom();
    await until(async () => await isReady(world.url), 'the server', DEADLINE_MS);
    const version = await world.nextVersion();
    await world.tiny.push();
    await requirePublished(version);
    await sql`DROP TABLE scratch_room`.execute(world.db);
  });
});

/** Makes a program unfindable: an empty device lies over it, which nobody may execute. */
function hide(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} is not installed`);
  return `mount --bind /dev/null '${path}'`;
}

async function isReady(url: string): Promise<true | undefined> {
  const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
  return response.ok ? true : undefined;
}

/** True when the port cannot be listened on. */
async function refuses(port: number): Promise<true | undefined> {
  const server: Server = createServer();
  return await new Promise((resolve) => {
    server.once('error', () => resolve(true));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(undefined)));
  });
}

async function auditCount(world: TinyWorld): Promise<number | undefined> {
  const { rows } = await sql<{ count: number }>`SELECT count(*) FROM audit WHERE actor LIKE 'person:%'`.execute(
    world.db,
  );
  return rows[0]?.count;
}

async function tagUnder(world: TinyWorld, ref: string): Promise<{ readonly id: number; readonly state: string }> {
  return await world.db.selectFrom('tags').select(['id', 'state']).where('ref', '=', ref).executeTakeFirstOrThrow();
}

/** The build of that kind, once its sentence matches; the job must be waiting, and not failed. */
async function waitingBuild(
  world: TinyWorld,
  submissionId: number,
  kind: 'source' | 'binary',
  words: RegExp,
): Promise<{ readonly sentence: string; readonly why: string }> {
  const build = await until(
    async () => {
      const trace = await world.client.call(submissionRoute, { params: { id: submissionId } });
      const id = trace.steps.find(
        (step) => step.buildId !== null && (step.architecture === null) === (kind === 'source'),
      )?.buildId;
      if (id === undefined || id === null) return undefined;
      const found = await world.client.call(buildRoute, { params: { id } });
      return words.test(found.sentence) ? found : undefined;
    },
    `a sentence of the ${kind} build`,
    DEADLINE_MS,
  );
  expect(build.state).toBe('ready');
  const why = await world.landfall.run(['why', String(build.id)]);
  return { sentence: build.sentence, why: why.stdout.toString('utf8') };
}
