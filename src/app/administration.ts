/**
 * The first administrator, and the way in for the person who sets a machine up: a token in a file that only they can read,
 * and `client.json`, which tells the command line where the server is.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createDatabase, withTransaction, type DatabaseConnection, type Trx } from '../platform/database.ts';
import { exists, readFileIfExists, writeFileDurably } from '../platform/files.ts';
import { statePaths, type Paths } from '../platform/paths.ts';
import { authenticateToken, createAccessToken, createPerson, findPerson, grant } from '../permissions/index.ts';
import { LandfallError } from '../platform/errors.ts';

export interface Administrator {
  readonly handle: string;
  readonly name: string;
  readonly email: string;
}

const LANDFALL = { kind: 'system', name: 'landfall' } as const;

/** Makes the person, the grant and the token file where they are missing. Gives the path of the token file. */
export async function ensureAdministrator(
  database: DatabaseConnection,
  paths: Paths,
  administrator: Administrator,
): Promise<string> {
  const tokenFile = join(paths.tokens, administrator.handle);
  const db = createDatabase(database, { poolSize: 2, applicationName: 'landfall init' });
  try {
    await withTransaction(db, async (trx) => {
      const person = (await findPerson(trx, administrator.handle)) ?? (await createAdministrator(trx, administrator));
      const held = await readFileIfExists(tokenFile);
      if (held !== undefined && (await authenticateToken(trx, held.toString('utf8').trim())) !== undefined) return;
      const { secret } = await createAccessToken(trx, { personId: person.id, name: 'made by landfall init' });
      await mkdir(paths.tokens, { recursive: true, mode: 0o700 });
      // Before the transaction ends: a token whose secret nobody has is harmless, and a file without its token is replaced.
      await writeFileDurably(tokenFile, `${secret}\n`, { mode: 0o600 });
    });
  } finally {
    await db.destroy();
  }
  return tokenFile;
}

/** Only a new person gets the grant: one whose grant was withdrawn stays without. */
async function createAdministrator(trx: Trx, administrator: Administrator): Promise<{ readonly id: number }> {
  const person = await createPerson(trx, administrator, LANDFALL);
  const granted = await grant(trx, { to: administrator.handle, action: 'administer' }, LANDFALL);
  if (granted.kind !== 'refused') return person;
  throw new LandfallError({
    code: granted.code,
    doing: `make ${administrator.handle} an administrator`,
    reason: granted.reason,
  });
}

/** Writes `landfall.toml` where there is none. Gives whether it did. */
export async function writeFirstConfiguration(stateDir: string, listen: string): Promise<boolean> {
  const paths = statePaths(stateDir);
  await mkdir(paths.root, { recursive: true });
  if (await exists(paths.config)) return false;
  await writeFile(
    paths.config,
    `# Landfall's configuration. landfall.toml(5) describes every key; what is not written here has its default.

[server]
# Loopback only: put a reverse proxy with TLS before it to let others in, and set public_url to its address.
listen = "${listen}"
`,
    { flag: 'wx' },
  );
  return true;
}
