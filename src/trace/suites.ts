/** Suites as an apt client sees them: what the last publication holds, until when it is valid, and the lines to paste. */
import { sql, type RawBuilder } from 'kysely';
import type { PublicationView, SuiteDetail, SuiteView, TraceDeps, Viewer } from './types.ts';
import { iso, isoOrNull, pages } from './values.ts';

interface SuiteRow {
  readonly id: number;
  readonly archive: string;
  readonly suite: string;
  readonly codename: string;
  readonly aliases: readonly string[];
  readonly description: string;
  readonly components: readonly string[];
  readonly architectures: readonly string[];
  readonly audience: string;
  readonly serial: number | null;
  readonly date: Date | null;
  readonly valid_until: Date | null;
  readonly reason: string | null;
  readonly published_at: Date | null;
  readonly key_fingerprint: string | null;
  readonly sources: number;
  readonly binaries: number;
}

const SHOWN_PUBLICATIONS = 50;

/** Every suite that the viewer may see, by archive and name. */
export async function listSuites(deps: TraceDeps, viewer: Viewer): Promise<readonly SuiteView[]> {
  return (await readSuites(deps, viewer, sql`true`)).map((row) => view(deps, row));
}

/** One suite with its last publications; undefined when there is none that the viewer may see. */
export async function describeSuite(
  deps: TraceDeps,
  name: { readonly archive: string; readonly suite: string },
  viewer: Viewer,
): Promise<SuiteDetail | undefined> {
  const [row] = await readSuites(
    deps,
    viewer,
    sql`a.name = ${name.archive} AND ${name.suite} = ANY (s.aliases || ARRAY[s.name, s.codename])`,
    sql`ORDER BY s.name = ${name.suite} DESC, s.codename = ${name.suite} DESC LIMIT 1`,
  );
  if (row === undefined) return undefined;
  const { rows } = await sql<{
    serial: number;
    date: Date;
    valid_until: Date | null;
    reason: string;
    published_at: Date | null;
  }>`
    SELECT serial, date, valid_until, reason, published_at FROM publications
    WHERE suite_id = ${row.id} ORDER BY serial DESC LIMIT ${SHOWN_PUBLICATIONS}`.execute(deps.db);
  return { ...view(deps, row), publications: rows.map(publication) };
}

async function readSuites(
  deps: TraceDeps,
  viewer: Viewer,
  where: RawBuilder<unknown>,
  order: RawBuilder<unknown> = sql`ORDER BY a.name, s.name`,
): Promise<readonly SuiteRow[]> {
  const { rows } = await sql<SuiteRow>`
    SELECT s.id, a.name AS archive, s.name AS suite, s.codename, s.aliases, s.description, s.components, s.architectures, s.audience,
      p.serial, p.date, p.valid_until, p.reason, p.published_at, p.key_fingerprint,
      (SELECT count(*) FROM suite_sources m WHERE m.suite_id = s.id AND m.added_serial <= p.serial
        AND (m.removed_serial IS NULL OR m.removed_serial > p.serial)) AS sources,
      (SELECT count(DISTINCT m.binary_package_id) FROM suite_binaries m WHERE m.suite_id = s.id AND m.added_serial <= p.serial
        AND (m.removed_serial IS NULL OR m.removed_serial > p.serial)) AS binaries
    FROM suites s
    JOIN archives a ON a.id = s.archive_id
    LEFT JOIN LATERAL (
      SELECT * FROM publications WHERE suite_id = s.id AND state = 'published' ORDER BY serial DESC LIMIT 1
    ) AS p ON true
    WHERE s.audience = ANY (${[...viewer.audiences]}::text[]) AND a.audience = ANY (${[...viewer.audiences]}::text[])
      AND ${where}
    ${order}`.execute(deps.db);
  return rows;
}

function view(deps: TraceDeps, row: SuiteRow): SuiteView {
  const url = pages(deps);
  return {
    archive: row.archive,
    suite: row.suite,
    codename: row.codename,
    aliases: row.aliases,
    description: row.description,
    components: row.components,
    architectures: row.architectures,
    audience: row.audience,
    published:
      row.serial === null || row.date === null
        ? null
        : publication({ ...row, serial: row.serial, date: row.date, reason: row.reason ?? '' }),
    sources: row.sources,
    binaries: row.binaries,
    fingerprint: row.key_fingerprint,
    keyUrl: url.key(row.archive),
    aptSource: [
      'Types: deb deb-src',
      `URIs: ${url.archive(row.archive)}`,
      `Suites: ${row.suite}`,
      `Components: ${row.components.join(' ')}`,
      `Signed-By: /etc/apt/keyrings/${row.archive}.asc`,
      '',
    ].join('\n'),
    url: url.suite(row.archive, row.suite),
  };
}

function publication(row: {
  readonly serial: number;
  readonly date: Date;
  readonly valid_until: Date | null;
  readonly reason: string;
  readonly published_at: Date | null;
}): PublicationView {
  return {
    serial: row.serial,
    date: iso(row.date),
    validUntil: isoOrNull(row.valid_until),
    reason: row.reason,
    publishedAt: isoOrNull(row.published_at),
  };
}
