/**
 * Arguments: a state folder, a database's connection as JSON, a suite's id, the URL of the server. Publishes the suite as the
 * background task does, and prints as JSON what came of it: for tests that let the kernel end or refuse a call in the middle.
 */
import { z } from 'zod';
import { publishSuite } from '../../src/archive/publish/publisher.ts';
import { folderStorages } from '../../src/archive/storage.ts';
import { createFolderBlobStore } from '../../src/platform/blobs.ts';
import { createDatabase } from '../../src/platform/database.ts';
import { LandfallError } from '../../src/platform/errors.ts';
import { silentLogger } from '../../src/platform/log.ts';
import { statePaths } from '../../src/platform/paths.ts';
import { createSignerClient } from '../../src/signer/client.ts';

const connectionSchema = z.object({ host: z.string(), port: z.number(), database: z.string(), user: z.string() });
const [root = '', connection = '', suiteId = '', publicUrl = ''] = process.argv.slice(2);
const paths = statePaths(root);
const db = createDatabase(connectionSchema.parse(JSON.parse(connection)), { poolSize: 2 });
const deps = {
  db,
  blobs: await createFolderBlobStore(paths.blobs),
  storage: folderStorages(paths),
  signer: createSignerClient({ socket: paths.signerSocket }),
  log: silentLogger(),
  publicUrl,
};
try {
  let result = await publishSuite(deps, Number(suiteId), 'change');
  while (result.kind === 'too-soon') {
    const { waitMs } = result;
    await new Promise((resolve) => setTimeout(resolve, waitMs + 5));
    result = await publishSuite(deps, Number(suiteId), 'change');
  }
  process.stdout.write(JSON.stringify(result));
} catch (error) {
  process.stdout.write(JSON.stringify({ code: error instanceof LandfallError ? error.code : String(error) }));
} finally {
  await db.destroy();
}
