/**
 * What an attempt uploads. The bytes are stored and durable before a row names them, and a row is written only while the lease
 * holds, so that what the row names is there and belongs to the attempt. An upload that broke off goes on where it stopped (H27):
 * its part lies in a folder of its own until it is whole, or until the part is older than any lease.
 */
import { createReadStream } from 'node:fs';
import { open, opendir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { BlobStore } from '../platform/blobs.ts';
import { withTransaction, type Db, type JsonObject, type Trx } from '../platform/database.ts';
import { isErrnoException } from '../platform/errors.ts';
import { chunksOf, ensureDirectory, storing } from '../platform/files.ts';
import { holdAttempt } from './attempts.ts';
import type { WorkerIdentity } from './identity.ts';
import { refused, type Refusal } from './store.ts';

export interface PutFileDeps {
  readonly db: Db;
  readonly blobs: BlobStore;
  /** Where parts of unfinished uploads lie. */
  readonly partsFolder: string;
}

export interface AnnouncedFile {
  readonly name: string;
  readonly sha256: string;
  readonly size: number;
  /** Where in the file the stream begins; default 0. */
  readonly offset?: number;
}

export type PutFileResult =
  /** It is whole and belongs to the attempt. */
  | { readonly kind: 'stored'; readonly received: number }
  /** The stream ended early; go on with `offset` = `received`. */
  | { readonly kind: 'incomplete'; readonly received: number }
  | Refusal;

/** Most files and bytes of one attempt. The bytes can be fewer by the job's limit `outputBytes`. */
const MAX_FILES = 10_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024 * 1024;

/** A name that is a name everywhere: no folder, nothing hidden, no control character. */
const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9+~_.:@%=-]{0,254}$/;

/** Takes a file, or the rest of one, from a worker. The same file again is fine. */
export async function putFile(
  deps: PutFileDeps,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
  file: AnnouncedFile,
  stream: Readable,
): Promise<PutFileResult> {
  // A worker that goes away while nobody reads yet is no fault of the process; whoever reads then is told.
  stream.on('error', () => undefined);
  const answer = await takeFile(deps, identity, attemptId, token, file, stream);
  // What was not read must go, or the connection cannot carry the answer.
  if (!stream.readableEnded && !stream.destroyed) stream.resume();
  return answer;
}

async function takeFile(
  deps: PutFileDeps,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
  file: AnnouncedFile,
  stream: Readable,
): Promise<PutFileResult> {
  if (!FILE_NAME.test(file.name))
    return refused(409, 'file.bad-name', 'the file name has characters that are not allowed');
  const allowed = await withTransaction(deps.db, async (trx) => await mayAdd(trx, identity, attemptId, token, file));
  if (allowed.kind === 'refused') return allowed;
  if (allowed.kind === 'there') return { kind: 'stored', received: file.size };

  // Also where the store has these bytes: a hash alone does not prove that a worker has them, and must not tell that we do.
  const part = join(deps.partsFolder, `${attemptId}-${file.sha256}`);
  const received = await appendPart(deps, part, file, stream);
  if (received.kind !== 'whole') return received.answer;
  const stored = await deps.blobs.put(createReadStream(part), { sha256: file.sha256, size: file.size });
  await rm(part, { force: true });
  if (stored.kind !== 'stored') {
    return refused(
      409,
      'file.mismatch',
      `${file.name} has other bytes than were announced; send it again from its beginning`,
    );
  }

  return await withTransaction(deps.db, async (trx) => {
    const still = await mayAdd(trx, identity, attemptId, token, file);
    if (still.kind === 'refused') return still;
    if (still.kind === 'free') {
      await trx
        .insertInto('attempt_files')
        .values({ attempt_id: attemptId, name: file.name, sha256: file.sha256, size: file.size })
        .execute();
    }
    return { kind: 'stored', received: file.size };
  });
}

/** Removes parts that nobody can finish any more: of attempts that are not running. Returns how many. */
export async function collectParts(db: Db, partsFolder: string): Promise<number> {
  let removed = 0;
  await ensureDirectory(partsFolder);
  for await (const entry of await opendir(partsFolder)) {
    const attemptId = Number(/^(\d{1,15})-[0-9a-f]{64}$/.exec(entry.name)?.[1]);
    if (!Number.isSafeInteger(attemptId)) continue;
    const row = await db.selectFrom('attempts').select('state').where('id', '=', attemptId).executeTakeFirst();
    if (row?.state === 'running') continue;
    await rm(join(partsFolder, entry.name), { force: true });
    removed += 1;
  }
  return removed;
}

