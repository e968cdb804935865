/**
 * Hostile and harmless builds in real sandboxes, on a real base: what test/programs/worker-cases.ts saw, held against what must be.
 * The builds run as the user that runs workers, never as root.
 */
import { spawn } from 'node:child_process';
import { chmod, chown, mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exec, type Credentials } from '../../src/platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../src/platform/files.ts';
import { findUser } from '../../src/platform/users.ts';
import { removeForeignTree } from '../../src/worker/user-namespace.ts';
import type { CaseFacts, WorkerFacts } from '../programs/worker-cases.ts';

const DEADLINE_MS = 800_000;
const ROOT = join(import.meta.dirname, '../..');

let temporary: TemporaryDirectory;
let user: Credentials | undefined;
let program: string;
let work: string;
let cache: string;
let facts: WorkerFacts;

const as = (): { user?: Credentials } => (user === undefined ? {} : { user });

beforeAll(async () => {
  // Not below a home that may be closed to the subordinate ids, nor below the clone that may be closed to the user.
  temporary = await makeTemporaryDirectory('landfall-worker-', '/var/tmp');
  await chmod(temporary.path, 0o755);
  program = join(temporary.path, 'worker-cases.mjs');
  await build({
    entryPoints: [join(ROOT, 'test/programs/worker-cases.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'silent',
  });
  work = join(temporary.path, 'work');
  // Where the other tests' workers have theirs, so that a base is made once for all.
  const shared = process.env.LANDFALL_STATE_DIR;
  cache =
    process.env.LANDFALL_TEST_CACHE ??
    (shared === undefined ? join(temporary.path, 'cache') : join(shared, 'test', 'chroots'));
  for (const folder of [work, cache]) await mkdir(folder, { recursive: true });
  if (process.getuid?.() === 0) {
    user = await findUser('landfall');
    if (user === undefined) throw new Error('there is no user landfall: run these tests by `./landfall test e2e`');
    for (const folder of [work, cache]) await chown(folder, user.uid, user.gid);
  }
  const { stdout } = await exec([process.execPath, program, work, cache], {
    doing: 'run the cases of the worker',
    cwd: '/',
    deadlineMs: DEADLINE_MS,
    env: { HOME: work },
    ...as(),
  });
  // The program's own promise: one object of the shape of WorkerFacts.
  facts = JSON.parse(stdout.toString('utf8')) as WorkerFacts;
}, DEADLINE_MS);

afterAll(async () => {
  if (user === undefined) await removeForeignTree(temporary.path);
  await temporary.remove();
});

function outcome(name: string): CaseFacts {
  const found = facts.cases[name];
  if (found === undefined) throw new Error(`there is no case ${name}`);
  return found;
}

/** What a probe printed in the log of a case. */
function said(name: string, probe: string): string {
  return new RegExp(`^${probe}: (.*)$`, 'm').exec(outcome(name).log)?.[1]?.trim() ?? '';
}

describe('a build', () => {
  test('makes the packages, .buildinfo, .changes and a statement, for the suite and not for what the changelog says', () => {
    expect(outcome('harmless')).toMatchObject({ kind: 'made', code: null });
    const names = Object.keys(outcome('harmless').made).map((name) => name.replace(/_[a-z0-9]+\.([a-z.]+)$/, '.$1'));
    expect(names.sort()).toEqual([
      'harmless_1.0.buildinfo',
      'harmless_1.0.changes',
      'harmless_1.0.deb',
      'harmless_1.0.intoto.json',
    ]);
    expect(outcome('harmless').changes).toMatch(/^-----BEGIN PGP SIGNED MESSAGE-----[^]*^Distribution: landing$/m);
  });

  test('that does not compile fails as the package, with the compiler first word', () => {
    expect(outcome('compile-error')).toMatchObject({ kind: 'failed', code: 'build.failed' });
    expect(outcome('compile-error').excerpt.join('\n')).toContain('this_does_not_compile');
    expect(outcome('compile-error').reason).toContain('this_does_not_compile');
  });

  test('that is not wanted any more is stopped', () => {
    expect(outcome('given-up')).toMatchObject({ kind: 'thrown', code: 'exec.aborted' });
    expect(outcome('given-up').seconds).toBeLessThan(300);
  });
});

describe('limits are enforced and named', () => {
  test.each([
    ['H56 debian/rules forks for ever', 'fork-bomb', 'limit.processes'],
    ['H57 a memory hog', 'memory-hog', 'limit.memory'],
    ['H57 a disk hog of many files', 'disk-hog', 'limit.disk'],
    ['H57 one file that is too large', 'big-file', 'limit.disk'],
    ['H57 a build that takes too long', 'time-hog', 'limit.time'],
    ['H57 a build that computes too much, in two processes', 'cpu-hog', 'limit.cpu'],
    ['H59 endless output', 'loud', 'limit.log'],
    ['H59 silence', 'silent', 'limit.silence'],
  ])('%s', (_stimulus, name, code) => {
    expect(outcome(name)).toMatchObject({ kind: 'failed', code, limit: code });
  });

  test('H56 H57 also where the kernel offers no control groups', () => {
    if (facts.cgroups === null) return;
    expect(outcome('fork-bomb-watched')).toMatchObject({ kind: 'failed', code: 'limit.processes' });
    expect(outcome('memory-hog-watched')).toMatchObject({ kind: 'failed', code: 'limit.memory' });
  });
});

describe('what a build can reach', () => {
  test('H58 no network: neither the mirror nor a service on the loopback of the machine', () => {
    expect(outcome('probes').log).not.toMatch(/^reached /m);
    expect(outcome('probes').log.match(/^not reached /gm)).toHaveLength(2);
    expect(said('probes', 'interfaces')).toBe('lo');
    expect(facts.connections).toBe(0);
  });

  test('H61 no environment, sockets, files or processes of the machine', () => {
    expect(outcome('probes').log).toMatch(/^to a name$/m);
    expect(said('probes', 'host')).toBe('0');
    expect(said('probes', 'sockets')).toBe('0');
    expect(said('probes', 'sys')).toBe('0');
    expect(Number(said('probes', 'processes'))).toBeLessThan(20);
    expect(said('probes', 'env').split(' ')).toEqual(
      expect.not.arrayContaining(['LANDFALL_STATE_DIR', 'TMPDIR', 'NODE_ENV', 'SUDO_USER']),
    );
    expect(said('probes', 'devices').split(' ').sort()).toEqual(
      'fd full null ptmx pts random shm stderr stdin stdout tty urandom zero'.split(' '),
    );
    expect(said('probes', 'overlay')).not.toContain('/var/');
    expect(
      said('probes', 'mounts')
        .split(' ')
        .filter((mount) => !/^\/(?:$|dev|proc|sys)/.test(mount)),
    ).toEqual([]);
  });

  test('it has no privileges and cannot get any', () => {
    expect(said('probes', 'id')).toBe('1000 NoNewPrivs: 1');
    expect(said('probes', 'capabilities')).toMatch(/^(?:Cap[A-Za-z]{3}:0{16} ?){5}$/);
    expect(said('probes', 'users')).toBe('0');
    expect(said('probes', 'unshare')).toContain('unshare failed');
    expect(said('probes', 'mount')).toContain('must be superuser');
    expect(said('probes', 'first')).toContain('Permission denied');
    expect(said('probes', 'write')).toContain('Permission denied');
  });

  test("H63 a build dependency's maintainer script has no privilege on the machine and no network", () => {
    expect(outcome('hostile-dependency')).toMatchObject({ kind: 'made' });
    expect(said('hostile-dependency', 'id')).toBe('0 NoNewPrivs: 1');
    expect(said('hostile-dependency', 'host')).toBe('0');
    expect(said('hostile-dependency', 'sockets')).toBe('0');
    expect(said('hostile-dependency', 'mount')).toMatch(/permission denied|must be superuser/);
    expect(said('hostile-dependency', 'first')).toContain('Permission denied');
    expect(said('hostile-dependency', 'unshare')).toContain('unshare failed');
    // Without cap_sys_admin (21), cap_net_admin (12), cap_sys_ptrace (19), cap_mknod (27).
    const bounding = BigInt(
      `0x${/CapBnd:([0-9a-f]{16})/.exec(said('hostile-dependency', 'capabilities'))?.[1] ?? 'f'}`,
    );
    for (const capability of [21n, 12n, 19n, 27n]) expect((bounding >> capability) & 1n).toBe(0n);
    expect(outcome('hostile-dependency').log).not.toMatch(/^reached /m);
  });
});

describe('nothing is left', () => {
  test('H60 a daemon that was left behind is gone with the sandbox', () => {
    expect(outcome('daemon')).toMatchObject({ kind: 'made' });
    expect(facts.leftProcesses).toEqual([]);
  });

  test('H62 poisoning the root leaves the base as it was, and the next build is identical', () => {
    expect(facts.base.after).toBe(facts.base.before);
    const deb = (name: string): string[] =>
      Object.entries(outcome(name).made).flatMap(([file, sha256]) => (file.endsWith('.deb') ? [sha256] : []));
    expect(deb('harmless')).toHaveLength(1);
    expect(deb('harmless-again')).toEqual(deb('harmless'));
  });

  test('no root remains', () => {
    expect(facts.leftRoots).toEqual([]);
  });

  test('kill -9 of the worker ends everything in its sandboxes; the next start removes the files', async () => {
    const child = spawn(process.execPath, [program, work, cache, 'hang'], {
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: work },
      stdio: ['ignore', 'pipe', 'inherit'],
      ...user,
    });
    const mark = await new Promise<string>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', () => reject(new Error('it ended before it began to hang')));
      child.stdout.on('data', (data: Buffer) => {
        const found = /hanging (\S+)/.exec(data.toString('utf8'))?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    await until(async () => (await processesWith('sleep\u00001001')).length > 0);
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
    await until(async () => (await processesWith(mark)).length + (await processesWith('sleep\u00001001')).length === 0);
    const roots = await readdir(join(cache, 'roots'));
    expect(roots).toHaveLength(1);
    await exec([process.execPath, program, work, cache, 'sweep'], { cwd: '/', deadlineMs: DEADLINE_MS, ...as() });
    expect(await readdir(join(cache, 'roots'))).toEqual([]);
  });
});

describe('build dependencies', () => {
  test('that cannot be had fail the package, and apt says which', () => {
    expect(outcome('missing-dependency')).toMatchObject({ kind: 'failed', code: 'builddeps.unsatisfiable' });
    expect(outcome('missing-dependency').reason).toContain('no-such-package-anywhere');
  });

  test('from a repository with another key, or from one that is away, are no fault of the package', () => {
    expect(outcome('untrusted-repository')).toMatchObject({ kind: 'thrown', code: 'apt.untrusted' });
    expect(outcome('mirror-away')).toMatchObject({ kind: 'thrown', code: 'apt.mirror-away' });
  });
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let round = 0; round < 600; round += 1) {
    if (await condition()) return;
    await sleep(100);
  }
  throw new Error('it did not come to pass within a minute');
}

async function processesWith(text: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(text)) found.push(command);
  }
  return found;
}
