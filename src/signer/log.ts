/**
 * The signer's memory: one line for each Release that it was ready to sign and for each change of its keys, only ever added
 * to, on the disk before a signature leaves. Each line holds the hash of the one before it (platform/hash-chain.ts), so that a
 * change is found. Read whole at start; where every so many lines begin is kept from then on, so that a page of it costs what the
 * page is, and reading all pages what the log is.
 *
 * It knows nothing of the database, so a database that was restored from a backup cannot talk it into a lower serial (H18).
 */
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { LandfallError } from '../platform/errors.ts';
import { storing, syncDirectory } from '../platform/files.ts';
import { chainLine, checkLine, EMPTY_CHAIN, type ChainHead } from '../platform/hash-chain.ts';

const fingerprint = z.string().regex(/^(?:[0-9A-F]{40}|[0-9A-F]{64})$/);
/** When it was written, by the signer's clock, and for which archive. */
const common = { at: z.string(), archive: z.string() };
const asked = { ...common, fingerprint, by: z.string(), reason: z.string() };

const entrySchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('release'),
    ...common,
    suite: z.string(),
    serial: z.int().positive(),
    /** The Release's Date and Valid-Until. */
    date: z.string(),
    validUntil: z.string().nullable(),
    /** Of the Release's bytes. */
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    /** Of the keys. */
    fingerprints: z.array(fingerprint).min(1),
  }),
  z.strictObject({ kind: z.literal('key-made'), ...asked, expiresAt: z.string().nullable() }),
  /** `retiring`: the keys that were active until then and make room. */
  z.strictObject({ kind: z.literal('key-activated'), ...asked, retiring: z.array(fingerprint) }),
  z.strictObject({ kind: z.literal('key-retired'), ...asked }),
  z.strictObject({ kind: z.literal('key-extended'), ...asked, expiresAt: z.string() }),
  z.strictObject({ kind: z.literal('key-certified'), ...asked, certifier: fingerprint }),
]);
export type LogEntry = z.infer<typeof entrySchema>;
export type SignedEntry = Extract<LogEntry, { kind: 'release' }>;
export type KeyEntry = Exclude<LogEntry, { kind: 'release' }>;

export interface SignerLog {
  /** Adds an entry; durable after return. @throws LandfallError `storage.*` */
  append(entry: LogEntry): Promise<ChainHead>;
  /** Up to `limit` lines behind the line `after`, as they stand in the file now. */
  read(after: number, limit: number): Promise<string[]>;
  readonly head: ChainHead;
  close(): Promise<void>;
}

/** Opens the log in `home`, and tells `replay` of every entry in order. @throws LandfallError `signer.log-damaged` */
export async function openSignerLog(
  home: string,
  replay: (entry: LogEntry, head: ChainHead) => void,
): Promise<SignerLog> {
  const path = join(home, 'log.jsonl');
  const handle = await storing(`open ${path}`, () => open(path, 'a+', 0o600));
  const places = linePlaces();
  let head = EMPTY_CHAIN;
  try {
    await cutTornLine(path, handle);
    for await (const text of linesOf(path)) {
      const checked = checkLine(head, text);
      if (checked.kind === 'broken') throw damaged(path, checked.line, checked.reason);
      const entry = entrySchema.safeParse(checked.entry);
      if (!entry.success) throw damaged(path, checked.head.line, 'it says nothing that this signer knows');
      head = checked.head;
      places.add(text);
      replay(entry.data, head);
    }
    await storing(`sync ${path}`, () => handle.sync());
    await syncDirectory(dirname(path));
  } catch (error) {
    await handle.close();
    throw error;
  }
  return {
    get head() {
      return head;
    },
    append: async (entry) => {
      const made = chainLine(head, entry);
      await appendLine(handle, path, made.text);
      head = made.head;
      places.add(made.text);
      return head;
    },
    read: async (after, limit) => {
      const place = places.before(after);
      const found = await readFrom(path, place, after, limit);
      // Elsewhere than it was: the file was changed, and a check of it must see how.
      const moved = found === undefined || (found.length === 0 && head.line > after);
      return moved && place !== FIRST_PLACE ? ((await readFrom(path, FIRST_PLACE, after, limit)) ?? []) : (found ?? []);
    },
    close: () => handle.close(),
  };
}

