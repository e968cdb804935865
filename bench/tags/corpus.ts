/**
 * Signed releases of small packages, made once: a Git repository that holds every commit and tag object, and a list of what there
 * is. A repository of a run borrows its objects and is given one tag after another, as a push would.
 *
 * Tags age: the check `tag.fresh` takes none that is older than a month, so neither does a run.
 */
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { ensureDirectory, readFileIfExists } from '../../src/platform/files.ts';
import { git, initBare } from '../../src/platform/git.ts';
import { detachSign, exportPublicKey, generateKey, killAgents } from '../../src/platform/gpg.ts';
import { debianFiles, upstreamFiles } from './package.ts';

export const DISTRO = 'landing';
const FORMAT = 3;
const GOOD_FOR_DAYS = 14;
const DEADLINE_MS = 30 * 60_000;
const SIGNING = 2;
const PERSON = 'Bea Bench <bea@example.org>';

export interface CorpusTag {
  readonly ref: string;
  readonly objectId: string;
}

/** A source package with its releases, oldest first. */
export interface CorpusSource {
  readonly source: string;
  /** `quilt` binds an upstream commit; `native` has none. */
  readonly kind: 'quilt' | 'native';
  /** What stands there before the first look. */
  readonly upstreamTag: CorpusTag | undefined;
  readonly tags: readonly CorpusTag[];
}

export interface Corpus {
  /** The bare repository that holds all objects. */
  readonly store: string;
  readonly publicKey: Buffer;
  readonly sources: readonly CorpusSource[];
}

export interface CorpusWish {
  readonly kind: CorpusSource['kind'];
  readonly sources: number;
  readonly tagsPerSource: number;
}

interface Manifest {
  readonly format: number;
  readonly madeAt: string;
  readonly wishes: readonly CorpusWish[];
  readonly sources: readonly CorpusSource[];
}

/** The corpus in `folder` when it is large and young enough, or a new one. */
export async function openCorpus(
  folder: string,
  wishes: readonly CorpusWish[],
  progress: (text: string) => void,
): Promise<Corpus> {
  const manifestFile = join(folder, 'manifest.json');
  const store = join(folder, 'store.git');
  const keyFile = join(folder, 'bea.asc');
  const text = await readFileIfExists(manifestFile);
  const found = text === undefined ? undefined : readManifest(text.toString('utf8'));
  if (found !== undefined && isGoodFor(found, wishes)) {
    return { store, publicKey: await readFile(keyFile), sources: cut(found.sources, wishes) };
  }
  await rm(folder, { recursive: true, force: true });
  await ensureDirectory(folder, 0o755);
  await initBare(store);
  const home = join(folder, 'gnupg');
  await ensureDirectory(home, 0o700);
  const fingerprint = await generateKey({ home, userId: PERSON, algorithm: 'ed25519' });
  await writeFile(keyFile, await exportPublicKey(home, fingerprint));
  try {
    const sources: CorpusSource[] = [];
    const all = wishes.reduce((sum, wish) => sum + wish.sources * wish.tagsPerSource, 0);
    let signed = 0;
    for (const wish of wishes) {
      for (let number = 1; number <= wish.sources; number += 1) {
        const source = `${wish.kind}${String(number).padStart(3, '0')}`;
        sources.push(
          await makeSource(store, source, wish, async (payload) => {
            signed += 1;
            if (signed % 50 === 0) progress(`making ${all} signed tags, once: ${signed}`);
            return await detachSign({ home, fingerprint, payload });
          }),
        );
      }
    }
    await git(['pack-refs', '--all'], { gitDir: store, deadlineMs: DEADLINE_MS });
    const manifest: Manifest = { format: FORMAT, madeAt: new Date().toISOString(), wishes, sources };
    await writeFile(manifestFile, JSON.stringify(manifest));
    return { store, publicKey: await readFile(keyFile), sources };
  } finally {
    await killAgents(home);
  }
}

function readManifest(text: string): Manifest | undefined {
  const value: unknown = JSON.parse(text);
  return isManifest(value) ? value : undefined;
}

/** Written by this file alone; what another form of it wrote is told by its number. */
function isManifest(value: unknown): value is Manifest {
  return typeof value === 'object' && value !== null && 'format' in value && value.format === FORMAT;
}

function isGoodFor(manifest: Manifest, wishes: readonly CorpusWish[]): boolean {
  const days = (Date.now() - Date.parse(manifest.madeAt)) / 86_400_000;
  return (
    days < GOOD_FOR_DAYS &&
    wishes.every((wish) =>
      manifest.wishes.some(
        (made) => made.kind === wish.kind && made.sources >= wish.sources && made.tagsPerSource >= wish.tagsPerSource,
      ),
    )
  );
}

