/**
 * The signer's memory: one line of JSON for each Release that it was ready to sign, only ever added to, on the disk before
 * the signature leaves. Read whole at start; the last line of each suite says what may be signed next.
 *
 * It knows nothing of the database, so a database that was restored from a backup cannot talk it into a lower serial (H18).
 */
import { open, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { LandfallError } from '../platform/errors.ts';
import { readFileIfExists, storing, syncDirectory } from '../platform/files.ts';

const entrySchema = z.object({
  /** When it was written, by the signer's clock. */
  at: z.string(),
  archive: z.string(),
  suite: z.string(),
  serial: z.int().positive(),
  /** The Release's Date. */
  date: z.string(),
  /** Of the Release's bytes. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Of the key. */
  fingerprint: z.string(),
});
export type SignedEntry = z.infer<typeof entrySchema>;

export interface SignerLog {
  /** The newest entry of a suite. */
  last(archive: string, suite: string): SignedEntry | undefined;
  /** Adds an entry; durable after return. @throws LandfallError `storage.*` */
  append(entry: SignedEntry): Promise<void>;
  close(): Promise<void>;
}

/** Opens the log in `home`. @throws LandfallError `signer.log-damaged` */
export async function openSignerLog(home: string): Promise<SignerLog> {
  const path = join(home, 'releases.jsonl');
  const newest = new Map<string, SignedEntry>();
  const content = (await readFileIfExists(path)) ?? Buffer.alloc(0);
  const whole = content.lastIndexOf(10) + 1;
  for (const [index, line] of content.toString('utf8', 0, whole).split('\n').entries()) {
    if (line === '') continue;
    const entry = parseEntry(line);
    if (entry === undefined) throw damaged(path, index + 1);
    newest.set(keyOf(entry.archive, entry.suite), entry);
  }
  const handle = await storing(`open ${path}`, () => open(path, 'a', 0o600));
  // A crash may leave part of a line behind: its signature never left, so it says nothing.
  if (whole < content.length) await storing(`cut ${path}`, () => handle.truncate(whole));
  await handle.sync();
  await syncDirectory(dirname(path));
  return {
    last: (archive, suite) => newest.get(keyOf(archive, suite)),
    append: async (entry) => {
      await appendLine(handle, path, JSON.stringify(entry));
      newest.set(keyOf(entry.archive, entry.suite), entry);
    },
    close: () => handle.close(),
  };
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

function parseEntry(line: string): SignedEntry | undefined {
  try {
    const parsed = entrySchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

function keyOf(archive: string, suite: string): string {
  return `${archive} ${suite}`;
}

function damaged(path: string, line: number): LandfallError {
  return new LandfallError({
    code: 'signer.log-damaged',
    doing: 'start the signer',
    reason: `line ${line} of ${path} cannot be read`,
    remedy: 'restore the file from a backup; without it the signer cannot know what it must not sign again',
  });
}
