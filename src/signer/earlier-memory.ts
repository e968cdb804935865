/**
 * Takes over what a signer of the first release remembered in `keys.json` (one key for each archive) and `releases.jsonl` (what
 * was signed), so that its keys go on and no serial is signed twice. The log is written whole by one rename; the files stay where
 * they are, and are not read again.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { LandfallError } from '../platform/errors.ts';
import { readFileIfExists, writeFileDurably } from '../platform/files.ts';
import { chainLine, EMPTY_CHAIN } from '../platform/hash-chain.ts';
import type { LogEntry } from './log.ts';

const keysSchema = z.record(z.string(), z.object({ fingerprint: z.string() }));
const releaseSchema = z.object({
  at: z.string(),
  archive: z.string(),
  suite: z.string(),
  serial: z.int().positive(),
  date: z.string(),
  sha256: z.string(),
  fingerprint: z.string(),
});

/** Writes `log.jsonl` where there is none and an earlier memory is. @throws LandfallError `signer.keys-damaged` */
export async function takeOverEarlierMemory(home: string, now: Date): Promise<void> {
  const log = join(home, 'log.jsonl');
  const size = await stat(log).then(
    (found) => found.size,
    () => 0,
  );
  if (size > 0) return;
  const keys = await readFileIfExists(join(home, 'keys.json'));
  if (keys === undefined) return;
  const releases = await readFileIfExists(join(home, 'releases.jsonl'));
  const entries = readEarlier(keys, releases, now, home);
  let head = EMPTY_CHAIN;
  const lines: string[] = [];
  for (const entry of entries) {
    const made = chainLine(head, entry);
    head = made.head;
    lines.push(`${made.text}\n`);
  }
  await writeFileDurably(log, lines.join(''), { mode: 0o600 });
}

function readEarlier(keys: Buffer, releases: Buffer | undefined, now: Date, home: string): LogEntry[] {
  const at = now.toISOString();
  const told = { at, by: 'landfall', reason: 'taken over from an earlier release' };
  try {
    const entries: LogEntry[] = [];
    for (const [archive, { fingerprint }] of Object.entries(keysSchema.parse(JSON.parse(keys.toString('utf8'))))) {
      entries.push({ kind: 'key-made', archive, fingerprint, ...told, expiresAt: null });
      entries.push({ kind: 'key-activated', archive, fingerprint, ...told, retiring: [] });
    }
    // The last line has no line feed when a crash cut it off: its signature never left.
    for (const line of (releases?.toString('utf8') ?? '').split('\n').slice(0, -1)) {
      const { fingerprint, ...release } = releaseSchema.parse(JSON.parse(line));
      entries.push({ kind: 'release', ...release, validUntil: null, fingerprints: [fingerprint] });
    }
    return entries;
  } catch (cause) {
    throw new LandfallError({
      code: 'signer.keys-damaged',
      doing: 'start the signer',
      reason: `keys.json or releases.jsonl in ${home} cannot be read`,
      remedy: 'restore the files from a backup',
      cause,
    });
  }
}
