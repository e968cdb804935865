/**
 * A forge behind a real sshd: Landfall comes with the key of its state folder, trusts the host keys that were confirmed there and no
 * other, and says what is missing with the command that mends it, which is run here as it is told.
 */
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { spawn, type ChildProcess } from 'node:child_process';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { commitPackage, tagRelease } from '../../test/scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { createTagWorld, type TagWorld } from '../../test/scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';
import { exec } from '../platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { sshEnvironment } from './ssh-access.ts';

let keys: KeyRing;
let alice: OpenPgpKey;
let world: TagWorld;
let repository: TestRepository;
let repositoryId: number;
let forge: TemporaryDirectory;
let port: number;
let server: ChildProcess;
let count = 0;

beforeAll(async () => {
  [keys, world, repository, forge] = await Promise.all([
    createKeyRing(),
    createTagWorld(),
    createRepository(),
    makeTemporaryDirectory('lf-sshd-'),
  ]);
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  await world.addPerson({ handle: 'alice', name: 'Alice', keys: [alice] });
  await makeKey(join(forge.path, 'host'));
  await writeFile(join(forge.path, 'authorized_keys'), '');
  port = await freePort();
  server = await startSshd();
  const { username } = userInfo();
  repositoryId = await world.register(repository, {
    url: `ssh://${username}@127.0.0.1:${port}${repository.gitDir}`,
    allowFile: false,
  });
});
afterAll(async () => {
  server.kill();
  await repository.remove();
  await world.remove();
  await forge.remove();
  await keys.remove();
});

/** Before each test Landfall is known to the forge and knows it. */
beforeEach(async () => {
  await rm(world.deps.paths.ssh, { recursive: true, force: true });
  await mkdir(world.deps.paths.ssh, { mode: 0o700 });
  await makeKey(join(world.deps.paths.ssh, 'id_ed25519'));
  await writeFile(
    join(forge.path, 'authorized_keys'),
    await readFile(join(world.deps.paths.ssh, 'id_ed25519.pub'), 'utf8'),
  );
  await writeFile(knownHosts(), `[127.0.0.1]:${port} ${await readFile(join(forge.path, 'host.pub'), 'utf8')}`);
});

const knownHosts = (): string => join(world.deps.paths.ssh, 'known_hosts');

