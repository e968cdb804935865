/**
 * Argument: where a world lies and which tag to decide, as JSON. Decides it as the server's task does, says `decided`, and then
 * stays until it is killed: what a process leaves behind that dies anywhere on the way.
 */
import { z } from 'zod';
import { createFolderBlobStore } from '../../src/platform/blobs.ts';
import { createDatabase } from '../../src/platform/database.ts';
import { createLogger } from '../../src/platform/log.ts';
import { tagTasks } from '../../src/tags/index.ts';

const { connection, git, temporary, blobs, tagId } = z
  .object({
    connection: z.object({ host: z.string(), port: z.number(), database: z.string(), user: z.string() }),
    git: z.string(),
    temporary: z.string(),
    blobs: z.string(),
    tagId: z.number(),
  })
  .parse(JSON.parse(process.argv[2] ?? ''));

const decide = tagTasks({
  db: createDatabase(connection, { poolSize: 2, applicationName: 'decide-tag' }),
  log: createLogger({ role: 'child', level: 'error' }),
  blobs: await createFolderBlobStore(blobs),
  paths: { git, ssh: `${git}/../ssh`, temporary },
  publicUrl: 'http://landfall.example',
})['tags.decide'];
if (decide === undefined) throw new Error('there is no task that decides tags');
await decide({ tagId }, { signal: new AbortController().signal, attempt: 1, maxAttempts: 25 });
process.stdout.write('decided\n');
setInterval(() => undefined, 60_000);
