/** Who listens on a port, as the kernel tells it, for the error that says the port is taken. @see proc_net_tcp(5) */
import { readFile, readdir, readlink } from 'node:fs/promises';
import { isErrnoException } from '../platform/errors.ts';

const LISTEN_STATE = '0A';

export interface PortHolder {
  readonly pid: number;
  readonly command: string;
}

/** The process that listens on the TCP port; undefined when none does or when it is another user's. */
export async function findPortHolder(port: number): Promise<PortHolder | undefined> {
  const wanted = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const inode of listeningInodes((await readIfThere(table)) ?? '', port)) wanted.add(`socket:[${inode}]`);
  }
  if (wanted.size === 0) return undefined;
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    for (const descriptor of (await listIfThere(`/proc/${entry}/fd`)) ?? []) {
      const target = await ifThere(() => readlink(`/proc/${entry}/fd/${descriptor}`));
      if (target === undefined || !wanted.has(target)) continue;
      const command = (await readIfThere(`/proc/${entry}/comm`))?.trim();
      return { pid: Number(entry), command: command ?? 'unknown' };
    }
  }
  return undefined;
}

/** The inodes of sockets that listen on `port`, from the text of the kernel's table. */
export function listeningInodes(table: string, port: number): readonly string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return table.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [, local, , state] = fields;
    const inode = fields[9];
    return local?.endsWith(wanted) === true && state === LISTEN_STATE && inode !== undefined ? [inode] : [];
  });
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await ifThere(() => readFile(path, 'utf8'));
}

async function listIfThere(path: string): Promise<readonly string[] | undefined> {
  return await ifThere(() => readdir(path));
}

async function ifThere<T>(operation: () => Promise<T>): Promise<T | undefined> {
  try {
    return await operation();
  } catch (error) {
    if (isErrnoException(error) && ['ENOENT', 'EACCES', 'EPERM', 'ESRCH', 'ENOTDIR'].includes(error.code))
      return undefined;
    throw error;
  }
}
