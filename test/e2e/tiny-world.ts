/**
 * A running machine for tests: `landfall init`, `landfall serve` with one worker, a distribution applied over the API, and a
 * tiny package whose maintainer releases it with `git debpush`. The test looks into its database and at its processes.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { findMirror, type Mirror } from '../../src/app/demo/mirror.ts';
import { askSupervisor, type RoleState } from '../../src/app/supervisor.ts';
import { applyRoute, planRoute } from '../../src/contract/apply.ts';
import { gitRepositoriesRoute } from '../../src/contract/git-repositories.ts';
import { createClient, type Client } from '../../src/contract/client.ts';
import { createDatabase, type DatabaseConnection, type Db } from '../../src/platform/database.ts';
import { statePaths, type Paths } from '../../src/platform/paths.ts';
import type { Service } from '../../src/platform/service.ts';
import { program, type Program, type Surroundings } from './program.ts';
import { TINY, TINY_DISTRO, TINY_REPOSITORY, tinyPackage, type TinyPackage } from './tiny-package.ts';

export const ARCHIVE = 'main';
export const SUITE = 'landing';
export const POOL = 'trusted';

export type RoleName = 'signer' | 'serve' | 'worker';

export interface TinyWorld {
  readonly landfall: Program;
  readonly paths: Paths;
  readonly mirror: Mirror;
  readonly url: string;
  /** Speaks to the server as the administrator. */
  readonly client: Client;
  /** The machine's own database, seen by the test alone. */
  readonly db: Db;
  readonly database: DatabaseConnection;
  readonly tiny: TinyPackage;
  /** Applies the distribution; `more` is added to its text, and `prefixes` to those of the Git repository. */
  apply(added?: { more: string; prefixes: string }): Promise<void>;
  /** Starts the machine; returns when the server answers. The worker joins when there is a distribution. */
  serve(surroundings?: Surroundings): Promise<void>;
  /** The supervisor of the machine, when it was started. */
  supervisor(): Service;
  roles(): Promise<readonly RoleState[]>;
  /** The process of a role. Waits until there is one. */
  pidOf(role: RoleName): Promise<number>;
  /** Commits the next version; `push` then releases it. */
  nextVersion(suite?: string): Promise<string>;
  /** Waits until apt can install that version for this machine's architecture; gives the submission. */
  waitPublished(version: string, deadlineMs?: number): Promise<number>;
  stop(): Promise<void>;
}

/** Sets a machine up in a folder of state that it empties first. Nothing runs before `serve`. */
export async function tinyWorld(name: string): Promise<TinyWorld> {
  await empty(await program(name));
  const landfall = await program(name);
  const paths = statePaths(landfall.stateDir);
  const mirror = await findMirror();
  const port = await freePort();
  await landfall.run(['init', '--listen', `127.0.0.1:${port}`], { deadlineMs: 120_000 });
  const url = `http://127.0.0.1:${port}`;
  const client = createClient({ url, token: (await readFile(join(paths.tokens, 'admin'), 'utf8')).trim() });
  const database = { host: paths.run, port: 5432, database: 'landfall', user: 'landfall' };
  const db = createDatabase(database, { poolSize: 3, applicationName: 'test' });
  const tiny = await tinyPackage(landfall, join(landfall.stateDir, 'people'));
  await tiny.installHook(url);
  const socket = join(paths.run, 'supervisor.sock');
  let service: Service | undefined;
  let released = 0;

  const roles = async (): Promise<readonly RoleState[]> => (await askSupervisor(socket, 'state')) ?? [];
  const pidOf = async (role: RoleName): Promise<number> =>
    await until(
      async () => (await roles()).find((state) => state.name.split('-')[0] === role)?.pid,
      `the process of ${role}`,
      60_000,
      20,
    );

  return {
    landfall,
    paths,
    mirror,
    url,
    client,
    db,
    database,
    tiny,
    roles,
    pidOf,
    apply: async (added) => {
      const text = distributionText(mirror, tiny, added?.prefixes ?? '') + (added?.more ?? '');
      const keyring = await readFile(mirror.keyring);
      const attachments = [
        { name: mirror.keyring, bytes: keyring.toString('base64') },
        { name: 'tess.asc', bytes: Buffer.from(tiny.person.publicKey).toString('base64') },
      ];
      const files = [{ name: 'distribution.toml', text, attachments }];
      const plan = await client.call(planRoute, { body: { files } });
      if (plan.kind === 'problems') throw new Error(JSON.stringify(plan.problems));
      await client.call(applyRoute, { body: { files, hash: plan.hash } });
      // What is pushed before the first look belongs to the baseline, which decides nothing.
      await until(
        async () => {
          const { repositories } = await client.call(gitRepositoriesRoute, {});
          return (
            repositories.some(({ name, lastLookAt }) => name === TINY_REPOSITORY && lastLookAt !== null) || undefined
          );
        },
        `the first look at ${TINY_REPOSITORY}`,
        60_000,
      );
    },
    serve: async (surroundings = {}) => {
      const output = paths.log('machine');
      service = await landfall.start(['serve', '--with-worker', POOL], output, surroundings);
      const started = service;
      await until(
        async () => {
          if (!started.isRunning()) {
            throw new Fatal(`landfall serve ended: ${(await readFile(output, 'utf8')).slice(-2000)}`);
          }
          return await ready(url);
        },
        'the server',
        120_000,
        50,
      );
    },
    supervisor: () => {
      if (service === undefined) throw new Error('the machine was not started');
      return service;
    },
    nextVersion: async (suite = SUITE) => {
      released += 1;
      const version = `1.${released}`;
      await tiny.commit(version, suite);
      return version;
    },
    waitPublished: async (version, deadlineMs = 120_000) =>
      await until(
        async () => await publishedSubmission(db, version, mirror.architecture),
        `tiny ${version}`,
        deadlineMs,
      ),
    stop: async () => {
      await db.destroy();
      await landfall.run(['stop'], { okCodes: 'any' });
      await service?.stop(30_000);
      await landfall.beside(['gpgconf', '--kill', 'all'], { env: tiny.person.env, okCodes: 'any' });
    },
  };
}

