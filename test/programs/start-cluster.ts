/**
 * Arguments: a folder, and the uid and gid to run as (or nothing). Starts a cluster there; prints the code of the fault, or
 * `started`.
 */
import { chown } from 'node:fs/promises';
import { join } from 'node:path';
import { LandfallError } from '../../src/platform/errors.ts';
import { startCluster } from '../../src/platform/postgres-cluster.ts';

const [folder = '', uid, gid] = process.argv.slice(2);
const user = uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
try {
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const cluster = await startCluster({
    dataDir: join(folder, 'data'),
    socketDir: join(folder, 'run'),
    logFile: join(folder, 'log'),
    fsync: false,
    ...(user === undefined ? {} : { user }),
  });
  await cluster.stop();
  process.stdout.write('started');
} catch (error) {
  process.stdout.write(error instanceof LandfallError ? error.code : String(error));
}
