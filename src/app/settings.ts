/**
 * What every role is started with: the state folder, the configuration in it, and what follows from both.
 */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { loadConfig, type Config } from '../platform/config.ts';
import type { DatabaseConnection } from '../platform/database.ts';
import { stateDirectory, statePaths, type Paths } from '../platform/paths.ts';

/** Changes with every release; shown by `--version` and to workers. */
export const VERSION = '0.1.0';

export interface Settings {
  readonly paths: Paths;
  readonly config: Config;
  /** How people and hooks reach the server, without a slash at its end. */
  readonly publicUrl: string;
  readonly database: DatabaseConnection;
  /** True when the database is a private cluster of this state folder. */
  readonly privateCluster: boolean;
  readonly signerSocket: string;
  /** True when the signer is not looked after by somebody else. */
  readonly ownSigner: boolean;
  readonly supervisorSocket: string;
}

/** Reads the configuration of `stateDir`, by default that of the caller. @throws LandfallError `config.…` */
export async function loadSettings(stateDir?: string): Promise<Settings> {
  const { uid, username } = userInfo();
  const paths = statePaths(stateDir ?? stateDirectory(process.env, { uid, user: username }));
  const config = await loadConfig(paths.config);
  const url = config.database.url;
  return {
    paths,
    config,
    publicUrl: (config.public_url ?? `http://${config.server.listen}`).replace(/\/+$/, ''),
    database:
      url === undefined
        ? { host: paths.run, port: 5432, database: 'landfall', user: 'landfall' }
        : { connectionString: url },
    privateCluster: url === undefined,
    signerSocket: config.signer.socket ?? paths.signerSocket,
    ownSigner: config.signer.socket === undefined,
    supervisorSocket: join(paths.run, 'supervisor.sock'),
  };
}

/** Where the migrations lie: beside the program, as packaging/build.js puts them. */
export function migrationsFolder(): string {
  return join(import.meta.dirname, 'migrations');
}
