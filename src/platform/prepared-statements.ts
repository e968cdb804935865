/**
 * Statements that are asked again and again are parsed once for each connection: from its fifth use on, a statement has a name,
 * and the server keeps it, with its plan where one plan fits all values. To plan a join of ten tables costs more than to run it.
 *
 * The number of names is bounded, because a connection keeps what it was told for as long as it lives. A statement whose columns
 * were changed by a migration meanwhile is refused under its name for ever; it loses the name, and is asked again without.
 */
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import pg from 'pg';

const NAMED_FROM = 5;
const MAX_NAMES = 250;
/** Texts that are counted; when there are more, the count begins anew. */
const MAX_COUNTED = 5_000;

/** Which statements have names. */
class Names {
  readonly #names = new Map<string, string>();
  readonly #uses = new Map<string, number>();
  readonly #nameless = new Set<string>();

  of(text: string): string | undefined {
    if (this.#nameless.has(text)) return undefined;
    const known = this.#names.get(text);
    if (known !== undefined || this.#names.size >= MAX_NAMES) return known;
    const used = (this.#uses.get(text) ?? 0) + 1;
    if (used < NAMED_FROM) {
      if (this.#uses.size >= MAX_COUNTED) this.#uses.clear();
      this.#uses.set(text, used);
      return undefined;
    }
    this.#uses.delete(text);
    const name = `landfall_${this.#names.size + 1}`;
    this.#names.set(text, name);
    return name;
  }

  /** The text keeps its place among the names, so that no other one gets it. */
  take(text: string): void {
    this.#nameless.add(text);
  }
}

/** The pool as Kysely takes it. */
export function preparing(pool: pg.Pool): PostgresPool {
  const names = new Names();
  const clients = new WeakMap<pg.PoolClient, PostgresPoolClient>();
  return {
    connect: async () => {
      const client = await pool.connect();
      const known = clients.get(client);
      if (known !== undefined) return known;
      const wrapped = new PreparingClient(client, names);
      clients.set(client, wrapped);
      return wrapped;
    },
    end: async () => await pool.end(),
  };
}

class PreparingClient implements PostgresPoolClient {
  readonly #client: pg.PoolClient;
  readonly #names: Names;
  #inTransaction = false;

  constructor(client: pg.PoolClient, names: Names) {
    this.#client = client;
    this.#names = names;
  }

  query<R>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query(text: string | PostgresCursor<unknown>, values: readonly unknown[] = []): unknown {
    if (typeof text !== 'string') throw new TypeError('Kysely was given no cursors');
    return this.#run(text, [...values]);
  }

  release(): void {
    this.#client.release();
  }

  async #run(text: string, values: unknown[]): Promise<unknown> {
    if (/^(?:begin|start transaction)\b/.test(text)) this.#inTransaction = true;
    if (/^(?:commit|rollback)$/.test(text)) this.#inTransaction = false;
    // Without values it is `begin` or `commit`, which the server does not plan.
    const name = values.length === 0 ? undefined : this.#names.of(text);
    if (name === undefined) return await this.#client.query(text, values);
    try {
      return await this.#client.query({ name, text, values });
    } catch (error) {
      if (!isStale(error)) throw error;
      this.#names.take(text);
      // A transaction ends with its first error; whoever began it begins again.
      if (this.#inTransaction) throw error;
      return await this.#client.query(text, values);
    }
  }
}

/** "cached plan must not change result type": nothing was done. */
function isStale(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '0A000' && error.message.startsWith('cached plan');
}
