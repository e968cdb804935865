/**
 * The schema as text, for migrations/schema.sql: what pg_dump says, without what differs between its versions (comments,
 * settings of the session) and without the tables that graphile-worker brings itself.
 */
import { join } from 'node:path';
import { exec } from '../src/platform/exec.ts';
import { findBinaries, type SocketConnection } from '../src/platform/postgres-cluster.ts';

export async function dumpSchema(connection: SocketConnection): Promise<string> {
  const folder = await findBinaries();
  if (folder === undefined) throw new Error('there is no PostgreSQL');
  const program = join(folder, 'pg_dump');
  const help = await exec([program, '--help'], { deadlineMs: 20_000 });
  const { stdout } = await exec(
    [
      program,
      `--host=${connection.host}`,
      `--port=${connection.port}`,
      `--username=${connection.user}`,
      '--schema-only',
      '--no-owner',
      '--no-privileges',
      '--exclude-schema=graphile_worker',
      // Else each dump has a random key of its own; versions before August 2025 have neither key nor option.
      ...(help.stdout.includes('--restrict-key') ? ['--restrict-key=landfall'] : []),
      connection.database,
    ],
    { doing: 'dump the schema', deadlineMs: 60_000 },
  );
  return tidy(stdout.toString('utf8'));
}

function tidy(dump: string): string {
  const kept = dump
    .split('\n')
    .filter((line) => !/^(--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict )/.test(line))
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
  return `-- The schema that the migrations make, as PostgreSQL tells it. Written by test/schema.db.test.ts, which also says how.\n\n${kept}\n`;
}
