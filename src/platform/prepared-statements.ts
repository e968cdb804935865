/**
 * Statements that are asked again and again are parsed once for each connection: from its fifth use on, a statement has a name,
 * and the server keeps it, with its plan where one plan fits all values. To plan a join of ten tables costs more than to run it.
 *
 * The number of names is bounded, because a connection keeps what it was told for as long as it lives.
 */
import type { PostgresCursor, PostgresPool, PostgresPoolClient, PostgresQueryResult } from 'kysely';
import type pg from 'pg';

const NAMED_FROM = 5;
const MAX_NAMES = 250;
/** Texts that are counted; when there are more, the count begins anew. */
const MAX_COUNTED = 5_000;

/** The pool as Kysely takes it. */
export function preparing(pool: pg.Pool): PostgresPool {
  const names = new Map<string, string>();
  const uses = new Map<string, number>();
  const clients = new WeakMap<pg.PoolClient, PostgresPoolClient>();

  const nameOf = (text: string): string | undefined => {
    const known = names.get(text);
    if (known !== undefined || names.size >= MAX_NAMES) return known;
    const used = (uses.get(text) ?? 0) + 1;
    if (used < NAMED_FROM) {
      if (uses.size >= MAX_COUNTED) uses.clear();
      uses.set(text, used);
      return undefined;
    }
    uses.delete(text);
    const name = `landfall_${names.size + 1}`;
    names.set(text, name);
    return name;
  };

  return {
    connect: async () => {
      const client = await pool.connect();
      const known = clients.get(client);
      if (known !== undefined) return known;
      const wrapped = new PreparingClient(client, nameOf);
      clients.set(client, wrapped);
      return wrapped;
    },
    end: async () => await pool.end(),
  };
}

class PreparingClient implements PostgresPoolClient {
  readonly #client: pg.PoolClient;
  readonly #nameOf: (text: string) => string | undefined;

  constructor(client: pg.PoolClient, nameOf: (text: string) => string | undefined) {
    this.#client = client;
    this.#nameOf = nameOf;
  }

  query<R>(text: string, values: readonly unknown[]): Promise<PostgresQueryResult<R>>;
  query<R>(cursor: PostgresCursor<R>): PostgresCursor<R>;
  query(text: string | PostgresCursor<unknown>, values: readonly unknown[] = []): unknown {
    if (typeof text !== 'string') throw new TypeError('Kysely was given no cursors');
    // Without values it is `begin` or `commit`, which the server does not plan.
    const name = values.length === 0 ? undefined : this.#nameOf(text);
    return this.#client.query({ text, values: [...values], ...(name === undefined ? {} : { name }) });
  }

  release(): void {
    this.#client.release();
  }
}
