/** Snapshots: every publication of a suite that can still be read as an apt source, and what changed between any two. */
import { sql, type RawBuilder } from 'kysely';
import type {
  PackageDifference,
  SnapshotDetail,
  SnapshotId,
  SnapshotList,
  SnapshotSuite,
  SnapshotView,
  TraceDeps,
  Viewer,
} from './types.ts';
import { iso, isoOrNull, pages } from './values.ts';

const SHOWN = 50;
const MAX_DIFFERENCES = 2_000;

/** As archive/snapshots/kept.ts has it, which serves them: it was in force within the retention. */
const IS_KEPT: RawBuilder<boolean> = sql<boolean>`NOT EXISTS (
  SELECT 1 FROM publications later
  WHERE later.suite_id = p.suite_id AND later.serial > p.serial AND later.state = 'published'
    AND later.published_at <= clock_timestamp() - s.retention)`;

interface SuiteRow {
  readonly id: number;
  readonly archive: string;
  readonly suite: string;
  readonly components: readonly string[];
  readonly retention: string;
}

/** The suites that the viewer may see, with how many snapshots each has. */
export async function listSnapshotSuites(deps: TraceDeps, viewer: Viewer): Promise<readonly SnapshotSuite[]> {
  const url = pages(deps);
  const { rows } = await sql<{
    archive: string;
    suite: string;
    retention: string;
    snapshots: number;
    oldest: Date | null;
    newest: Date | null;
  }>`
    SELECT a.name AS archive, s.name AS suite, s.retention::text AS retention,
      count(p.id) AS snapshots, min(p.date) AS oldest, max(p.date) AS newest
    FROM suites s JOIN archives a ON a.id = s.archive_id
      LEFT JOIN publications p ON p.suite_id = s.id AND p.state = 'published' AND ${IS_KEPT}
    WHERE ${mayBeSeen(viewer)}
    GROUP BY a.id, s.id ORDER BY a.name, s.name`.execute(deps.db);
  return rows.map((row) => ({
    ...row,
    oldest: isoOrNull(row.oldest),
    newest: isoOrNull(row.newest),
    url: url.snapshots(row.archive, row.suite),
  }));
}

/** Snapshots of a suite, the newest first; `before` is the serial to go on below. */
export async function listSnapshots(
  deps: TraceDeps,
  name: { readonly archive: string; readonly suite: string },
  viewer: Viewer,
  before?: number,
): Promise<SnapshotList | undefined> {
  const suite = await findSuite(deps, name, viewer);
  if (suite === undefined) return undefined;
  const below = before === undefined ? sql<boolean>`true` : sql<boolean>`p.serial < ${before}`;
  const rows = await readSnapshots(deps, suite, sql`${below} AND ${IS_KEPT}`, SHOWN + 1);
  const shown = rows.slice(0, SHOWN);
  return {
    archive: suite.archive,
    suite: suite.suite,
    retention: suite.retention,
    snapshots: shown,
    next: rows.length > SHOWN ? (shown.at(-1)?.serial ?? null) : null,
  };
}

/** One snapshot with what changed since `from`, or since the one before it. */
export async function describeSnapshot(
  deps: TraceDeps,
  name: { readonly archive: string; readonly suite: string },
  id: SnapshotId,
  viewer: Viewer,
  from?: SnapshotId,
): Promise<SnapshotDetail | undefined> {
  const suite = await findSuite(deps, name, viewer);
  if (suite === undefined) return undefined;
  const [snapshot] = await readSnapshots(deps, suite, meant(id), 1);
  if (snapshot === undefined) return undefined;
  const [base] = await readSnapshots(
    deps,
    suite,
    from === undefined ? sql<boolean>`p.serial < ${snapshot.serial}` : meant(from),
    1,
  );
  if (from !== undefined && base === undefined) return undefined;
  const differences = await readDifferences(deps, suite.id, base?.serial ?? 0, snapshot.serial);
  return {
    archive: suite.archive,
    suite: suite.suite,
    ...snapshot,
    from: base === undefined ? null : { serial: base.serial, id: base.id },
    differences: differences.slice(0, MAX_DIFFERENCES),
    omitted: Math.max(0, differences.length - MAX_DIFFERENCES),
  };
}

function meant(id: SnapshotId): RawBuilder<boolean> {
  return id.kind === 'serial' ? sql<boolean>`p.serial = ${id.serial}` : sql<boolean>`p.date <= ${id.at}::timestamptz`;
}

function mayBeSeen(viewer: Viewer): RawBuilder<boolean> {
  const audiences = [...viewer.audiences];
  return sql<boolean>`s.audience = ANY (${audiences}::text[]) AND a.audience = ANY (${audiences}::text[])`;
}

async function findSuite(
  deps: TraceDeps,
  name: { readonly archive: string; readonly suite: string },
  viewer: Viewer,
): Promise<SuiteRow | undefined> {
  const { rows } = await sql<SuiteRow>`
    SELECT s.id, a.name AS archive, s.name AS suite, s.components, s.retention::text AS retention
    FROM suites s JOIN archives a ON a.id = s.archive_id
    WHERE a.name = ${name.archive} AND ${name.suite} = ANY (s.aliases || ARRAY[s.name, s.codename]) AND ${mayBeSeen(viewer)}
    ORDER BY s.name = ${name.suite} DESC, s.codename = ${name.suite} DESC LIMIT 1`.execute(deps.db);
  return rows[0];
}