function cut(sources: readonly CorpusSource[], wishes: readonly CorpusWish[]): CorpusSource[] {
  return wishes.flatMap((wish) =>
    sources
      .filter(({ kind }) => kind === wish.kind)
      .slice(0, wish.sources)
      .map((source) => ({ ...source, tags: source.tags.slice(0, wish.tagsPerSource) })),
  );
}

async function makeSource(
  store: string,
  source: string,
  wish: CorpusWish,
  sign: (payload: Buffer) => Promise<Buffer>,
): Promise<CorpusSource> {
  const { kind } = wish;
  const now = Math.floor(Date.now() / 1000);
  const who = `${PERSON} ${now} +0000`;
  const version = (release: number): string => (kind === 'quilt' ? `1.0-${release}` : `1.${release}`);
  const releases = Array.from({ length: wish.tagsPerSource }, (_, index) => index + 1);

  const stream: string[] = [];
  const commit = (
    mark: number,
    message: string,
    from: number | undefined,
    files: ReadonlyMap<string, string>,
  ): void => {
    stream.push(`commit refs/corpus/${source}\nmark :${mark}\ncommitter ${who}\n${data(message)}`);
    if (from !== undefined) stream.push(`from :${from}\n`);
    for (const [path, content] of files) {
      stream.push(`M ${path === 'debian/rules' ? '100755' : '100644'} inline ${path}\n${data(content)}`);
    }
    stream.push('\n');
  };
  commit(1, 'Upstream 1.0\n', undefined, upstreamFiles(source));
  for (const release of releases) {
    const files = debianFiles({ source, version: version(release), suite: 'landing', kind, release });
    commit(release + 1, `Release ${version(release)}\n`, release, files);
  }
  const marks = join(store, `marks-${source}`);
  await git(['fast-import', '--quiet', `--export-marks=${marks}`], {
    gitDir: store,
    input: stream.join(''),
    deadlineMs: DEADLINE_MS,
  });
  const commits = new Map(
    (await readFile(marks, 'utf8'))
      .trim()
      .split('\n')
      .map((line): [number, string] => {
        const [mark = '', id = ''] = line.split(' ');
        return [Number(mark.slice(1)), id];
      }),
  );
  await rm(marks);
  const commitOf = (mark: number): string => {
    const id = commits.get(mark);
    if (id === undefined) throw new Error(`git fast-import made no commit ${mark}`);
    return id;
  };
  const upstream = commitOf(1);
  const header = (id: string, name: string): string => `object ${id}\ntype commit\ntag ${name}\ntagger ${who}\n\n`;
  const upstreamTag =
    kind === 'quilt'
      ? {
          ref: 'refs/tags/upstream/1.0',
          objectId: await writeTag(store, Buffer.from(`${header(upstream, 'upstream/1.0')}Upstream 1.0\n`)),
        }
      : undefined;

  const tags: CorpusTag[] = [];
  const makeTag = async (release: number): Promise<void> => {
    const name = `${DISTRO}/${version(release)}`;
    const bound = kind === 'quilt' ? ` upstream-tag=upstream/1.0 upstream=${upstream}` : '';
    const payload = Buffer.from(
      `${header(commitOf(release + 1), name)}${source} release ${version(release)} for ${DISTRO}\n\n` +
        `[dgit distro=${DISTRO} split${kind === 'quilt' ? ' --quilt=gbp' : ''}]\n` +
        `[dgit please-upload source=${source} version=${version(release)}${bound}]\n`,
    );
    const objectId = await writeTag(store, Buffer.concat([payload, await sign(payload)]));
    tags[release - 1] = { ref: `refs/tags/${name}`, objectId };
  };
  const waiting = [...releases];
  await Promise.all(
    Array.from({ length: SIGNING }, async () => {
      for (let release = waiting.shift(); release !== undefined; release = waiting.shift()) await makeTag(release);
    }),
  );
  return { source, kind, upstreamTag, tags };
}

function data(content: string): string {
  return `data ${Buffer.byteLength(content)}\n${content}\n`;
}

/** A loose object, as git writes it; a git process for each of ten thousand would take longer than signing them. */
async function writeTag(store: string, content: Buffer): Promise<string> {
  const bytes = Buffer.concat([Buffer.from(`tag ${content.length}\0`), content]);
  const id = createHash('sha1').update(bytes).digest('hex');
  await ensureDirectory(join(store, 'objects', id.slice(0, 2)), 0o755);
  await writeFile(join(store, 'objects', id.slice(0, 2), id.slice(2)), deflateSync(bytes));
  return id;
}
