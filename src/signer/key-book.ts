/**
 * Which keys an archive has, what each may do, and what may be done with them. All of it follows from the signer's log.
 *
 *     upcoming ──→ active ──→ retiring ──→ retired
 *         │           ↑           │
 *         │           └───────────┘
 *         └──────────────────────────────→ retired
 *
 * - upcoming: in the published keyring, and signs nothing. Clients get to know it.
 * - active: in the keyring, and signs. The archive's first key is active at once. There may be several.
 * - retiring: in the keyring, and still signs beside the active ones, for clients that know no newer key.
 * - retired: signs nothing and is in the keyring no more. Final.
 *
 * To activate a key makes the others that are active retiring, unless it is said to be beside them. At least one key is always
 * active, so the last one cannot be retired. A key that has expired signs nothing, whatever its state.
 */
import type { HeldKey, KeyStatement } from '../contract/signer.ts';
import type { KeyEntry } from './log.ts';

export interface StatementRefused {
  readonly kind: 'refused';
  /** `signer.*` */
  readonly code: string;
  readonly reason: string;
  readonly remedy: string;
}

/** All keys of all archives. */
export interface KeyBook {
  /** The archive's keys, the oldest first. */
  of(archive: string): readonly HeldKey[];
  /** The keys that sign now: the newest active one first. */
  signing(archive: string, now: Date): readonly HeldKey[];
  /** The keys that clients are to know. */
  published(archive: string): readonly HeldKey[];
  enter(entry: KeyEntry): void;
}

export function openKeyBook(): KeyBook {
  const archives = new Map<string, HeldKey[]>();
  const of = (archive: string): readonly HeldKey[] => archives.get(archive) ?? [];
  return {
    of,
    published: (archive) => of(archive).filter(({ state }) => state !== 'retired'),
    signing: (archive, now) => {
      const alive = of(archive).filter((key) => !isExpired(key, now));
      const newest = (state: HeldKey['state']): HeldKey[] => alive.filter((key) => key.state === state).toReversed();
      return [...newest('active'), ...newest('retiring')];
    },
    enter: (entry) => archives.set(entry.archive, after(of(entry.archive), entry)),
  };
}

function after(keys: readonly HeldKey[], entry: KeyEntry): HeldKey[] {
  const { fingerprint, at } = entry;
  const change = (made: (key: HeldKey) => Partial<HeldKey>): HeldKey[] =>
    keys.map((key) => (key.fingerprint === fingerprint ? { ...key, ...made(key) } : key));
  switch (entry.kind) {
    case 'key-made':
      return [
        ...keys,
        { fingerprint, state: 'upcoming', madeAt: at, since: at, expiresAt: entry.expiresAt, certifiedBy: [] },
      ];
    case 'key-activated':
      return change(() => ({ state: 'active', since: at })).map((key) =>
        entry.retiring.includes(key.fingerprint) ? { ...key, state: 'retiring', since: at } : key,
      );
    case 'key-retired':
      return change(() => ({ state: 'retired', since: at }));
    case 'key-extended':
      return change(() => ({ expiresAt: entry.expiresAt }));
    case 'key-certified':
      return change(({ certifiedBy }) => ({ certifiedBy: [...new Set([...certifiedBy, entry.certifier])] }));
  }
}

/** What a statement comes to: the keys that make room, nothing, or a refusal. */
export type JudgedKey =
  { readonly kind: 'holds'; readonly retiring: readonly string[] } | { readonly kind: 'unchanged' } | StatementRefused;

/** Judges a statement about a key that exists by what the book says of it. */
export function judgeKeyStatement(
  keys: readonly HeldKey[],
  statement: Exclude<KeyStatement, { kind: 'make-key' }>,
  now: Date,
): JudgedKey {
  const { archive, fingerprint } = statement;
  const key = keys.find((one) => one.fingerprint === fingerprint);
  if (key === undefined) {
    return refuse(
      'signer.unknown-key',
      `the archive ${archive} has no key ${fingerprint}`,
      `\`landfall archive-key list ${archive}\` shows those that it has`,
    );
  }
  const others = keys.filter((one) => one !== key && one.state === 'active');
  switch (statement.kind) {
    case 'activate-key': {
      const retiring = statement.beside ? [] : others.map((one) => one.fingerprint);
      if (key.state === 'retired') return retired(key, 'signs again');
      if (isExpired(key, now)) return expired(key);
      return key.state === 'active' && retiring.length === 0 ? { kind: 'unchanged' } : { kind: 'holds', retiring };
    }
    case 'retire-key':
      if (key.state === 'retired') return { kind: 'unchanged' };
      if (key.state !== 'active' || others.some((one) => !isExpired(one, now))) return { kind: 'holds', retiring: [] };
      return refuse(
        'signer.last-key',
        `${fingerprint} is the only key that is active: without it nothing could be published`,
        `make another one (\`landfall archive-key add ${archive}\`) and activate it first`,
      );
    case 'extend-key':
    case 'certify-key':
      return key.state === 'retired' ? retired(key, 'is published again') : { kind: 'holds', retiring: [] };
  }
}

export function isExpired(key: Pick<HeldKey, 'expiresAt'>, now: Date): boolean {
  return key.expiresAt !== null && Date.parse(key.expiresAt) <= now.getTime();
}

function retired(key: HeldKey, does: string): StatementRefused {
  return refuse(
    'signer.retired-key',
    `the key ${key.fingerprint} was retired on ${key.since}, and no retired key ${does}`,
    'make a new one: `landfall archive-key add`',
  );
}

function expired(key: HeldKey): StatementRefused {
  return refuse(
    'signer.expired-key',
    `the key ${key.fingerprint} expired on ${key.expiresAt ?? ''}`,
    'extend it (`landfall archive-key extend`) or make a new one (`landfall archive-key add`)',
  );
}

function refuse(code: string, reason: string, remedy: string): StatementRefused {
  return { kind: 'refused', code, reason, remedy };
}
