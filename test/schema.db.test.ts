/**
 * migrations/schema.sql and the types in src/platform/schema.ts are what the migrations make.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dumpSchema } from './dump-schema.ts';
import { createTestDatabase, type TestDatabase } from './postgres.ts';

const ROOT = join(import.meta.dirname, '..');
const RENEW = 'UPDATE_SCHEMA=1 npx vitest run --project database test/schema.db.test.ts';

let world: TestDatabase;
beforeAll(async () => {
  world = await createTestDatabase();
});
afterAll(async () => {
  await world.drop();
});

test('migrations/schema.sql is what the migrations make', async () => {
  const path = join(ROOT, 'migrations', 'schema.sql');
  const made = await dumpSchema(world.connection);
  if (process.env.UPDATE_SCHEMA === '1') await writeFile(path, made);
  const committed = await readFile(path, 'utf8').catch(() => '');
  expect(committed === made, `migrations/schema.sql is not what the migrations make; renew it with: ${RENEW}`).toBe(
    true,
  );
  expect(committed).toBe(made);
});

interface Column {
  readonly table: string;
  readonly column: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly optional: boolean;
}

/** What src/platform/schema.ts declares, read from its text: one line for each column. */
async function declaredColumns(): Promise<Map<string, Map<string, string>>> {
  const text = await readFile(join(ROOT, 'src', 'platform', 'schema.ts'), 'utf8');
  const body = /export interface Database \{([^}]*)\}/.exec(text)?.[1] ?? '';
  const tables = new Map<string, Map<string, string>>();
  for (const [, table = '', name = ''] of body.matchAll(/^ {2}(\w+): (\w+);$/gm)) {
    const fields = new RegExp(`export interface ${name} \\{([^}]*)\\}`).exec(text)?.[1] ?? '';
    const columns = new Map<string, string>();
    for (const [, column = '', type = ''] of fields.matchAll(/^ {2}(\w+):\s*([^;]+);$/gm)) columns.set(column, type);
    tables.set(table, columns);
  }
  return tables;
}

const PLAIN_TYPES: Readonly<Record<string, RegExp>> = {
  int4: /^(Generated<)?number/,
  int8: /^(Id$|(Generated<|ColumnType<)?number)/,
  bool: /^(Generated<)?boolean/,
  bytea: /^Buffer/,
  timestamptz: /^(Time$|Date)/,
  jsonb: /^(JsonColumn|ColumnType<JsonValue|ColumnType<JsonObject)/,
  interval: /^Interval$/,
  _text: /^(Generated<)?(readonly )?string\[\]/,
  xid8: /^GeneratedAlways<string>$/,
  text: /^(?!(Id|Time|Date|Buffer|number|boolean|Interval|JsonColumn|Generated<(number|boolean))\b)/,
};

test('the types of the tables are those of the columns', async () => {
  const { rows } = await sql<Column>`
    SELECT c.table_name AS table, c.column_name AS column, c.udt_name AS type, c.is_nullable = 'YES' AS nullable,
      c.column_default IS NOT NULL OR c.is_identity = 'YES' AS optional
    FROM information_schema.columns c
    WHERE c.table_schema = 'public' AND c.table_name <> 'schema_migrations'
    ORDER BY c.table_name, c.ordinal_position`.execute(world.db);
  const declared = await declaredColumns();
  const problems: string[] = [];
  for (const { table, column, type, nullable, optional } of rows) {
    const written = declared.get(table)?.get(column);
    declared.get(table)?.delete(column);
    const what = `${table}.${column} (${type}${nullable ? ', may be NULL' : ''}${optional ? ', has a default' : ''})`;
    if (written === undefined) problems.push(`${what} is not declared`);
    else if (PLAIN_TYPES[type]?.test(written) !== true) problems.push(`${what} is declared as ${written}`);
    else if (nullable !== /\| null\b/.test(written)) problems.push(`${what} is declared as ${written}`);
    else if (
      optional !== /^(Id|Time|Interval|JsonColumn\b.*|Generated(Always)?<.*|ColumnType<.*undefined.*)$/.test(written)
    ) {
      problems.push(`${what} is declared as ${written}`);
    }
  }
  for (const [table, columns] of declared) {
    for (const column of columns.keys()) problems.push(`${table}.${column} is declared and does not exist`);
  }
  expect(problems).toEqual([]);
});
