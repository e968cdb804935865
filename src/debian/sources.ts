/**
 * Stanzas of Sources indices, made from a .dsc, facts about the .dsc itself, and overrides.
 *
 * Fields and their order are those of apt-ftparchive; the test beside the oracles lists the differences.
 *
 * @see the repository format of Debian's wiki, apt-ftparchive(1). Tested against `apt-ftparchive sources`.
 */
import type { Dsc } from './dsc.ts';
import { formatParagraph } from './deb822.ts';
import { formatFileList, type FileEntry } from './file-lists.ts';
import { fieldOrder, inOrder, type FieldOrder, type Override } from './packages.ts';

/** apt's order of fields in Sources. */
export const SOURCES_ORDER: FieldOrder = fieldOrder(
  'Package Source Format Binary Architecture Version Priority Section Origin Maintainer Original-Maintainer Uploaders ' +
    'Dm-Upload-Allowed Standards-Version Build-Depends Build-Depends-Arch Build-Depends-Indep Build-Conflicts Build-Conflicts-Arch ' +
    'Build-Conflicts-Indep Testsuite Testsuite-Triggers Homepage Description Vcs-Browser Vcs-Browse Vcs-Arch Vcs-Bzr Vcs-Cvs ' +
    'Vcs-Darcs Vcs-Git Vcs-Hg Vcs-Mtn Vcs-Svn Directory Package-List Files Checksums-Md5 Checksums-Sha1 Checksums-Sha256 Checksums-Sha512',
);

/** Written anew from what the archive knows. */
const NOT_TAKEN: ReadonlySet<string> = new Set([
  'source',
  'package',
  'directory',
  'files',
  'checksums-md5',
  'checksums-sha1',
  'checksums-sha256',
  'checksums-sha512',
]);

/**
 * One stanza, ended by one newline. `dscFile` is the .dsc itself, which joins the lists of files; `directory` is the folder in
 * the pool. A list is written for MD5 (Files) and SHA1 only where all digests of that kind are known.
 */
export function formatSourcesStanza(dsc: Dsc, dscFile: FileEntry, directory: string, override: Override = {}): string {
  const fields = new Map<string, readonly [name: string, value: string]>();
  const set = (name: string, value: string | undefined): void => {
    if (value !== undefined) fields.set(name.toLowerCase(), [name, value]);
  };
  for (const { name, value } of dsc.paragraph.fields) {
    if (!NOT_TAKEN.has(name.toLowerCase()) && value !== '') set(name, value);
  }
  const files = [dscFile, ...dsc.files];
  set('Package', dsc.source);
  set('Priority', override.priority);
  set('Section', override.section);
  set('Directory', directory);
  set('Files', files.every((file) => file.md5 !== undefined) ? formatFileList(files, 'md5') : undefined);
  set('Checksums-Sha1', files.every((file) => file.sha1 !== undefined) ? formatFileList(files, 'sha1') : undefined);
  set('Checksums-Sha256', formatFileList(files, 'sha256'));
  return formatParagraph(inOrder(fields, SOURCES_ORDER));
}
