/**
 * What the archive asks of whoever holds its keys. Implemented by the client of the signer's process; the archive itself
 * never sees a private key.
 */

/** One key of an archive. src/signer/key-book.ts has the states and the moves between them. */
export interface SigningKey {
  /** Of the primary key, upper-case hexadecimal. */
  readonly fingerprint: string;
  /** `upcoming` keys are published and sign nothing yet, `retired` ones neither; the others are published and sign. */
  readonly state: 'upcoming' | 'active' | 'retiring' | 'retired';
  /** RFC 3339, as all times here. */
  readonly madeAt: string;
  /** When it came into its state. */
  readonly since: string;
  readonly expiresAt: string | null;
  /** Fingerprints of keys, held elsewhere, that vouch for it. */
  readonly certifiedBy: readonly string[];
}

/** The keys that an archive's Release files are signed by. */
export interface ArchiveKey {
  /** Of the active key; the newest, where there are several. */
  readonly fingerprint: string;
  /** Every key but the retired ones, armored, in one block: fit for `signed-by`. */
  readonly publicKey: string;
  /** The oldest first. */
  readonly keys: readonly SigningKey[];
}

/** A change of an archive's keys. The signer judges whether it makes sense, and keeps who asked and why in its log. */
export type KeyStatement = {
  readonly archive: string;
  /** As the audit names people: `person:alice`. */
  readonly by: string;
  readonly reason: string;
} & (
  | { readonly kind: 'make-key'; readonly userId: string; readonly expiresInDays?: number }
  /** The keys that are active until then are retiring, unless it is `beside` them. */
  | { readonly kind: 'activate-key'; readonly fingerprint: string; readonly beside: boolean }
  | { readonly kind: 'retire-key'; readonly fingerprint: string }
  | { readonly kind: 'extend-key'; readonly fingerprint: string; readonly expiresInDays: number }
  /** A copy of the key with the certification, and the public key that made it; base64. */
  | {
      readonly kind: 'certify-key';
      readonly fingerprint: string;
      readonly certified: string;
      readonly certifier: string;
    }
);

/** What is to be signed: the signer reads the text itself and holds it against the rest. */
export interface ReleaseStatement {
  readonly archive: string;
  readonly suite: string;
  readonly codename: string;
  readonly serial: number;
  /** Whole seconds. */
  readonly date: Date;
  readonly release: string;
}

export interface SignedRelease {
  /** The Release, clearsigned. */
  readonly inRelease: Buffer;
  /** The detached signatures, armored, in one block. */
  readonly releaseGpg: Buffer;
  /** Of the active key; the newest, where there are several. */
  readonly fingerprint: string;
  /** Of every key that signed. */
  readonly fingerprints: readonly string[];
  /** The line of the signer's log that tells of it: kept, so that a log that was made anew is found out. */
  readonly log: { readonly line: number; readonly hash: string };
}

export interface ReleaseSigner {
  /** The archive's keys; the first is made when there is none. `userId` is used then. @throws LandfallError `signer.*` */
  ensureKey(archive: string, userId: string): Promise<ArchiveKey>;
  /** The archive's keys, or undefined when none was made. @throws LandfallError `signer.*` */
  findKey(archive: string): Promise<ArchiveKey | undefined>;
  /** @throws LandfallError `signer.last-key`, `signer.unknown-key` … when it makes no sense */
  changeKey(
    statement: KeyStatement,
  ): Promise<{ readonly kind: 'done' | 'unchanged'; readonly fingerprint: string; readonly keys: ArchiveKey }>;
  /** Whether {@link changeKey} would do it; throws as it does. */
  judgeKey(
    statement: KeyStatement,
  ): Promise<{ readonly kind: 'holds' | 'unchanged'; readonly retiring: readonly string[] }>;
  /** Up to `limit` lines of the signer's log behind the line `after`, as platform/hash-chain.ts has them. */
  readLog(after: number, limit: number): Promise<{ readonly lines: readonly string[]; readonly total: number }>;
  /** @throws LandfallError `signer.unreachable` (try again later), `signer.older-serial`, `signer.older-date`, … */
  signRelease(statement: ReleaseStatement): Promise<SignedRelease>;
}
