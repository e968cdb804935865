/**
 * Stanzas of Packages indices, made from a binary package's control paragraph, facts about its file, and overrides.
 *
 * Fields and their order are those of apt-ftparchive (apt's tagfile-order.c, then what it does not know in the order of the
 * control file); the test beside the oracles lists the differences.
 *
 * @see the repository format of Debian's wiki, apt-ftparchive(1). Tested against `apt-ftparchive packages`.
 */
import { createHash } from 'node:crypto';
import type { DebControl } from './deb.ts';
import { formatParagraph } from './deb822.ts';

/** What the archive knows of a package's file. */
export interface PackageFile {
  /** Path from the archive's root: `pool/main/h/hello/hello_2.10-3_amd64.deb`. */
  readonly filename: string;
  readonly size: number;
  readonly sha256: string;
  /** Written where they are given. */
  readonly md5?: string;
  readonly sha1?: string;
  readonly sha512?: string;
}

/** The archive's own word on a package, which wins over the package's. */
export interface Override {
  readonly section?: string;
  readonly priority?: string;
}

export interface StanzaOptions {
  /**
   * `whole` keeps the long description in the index; `short` keeps its first line and adds the Description-md5 by which apt finds
   * the rest in Translation-en, as Debian does. Default: `whole`.
   */
  readonly description?: 'whole' | 'short';
}

/** apt's order of fields in Packages. */
export const PACKAGES_ORDER: FieldOrder = fieldOrder(
  'Package Package-Type Architecture Subarchitecture Version Kernel-Version Built-Using Static-Built-Using Built-For-Profiles ' +
    'Auto-Built-Package Multi-Arch Status Priority Build-Essential Protected Important Essential Installer-Menu-Item Section Source ' +
    'Origin Phased-Update-Percentage Maintainer Original-Maintainer Bugs Config-Version Conffiles Triggers-Awaited Triggers-Pending ' +
    'Installed-Size Provides Pre-Depends Depends Recommends Suggests Conflicts Breaks Replaces Enhances Filename MSDOS-Filename ' +
    'Size MD5sum SHA1 SHA256 SHA512 Homepage Description Description-md5 Tag Task',
);

/** Never taken from a package: the archive's own facts, dpkg's state of an installed package, and what marks the kind of file. */
const NOT_TAKEN: ReadonlySet<string> = new Set([
  'package-type',
  'status',
  'config-version',
  'conffiles',
  'triggers-awaited',
  'triggers-pending',
  'filename',
  'msdos-filename',
  'size',
  'md5sum',
  'sha1',
  'sha256',
  'sha512',
  'description-md5',
  'phased-update-percentage',
]);

/** One stanza, ended by one newline; the caller puts an empty line between two. */
export function formatPackagesStanza(
  control: DebControl,
  file: PackageFile,
  override: Override = {},
  options: StanzaOptions = {},
): string {
  const fields = new Map<string, readonly [name: string, value: string]>();
  const set = (name: string, value: string | undefined): void => {
    if (value !== undefined) fields.set(name.toLowerCase(), [name, value]);
  };
  for (const { name, value } of control.paragraph.fields) {
    if (!NOT_TAKEN.has(name.toLowerCase()) && value !== '') set(name, value);
  }
  set('Section', override.section ?? control.section);
  set('Priority', override.priority ?? control.priority);
  set('Filename', file.filename);
  set('Size', String(file.size));
  set('MD5sum', file.md5);
  set('SHA1', file.sha1);
  set('SHA256', file.sha256);
  set('SHA512', file.sha512);
  if (options.description === 'short') {
    set('Description', control.description.split('\n')[0]);
    set('Description-md5', descriptionMd5(control.description));
  }
  return formatParagraph(inOrder(fields, PACKAGES_ORDER));
}

/** A stanza of Translation-en, ended by one newline. @see apt's `Acquire::Languages` in apt.conf(5) */
export function formatTranslationStanza(control: DebControl): string {
  return formatParagraph([
    ['Package', control.name],
    ['Description-md5', descriptionMd5(control.description)],
    ['Description-en', control.description],
  ]);
}

/** The key by which apt finds a description's translation: MD5 of the description as it is written, and a newline. */
export function descriptionMd5(description: string): string {
  return createHash('md5').update(`${description}\n`).digest('hex');
}

/** An order of fields, prepared for {@link inOrder}. */
export interface FieldOrder {
  /** As apt spells them. */
  readonly names: readonly string[];
  /** In lower case. */
  readonly keys: ReadonlySet<string>;
}

/** Prepares an order from names separated by blanks. */
export function fieldOrder(text: string): FieldOrder {
  const names = text.split(' ');
  return { names, keys: new Set(names.map((name) => name.toLowerCase())) };
}

/** Fields (by lower-case name) in a given order, then the others in the order in which they were set. */
export function inOrder(
  fields: ReadonlyMap<string, readonly [name: string, value: string]>,
  order: FieldOrder,
): (readonly [string, string])[] {
  const sorted: (readonly [string, string])[] = [];
  for (const key of order.keys) {
    const field = fields.get(key);
    if (field !== undefined) sorted.push(field);
  }
  for (const [key, field] of fields) if (!order.keys.has(key)) sorted.push(field);
  return sorted;
}
