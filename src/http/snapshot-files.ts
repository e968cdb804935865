/**
 * `/archive/NAME/snapshots/ID/…`: an archive as it was. `dists/SUITE/…` has the bytes that were signed and served then, put
 * together as they are asked for; `pool/…` is the archive's own pool, where a name never changes its bytes.
 */
import type { Context } from 'hono';
import { findSnapshot, openSnapshotFile, parseSnapshotId, type SnapshotFile } from '../archive/index.ts';
import { findArchive, findSuite } from '../registry/index.ts';
import type { HttpDeps } from './deps.ts';
import type { HttpEnv } from './env.ts';
import { answerFile, contentTypeOf } from './file-answer.ts';
import { Refusal, notFound } from './refusal.ts';

/** Answers `dists/SUITE/PATH` of the snapshot `id`. Whether the caller may see the suite was judged before. */
export async function snapshotIndexFile(
  c: Context<HttpEnv>,
  deps: Pick<HttpDeps, 'db' | 'storage'>,
  asked: {
    readonly archive: string;
    readonly id: string;
    readonly names: readonly string[];
    readonly isPublic: boolean;
  },
): Promise<Response> {
  const { archive, names } = asked;
  const [dists, suiteName, ...below] = names;
  const id = parseSnapshotId(asked.id);
  if (id === undefined) {
    throw new Refusal({
      status: 404,
      code: 'snapshot.malformed-id',
      detail: `${JSON.stringify(asked.id.slice(0, 40))} names no snapshot`,
      remedy: 'give a moment such as 20260131T120000Z, or the serial of a publication; /snapshots lists them',
    });
  }
  const found = await findArchive(deps.db, archive);
  const suite = found === undefined ? undefined : await findSuite(deps.db, found.id, suiteName ?? '');
  if (dists !== 'dists' || suite === undefined || below.length === 0) throw notFound('such file');
  const snapshot = await findSnapshot(deps.db, suite.id, id);
  const remedy = `/snapshots/${archive}/${suite.name} lists what is kept`;
  switch (snapshot.kind) {
    case 'none':
      throw new Refusal({ status: 404, code: 'snapshot.none', detail: snapshot.reason, remedy });
    case 'expired':
      throw new Refusal({ status: 410, code: 'snapshot.expired', detail: snapshot.reason, remedy });
    case 'snapshot':
      break;
  }
  const opened = await openSnapshotFile(await deps.storage(archive), snapshot, below.join('/'));
  switch (opened.kind) {
    case 'absent':
      throw notFound('such file in the snapshot');
    case 'lost':
      throw new Refusal({
        status: 410,
        code: 'snapshot.lost',
        detail: `part of publication ${snapshot.serial} is not there any more`,
        remedy,
      });
    case 'file':
      return await answerFile(c, {
        size: opened.file.size,
        etag: `"${opened.file.sha256.slice(0, 32)}"`,
        lastModified: snapshot.date,
        contentType: contentTypeOf(names),
        immutable: snapshot.settled,
        isPublic: asked.isPublic,
        read: (start, length) => streamOf(opened.file, start, length),
        close: () => Promise.resolve(),
      });
  }
}

function streamOf(file: SnapshotFile, start: number, length: number): ReadableStream<Uint8Array> {
  const pieces = file.read(start, length)[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = await pieces.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: async () => {
      await pieces.return?.();
    },
  });
}
