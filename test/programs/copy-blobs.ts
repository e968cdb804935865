/**
 * Argument: a folder. Copies a stored file into a folder of backups and sets a reserve apart, as backup and serve do; prints the
 * codes of the faults as JSON, or `done`.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeBackupFolder } from '../../src/app/upkeep/backup-folder.ts';
import { copyObjects } from '../../src/app/upkeep/backup.ts';
import { createFolderBlobStore, createMemoryBlobStore } from '../../src/platform/blobs.ts';
import { LandfallError } from '../../src/platform/errors.ts';
import { openRoom } from '../../src/platform/room.ts';

const [folder = ''] = process.argv.slice(2);
const code = async (run: () => Promise<unknown>): Promise<string> =>
  await run().then(
    () => 'done',
    (error: unknown) => (error instanceof LandfallError ? error.code : String(error)),
  );

const source = createMemoryBlobStore();
const stored = await source.put(Buffer.from('the bytes'));
const named = stored.kind === 'stored' ? [{ sha256: stored.sha256, size: stored.size }] : [];
const made = await code(async () => await makeBackupFolder(join(folder, 'backup')));
const backup = join(folder, 'objects');
const copied = await code(async () => {
  return await copyObjects(source, await createFolderBlobStore(backup), named);
});
const room = openRoom({ folder, lowBytes: 1024 * 1024, reserveBytes: 64 * 1024 });
const reserve = await code(async () => await room.holdReserve());
const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => entry.name);
process.stdout.write(JSON.stringify({ made, copied, reserve, files }));
