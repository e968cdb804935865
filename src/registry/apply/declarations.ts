/** What distribution files declare, in the words of this code. See files.ts for the files themselves. */
import type { Action } from '../../permissions/index.ts';
import type { QuiltMode } from '../../platform/schema.ts';

export interface DistributionFile {
  /** As it is shown in messages. */
  readonly name: string;
  readonly text: string;
  /** Bytes of the files that it names (keys, keyrings), by the name as it stands there. */
  readonly attachments?: ReadonlyMap<string, Uint8Array> | undefined;
}

/** Something that a file declares, with the place where it does. */
export interface Declared<T> {
  readonly value: T;
  readonly file: DistributionFile;
  readonly path: readonly (string | number)[];
}

export interface DeclaredExternal {
  readonly name: string;
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  readonly keyring: string;
}

export interface DeclaredArchive {
  readonly name: string;
  readonly audience: string;
  readonly origin: string;
  readonly label: string;
  readonly description: string;
  readonly pool: string;
  readonly acceptedFormats: readonly string[];
  readonly packagePatterns: readonly string[];
  readonly reservedPatterns: readonly string[];
  readonly acceptedLicences: readonly string[];
  /** Bytes that its files may have; null: as many as there is room for. */
  readonly quotaBytes: number | null;
}

export interface DeclaredSuite {
  readonly archive: string;
  readonly name: string;
  readonly codename: string;
  readonly aliases: readonly string[];
  readonly description: string;
  readonly accepts: readonly string[];
  readonly components: readonly string[];
  readonly architectures: readonly string[];
  readonly architectureForAll: string;
  readonly notAutomatic: boolean;
  readonly butAutomaticUpgrades: boolean;
  readonly debugSuite: string | null;
  readonly newPolicy: 'hold' | 'accept';
  readonly buildInNew: boolean;
  readonly validForSeconds: number;
  readonly retentionSeconds: number;
  /** Null: that of its archive. */
  readonly audience: string | null;
  /** `external:NAME`, `SUITE` or `ARCHIVE/SUITE`. */
  readonly parents: readonly string[];
  /** `SUITE` or `ARCHIVE/SUITE`. */
  readonly newerThan: readonly string[];
}

export interface DeclaredGitRepository {
  readonly name: string;
  readonly url: string;
  readonly prefixes: ReadonlyMap<string, string>;
  readonly allowFile: boolean;
  readonly plainTags: boolean;
  readonly plainSource: string | null;
  readonly plainQuilt: QuiltMode | null;
  readonly maxPackBytes: number;
  readonly fetchDeadlineSeconds: number;
  readonly pollEverySeconds: number;
  readonly noticesPerMinute: number;
  /** The name of a file that is sent along; null: notices need no proof. */
  readonly hookSecret: string | null;
  readonly enabled: boolean;
}

export interface DeclaredGitNamespace {
  readonly name: string;
  /** With `*` where the path goes. */
  readonly url: string;
  readonly prefixes: ReadonlyMap<string, string>;
  readonly maxDepth: number;
  readonly maxRepositories: number;
  readonly allowFile: boolean;
  readonly plainTags: boolean;
  readonly plainQuilt: QuiltMode | null;
  readonly maxPackBytes: number;
  readonly fetchDeadlineSeconds: number;
  readonly pollEverySeconds: number;
  readonly noticesPerMinute: number;
  readonly hookSecret: string | null;
  readonly enabled: boolean;
}

export interface DeclaredPerson {
  readonly handle: string;
  readonly name: string;
  readonly email: string;
  readonly active: boolean;
  /** Names of files that are sent along, or keys themselves. */
  readonly keys: readonly string[];
}

export interface DeclaredGroup {
  readonly name: string;
  readonly members: readonly string[];
}

export interface DeclaredGrant {
  readonly to: string;
  readonly action: Action;
  readonly archive: string;
  readonly suites: string;
  readonly packages: string;
  readonly validUntil: Date | null;
}

export interface Declarations {
  readonly pools: Declared<{ readonly name: string }>[];
  readonly externals: Declared<DeclaredExternal>[];
  readonly archives: Declared<DeclaredArchive>[];
  readonly suites: Declared<DeclaredSuite>[];
  readonly gitRepositories: Declared<DeclaredGitRepository>[];
  readonly gitNamespaces: Declared<DeclaredGitNamespace>[];
  readonly people: Declared<DeclaredPerson>[];
  readonly groups: Declared<DeclaredGroup>[];
  readonly grants: Declared<DeclaredGrant>[];
}
