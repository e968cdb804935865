/** PostgreSQL's own programs that save a database and bring it back. @see pg_dump(1), pg_restore(1), pg_resetwal(1) */
import { join } from 'node:path';
import { describeConnection, type DatabaseConnection } from '../../platform/database.ts';
import { LandfallError } from '../../platform/errors.ts';
import { exec, type Credentials } from '../../platform/exec.ts';
import { findBinaries } from '../../platform/postgres-cluster.ts';

/** A database of a large archive takes minutes, on a slow disk much longer. */
const DEADLINE_MS = 12 * 3_600_000;

/** Writes the database as one transaction saw it; the file must not be there. `snapshot` is what pg_export_snapshot gave. */
export async function dumpDatabase(connection: DatabaseConnection, snapshot: string, file: string): Promise<void> {
  await exec(
    [
      await program('pg_dump'),
      '--format=custom',
      '--no-owner',
      '--no-privileges',
      `--snapshot=${snapshot}`,
      `--file=${file}`,
    ],
    {
      doing: `save the database ${describeConnection(connection)}`,
      deadlineMs: DEADLINE_MS,
      env: environmentOf(connection),
    },
  );
}

/** Brings a saved database back into one that is empty: wholly, or not at all. */
export async function restoreDatabase(connection: DatabaseConnection, file: string): Promise<void> {
  await exec(
    [
      await program('pg_restore'),
      '--no-owner',
      '--no-privileges',
      '--single-transaction',
      '--exit-on-error',
      `--dbname=${databaseName(connection)}`,
      file,
    ],
    {
      doing: `restore the database ${describeConnection(connection)}`,
      deadlineMs: DEADLINE_MS,
      env: environmentOf(connection),
    },
  );
}

/**
 * Lets the next transaction of a stopped, freshly made cluster have a number that is greater than `after`, by beginning the next
 * epoch: the order of events is that of their transactions' numbers.
 */
export async function advanceTransactions(dataDir: string, after: bigint, user?: Credentials): Promise<void> {
  const epoch = (after >> 32n) + 1n;
  await exec(
    // A multiple of what one segment of pg_xact holds, so that no page is missing.
    [await program('pg_resetwal'), `--epoch=${epoch}`, '--next-transaction-id=0x100000', '-D', dataDir],
    {
      doing: 'set the next transaction number',
      cwd: '/',
      deadlineMs: 60_000,
      ...(user === undefined ? {} : { user }),
    },
  );
}

async function program(name: string): Promise<string> {
  const folder = await findBinaries();
  if (folder !== undefined) return join(folder, name);
  throw new LandfallError({
    code: 'postgres.missing',
    doing: `find ${name}`,
    reason: 'there are no PostgreSQL programs below /usr/lib/postgresql',
    remedy: 'install them with: apt-get install postgresql',
  });
}

/** In the environment and not in argv, where everybody would see the password. @see libpq, environment variables */
function environmentOf(connection: DatabaseConnection): Record<string, string> {
  if (!('connectionString' in connection)) {
    const { host, port, database, user, password } = connection;
    return {
      PGHOST: host,
      PGPORT: String(port),
      PGDATABASE: database,
      PGUSER: user,
      ...(password === undefined ? {} : { PGPASSWORD: password }),
    };
  }
  const url = new URL(connection.connectionString);
  const sslMode = url.searchParams.get('sslmode');
  const host = url.hostname === '' ? url.searchParams.get('host') : decodeURIComponent(url.hostname);
  return {
    ...(host === null ? {} : { PGHOST: host }),
    ...(url.port === '' ? {} : { PGPORT: url.port }),
    ...(url.username === '' ? {} : { PGUSER: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { PGPASSWORD: decodeURIComponent(url.password) }),
    ...(sslMode === null ? {} : { PGSSLMODE: sslMode }),
    PGDATABASE: databaseName(connection),
  };
}

function databaseName(connection: DatabaseConnection): string {
  if (!('connectionString' in connection)) return connection.database;
  const url = new URL(connection.connectionString);
  return decodeURIComponent(url.pathname.slice(1)) || decodeURIComponent(url.username) || 'postgres';
}