async function makeKey(path: string): Promise<void> {
  await rm(path, { force: true });
  await exec(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', path], { deadlineMs: 60_000 });
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** An sshd of this user's own, with one host key, for keys alone. */
async function startSshd(): Promise<ChildProcess> {
  const config = join(forge.path, 'sshd_config');
  await writeFile(
    config,
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey "${join(forge.path, 'host')}"`,
      `AuthorizedKeysFile "${join(forge.path, 'authorized_keys')}"`,
      `PidFile ${join(forge.path, 'pid')}`,
      // The folders above are those of any temporary folder.
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      '',
    ].join('\n'),
  );
  await chmod(forge.path, 0o755);
  // Where root's sshd steps down to before somebody has logged in; a machine where it never ran as a service has none.
  if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
  const child = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => (words += chunk.toString('utf8')));
  await vi.waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`sshd ended: ${words}`);
      await new Promise<void>((resolve, reject) => {
        const socket = createConnection(port, '127.0.0.1', () => {
          socket.destroy();
          resolve();
        });
        socket.on('error', reject);
      });
    },
    { timeout: 120_000, interval: 20 },
  );
  return child;
}

async function obstacle(): Promise<{
  readonly code: string | null;
  readonly sentence: string;
  readonly remedy: string;
}> {
  const row = await world.db
    .selectFrom('git_repositories')
    .select(['obstacle_code as code', 'obstacle_sentence as sentence', 'obstacle_remedy as remedy'])
    .where('id', '=', repositoryId)
    .executeTakeFirstOrThrow();
  return { code: row.code, sentence: row.sentence ?? '', remedy: row.remedy ?? '' };
}

async function look(): Promise<void> {
  await world.runTask('tags.scan', { gitRepositoryId: repositoryId });
}

/** Runs the commands of a remedy that are for the state folder, as an administrator would who has compared the fingerprint. */
async function follow(remedy: string): Promise<void> {
  const [, commands] = /in the state folder: (.*?)(?:; then: landfall tag notify .*)?$/.exec(remedy) ?? [];
  if (commands === undefined) throw new Error(`there is no command in ${remedy}`);
  await exec(['sh', '-ec', commands], { cwd: join(world.deps.paths.ssh, '..'), deadlineMs: 60_000 });
}

async function push(): Promise<string> {
  const version = `1.0-${++count}`;
  const commits = await commitPackage(repository, { version });
  await tagRelease(repository, commits, alice.sign, { version });
  return `refs/tags/landing/${version}`;
}

describe('a Git repository over ssh', () => {
  test('is read with the key and the known hosts of the state folder, from the tag to the decision', async () => {
    const ref = await push();
    const tag = await world.push(repositoryId, ref);
    expect(tag.decisions[0]?.sentence).toMatch(/checks passed/);
  });

  test('whose host key nobody confirmed is not read; the command that is told makes it known', async () => {
    await rm(knownHosts(), { force: true });
    await look();
    const found = await obstacle();
    expect(found).toEqual({
      code: 'forge.host-key',
      sentence: `A host key of [127.0.0.1]:${port} that an administrator has confirmed was expected, and there is none: packages/hello is not read.`,
      remedy: `Compare the fingerprint with the one that the forge publishes (ssh-keyscan -p ${port} 127.0.0.1 | ssh-keygen -lf -). If they are one, as the user landfall, in the state folder: mkdir -m 700 -p ssh; ssh-keyscan -p ${port} 127.0.0.1 >>ssh/known_hosts; then: landfall tag notify packages/hello`,
    });
    // Nothing was learned on the way.
    await expect(readFile(knownHosts())).rejects.toThrow('ENOENT');
    await follow(found.remedy);
    await look();
    expect(await obstacle()).toMatchObject({ code: null });
  });

  test('whose host key has changed is not read, not even its tag that was seen before', async () => {
    const ref = await push();
    await world.notify(repositoryId, ref);
    await makeKey(join(forge.path, 'another'));
    const other = await readFile(join(forge.path, 'another.pub'), 'utf8');
    await writeFile(knownHosts(), `[127.0.0.1]:${port} ${other}`);
    await world.decide((await world.tag(ref)).id);
    const tag = await world.tag(ref);
    expect(tag.decisions).toEqual([]);
    expect(tag.obstacles).toEqual([
      {
        code: 'forge.host-key',
        sentence: expect.stringMatching(
          /^The host key that was confirmed for \[127\.0\.0\.1\]:\d+ was expected/,
        ) as string,
        remedy: expect.stringContaining('ssh-keygen -f ssh/known_hosts -R') as string,
      },
    ]);
    expect(await readFile(knownHosts(), 'utf8')).toContain(other);
    await follow(tag.obstacles[0]?.remedy ?? '');
    await world.decide(tag.id);
    expect((await world.tag(ref)).decisions[0]?.sentence).toMatch(/checks passed/);
  });

  test('that does not let our key in says which key it must know', async () => {
    await writeFile(join(forge.path, 'authorized_keys'), '');
    await look();
    expect(await obstacle()).toMatchObject({
      code: 'forge.ssh-key',
      remedy: expect.stringContaining('ssh/id_ed25519.pub of the state folder') as string,
    });
    // And with no key at all it is made as it is told.
    await rm(world.deps.paths.ssh, { recursive: true });
    await mkdir(world.deps.paths.ssh, { mode: 0o700 });
    await exec(['sh', '-c', `ssh-keyscan -p ${port} 127.0.0.1 >${knownHosts()}`], { deadlineMs: 60_000 });
    await look();
    const { code, remedy } = await obstacle();
    expect(code).toBe('forge.ssh-key');
    await follow(remedy);
    await writeFile(
      join(forge.path, 'authorized_keys'),
      await readFile(join(world.deps.paths.ssh, 'id_ed25519.pub'), 'utf8'),
    );
    await look();
    expect(await obstacle()).toMatchObject({ code: null });
  });

  test('listens to no configuration, agent or key of a home, and to no odd name of the state folder', async () => {
    const folder = join(forge.path, "100% it's here");
    await mkdir(folder);
    for (const name of ['id_ed25519', 'known_hosts']) {
      await writeFile(join(folder, name), await readFile(join(world.deps.paths.ssh, name)), { mode: 0o600 });
    }
    const { GIT_SSH_COMMAND } = sshEnvironment(folder);
    const { stdout } = await exec(['sh', '-c', `${GIT_SSH_COMMAND} -p ${port} 127.0.0.1 echo hello`], {
      deadlineMs: 60_000,
      env: { SSH_AUTH_SOCK: '/nonexistent', HOME: forge.path },
    });
    expect(stdout.toString('utf8')).toBe('hello\n');
    const shown = await exec(['sh', '-c', `${GIT_SSH_COMMAND} -G 127.0.0.1`], { deadlineMs: 60_000 });
    const settings = shown.stdout.toString('utf8').split('\n');
    for (const setting of [
      'batchmode yes',
      'stricthostkeychecking true',
      'identitiesonly yes',
      'updatehostkeys false',
    ]) {
      expect(settings).toContain(setting);
    }
    expect(settings.filter((line) => line.startsWith('identityfile '))).toEqual([
      `identityfile ${join(folder, 'id_ed25519').replace('%', '%%')}`,
    ]);
  });
});
