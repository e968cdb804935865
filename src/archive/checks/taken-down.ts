/** `files.allowed`: no file of the upload has bytes that were taken down, under whatever name they come. */
import { takenDownAmong } from '../takedown/find.ts';
import type { Upload } from '../upload.ts';
import { failed, passed, type CheckResult } from './checklist.ts';
import type { StateDeps } from './state.ts';

export async function filesAllowed(deps: StateDeps, upload: Upload): Promise<CheckResult<object>> {
  const hashes = [...upload.files.values()].map(({ sha256 }) => sha256);
  const taken = await takenDownAmong(deps.trx, hashes);
  const [name] = [...upload.files].find(([, { sha256 }]) => taken.has(sha256)) ?? [];
  if (name === undefined) return passed();
  return failed(
    `${name} has bytes that were taken down.`,
    'release a version without them; `landfall archive takedowns` tells why they were taken down',
  );
}
