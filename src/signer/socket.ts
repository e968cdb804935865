/**
 * The signer's unix socket: 0600 in a folder that only its user can enter, so that the file system says who may ask. A live
 * one is never taken over; what a killed signer left behind is.
 */
import { chmod, lstat, stat, unlink } from 'node:fs/promises';
import { createConnection, type Server } from 'node:net';
import { dirname } from 'node:path';
import { LandfallError, isErrnoException } from '../platform/errors.ts';
import { ensureDirectory, storing } from '../platform/files.ts';
import { requireSocketPath } from '../platform/paths.ts';

/** Listens on `path`. @throws LandfallError `signer.running`, `signer.open-folder`, `signer.not-a-socket` … */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  requireSocketPath(path);
  const folder = dirname(path);
  await ensureDirectory(folder, 0o700);
  if (((await stat(folder)).mode & 0o077) !== 0) {
    throw new LandfallError({
      code: 'signer.open-folder',
      doing: `listen on ${path}`,
      reason: 'others than its owner can enter the folder',
      remedy: `chmod 0700 ${folder}`,
    });
  }
  await removeStaleSocket(path);
  await storing(`listen on ${path}`, () => listen(server, path));
  await chmod(path, 0o600);
}

async function removeStaleSocket(path: string): Promise<void> {
  const facts = await lstat(path).catch((error: unknown) => {
    if (isErrnoException(error) && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (facts === undefined) return;
  if (!facts.isSocket()) {
    throw new LandfallError({
      code: 'signer.not-a-socket',
      doing: `listen on ${path}`,
      reason: 'something that is no socket has this name',
      remedy: 'move it away, or choose another socket in landfall.toml (signer.socket)',
    });
  }
  if (await answers(path)) {
    throw new LandfallError({
      code: 'signer.running',
      doing: `listen on ${path}`,
      reason: 'another signer answers there',
      remedy: 'stop it first (`landfall status` shows it); there can be one only',
    });
  }
  await unlink(path);
}

async function answers(path: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = createConnection({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

async function listen(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}
