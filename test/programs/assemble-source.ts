/**
 * Argument: a frozen pack, what to make of it and where, as JSON. Makes the upstream tarball and the source package, and says
 * which files came out: what another user, in another environment, makes of the same commit.
 */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { makeOrig } from '../../src/sources/make-orig.ts';
import { assembleSource, QUILT_MODES, unpackFrozenInput } from '../../src/sources/recipe.ts';

const { pack, commitId, upstream, source, version, quilt, folder, system } = z
  .object({
    pack: z.string(),
    commitId: z.string(),
    upstream: z.string().exactOptional(),
    source: z.string(),
    version: z.string(),
    quilt: z.enum(QUILT_MODES),
    folder: z.string(),
    system: z.string().exactOptional(),
  })
  .parse(JSON.parse(process.argv[2] ?? ''));

const gitDir = await unpackFrozenInput(createReadStream(pack), join(folder, 'frozen.git'), {
  objectFormat: 'sha1',
  shallow: [commitId, ...(upstream === undefined ? [] : [upstream])],
  maxBytes: 64 * 1024 ** 2,
});
const wanted = { source, upstream: version.replace(/-[^-]*$/, '') };
const origs = upstream === undefined ? [] : [await makeOrig(gitDir, upstream, wanted, folder)];
const made = await assembleSource({
  gitDir,
  commitId,
  source,
  version,
  quilt,
  origs: origs.map((name) => ({ name, path: join(folder, name) })),
  tag: { objectId: 'a'.repeat(40), fingerprint: 'B'.repeat(40), tagger: 'Zoë <zoe@example.org>' },
  folder: join(folder, 'source'),
  deadlineMs: 300_000,
  ...(system === undefined ? {} : { system }),
});
process.stdout.write(JSON.stringify(made));