async function readSnapshots(
  deps: TraceDeps,
  suite: SuiteRow,
  where: RawBuilder<unknown>,
  limit: number,
): Promise<readonly SnapshotView[]> {
  const { rows } = await sql<{
    serial: number;
    date: Date;
    valid_until: Date | null;
    reason: string;
    until: Date | null;
    kept: boolean;
    added: number;
    removed: number;
  }>`
    SELECT p.serial, p.date, p.valid_until, p.reason, later.date AS until, ${IS_KEPT} AS kept,
      (SELECT count(*) FROM suite_sources m WHERE ${cameWith('m')}) +
        (SELECT count(*) FROM suite_binaries m WHERE ${cameWith('m')}) AS added,
      (SELECT count(*) FROM suite_sources m WHERE ${wentWith('m')}) +
        (SELECT count(*) FROM suite_binaries m WHERE ${wentWith('m')}) AS removed
    FROM publications p JOIN suites s ON s.id = p.suite_id
      LEFT JOIN LATERAL (SELECT n.date FROM publications n WHERE n.suite_id = p.suite_id AND n.serial > p.serial
        AND n.state = 'published' ORDER BY n.serial LIMIT 1) AS later ON true
      LEFT JOIN LATERAL (SELECT n.serial FROM publications n WHERE n.suite_id = p.suite_id AND n.serial < p.serial
        ORDER BY n.serial DESC LIMIT 1) AS earlier ON true
    WHERE p.suite_id = ${suite.id} AND p.state = 'published' AND ${where}
    ORDER BY p.serial DESC LIMIT ${limit}`.execute(deps.db);
  return rows.map((row) => {
    const id = row.date.toISOString().replace(/[-:]|\.\d{3}/g, '');
    const uri = `${pages(deps).archive(suite.archive)}/snapshots/${id}`;
    return {
      serial: row.serial,
      id,
      date: iso(row.date),
      until: isoOrNull(row.until),
      validUntil: isoOrNull(row.valid_until),
      reason: row.reason,
      kept: row.kept,
      added: row.added,
      removed: row.removed,
      url: pages(deps).snapshot(suite.archive, suite.suite, id),
      aptSource: [
        'Types: deb deb-src',
        `URIs: ${uri}`,
        `Suites: ${suite.suite}`,
        `Components: ${suite.components.join(' ')}`,
        'Check-Valid-Until: no',
        `Signed-By: /etc/apt/keyrings/${suite.archive}.asc`,
        '',
      ].join('\n'),
    };
  });
}

/** Of a publication `p` that follows `earlier`. What came and went in between was never seen. */
function cameWith(alias: string): RawBuilder<boolean> {
  const m = sql.raw(alias);
  return sql<boolean>`${m}.suite_id = p.suite_id AND ${m}.added_serial > coalesce(earlier.serial, 0)
    AND ${m}.added_serial <= p.serial AND (${m}.removed_serial IS NULL OR ${m}.removed_serial > p.serial)`;
}

function wentWith(alias: string): RawBuilder<boolean> {
  const m = sql.raw(alias);
  return sql<boolean>`${m}.suite_id = p.suite_id AND ${m}.removed_serial > coalesce(earlier.serial, 0)
    AND ${m}.removed_serial <= p.serial AND ${m}.added_serial <= coalesce(earlier.serial, 0)`;
}

interface HeldRow {
  readonly kind: 'source' | 'binary';
  readonly name: string;
  readonly architecture: string;
  readonly before: string | null;
  readonly after: string | null;
}

/** By package and architecture what was there and what is; architectures that changed alike are told together. */
async function readDifferences(
  deps: TraceDeps,
  suiteId: number,
  from: number,
  to: number,
): Promise<PackageDifference[]> {
  const at = (alias: string, serial: number): RawBuilder<boolean> => {
    const m = sql.raw(alias);
    return sql<boolean>`${m}.added_serial <= ${serial} AND (${m}.removed_serial IS NULL OR ${m}.removed_serial > ${serial})`;
  };
  const { rows } = await sql<HeldRow>`
    WITH held AS (
      SELECT 'source' AS kind, p.name, 'source' AS architecture, p.version, ${at('m', from)} AS held_before, ${at('m', to)} AS held_after
      FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
      WHERE m.suite_id = ${suiteId} AND ((${at('m', from)}) <> (${at('m', to)}))
      UNION ALL
      SELECT 'binary', p.name, m.architecture, p.version, ${at('m', from)}, ${at('m', to)}
      FROM suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
      WHERE m.suite_id = ${suiteId} AND ((${at('m', from)}) <> (${at('m', to)})))
    SELECT kind, name, architecture, max(version) FILTER (WHERE held_before) AS before, max(version) FILTER (WHERE held_after) AS after
    FROM held GROUP BY kind, name, architecture
    ORDER BY name, kind DESC, architecture`.execute(deps.db);
  const together = new Map<string, HeldRow & { architectures: string[] }>();
  for (const row of rows) {
    // A version that left by one row and came back by another did not change.
    if (row.before === row.after) continue;
    const key = `${row.kind} ${row.name} ${row.before ?? '-'} ${row.after ?? '-'}`;
    const there = together.get(key);
    if (there === undefined) together.set(key, { ...row, architectures: [row.architecture] });
    else there.architectures.push(row.architecture);
  }
  return [...together.values()].map(({ kind, name, before, after, architectures }) => ({
    kind,
    name,
    architectures,
    before,
    after,
  }));
}
