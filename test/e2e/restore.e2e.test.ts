/**
 * H118 the way back, whole, by the commands that a person types: a machine is backed up and lost; another one is restored from the
 * backup and started. Once into a database of its own, once into a server that `database.url` names. Each time `landfall serve`
 * publishes by itself what was there, with the next serial and the same key, so that an apt which knew the lost machine goes on.
 */
import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type DatabaseConnection } from '../../src/platform/database.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../src/platform/files.ts';
import { statePaths } from '../../src/platform/paths.ts';
import { startCluster, type Cluster } from '../../src/platform/postgres-cluster.ts';
import type { Service } from '../../src/platform/service.ts';
import { ordinaryUser } from '../postgres-setup.ts';
import { createAptClient, type AptClient } from '../scenarios/apt-client.ts';
import { program, type Program } from './program.ts';
import { freePort, tinyWorld, until, ARCHIVE, SUITE, type TinyWorld } from './tiny-world.ts';
import { TINY } from './tiny-package.ts';

const FIRST_DEADLINE_MS = 600_000;
const DEADLINE_MS = 300_000;

let lost: TinyWorld;
let scratch: TemporaryDirectory;
let clients = 0;
let backup: string;
let passphrase: string;
let version: string;
let serialBefore: number;
let keyBefore: string;
/** An apt that has read the machine which is lost. */
let apt: AptClient;

beforeAll(async () => {
  scratch = await makeTemporaryDirectory('lf-restore-', '/tmp');
  await chmod(scratch.path, 0o755);
  lost = await tinyWorld('restore-lost');
  await lost.serve();
  await lost.apply();
  version = await lost.nextVersion();
  await lost.tiny.push();
  await lost.waitPublished(version, FIRST_DEADLINE_MS);
  serialBefore = await lastSerial(lost.database);
  keyBefore = await (await fetch(`${lost.url}/archive/${ARCHIVE}/key.asc`)).text();
  apt = await clientOf(lost.url);
  await apt.update();
  expect(await apt.packages()).toEqual([`${TINY}=${version}`]);
  const kept = await emptyMachine('restore-backup');
  backup = join(kept.stateDir, 'backup');
  passphrase = join(kept.stateDir, 'passphrase');
  await write(kept, passphrase, 'correct horse\n');
  const { stdout } = await lost.landfall.run(['backup', backup, '--with-keys', '--passphrase-file', passphrase], {
    deadlineMs: DEADLINE_MS,
  });
  expect(stdout.toString('utf8')).toMatch(/snapshot .* are in it, encrypted/s);
  await lost.stop();
}, FIRST_DEADLINE_MS + DEADLINE_MS);

afterAll(async () => {
  await scratch.remove();
});

/** A machine on which nothing ever was. */
async function emptyMachine(name: string): Promise<Program> {
  const { stateDir } = await program(name);
  await (await program(name)).run(['stop'], { okCodes: 'any' });
  await rm(stateDir, { recursive: true, force: true });
  return await program(name);
}

async function write(owner: Program, path: string, text: string): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  if (owner.user !== undefined) await chown(path, owner.user.uid, owner.user.gid);
}

async function lastSerial(connection: DatabaseConnection): Promise<number> {
  const db = createDatabase(connection, { poolSize: 1 });
  try {
    const { rows } = await sql<{ serial: number }>`
      SELECT max(serial)::int AS serial FROM publications WHERE state = 'published'`.execute(db);
    return rows[0]?.serial ?? 0;
  } finally {
    await db.destroy();
  }
}

async function clientOf(url: string): Promise<AptClient> {
  const key = await (await fetch(`${url}/archive/${ARCHIVE}/key.asc`)).text();
  clients += 1;
  return await createAptClient(
    join(scratch.path, `apt-${clients}`),
    { url: `${url}/archive/${ARCHIVE}`, suite: SUITE, components: ['main'], key },
    lost.mirror.architecture,
  );
}

async function startServer(machine: Program, url: string): Promise<Service> {
  const output = join(machine.stateDir, 'logs', 'machine.log');
  await machine.beside(['mkdir', '-p', join(machine.stateDir, 'logs')]);
  const service = await machine.start(['serve'], output);
  const answer = await until(
    async () => (!service.isRunning() ? 'ended' : (await fetch(`${url}/readyz`)).ok ? 'ready' : undefined),
    'the server that was restored',
    DEADLINE_MS,
  );
  if (answer === 'ended') throw new Error(`landfall serve ended: ${(await readFile(output, 'utf8')).slice(-2000)}`);
  return service;
}

