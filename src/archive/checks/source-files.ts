/**
 * What is in a source package, for Contents and for `apt changelog`: the paths of its files, as they lie in the unpacked tree,
 * and its changelog. Taken from the tarballs as they stream by; patches are not applied.
 */
import { basename } from 'node:path/posix';
import type { Compression } from '../../debian/deb.ts';
import type { FileEntry } from '../../debian/file-lists.ts';
import { TarReader } from '../../debian/tar.ts';
import { createFileList } from '../file-list.ts';
import { readPackedTar } from '../read-tar.ts';
import type { CheckResult } from './checklist.ts';
import type { CheckDeps } from './deps.ts';

export interface SourceFiles {
  /** In byte order; undefined when there are more than can be kept. */
  readonly paths: readonly string[] | undefined;
  /** debian/changelog, kept by its hash. */
  readonly changelog: { readonly sha256: string; readonly size: number } | undefined;
}

/** Of one tarball, unpacked. */
const MAX_TAR_BYTES = 32 * 1024 ** 3;
const MAX_CHANGELOG_BYTES = 16 * 1024 * 1024;
const TARBALL = /^(?<stem>.+)\.tar\.(?<kind>gz|xz|bz2|lzma|zst)$/;
const ORIG_COMPONENT = /\.orig-([A-Za-z0-9-]+)$/;

/**
 * `source.listed`: never a reason to refuse, since dpkg-source and not this list is what unpacks a source; says what could not be
 * read.
 */
export async function sourceListed(
  deps: Pick<CheckDeps, 'blobs'>,
  upload: { readonly dsc: { readonly files: readonly Pick<FileEntry, 'name' | 'sha256'>[] } },
): Promise<CheckResult<SourceFiles>> {
  const files = createFileList();
  const unread: string[] = [];
  let changelog: Buffer | undefined;
  for (const { name, sha256 } of upload.dsc.files) {
    const { stem = '', kind } = TARBALL.exec(name)?.groups ?? {};
    if (kind === undefined) continue;
    const place = placeOf(stem);
    const reader = new TarReader(
      (entry) => {
        const path = place(entry.name);
        if (entry.type !== 'directory' && path !== undefined) files.add(path);
      },
      {
        passGlobals: true,
        maxContent: MAX_CHANGELOG_BYTES,
        wanted: (entry) => place(entry.name) === 'debian/changelog',
        onContent: (_entry, content) => (changelog = content),
      },
    );
    const broken = await readPackedTar(await deps.blobs.open(sha256), compressionOf(kind), reader, MAX_TAR_BYTES);
    if (broken !== undefined) unread.push(`${name}: ${broken}`);
  }
  const put = changelog === undefined ? undefined : await deps.blobs.put(changelog);
  const adds: SourceFiles = {
    paths: files.paths(),
    changelog: put?.kind === 'stored' ? { sha256: put.sha256, size: put.size } : undefined,
  };
  if (unread.length > 0) return { kind: 'not-applicable', adds, detail: `not listed whole: ${unread.join('; ')}` };
  return { kind: 'passed', adds, detail: `${adds.paths?.length ?? 'too many'} files` };
}

/** Where a member of the tarball lies in the unpacked tree; undefined for the tree itself. */
function placeOf(stem: string): (name: string) => string | undefined {
  // debian.tar holds debian/… as it is; every other one has a folder of whatever name around all.
  if (stem.endsWith('.debian')) return (name) => (name === '.' ? undefined : name);
  const component = ORIG_COMPONENT.exec(basename(stem))?.[1];
  return (name) => {
    const below = name.includes('/') ? name.slice(name.indexOf('/') + 1) : undefined;
    return below === undefined || component === undefined ? below : `${component}/${below}`;
  };
}

function compressionOf(kind: string): Compression {
  return kind === 'gz' || kind === 'xz' || kind === 'bz2' || kind === 'lzma' || kind === 'zst' ? kind : 'none';
}
