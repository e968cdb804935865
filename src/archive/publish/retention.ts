/**
 * What stays of earlier publications: their index files by hash, for clients that hold an older InRelease, and their folders
 * for a while, for readers that are inside one.
 */
import { sql } from 'kysely';
import { parseRelease, type ReleaseFile } from '../../debian/release.ts';
import type { Db } from '../../platform/database.ts';
import { isFault } from '../../platform/errors.ts';
import type { OpenPublication, StepDeps } from './publication.ts';
import { publicationPrefix, publicationsPrefix } from './tree.ts';

/** Index files are reachable by hash for as long as a client may take between InRelease and the index, and then some. */
const BY_HASH_PUBLICATIONS = 3;
const BY_HASH_MINUTES = 60;
const BY_HASH_MOST = 200;
/** Folders of publications that are kept besides the served one. */
const KEPT_FOLDERS = 3;

/** The files of the suite's recent publications, newest first. */
export async function recentReleaseFiles(db: Db, suiteId: number): Promise<readonly ReleaseFile[]> {
  const { rows } = await sql<{ release: string }>`
    SELECT release FROM (
      SELECT release, published_at, row_number() OVER (ORDER BY serial DESC) AS age
      FROM publications WHERE suite_id = ${suiteId} AND state = 'published'
      ORDER BY serial DESC LIMIT ${BY_HASH_MOST}) AS newest
    WHERE age <= ${BY_HASH_PUBLICATIONS} OR published_at > clock_timestamp() - make_interval(mins => ${BY_HASH_MINUTES})
    ORDER BY age`.execute(db);
  const files = new Map<string, ReleaseFile>();
  for (const { release } of rows) {
    const parsed = parseRelease(release);
    if ('kind' in parsed) continue;
    for (const file of parsed.files) files.set(`${file.path} ${file.sha256}`, file);
  }
  return [...files.values()];
}

/** Removes folders of publications that nobody can be reading any more. That it fails harms nothing: the next one tries again. */
export async function removeOldPublications(deps: StepDeps, current: OpenPublication): Promise<void> {
  const { suite } = current.settings;
  try {
    const serials = (await deps.published.children(publicationsPrefix(suite)))
      .filter((name) => /^[1-9][0-9]*$/.test(name))
      .map(Number)
      .filter((serial) => serial < current.serial)
      .sort((a, b) => b - a);
    for (const serial of serials.slice(KEPT_FOLDERS))
      await deps.published.deleteBelow(publicationPrefix(suite, serial));
  } catch (error) {
    if (!isFault(error, 'storage.')) throw error;
    deps.log.warn({ error, suite }, 'old publications could not be removed');
  }
}
