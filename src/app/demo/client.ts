/**
 * A user's machine for the demo: a fresh Debian root with nothing but apt, into which the packages are installed as anybody
 * would. It shares this machine's network, because the archive is served on it; it has no privilege here.
 *
 * The root is unpacked from a cached tar archive that mmdebstrap makes once per release.
 */
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exec, type ExecResult } from '../../platform/exec.ts';
import { exists } from '../../platform/files.ts';
import type { Mirror } from './mirror.ts';

export interface ClientMachine {
  /** Runs a program inside, as root of the machine. Output and errors come in one, as on a terminal. */
  run(argv: readonly [string, ...string[]], options?: { okCodes?: readonly number[] | 'any' }): Promise<ExecResult>;
  write(path: string, text: string): Promise<void>;
  read(path: string): Promise<string>;
  /** Where a path of the machine lies outside. */
  outside(path: string): string;
  remove(): Promise<void>;
}

const NAMESPACES = [
  'unshare',
  '--user',
  '--map-auto',
  '--map-root-user',
  '--mount',
  '--pid',
  '--fork',
  '--ipc',
  '--uts',
  '--kill-child',
] as const;

/** Mounts what programs expect below the root $1, then runs the rest of the arguments in it. */
const ENTER = `set -e
root=$1
shift
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  : >"$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t proc proc "$root/proc"
hostname customer
exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
`;

/** The tar archive of a bare Debian with apt; made when it is not there (some 20 s). */
export async function clientImage(folder: string, mirror: Mirror): Promise<string> {
  const image = join(folder, `client-${mirror.codename}-${mirror.architecture}.tar`);
  if (await exists(image)) return image;
  await mkdir(folder, { recursive: true });
  const partial = `${image}.new`;
  await rm(partial, { force: true });
  await exec(
    [
      'mmdebstrap',
      '--quiet',
      '--mode=unshare',
      '--variant=apt',
      // Debian 12's apt leaves the choice of a verifier open.
      '--include=gpgv',
      `--keyring=${mirror.keyring}`,
      '--format=tar',
      mirror.codename,
      partial,
      `deb [signed-by=${mirror.keyring}] ${mirror.uri} ${mirror.codename} ${mirror.component}`,
    ],
    { doing: "make the client's root file system", deadlineMs: 600_000, env: { HOME: folder, TMPDIR: folder } },
  );
  await rename(partial, image);
  return image;
}

/** Unpacks a fresh machine into `folder`, over whatever an earlier run left there. */
export async function freshClient(image: string, folder: string): Promise<ClientMachine> {
  const root = join(folder, 'root');
  const remove = async (): Promise<void> => {
    await exec([...NAMESPACES, 'rm', '-rf', '--one-file-system', root], {
      doing: 'remove the client machine',
      deadlineMs: 120_000,
    });
  };
  await mkdir(folder, { recursive: true });
  await remove();
  await mkdir(root);
  await exec([...NAMESPACES, 'tar', '--directory', root, '--extract', '--file', image, '--exclude=./dev/*'], {
    doing: 'unpack the client machine',
    deadlineMs: 120_000,
  });
  const outside = (path: string): string => join(root, path);
  return {
    outside,
    remove,
    run: async (argv, options = {}) =>
      await exec([...NAMESPACES, 'sh', '-c', ENTER, 'sh', root, ...argv], {
        doing: `run ${argv[0]} on the client machine`,
        deadlineMs: 300_000,
        mergeStderr: true,
        ...options,
      }),
    write: async (path, text) => {
      await mkdir(dirname(outside(path)), { recursive: true });
      await writeFile(outside(path), text);
    },
    read: async (path) => await readFile(outside(path), 'utf8'),
  };
}
