/**
 * What an archive, a suite and a Git repository are to the rest of Landfall, and the rules that need no database.
 *
 * An archive is one isolated apt repository. A suite belongs to one archive; it is called by its name, its codename or an
 * alias, and within an archive no such word means two suites. A Git repository maps each DISTRO prefix of its release tags to
 * one archive.
 *
 * A version of a source in an archive is
 *
 *     (unknown) → reserved → accepted
 *                    ↓
 *                  freed       (another reservation is then a new row)
 *
 * reserved by the decision that lets it in, freed when nothing came of it, and taken for ever once accepted. That at most one
 * row per archive, source and version is not freed is a unique index of the database, so two reservations never both succeed.
 */
import { compareVersions, parseVersion } from '../debian/version.ts';
import type { QuiltMode } from '../platform/schema.ts';

export interface Archive {
  readonly id: number;
  readonly name: string;
  /** `public`, or `group:NAME`. */
  readonly audience: string;
  readonly origin: string;
  readonly label: string;
  readonly description: string;
  readonly workerPoolId: number;
  readonly workerPool: string;
  readonly acceptedFormats: readonly string[];
  /** Patterns of the packages that it takes, source and binary; none: every name. */
  readonly packagePatterns: readonly string[];
  /** Patterns of the packages that it refuses. */
  readonly reservedPatterns: readonly string[];
  /** Short names of the licences that it takes; none: no rule, and debian/copyright is not looked at. */
  readonly acceptedLicences: readonly string[];
  /** Bytes that the files of its packages may have; null: as many as there is room for. */
  readonly quotaBytes: number | null;
}

export interface Suite {
  readonly id: number;
  readonly archiveId: number;
  readonly archive: string;
  readonly name: string;
  readonly codename: string;
  readonly aliases: readonly string[];
  readonly description: string;
  readonly accepts: readonly string[];
  readonly components: readonly string[];
  readonly architectures: readonly string[];
  /** Where the architecture-independent packages are built. */
  readonly architectureForAll: string;
  readonly notAutomatic: boolean;
  readonly butAutomaticUpgrades: boolean;
  readonly debugSuiteId: number | null;
  readonly newPolicy: 'hold' | 'accept';
  readonly buildInNew: boolean;
  readonly validForSeconds: number;
  readonly retentionSeconds: number;
  readonly audience: string;
  readonly openSerial: number;
}

/** Where build-dependencies come from, besides the suite itself. */
export type SuiteParent =
  | {
      readonly kind: 'external';
      readonly name: string;
      readonly uri: string;
      readonly suite: string;
      readonly components: readonly string[];
      /** Dearmored public keys. */
      readonly keyring: Buffer;
    }
  | {
      readonly kind: 'suite';
      readonly suiteId: number;
      readonly archiveId: number;
      readonly archive: string;
      readonly suite: string;
      readonly components: readonly string[];
    };

export interface GitRepository {
  readonly id: number;
  readonly name: string;
  readonly url: string;
  readonly allowFile: boolean;
  readonly plainTags: boolean;
  readonly plainSource: string | null;
  readonly plainQuilt: QuiltMode | null;
  readonly maxPackBytes: number;
  readonly fetchDeadlineSeconds: number;
  readonly pollEverySeconds: number;
  readonly lastScanAt: Date | null;
  readonly baselineAt: Date | null;
  readonly enabled: boolean;
  /** The namespace that it came by; null where it was registered alone. */
  readonly namespaceId: number | null;
  readonly noticesPerMinute: number;
  /** Looks that came to nothing since the last one that succeeded. */
  readonly failedLooks: number;
}

/** True when `wanted` is newer than `mark`, as dpkg compares them. A mark that is no version stands in nobody's way. */
export function isNewerVersion(wanted: string, mark: string): boolean {
  const one = parseVersion(wanted);
  const other = parseVersion(mark);
  if ('kind' in one) return false;
  return 'kind' in other || compareVersions(one, other) > 0;
}

/** Of several suites that answer to a word, the one that is meant: a name before a codename before an alias. */
export function chooseSuite<S extends Pick<Suite, 'name' | 'codename' | 'aliases'>>(
  suites: readonly S[],
  word: string,
): S | undefined {
  return (
    suites.find(({ name }) => name === word) ??
    suites.find(({ codename }) => codename === word) ??
    suites.find(({ aliases }) => aliases.includes(word))
  );
}
