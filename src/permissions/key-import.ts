/**
 * Reading a file of keys: whose each one is, what is new in it (a later expiry, a revocation by its owner, other subkeys), and
 * what is refused. First the plan, then its confirmation by hash, as everywhere.
 *
 * Keys are added by somebody who administers everything: whoever could add a key to himself with a stolen token could release
 * with it. What a registered key says anew of itself carries its own signature, so its owner may bring that in by himself.
 */
import { createHash } from 'node:crypto';
import { withTransaction, type Db } from '../platform/database.ts';
import type { Actor, SystemActor } from './actors.ts';
import { mayAct } from './decide.ts';
import { applyKey, keyChanges, mergeKey, readKeyFile, type PublicKey } from './keys.ts';
import { findKey, findPerson, getPerson, listPeople, type Person } from './store.ts';

export interface PlannedKey {
  readonly kind: 'openpgp' | 'ssh';
  readonly fingerprint: string;
  readonly userIds: readonly string[];
  /** Whose it is, or would become. */
  readonly person: string | undefined;
  readonly action: 'add' | 'refresh' | 'unchanged' | 'refuse';
  readonly detail: string;
  readonly remedy: string | undefined;
}

export interface KeyImportRequest {
  readonly bytes: Uint8Array;
  /** Whose the keys are that are not registered yet. */
  readonly person?: string | undefined;
  readonly by: Actor | SystemActor;
}

export type KeyImportPlan =
  | { readonly kind: 'plan'; readonly keys: readonly PlannedKey[]; readonly hash: string }
  | { readonly kind: 'invalid-key'; readonly reason: string }
  | { readonly kind: 'unknown-person'; readonly person: string };

/** What reading the file would change. Changes nothing. */
export async function planKeyImport(db: Db, request: KeyImportRequest): Promise<KeyImportPlan> {
  const read = await readKeyFile(request.bytes);
  return read.kind === 'invalid-key' ? read : await planFrom(db, request, read.keys);
}

/** Does what was confirmed; keys that are refused are left as they are. */
export async function importKeys(
  db: Db,
  request: KeyImportRequest & { readonly hash: string },
): Promise<KeyImportPlan | { readonly kind: 'out-of-date' }> {
  const read = await readKeyFile(request.bytes);
  if (read.kind === 'invalid-key') return read;
  return await withTransaction(db, async (trx) => {
    const plan = await planFrom(trx, request, read.keys);
    if (plan.kind !== 'plan') return plan;
    if (plan.hash !== request.hash) return { kind: 'out-of-date' };
    for (const [index, { action, person }] of plan.keys.entries()) {
      const key = read.keys[index];
      if (key === undefined || person === undefined || (action !== 'add' && action !== 'refresh')) continue;
      const owner = await findPerson(trx, person);
      if (owner === undefined) return { kind: 'out-of-date' };
      const result = await applyKey(trx, { personId: owner.id, handle: owner.handle }, key, request.by);
      // Somebody else has just registered it: nothing of this file is done.
      if (result.kind === 'refused') return { kind: 'out-of-date' };
    }
    return plan;
  });
}

async function planFrom(db: Db, request: KeyImportRequest, given: readonly PublicKey[]): Promise<KeyImportPlan> {
  const { person, by } = request;
  const wanted = person === undefined ? undefined : await findPerson(db, person);
  if (person !== undefined && wanted === undefined) return { kind: 'unknown-person', person };
  const administers = (await mayAct(db, by, 'administer')).kind === 'allowed';
  const people = await listPeople(db);
  const keys: PlannedKey[] = [];
  for (const key of given) keys.push(await planOne(db, key, { by, wanted, administers, people }));
  return { kind: 'plan', keys, hash: createHash('sha256').update(JSON.stringify(keys)).digest('hex') };
}

interface Circumstances {
  readonly by: Actor | SystemActor;
  readonly wanted: Person | undefined;
  readonly administers: boolean;
  readonly people: readonly Person[];
}

async function planOne(db: Db, key: PublicKey, around: Circumstances): Promise<PlannedKey> {
  const { by, wanted, administers } = around;
  const facts = { kind: key.kind, fingerprint: key.fingerprint, userIds: key.userIds };
  const refuse = (owner: string | undefined, detail: string, remedy: string): PlannedKey => ({
    ...facts,
    person: owner,
    action: 'refuse',
    detail,
    remedy,
  });
  const stored = await findKey(db, key.fingerprint);
  if (stored === undefined) {
    if (wanted === undefined) return refuse(undefined, 'it is registered for nobody', whoseIsIt(key, around.people));
    if (!administers) {
      return refuse(
        wanted.handle,
        'only an administrator registers a key',
        `send the file to one: landfall key import FILE --person ${wanted.handle}`,
      );
    }
    const until = key.validUntil === null ? 'does not expire' : `expires ${key.validUntil.toISOString()}`;
    const revoked = key.revoked ? '; it is revoked by its owner already' : '';
    return { ...facts, person: wanted.handle, action: 'add', detail: until + revoked, remedy: undefined };
  }
  const owner = (await getPerson(db, stored.personId))?.handle ?? '';
  if (wanted !== undefined && wanted.handle !== owner) {
    return refuse(
      owner,
      `it belongs to ${owner}, and a key belongs to one person for ever`,
      `import it without --person, or make a new key for ${wanted.handle}`,
    );
  }
  const merged = await mergeKey(stored, key);
  const changes = keyChanges(stored, merged);
  if (changes.length === 0) {
    return { ...facts, person: owner, action: 'unchanged', detail: 'nothing is new in it', remedy: undefined };
  }
  if (!administers && !(by.kind === 'person' && by.personId === stored.personId)) {
    return refuse(
      owner,
      `it belongs to ${owner}, and something is new in it`,
      `${owner} or an administrator imports it`,
    );
  }
  const revokedNow = merged.revoked && stored.revokedAt === null;
  return {
    ...facts,
    person: owner,
    action: 'refresh',
    detail: changes.join('; '),
    remedy: revokedNow
      ? `see what it let in, and suspend what is not published yet: landfall key revoke ${key.fingerprint} --suspend --reason "revoked by its owner"`
      : undefined,
  };
}

/** Whose it seems to be, by the addresses in it. Nothing is done on that account: anybody can write any address into a key. */
function whoseIsIt(key: PublicKey, people: readonly Person[]): string {
  const matches = people.filter(({ email }) =>
    key.userIds.some((text) => text.toLowerCase().includes(`<${email.toLowerCase()}>`) || text === email),
  );
  const [match] = matches;
  return match !== undefined && matches.length === 1
    ? `it names the address of ${match.handle}; when it is theirs: landfall key import FILE --person ${match.handle}`
    : 'say whose it is: landfall key import FILE --person HANDLE';
}
