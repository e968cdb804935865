/** Whether this machine has what Landfall needs: programs, Node, namespaces, subordinate ids, room. Needs no server. */
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { exec, findProgram } from '../../platform/exec.ts';
import { describeError, isErrnoException } from '../../platform/errors.ts';
import { exists, freeSpace } from '../../platform/files.ts';
import { SERVICE_USER, type Caller } from '../../platform/paths.ts';
import { debianPackageOf } from '../../platform/programs.ts';
import { findUser } from '../../platform/users.ts';
import { bytes } from '../output/time.ts';
import { fail, ok, warn, type Finding } from './finding.ts';

/** What each role calls; a missing one is named with the Debian package that brings it. */
export const PROGRAMS: Readonly<Record<'serve' | 'worker', readonly string[]>> = {
  serve: ['git', 'gpg', 'gpgv', 'ssh-keygen', 'dpkg-source', 'dpkg-deb', 'apt-get', 'pristine-tar', 'bwrap', 'xz'],
  worker: ['mmdebstrap', 'unshare', 'setpriv', 'prlimit', 'newuidmap', 'newgidmap', 'tar', 'dpkg-buildpackage'],
};

const LEAST_NODE: readonly [number, number] = [20, 19];
const WARN_BYTES = 10e9;
const FAIL_BYTES = 1e9;
const SUBORDINATE_IDS = 65_536;

export async function checkMachine(facts: {
  readonly caller: Caller;
  readonly stateFolder: string;
}): Promise<Finding[]> {
  return [
    checkNode(),
    ...checkPrograms('serve'),
    ...checkPrograms('worker'),
    ...(await checkPostgres()),
    ...(await checkUser(facts.caller)),
    await checkNamespaces(),
    ...(await checkRoom(facts.stateFolder)),
  ];
}

function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [leastMajor, leastMinor] = LEAST_NODE;
  const enough = major > leastMajor || (major === leastMajor && minor >= leastMinor);
  return enough
    ? ok('node', `Node ${process.versions.node}`)
    : fail('node', `Node ${process.versions.node} is too old`, `install Node ${leastMajor}.${leastMinor} or newer`);
}

function checkPrograms(role: keyof typeof PROGRAMS): Finding[] {
  const missing = PROGRAMS[role].filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return [ok(`programs of ${role}`, `${PROGRAMS[role].length} programs are there`)];
  const packages = [...new Set(missing.map((name) => debianPackageOf(name) ?? name))];
  return [fail(`programs of ${role}`, `missing: ${missing.join(', ')}`, `apt-get install ${packages.join(' ')}`)];
}

async function checkPostgres(): Promise<Finding[]> {
  const { stdout } = await exec(['/bin/sh', '-c', 'ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null'], {
    deadlineMs: 10_000,
    okCodes: 'any',
  });
  const versions = [...stdout.toString('utf8').matchAll(/postgresql\/(\d+)\//g)].flatMap((match) => match[1] ?? []);
  if (versions.length > 0) return [ok('postgresql', `PostgreSQL ${versions.join(', ')}`)];
  return [
    warn(
      'postgresql',
      'no PostgreSQL server is installed here',
      'apt-get install postgresql, or give a server of your own as database.url in landfall.toml',
    ),
  ];
}

async function checkUser(caller: Caller): Promise<Finding[]> {
  const name = caller.uid === 0 ? SERVICE_USER : caller.user;
  const user = await findUser(name);
  if (user === undefined) {
    return [
      warn('user', `there is no user ${name} yet`, 'start Landfall once as root (./landfall demo); it makes the user'),
    ];
  }
  const findings = [ok('user', `runs as ${name}`)];
  for (const table of ['/etc/subuid', '/etc/subgid']) {
    const count = await subordinateIds(table, name, user.uid);
    findings.push(
      count >= SUBORDINATE_IDS
        ? ok(table, `${count} subordinate ids for ${name}`)
        : fail(
            table,
            `${name} has ${count} subordinate ids and a sandbox needs ${SUBORDINATE_IDS}`,
            `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${name}`,
          ),
    );
  }
  return findings;
}

async function subordinateIds(table: string, name: string, uid: number): Promise<number> {
  try {
    return countSubordinateIds(await readFile(table, 'utf8'), name, uid);
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT') return 0;
    throw error;
  }
}

/** How many ids a table of subuid(5) gives to a user, whom it calls by name or number. */
export function countSubordinateIds(text: string, name: string, uid: number): number {
  return text.split('\n').reduce((sum, line) => {
    const [owner, , count] = line.split(':');
    if (owner !== name && owner !== String(uid)) return sum;
    return sum + (/^\d{1,10}$/.test(count ?? '') ? Number(count) : 0);
  }, 0);
}

async function checkNamespaces(): Promise<Finding> {
  if (findProgram('unshare') === undefined)
    return fail('namespaces', 'unshare is missing', 'apt-get install util-linux');
  const { code, stderr } = await exec(
    ['unshare', '--user', '--map-root-user', '--mount', '--net', '--pid', '--fork', 'true'],
    {
      deadlineMs: 10_000,
      okCodes: 'any',
    },
  );
  if (code === 0) return ok('namespaces', 'unprivileged user namespaces work');
  return fail(
    'namespaces',
    `user namespaces cannot be made: ${stderr.trim().split('\n').at(-1) ?? ''}`,
    'sysctl kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000',
  );
}

async function checkRoom(stateFolder: string): Promise<Finding[]> {
  let folder = stateFolder;
  while (folder !== '/' && !(await exists(folder))) folder = dirname(folder);
  try {
    const { availableBytes, availableFiles } = await freeSpace(folder);
    const says = `${bytes(availableBytes)} free below ${stateFolder}`;
    if (availableBytes < FAIL_BYTES) return [fail('room', says, `free some space on the file system of ${folder}`)];
    if (availableFiles > 0 && availableFiles < 10_000) {
      return [
        fail('room', `only ${availableFiles} more files can be made`, `remove files on the file system of ${folder}`),
      ];
    }
    return availableBytes < WARN_BYTES
      ? [warn('room', says, 'a chroot and a build of a large package take some 10 GB')]
      : [ok('room', says)];
  } catch (error) {
    return [warn('room', describeError(error), `look at ${folder}`)];
  }
}