async function mayAdd(
  trx: Trx,
  identity: WorkerIdentity,
  attemptId: number,
  token: number,
  file: AnnouncedFile,
): Promise<{ readonly kind: 'free' } | { readonly kind: 'there' } | Refusal> {
  const held = await holdAttempt(trx, identity, attemptId, token);
  if (held.kind === 'refused') return held;
  const files = await trx
    .selectFrom('attempt_files')
    .select(['name', 'sha256', 'size'])
    .where('attempt_id', '=', attemptId)
    .execute();
  const there = files.find((one) => one.name === file.name);
  if (there !== undefined) {
    return there.sha256 === file.sha256 && there.size === file.size
      ? { kind: 'there' }
      : refused(409, 'file.differs', `${file.name} was uploaded before, with other bytes`);
  }
  if (files.length >= MAX_FILES) return refused(409, 'file.too-many', `an attempt has at most ${MAX_FILES} files`);
  const total = files.reduce((sum, one) => sum + one.size, file.size);
  const limit = outputLimit(held.limits);
  if (total > limit) return refused(409, 'file.too-large', `an attempt of this job delivers at most ${limit} bytes`);
  return { kind: 'free' };
}

/** Writes the stream behind what is there of the part. A worker sends one file after another, so nobody else writes it. */
async function appendPart(
  deps: PutFileDeps,
  part: string,
  file: AnnouncedFile,
  stream: Readable,
): Promise<{ readonly kind: 'whole' } | { readonly kind: 'answer'; readonly answer: PutFileResult }> {
  return await storing('keep an upload', async () => {
    await ensureDirectory(deps.partsFolder);
    const offset = file.offset ?? 0;
    const there = await sizeOf(part);
    // One part of an attempt at a time: files that are begun and never finished must not fill the disk.
    if (there === 0) await dropOtherParts(deps.partsFolder, part);
    if (offset > there) return { kind: 'answer', answer: { kind: 'incomplete', received: there } };
    const handle = await open(part, offset === 0 ? 'w' : 'r+');
    let received = offset;
    try {
      await handle.truncate(offset);
      const chunks = chunksOf(stream);
      for (;;) {
        const chunk = await nextChunk(chunks);
        if (chunk === 'end') break;
        // What came stays for the next time.
        if (chunk === 'broken') return { kind: 'answer', answer: { kind: 'incomplete', received } };
        if (received + chunk.length > file.size) {
          await handle.truncate(0);
          return {
            kind: 'answer',
            answer: refused(409, 'file.mismatch', `${file.name} is longer than was announced`),
          };
        }
        for (let written = 0; written < chunk.length;) {
          written += (await handle.write(chunk, written, chunk.length - written, received + written)).bytesWritten;
        }
        received += chunk.length;
      }
    } finally {
      await handle.close();
    }
    return received === file.size ? { kind: 'whole' } : { kind: 'answer', answer: { kind: 'incomplete', received } };
  });
}

/** Removes the parts of the same attempt that another file was begun after. */
async function dropOtherParts(folder: string, part: string): Promise<void> {
  const own = basename(part);
  const attempt = own.slice(0, own.indexOf('-') + 1);
  for await (const { name } of await opendir(folder)) {
    if (name.startsWith(attempt) && name !== own) await rm(join(folder, name), { force: true });
  }
}

/** The worker's connection may break; that is told apart from a fault of the disk that the bytes are written to. */
async function nextChunk(chunks: AsyncGenerator<Uint8Array>): Promise<Uint8Array | 'end' | 'broken'> {
  try {
    const next = await chunks.next();
    return next.done === true ? 'end' : next.value;
  } catch {
    return 'broken';
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isErrnoException(error) && error.code === 'ENOENT') return 0;
    throw error;
  }
}

function outputLimit(limits: JsonObject): number {
  const asked = limits.outputBytes;
  return typeof asked === 'number' && asked > 0 ? Math.min(asked, MAX_OUTPUT_BYTES) : MAX_OUTPUT_BYTES;
}
