/** What the packages of the corpus consist of: a small program of sixty files, and the usual debian/ folder. */

const FOLDERS = ['src', 'src/core', 'src/io', 'doc', 'po', 'tests', 'tests/data', 'tools'];
const FILES_PER_FOLDER = 7;
const LINES = 60;
/** A real changelog is longer; only its first entry is read. */
const KEPT_ENTRIES = 20;

export function upstreamFiles(source: string): ReadonlyMap<string, string> {
  const files = new Map([
    ['README', `${source}\n`],
    ['Makefile', 'all:\n\ttrue\n'],
  ]);
  for (const folder of FOLDERS) {
    for (let file = 1; file <= FILES_PER_FOLDER; file += 1) {
      const lines = Array.from(
        { length: LINES },
        (_, line) => `${source} ${folder} ${file} line ${line} ${line * 7919}`,
      );
      files.set(`${folder}/part${file}.c`, `${lines.join('\n')}\n`);
    }
  }
  return files;
}

/** The files that release number `release` changes or brings. */
export function debianFiles(facts: {
  readonly source: string;
  readonly version: string;
  readonly suite: string;
  readonly kind: 'quilt' | 'native';
  readonly release: number;
}): ReadonlyMap<string, string> {
  const { source, version, suite, kind, release } = facts;
  const before = version.slice(0, -String(release).length);
  const entries = Array.from({ length: Math.min(release, KEPT_ENTRIES) }, (_, index) =>
    [
      `${source} (${before}${release - index}) ${suite}; urgency=medium`,
      '',
      `  * Release number ${release - index}.`,
      '',
      ' -- Bea Bench <bea@example.org>  Sun, 22 Nov 2026 12:00:00 +0000',
      '',
    ].join('\n'),
  );
  const changed: [string, string][] =
    kind === 'native'
      ? [[`src/part${(release % FILES_PER_FOLDER) + 1}.c`, `release ${release}\n`.repeat(LINES)]]
      : [
          ['debian/patches/series', 'fix.patch\n'],
          ['debian/patches/fix.patch', patch(release)],
        ];
  return new Map([
    ['debian/changelog', entries.join('\n')],
    ['debian/control', control(source)],
    ['debian/copyright', 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n'],
    ['debian/rules', '#!/usr/bin/make -f\n%:\n\tdh $@\n'],
    ['debian/source/format', kind === 'native' ? '3.0 (native)\n' : '3.0 (quilt)\n'],
    ...changed,
  ]);
}

function control(source: string): string {
  return [
    `Source: ${source}`,
    'Section: utils',
    'Priority: optional',
    'Maintainer: Bea Bench <bea@example.org>',
    'Build-Depends: debhelper-compat (= 13)',
    'Standards-Version: 4.6.2',
    '',
    `Package: ${source}`,
    'Architecture: any',
    'Depends: ${misc:Depends}, ${shlibs:Depends}',
    'Description: something small',
    ' It is only released.',
    '',
  ].join('\n');
}

function patch(release: number): string {
  return `Description: number ${release}\n--- a/README\n+++ b/README\n@@ -1 +1,2 @@\n README\n+${release}\n`;
}
