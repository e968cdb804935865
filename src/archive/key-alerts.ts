/** Says long before an archive's key expires that it will: an expired key signs nothing, and clients refuse it. */
import { withTransaction } from '../platform/database.ts';
import { clearAlert, openAlertKeys, raiseAlert } from '../platform/alerts.ts';
import type { KeyDeps } from './key-changes.ts';

const ALERT = 'archive-key.expires';
/** Time enough to make another key and to let every client fetch it. */
const NOTICE_DAYS = 90;
const DAY_MS = 86_400_000;

/** Raises an alert for each key in use whose end is near, and ends those of keys that were extended or retired. */
export async function watchArchiveKeys(deps: KeyDeps, now: Date): Promise<readonly string[]> {
  const archives = await deps.db.selectFrom('archives').select(['name', 'audience']).orderBy('id').execute();
  const raised = new Set<string>();
  for (const { name, audience } of archives) {
    for (const key of (await deps.signer.findKey(name))?.keys ?? []) {
      if (key.expiresAt === null || (key.state !== 'active' && key.state !== 'retiring')) continue;
      const days = Math.floor((Date.parse(key.expiresAt) - now.getTime()) / DAY_MS);
      if (days >= NOTICE_DAYS) continue;
      const alert = `${ALERT} ${name} ${key.fingerprint}`;
      raised.add(alert);
      await withTransaction(deps.db, async (trx) => {
        await raiseAlert(trx, {
          key: alert,
          audience,
          sentence:
            days < 0
              ? `the key ${key.fingerprint} of the archive ${name} has expired: it signs nothing more`
              : `the key ${key.fingerprint} of the archive ${name} expires in ${days} days, on ${key.expiresAt?.slice(0, 10) ?? ''}`,
          remedy: `extend it (landfall archive-key extend ${name} ${key.fingerprint} --expires-in 730), or rotate: landfall archive-key add ${name}`,
          data: { archive: name, fingerprint: key.fingerprint, expiresAt: key.expiresAt },
        });
      });
    }
  }
  for (const open of await openAlertKeys(deps.db, `${ALERT} `)) {
    if (!raised.has(open)) await withTransaction(deps.db, (trx) => clearAlert(trx, open));
  }
  return [...raised];
}
