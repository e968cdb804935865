/**
 * What the archive asks of whoever holds its keys. Implemented by the client of the signer's process; the archive itself
 * never sees a private key.
 */

/** The key that an archive's Release files are signed by. */
export interface ArchiveKey {
  /** Of the primary key, upper-case hexadecimal. */
  readonly fingerprint: string;
  /** Armored, fit for `signed-by`. */
  readonly publicKey: string;
}

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
  /** The detached signature, armored. */
  readonly releaseGpg: Buffer;
  readonly fingerprint: string;
}

export interface ReleaseSigner {
  /** The archive's key; made when there is none. `userId` is used then. @throws LandfallError `signer.*` */
  ensureKey(archive: string, userId: string): Promise<ArchiveKey>;
  /** The archive's key, or undefined when none was made. @throws LandfallError `signer.*` */
  findKey(archive: string): Promise<ArchiveKey | undefined>;
  /** @throws LandfallError `signer.unreachable` (try again later), `signer.older-serial`, `signer.older-date`, … */
  signRelease(statement: ReleaseStatement): Promise<SignedRelease>;
}
