/** Git repositories and namespaces, for those who may see an archive that their tags can enter. */
import { sql } from 'kysely';
import type { GitNamespaceView, GitRepositoryView, TraceDeps, Viewer } from './types.ts';
import { iso, isoOrNull } from './values.ts';

/** Passed-over tags that are shown of each. */
const MAX_PASSED_OVER = 20;

interface Prefix {
  readonly distro: string;
  readonly archive: string;
}

export async function listGitRepositories(deps: TraceDeps, viewer: Viewer): Promise<readonly GitRepositoryView[]> {
  const audiences = [...viewer.audiences];
  const { rows } = await sql<{
    name: string;
    url: string;
    namespace: string | null;
    prefixes: Prefix[];
    enabled: boolean;
    needs_secret: boolean;
    poll_every: number;
    last_scan_at: Date | null;
    next_look_at: Date | null;
    tags: number;
    passed_over: { name: string; objectId: string; noticedAt: string }[];
    failed_looks: number;
    obstacle_code: string | null;
    obstacle_sentence: string | null;
    obstacle_remedy: string | null;
    obstacle_since: Date | null;
  }>`
    SELECT r.name, r.url, n.name AS namespace, p.prefixes, r.enabled, r.last_scan_at, r.next_look_at,
      EXISTS (SELECT FROM hook_secrets s WHERE s.git_repository_id = r.id OR s.git_namespace_id = r.namespace_id) AS needs_secret,
      extract(epoch FROM r.poll_every)::bigint AS poll_every,
      (SELECT count(*) FROM tags t JOIN submissions s ON s.id = t.submission_id
        WHERE t.git_repository_id = r.id AND s.audience = ANY (${audiences}::text[])) AS tags,
      coalesce((SELECT jsonb_agg(jsonb_build_object('name', one.name, 'objectId', one.object_id, 'noticedAt', one.noticed_at)) FROM (
        SELECT substr(b.ref, length('refs/tags/') + 1) AS name, b.object_id, b.noticed_at FROM tag_baselines b
        WHERE b.git_repository_id = r.id AND b.noticed_at IS NOT NULL AND b.adopted_at IS NULL
          AND split_part(b.ref, '/', 3) = ANY (p.distros)
          AND NOT EXISTS (SELECT FROM tags t WHERE t.git_repository_id = r.id AND t.ref = b.ref)
        ORDER BY b.noticed_at DESC LIMIT ${MAX_PASSED_OVER}
      ) AS one), '[]') AS passed_over,
      r.failed_looks, r.obstacle_code, r.obstacle_sentence, r.obstacle_remedy, r.obstacle_since
    FROM git_repositories r
    LEFT JOIN git_namespaces n ON n.id = r.namespace_id
    CROSS JOIN LATERAL (
      SELECT jsonb_agg(jsonb_build_object('distro', g.distro, 'archive', a.name) ORDER BY g.distro) AS prefixes,
        array_agg(g.distro) AS distros
      FROM git_repository_archives g JOIN archives a ON a.id = g.archive_id
      WHERE g.git_repository_id = r.id AND a.audience = ANY (${audiences}::text[])
    ) AS p
    WHERE p.prefixes IS NOT NULL
    ORDER BY r.obstacle_code IS NULL, r.name LIMIT 10000`.execute(deps.db);
  return rows.map((row) => ({
    name: row.name,
    url: shownUrl(row.url),
    namespace: row.namespace,
    prefixes: row.prefixes,
    enabled: row.enabled,
    needsSecret: row.needs_secret,
    pollEverySeconds: row.poll_every,
    lastLookAt: isoOrNull(row.last_scan_at),
    nextLookAt: row.enabled ? isoOrNull(row.next_look_at) : null,
    tags: row.tags,
    passedOver: row.passed_over.map((one) => ({ ...one, noticedAt: iso(new Date(one.noticedAt)) })),
    obstacle:
      row.obstacle_code === null || row.obstacle_since === null
        ? null
        : {
            code: row.obstacle_code,
            sentence: row.obstacle_sentence ?? '',
            remedy: row.obstacle_remedy ?? '',
            since: iso(row.obstacle_since),
            failedLooks: row.failed_looks,
          },
  }));
}

export async function listGitNamespaces(deps: TraceDeps, viewer: Viewer): Promise<readonly GitNamespaceView[]> {
  const audiences = [...viewer.audiences];
  const { rows } = await sql<{
    name: string;
    url: string;
    prefixes: Prefix[];
    enabled: boolean;
    needs_secret: boolean;
    repositories: number;
    max_repositories: number;
  }>`
    SELECT n.name, n.url, p.prefixes, n.enabled, n.max_repositories,
      EXISTS (SELECT FROM hook_secrets s WHERE s.git_namespace_id = n.id) AS needs_secret,
      (SELECT count(*) FROM git_repositories r WHERE r.namespace_id = n.id) AS repositories
    FROM git_namespaces n
    CROSS JOIN LATERAL (
      SELECT jsonb_agg(jsonb_build_object('distro', g.distro, 'archive', a.name) ORDER BY g.distro) AS prefixes
      FROM git_namespace_archives g JOIN archives a ON a.id = g.archive_id
      WHERE g.git_namespace_id = n.id AND a.audience = ANY (${audiences}::text[])
    ) AS p
    WHERE p.prefixes IS NOT NULL
    ORDER BY n.name`.execute(deps.db);
  return rows.map((row) => ({
    name: row.name,
    url: shownUrl(row.url),
    prefixes: row.prefixes,
    enabled: row.enabled,
    needsSecret: row.needs_secret,
    repositories: row.repositories,
    maxRepositories: row.max_repositories,
  }));
}

/** Folders of the machine are nobody's business. */
function shownUrl(url: string): string | null {
  return url.startsWith('file:') ? null : url;
}
