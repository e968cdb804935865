/** The small forms that all answers share: times, durations, addresses of pages, and how many rows a page has. */
import type { PageOptions, TraceDeps } from './types.ts';

export function iso(date: Date): string {
  return date.toISOString();
}

export function isoOrNull(date: Date | null | undefined): string | null {
  return date == null ? null : date.toISOString();
}

/** Milliseconds between two moments; null while the second has not come. A clock that was set back gives 0. */
export function durationMs(from: Date | null | undefined, to: Date | null | undefined): number | null {
  return from == null || to == null ? null : Math.max(0, to.getTime() - from.getTime());
}

/** Every page of this server that an answer points at. */
export function pages(deps: Pick<TraceDeps, 'publicUrl'>) {
  const base = deps.publicUrl.replace(/\/$/, '');
  return {
    where: (name: string): string => `${base}/where/${encodeURIComponent(name)}`,
    tag: (id: number): string => `${base}/tags/${id}`,
    build: (id: number): string => `${base}/builds/${id}`,
    log: (attemptId: number): string => `${base}/logs/${attemptId}`,
    archive: (archive: string): string => `${base}/archive/${archive}`,
    key: (archive: string): string => `${base}/archive/${archive}/key.asc`,
    suite: (archive: string, suite: string): string => `${base}/suites/${archive}/${encodeURIComponent(suite)}`,
    snapshots: (archive: string, suite: string): string => `${base}/snapshots/${archive}/${encodeURIComponent(suite)}`,
    snapshot: (archive: string, suite: string, id: string): string =>
      `${base}/snapshots/${archive}/${encodeURIComponent(suite)}/${id}`,
    home: (): string => `${base}/`,
  };
}

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;

export function limitOf(options: PageOptions): number {
  return Math.min(Math.max(1, options.limit ?? DEFAULT_LIMIT), MAX_LIMIT);
}

/** One row more than a page has was asked for: it tells whether there is a next page. */
export function pageOf<T extends { readonly id: number }>(
  rows: readonly T[],
  limit: number,
): { readonly rows: readonly T[]; readonly next: number | null } {
  const page = rows.slice(0, limit);
  return { rows: page, next: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
}
