/** `archive.quota`: what an archive's suites hold, with this upload, fits into what its distribution file gives it. */
import { sql } from 'kysely';
import type { Trx } from '../../platform/database.ts';
import type { Upload } from '../upload.ts';
import { failed, passed, type CheckResult } from './checklist.ts';
import type { NamedFile, PlacedBinaries, StateDeps } from './state.ts';

export async function archiveQuota(
  deps: Pick<StateDeps, 'trx'>,
  upload: Pick<Upload, 'archiveId' | 'archive'> &
    ({ readonly named: readonly NamedFile[] } | Pick<PlacedBinaries, 'items'>),
): Promise<CheckResult<object>> {
  const { trx } = deps;
  const { quota_bytes: quota } = await trx
    .selectFrom('archives')
    .select('quota_bytes')
    .where('id', '=', upload.archiveId)
    .executeTakeFirstOrThrow();
  if (quota === null) return { kind: 'not-applicable', adds: {}, detail: 'the archive has no quota' };
  const files = 'named' in upload ? upload.named : upload.items.map(({ file }) => file);
  const held = await heldBytes(
    trx,
    upload.archiveId,
    files.map((file) => file.path),
  );
  const comes = files.reduce((sum, file) => sum + file.size, 0);
  if (held + comes <= quota) return passed({}, `${megabytes(held + comes)} of ${megabytes(quota)}`);
  return failed(
    `The archive ${upload.archive} may hold ${megabytes(quota)}: it holds ${megabytes(held)}, and this upload brings ${megabytes(comes)}.`,
    `remove packages from its suites (their files go when the retention is over), or have an administrator raise [archive.${upload.archive}] quota and apply it`,
  );
}

/** Bytes of the files in its pool, without those whose bytes were removed and without `except`, which come (again) now. */
async function heldBytes(trx: Trx, archiveId: number, except: readonly string[]): Promise<number> {
  const { rows } = await sql<{ bytes: number }>`
    SELECT coalesce(sum(f.size), 0)::bigint AS bytes FROM pool_files f
    WHERE f.archive_id = ${archiveId} AND f.path <> ALL (${[...except]}::text[])
      AND NOT EXISTS (SELECT 1 FROM collected_pool_files c WHERE c.pool_file_id = f.id)
      AND NOT EXISTS (SELECT 1 FROM taken_down_files t WHERE t.sha256 = f.sha256)`.execute(trx);
  return rows[0]?.bytes ?? 0;
}

function megabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