/** The submission whose binary for the architecture the last publication that apt can see holds. */
async function publishedSubmission(db: Db, version: string, architecture: string): Promise<number | undefined> {
  const { rows } = await sql<{ submission_id: number }>`
    SELECT s.submission_id
    FROM binary_packages b
    JOIN source_packages s ON s.id = b.source_package_id
    JOIN suite_binaries m ON m.binary_package_id = b.id AND m.architecture = ${architecture} AND m.removed_serial IS NULL
    JOIN suites ON suites.id = m.suite_id AND suites.name = ${SUITE}
    WHERE b.name = ${TINY} AND b.version = ${version}
      AND m.added_serial <= (SELECT max(serial) FROM publications p WHERE p.suite_id = m.suite_id AND p.state = 'published')`.execute(
    db,
  );
  return rows[0]?.submission_id;
}

/** A wait that has no sense any more. */
class Fatal extends Error {}

/** Asks again until there is an answer. What the question throws means: not yet. */
export async function until<T>(
  ask: () => Promise<T | undefined>,
  waitingFor: string,
  deadlineMs: number,
  everyMs = 50,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
      last = undefined;
    } catch (error) {
      if (error instanceof Fatal) throw error;
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`${waitingFor}: not within ${deadlineMs / 1000} s`, last === undefined ? {} : { cause: last });
    }
    await sleep(everyMs);
  }
}

async function ready(url: string): Promise<true> {
  const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) });
  if (!response.ok) throw new Error(await response.text());
  return true;
}

function distributionText(mirror: Mirror, tiny: TinyPackage, prefixes: string): string {
  return `
[pool.${POOL}]

[external.debian-stable]
uri = "${mirror.uri}"
suite = "${mirror.codename}"
components = ["${mirror.component}"]
keyring = "${mirror.keyring}"

[archive.${ARCHIVE}]
origin = "Tiny"
label = "Tiny"
description = "What the test released"
pool = "${POOL}"

[archive.${ARCHIVE}.suite.${SUITE}]
codename = "${SUITE}"
description = "Where releases land"
accepts = ["tags"]
components = ["main"]
architectures = ["${mirror.architecture}"]
architecture-for-all = "${mirror.architecture}"
parents = ["external:debian-stable"]
new-policy = "accept"

[git."${TINY_REPOSITORY}"]
url = "${tiny.url}"
allow-file = true
prefixes = { ${TINY_DISTRO} = "${ARCHIVE}"${prefixes} }

[person.${tiny.person.handle}]
name = "${tiny.person.name}"
email = "${tiny.person.email}"
keys = ["${tiny.person.handle}.asc"]

[[grant]]
to = "${tiny.person.handle}"
action = "release"
archive = "*"
suites = "*"
packages = "${TINY}"
`;
}

/** Stops what an earlier run may have left and removes its state; the chroots, which are only linked here, stay. */
async function empty(landfall: Program): Promise<void> {
  await landfall.run(['stop'], { okCodes: 'any' });
  const find = ['find', landfall.stateDir, '-mindepth', '1', '-maxdepth', '1'];
  const remove = ['-exec', 'rm', '-rf', '--one-file-system', '{}', '+'];
  // A worker's folders may hold files of subordinate ids: only inside the user namespace can they be removed.
  await landfall.beside(['unshare', '--user', '--map-auto', '--map-root-user', ...find, ...remove]);
}

export async function freePort(): Promise<number> {
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