/** What must hold of a machine that came back: it published by itself, apt goes on, and nobody is alarmed. */
async function requireBack(machine: Program, url: string, connection: DatabaseConnection): Promise<void> {
  await until(
    async () => ((await lastSerial(connection)) > serialBefore ? true : undefined),
    'a publication of its own',
    DEADLINE_MS,
  );
  expect(await lastSerial(connection)).toBe(serialBefore + 1);
  expect(await (await fetch(`${url}/archive/${ARCHIVE}/key.asc`)).text()).toBe(keyBefore);
  const fresh = await clientOf(url);
  await fresh.update();
  expect(await fresh.packages()).toEqual([`${TINY}=${version}`]);
  expect(await fresh.download(TINY)).toHaveLength(1);
  expect((await fresh.source(TINY)).length).toBeGreaterThan(1);
  const log = (await readFile(join(statePaths(machine.stateDir).signer, 'log.jsonl'), 'utf8')).trimEnd().split('\n');
  const signed = log
    .map((line) => (JSON.parse(line) as { entry: { kind: string; serial?: number } }).entry)
    .filter(({ kind }) => kind === 'release')
    .map(({ serial }) => serial);
  expect(signed).toEqual([...signed].sort((a, b) => (a ?? 0) - (b ?? 0)));
  expect(signed.at(-1)).toBe(serialBefore + 1);
  const db = createDatabase(connection, { poolSize: 1 });
  try {
    const alerts = await db.selectFrom('alerts').select('key').where('cleared_at', 'is', null).execute();
    expect(alerts.filter(({ key }) => key.startsWith('suite.'))).toEqual([]);
    const audit = await db.selectFrom('audit').select('action').where('action', '=', 'backup.restored').execute();
    expect(audit).toHaveLength(1);
  } finally {
    await db.destroy();
  }
  const check = await machine.run(['archive', 'check'], { okCodes: 'any', deadlineMs: DEADLINE_MS });
  expect([check.code, check.stdout.toString('utf8')]).toEqual([0, expect.any(String)]);
}

describe('H118 a machine that is lost comes back from its backup', () => {
  it('with a database of its own, at its old address: an apt that knew the lost one goes on', async () => {
    const machine = await emptyMachine('restore-own');
    const { stdout } = await machine.run(['restore', backup, '--with-keys', '--passphrase-file', passphrase], {
      deadlineMs: DEADLINE_MS,
    });
    expect(stdout.toString('utf8')).toMatch(/everything as it was on/);
    expect(stdout.toString('utf8')).not.toMatch(/The private keys are not here/);
    // A second time nothing is written over.
    const again = await machine.run(['restore', backup], { okCodes: 'any', deadlineMs: DEADLINE_MS });
    expect(again.code).not.toBe(0);
    expect(again.stderr).toMatch(/has the tables of Landfall already.*landfall stop/s);
    const service = await startServer(machine, lost.url);
    try {
      const connection = { ...lost.database, host: statePaths(machine.stateDir).run };
      await requireBack(machine, lost.url, connection);
      await apt.update();
      expect(await apt.packages()).toEqual([`${TINY}=${version}`]);
      expect(await apt.download(TINY)).toHaveLength(1);
    } finally {
      await machine.run(['stop'], { okCodes: 'any' });
      await service.stop(30_000);
    }
  });

  it('with the empty database of a server that database.url names, by a password', async () => {
    const machine = await emptyMachine('restore-url');
    const server = await startServerOfOnesOwn();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    try {
      await write(
        machine,
        join(machine.stateDir, 'landfall.toml'),
        `[server]\nlisten = "127.0.0.1:${port}"\n[database]\nurl = "${server.url}"\n`,
      );
      const { stdout } = await machine.run(['restore', backup, '--with-keys', '--passphrase-file', passphrase], {
        deadlineMs: DEADLINE_MS,
      });
      const said = stdout.toString('utf8');
      expect(said).toMatch(/everything as it was on/);
      // That server has counted fewer transactions than the lost one had.
      expect(said).toMatch(/Events have new numbers/);
      expect(said).not.toContain(server.password);
      // Its own configuration was there before, and stays.
      expect(await readFile(join(machine.stateDir, 'landfall.toml'), 'utf8')).toContain(server.url);
      const service = await startServer(machine, url);
      try {
        await requireBack(machine, url, { connectionString: server.url });
      } finally {
        await machine.run(['stop'], { okCodes: 'any' });
        await service.stop(30_000);
      }
      const again = await machine.run(['restore', backup], { okCodes: 'any', deadlineMs: DEADLINE_MS });
      expect(again.code).not.toBe(0);
      expect(again.stderr).toMatch(/has the tables of Landfall already/);
      expect(again.stderr).not.toContain(server.password);
    } finally {
      await server.cluster.stop();
    }
  });
});

/** A PostgreSQL server as an administrator runs it elsewhere: reached by TCP, with a password. */
async function startServerOfOnesOwn(): Promise<{ cluster: Cluster; url: string; password: string }> {
  const folder = join(scratch.path, 'server');
  await mkdir(folder);
  const user = process.getuid?.() === 0 ? await ordinaryUser() : undefined;
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const port = await freePort();
  const options = {
    dataDir: join(folder, 'data'),
    socketDir: join(folder, 'run'),
    logFile: join(folder, 'log', 'postgresql.log'),
    fsync: true,
    port,
    settings: { listen_addresses: '127.0.0.1' },
    ...(user === undefined ? {} : { user }),
  };
  const cluster = await startCluster(options);
  const password = 'a-long-word';
  const db = createDatabase(cluster.connection, { poolSize: 1 });
  try {
    await sql`ALTER ROLE landfall PASSWORD ${sql.lit(password)}`.execute(db);
    const rules = 'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n';
    await writeFile(join(options.dataDir, 'pg_hba.conf'), rules);
    await sql`SELECT pg_reload_conf()`.execute(db);
  } finally {
    await db.destroy();
  }
  return { cluster, url: `postgresql://landfall:${password}@127.0.0.1:${port}/landfall`, password };
}
