/**
 * The signer's log, read and checked by somebody else than the signer: line by line against its own hashes, and against the
 * hashes that publications kept when they were signed, so that a log that was written anew as a whole is found out too.
 */
import { sql } from 'kysely';
import type { Db } from '../platform/database.ts';
import { checkLine, EMPTY_CHAIN, type ChainHead } from '../platform/hash-chain.ts';
import type { ReleaseSigner } from './signer.ts';

export type LogCheck =
  /** `confirmed`: lines that a publication vouches for. */
  | { readonly kind: 'whole'; readonly lines: number; readonly hash: string; readonly confirmed: number }
  | { readonly kind: 'damaged'; readonly line: number; readonly reason: string };

const PAGE = 500;

export async function checkSignerLog(deps: { readonly db: Db; readonly signer: ReleaseSigner }): Promise<LogCheck> {
  // Read first: what is signed meanwhile stands behind the end that is looked at.
  const kept = await keptHashes(deps.db);
  let head: ChainHead = EMPTY_CHAIN;
  let confirmed = 0;
  for (;;) {
    const { lines } = await deps.signer.readLog(head.line, PAGE);
    for (const text of lines) {
      const checked = checkLine(head, text);
      if (checked.kind === 'broken') return { kind: 'damaged', line: checked.line, reason: checked.reason };
      head = checked.head;
      const known = kept.get(head.line);
      if (known === undefined) continue;
      const other = [...known].find((hash) => hash !== head.hash);
      if (other !== undefined) {
        return { kind: 'damaged', line: head.line, reason: `a publication kept the hash ${other} of it` };
      }
      confirmed += 1;
    }
    if (lines.length < PAGE) break;
  }
  const beyond = Math.max(0, ...kept.keys());
  if (beyond > head.line) {
    return {
      kind: 'damaged',
      line: head.line + 1,
      reason: `it is missing: a publication kept the hash of line ${beyond}`,
    };
  }
  return { kind: 'whole', lines: head.line, hash: head.hash, confirmed };
}

async function keptHashes(db: Db): Promise<ReadonlyMap<number, ReadonlySet<string>>> {
  const { rows } = await sql<{ line: number; hash: string }>`
    SELECT DISTINCT (facts #>> '{signature,line}')::bigint AS line, facts #>> '{signature,hash}' AS hash
    FROM publications WHERE facts ? 'signature'`.execute(db);
  const kept = new Map<number, Set<string>>();
  for (const { line, hash } of rows) kept.set(line, (kept.get(line) ?? new Set()).add(hash));
  return kept;
}
