/** High-water marks as a person asks for them: the version below which a suite takes nothing, how it came about, what is held. */
import { sql } from 'kysely';
import type { TraceDeps, Viewer } from './types.ts';
import { iso } from './values.ts';

export interface MarkView {
  readonly archive: string;
  readonly suite: string;
  readonly source: string;
  readonly mark: string | null;
  readonly held: readonly string[];
  readonly history: readonly {
    readonly version: string;
    readonly actor: string;
    readonly reason: string;
    readonly at: string;
  }[];
}

/** Undefined when there is no such suite that the viewer may see. */
export async function describeMark(
  deps: TraceDeps,
  of: { readonly archive: string; readonly suite: string; readonly source: string },
  viewer: Viewer,
): Promise<MarkView | undefined> {
  const { rows: suites } = await sql<{ id: number }>`
    SELECT s.id FROM suites s JOIN archives a ON a.id = s.archive_id
    WHERE a.name = ${of.archive} AND s.name = ${of.suite}
      AND a.audience = ANY (${[...viewer.audiences]}::text[]) AND s.audience = ANY (${[...viewer.audiences]}::text[])`.execute(
    deps.db,
  );
  const [suite] = suites;
  if (suite === undefined) return undefined;
  const { rows: history } = await sql<{ version: string; actor: string; reason: string; at: Date }>`
    SELECT version, actor, reason, created_at AS at FROM high_water_marks
    WHERE suite_id = ${suite.id} AND source = ${of.source} ORDER BY id DESC LIMIT 50`.execute(deps.db);
  const { rows: held } = await sql<{ version: string }>`
    SELECT p.version FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
    WHERE m.suite_id = ${suite.id} AND m.removed_serial IS NULL AND p.name = ${of.source} ORDER BY p.id DESC`.execute(
    deps.db,
  );
  return {
    ...of,
    mark: history[0]?.version ?? null,
    held: held.map(({ version }) => version),
    history: history.map((one) => ({ ...one, at: iso(one.at) })),
  };
}
