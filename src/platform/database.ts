/**
 * The database: one way to connect, to run a transaction, and to tell what went wrong.
 *
 * Values: int8 is a number (beyond 2^53 an error, never a rounded value), timestamptz a Date, date and interval their text,
 * numeric a string, bytea a Buffer, jsonb the parsed value. Idle and busy connections have error handlers, so a server that
 * restarts makes queries fail and never the process.
 */
import { Kysely, PostgresDialect, sql, type IsolationLevel, type Transaction } from 'kysely';
import pg from 'pg';
import { LandfallError, describeError, isErrnoException } from './errors.ts';
import { preparing } from './prepared-statements.ts';
import type { Database } from './schema.ts';

export type { Database, JsonObject, JsonValue } from './schema.ts';

export type Db = Kysely<Database>;
export type Trx = Transaction<Database>;

/** Where the database is: a URL, or a host (for a unix socket the folder that it lies in). */
export type DatabaseConnection =
  | { readonly connectionString: string }
  | {
      readonly host: string;
      readonly port: number;
      readonly database: string;
      readonly user: string;
      readonly password?: string;
    };

export interface DatabaseOptions {
  readonly poolSize?: number;
  /** Told of connections that broke; the pool replaces them by itself. */
  readonly onError?: (error: Error) => void;
  /** Shown in pg_stat_activity. */
  readonly applicationName?: string;
  /** Values as `pg` gives them by default, for libraries that count on it. */
  readonly plainTypes?: boolean;
}

/** Opens a pool of connections; nothing is connected before the first query. Close it with `db.destroy()`. */
export function createDatabase(connection: DatabaseConnection, options: DatabaseOptions = {}): Db {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool: preparing(createPool(connection, options)) }) });
}

/** The pool beneath, for those who need connections of their own. */
export function createPool(connection: DatabaseConnection, options: DatabaseOptions = {}): pg.Pool {
  const { types, ...config } = clientConfig(connection, options.applicationName);
  const pool = new pg.Pool({
    ...config,
    ...(options.plainTypes === true || types === undefined ? {} : { types }),
    max: options.poolSize ?? 10,
  });
  const onError = options.onError ?? ((): void => undefined);
  pool.on('error', onError);
  pool.on('connect', (client) => client.on('error', onError));
  return pool;
}

/** What `pg` takes for one connection. */
export function clientConfig(connection: DatabaseConnection, applicationName = 'landfall'): pg.ClientConfig {
  return {
    ...connection,
    application_name: applicationName,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    types: typeParsers(),
  };
}

/** A short name for messages, without password. */
export function describeConnection(connection: DatabaseConnection): string {
  if (!('connectionString' in connection)) return `${connection.database} at ${connection.host}:${connection.port}`;
  try {
    const url = new URL(connection.connectionString);
    return `${url.pathname.slice(1) || 'the default database'} at ${url.host || url.searchParams.get('host') || 'localhost'}`;
  } catch {
    return 'the database of database.url';
  }
}

/**
 * Checks that the database answers.
 * @throws LandfallError `database.unreachable`, `database.refused` (it is there, and does not let us in)
 */
export async function requireReachable(connection: DatabaseConnection): Promise<void> {
  const client = new pg.Client(clientConfig(connection));
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } catch (error) {
    throw connectionFault(connection, error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The fault for an error of connecting; any other error as it is. */
export function connectionFault(connection: DatabaseConnection, error: unknown): unknown {
  const doing = `reach the database ${describeConnection(connection)}`;
  if (isConnectionError(error)) {
    return new LandfallError({
      code: 'database.unreachable',
      doing,
      reason: describeError(error),
      remedy:
        'connectionString' in connection
          ? 'check that the server of database.url in landfall.toml runs and can be reached from here'
          : 'start it with `landfall serve`; its log is postgresql.log in the logs folder',
      cause: error,
    });
  }
  if (error instanceof pg.DatabaseError && /^(28|3D)/.test(error.code ?? '')) {
    return new LandfallError({
      code: 'database.refused',
      doing,
      reason: error.message,
      remedy: 'check user, password and database name in database.url',
      cause: error,
    });
  }
  return error;
}

export interface TransactionOptions {
  readonly isolation?: IsolationLevel;
  /** How often a serialization failure or deadlock is tried again; default 0. `run` must then bear being run again. */
  readonly retries?: number;
}

/**
 * Runs `run` in a transaction: committed when it returns, rolled back when it throws. Inside a transaction already, it takes
 * part in that one.
 */
export async function withTransaction<T>(
  db: Db,
  run: (trx: Trx) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  if (isTransaction(db)) return await run(db);
  for (let attempt = 0; ; attempt += 1) {
    const builder = db.transaction();
    try {
      return await (options.isolation === undefined ? builder : builder.setIsolationLevel(options.isolation)).execute(
        run,
      );
    } catch (error) {
      if (attempt >= (options.retries ?? 0) || !isRetryable(error)) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20 * 2 ** Math.min(attempt, 6)));
    }
  }
}