/** Where in the file the line behind `line` begins. */
interface Place {
  readonly line: number;
  readonly offset: number;
}

const FIRST_PLACE: Place = { line: 0, offset: 0 };
const PLACE_EVERY = 256;

/** Where lines begin, told of one after another; keeps every 256th. */
function linePlaces(): { add(text: string): void; before(line: number): Place } {
  const places = [FIRST_PLACE];
  let line = 0;
  let offset = 0;
  return {
    add: (text) => {
      line += 1;
      offset += Buffer.byteLength(text) + 1;
      if (line % PLACE_EVERY === 0) places.push({ line, offset });
    },
    before: (wanted) => places[Math.min(Math.floor(wanted / PLACE_EVERY), places.length - 1)] ?? FIRST_PLACE,
  };
}

/** Up to `limit` lines behind `after`; undefined when another line than the expected one begins at the place. */
async function readFrom(path: string, place: Place, after: number, limit: number): Promise<string[] | undefined> {
  const lines: string[] = [];
  let at = place.line;
  for await (const text of linesOf(path, place.offset)) {
    at += 1;
    if (place !== FIRST_PLACE && at === place.line + 1 && !text.startsWith(`{"line":${at},`)) return undefined;
    if (at > after) lines.push(text);
    if (lines.length >= limit) break;
  }
  return lines;
}

/** A crash may leave part of a line behind: its signature never left, so it says nothing. */
async function cutTornLine(path: string, handle: FileHandle): Promise<void> {
  const { size } = await handle.stat();
  const step = 64 * 1024;
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - step);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - start), 0, end - start, start);
    const last = buffer.subarray(0, bytesRead).lastIndexOf(10);
    if (last >= 0) {
      const whole = start + last + 1;
      if (whole < size) await storing(`cut ${path}`, () => handle.truncate(whole));
      return;
    }
    end = start;
  }
  if (size > 0) await storing(`cut ${path}`, () => handle.truncate(0));
}

/** Lines of the file from the byte `start` on. Only the line feed ends one: JSON may hold whatever else ends lines elsewhere. */
async function* linesOf(path: string, start = 0): AsyncGenerator<string> {
  const stream = createReadStream(path, { start, highWaterMark: 64 * 1024 });
  let rest: Buffer[] = [];
  try {
    for await (const piece of stream) {
      if (!Buffer.isBuffer(piece)) throw new TypeError('bytes were expected');
      let from = 0;
      for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, from)) {
        yield Buffer.concat([...rest, piece.subarray(from, end)]).toString('utf8');
        rest = [];
        from = end + 1;
      }
      if (from < piece.length) rest.push(piece.subarray(from));
    }
    if (rest.length > 0) yield Buffer.concat(rest).toString('utf8');
  } finally {
    stream.destroy();
  }
}

async function appendLine(handle: FileHandle, path: string, line: string): Promise<void> {
  await storing(`write ${path}`, async () => {
    const { size } = await handle.stat();
    try {
      await handle.appendFile(`${line}\n`);
      await handle.sync();
    } catch (error) {
      // Half a line would make the next one unreadable.
      await handle.truncate(size).catch(() => undefined);
      throw error;
    }
  });
}

function damaged(path: string, line: number, reason: string): LandfallError {
  return new LandfallError({
    code: 'signer.log-damaged',
    doing: 'start the signer',
    reason: `line ${line} of ${path}: ${reason}`,
    remedy: 'restore the file from a backup; without it the signer cannot know what it must not sign again',
  });
}
