/**
 * Which publications can still be read as snapshots: those that were in force within their suite's retention. So a moment is
 * kept for as long as the retention says, whichever publication it falls into, and the newest is kept whatever its age.
 */
import { sql, type RawBuilder } from 'kysely';

/** True of a row `p` of publications and `s` of suites: it was in force within the retention. */
export const IS_KEPT: RawBuilder<boolean> = sql<boolean>`NOT EXISTS (
  SELECT 1 FROM publications later
  WHERE later.suite_id = p.suite_id AND later.serial > p.serial AND later.state = 'published'
    AND later.published_at <= clock_timestamp() - s.retention)`;