function isTransaction(db: Db): db is Trx {
  return db.isTransaction;
}

/** A unique constraint (that one, when named) was violated. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return isViolation(error, '23505', constraint);
}

/** A check constraint or a guard of the schema (an illegal transition, a change of what is only added to) refused. */
export function isCheckViolation(error: unknown, constraint?: string): boolean {
  return isViolation(error, '23514', constraint);
}

export function isForeignKeyViolation(error: unknown, constraint?: string): boolean {
  return isViolation(error, '23503', constraint);
}

/** The transaction lost against another one and may be tried again: serialization failure, deadlock. */
export function isRetryable(error: unknown): boolean {
  return error instanceof pg.DatabaseError && (error.code === '40001' || error.code === '40P01');
}

/** The server has no room to write: what was asked was undone, and can be asked again when there is some. */
export function isDatabaseFull(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '53100';
}

/** The server is away, or went away in the middle: restarting, stopped, unreachable. */
export function isConnectionError(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isConnectionError);
  if (error instanceof pg.DatabaseError) return /^(57P0[1-5]|08|53300)/.test(error.code ?? '');
  if (isErrnoException(error)) {
    return [
      'ECONNREFUSED',
      'ENOENT',
      'ECONNRESET',
      'EPIPE',
      'ETIMEDOUT',
      'EHOSTUNREACH',
      'ENETUNREACH',
      'ENOTFOUND',
      'EAI_AGAIN',
    ].includes(error.code);
  }
  return (
    error instanceof Error &&
    /^(Connection terminated|timeout expired|Client has encountered a connection error|Connection ended unexpectedly|timeout exceeded when trying to connect)/.test(
      error.message,
    )
  );
}

function isViolation(error: unknown, code: string, constraint: string | undefined): boolean {
  return (
    error instanceof pg.DatabaseError &&
    error.code === code &&
    (constraint === undefined || error.constraint === constraint)
  );
}

/**
 * JSON text for a jsonb column. PostgreSQL stores neither NUL nor half of a surrogate pair, which hostile input may bring:
 * both become U+FFFD.
 */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === 'string') return storableText(part);
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).map(([name, inner]) => [storableText(name), inner]));
  });
}

/** `text` as a text column can hold it, see {@link jsonText}. */
export function storableText(text: string): string {
  return text.replace(/\u0000|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}

/** The database's own time, the one that leases and deadlines are measured by. */
export async function databaseNow(db: Db): Promise<Date> {
  const { rows } = await sql<{ now: Date }>`SELECT clock_timestamp() AS now`.execute(db);
  const row = rows[0];
  if (row === undefined) throw new Error('SELECT without FROM gave no row');
  return row.now;
}

const INT8 = 20;
const INT8_ARRAY = 1016;
const DATE = 1082;
const TIMESTAMP = 1114;
const INTERVAL = 1186;

/** How values of the wire's text format become JavaScript's. */
function typeParsers(): pg.CustomTypesConfig {
  const overrides = new pg.TypeOverrides();
  overrides.setTypeParser(INT8, safeInteger);
  overrides.setTypeParser(INT8_ARRAY, safeIntegers);
  for (const type of [DATE, TIMESTAMP, INTERVAL]) overrides.setTypeParser(type, (text) => text);
  return overrides;
}

function safeInteger(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new LandfallError({
    code: 'database.integer-too-large',
    doing: 'read a number from the database',
    reason: `${text} is larger than 2^53`,
  });
}

/** An int8[] of one dimension: `{1,2,NULL}`. */
function safeIntegers(text: string): (number | null)[] {
  const inner = text.slice(1, -1);
  return inner === '' ? [] : inner.split(',').map((part) => (part === 'NULL' ? null : safeInteger(part)));
}
