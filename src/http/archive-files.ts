/**
 * Serves the published trees to apt: `/archive/NAME/dists/…`, `/archive/NAME/pool/…`, and below `/archive/NAME/snapshots/ID/` the
 * same as it was (snapshot-files.ts). Range and conditional requests work;
 * what never changes (pool, changelogs, by-hash) says so to caches; a suite's files have the Date of their Release as Last-Modified,
 * since apt compares the two.
 */
import { createHash } from 'node:crypto';
import type { Handler } from 'hono';
import { findTakedown, takedownWords } from '../archive/index.ts';
import { findArchive, findSuite } from '../registry/index.ts';
import { audiencesOf } from '../permissions/index.ts';
import type { ObjectFacts, ObjectStore } from '../platform/objects.ts';
import { actorOf, authenticate } from './callers.ts';
import type { Validators } from './conditions.ts';
import type { HttpDeps } from './deps.ts';
import type { HttpEnv } from './env.ts';
import { answerFile, contentTypeOf } from './file-answer.ts';
import { namesOfPath } from './safe-path.ts';
import { notFound, Refusal } from './refusal.ts';
import { snapshotIndexFile } from './snapshot-files.ts';

const PREFIX = '/archive';
/** Longer than any name that is published. */
const MAX_NAME = 800;

/** The file behind the request, for GET and HEAD. */
export function archiveFiles(deps: Pick<HttpDeps, 'db' | 'storage'>): Handler<HttpEnv> {
  const dates = releaseDates();
  return async (c) => {
    const [archive, ...path] = namesBehind(c.req.raw.url) ?? [];
    const snapshot = path[0] === 'snapshots' ? path[1] : undefined;
    const names = snapshot === undefined ? path : path.slice(2);
    const name = names.join('/');
    if (archive === undefined || names.length === 0 || name.length > MAX_NAME) throw notFound('such file');
    const suite = names[0] === 'dists' ? names[1] : undefined;
    const audience = await archiveAudience(deps, archive, c.req.header('authorization'), suite);
    if (snapshot !== undefined && names[0] !== 'pool') {
      return await snapshotIndexFile(c, deps, { archive, id: snapshot, names, isPublic: audience === 'public' });
    }
    if (names[0] === 'pool') {
      const taken = await findTakedown(deps.db, archive, name);
      if (taken !== undefined) throw new Refusal({ code: 'file.taken-down', ...takedownWords(taken, name) });
    }
    const { published } = await deps.storage(archive);
    const opened = await published.open(name);
    if (opened === undefined) throw notFound('such file');
    const current = await validatorsOf(published, names, opened, dates).catch(async (error: unknown) => {
      await opened.close();
      throw error;
    });
    return await answerFile(c, {
      ...current,
      size: opened.size,
      contentType: contentTypeOf(names),
      immutable: isImmutable(names),
      isPublic: audience === 'public',
      read: (start, length) => opened.read(start, length),
      close: () => opened.close(),
    });
  };
}

/**
 * The names behind the raw request target. The parser of URLs resolves `..` by itself, so what it hands on is looked at
 * segment by segment and never again as one path.
 */
function namesBehind(url: string): readonly string[] | undefined {
  const path = new URL(url).pathname;
  return path.startsWith(`${PREFIX}/`) ? namesOfPath(path.slice(PREFIX.length)) : undefined;
}

/**
 * The audience of an archive, and of a suite in it, when the caller may see both. What he may not see does not exist, so there
 * is no asking for credentials: apt sends those of auth.conf by itself. @throws Refusal 404
 */
export async function archiveAudience(
  deps: Pick<HttpDeps, 'db'>,
  name: string,
  authorization: string | undefined,
  suiteName?: string,
): Promise<string> {
  const archive = /^[a-z0-9][a-z0-9.-]{0,63}$/.test(name) ? await findArchive(deps.db, name) : undefined;
  if (archive === undefined) throw notFound('such archive');
  const suite = suiteName === undefined ? undefined : await findSuite(deps.db, archive.id, suiteName);
  const audiences = [archive.audience, ...(suite === undefined ? [] : [suite.audience])];
  const closed = audiences.find((one) => one !== 'public');
  if (closed === undefined) return 'public';
  const own = audiencesOf(actorOf(await authenticate(deps, authorization, { basic: true })));
  if (!audiences.every((one) => own.includes(one))) throw notFound('such archive');
  return closed;
}

function isImmutable(names: readonly string[]): boolean {
  return names[0] === 'pool' || names[0] === 'changelogs' || names.includes('by-hash');
}

/**
 * ETag and Last-Modified. Bytes behind a name in the pool never change (I8) and a publication lies in a folder of its own,
 * so where the bytes really lie and how many they are says which they are.
 */
async function validatorsOf(
  published: ObjectStore,
  names: readonly string[],
  opened: ObjectFacts,
  dates: ReleaseDates,
): Promise<Validators> {
  const digest = createHash('sha256').update(`${opened.name}\n${opened.size}`).digest('base64url').slice(0, 22);
  const date = names[0] === 'dists' ? await dates(published, publicationOf(names, opened.name)) : undefined;
  return { etag: `"${digest}"`, lastModified: date ?? opened.modifiedAt };
}

/** The prefix of the publication that an opened file belongs to: its own name, without what is asked for below the suite. */
function publicationOf(names: readonly string[], name: string): string | undefined {
  const below = `/${names.slice(2).join('/')}`;
  return names.length >= 3 && name.endsWith(below) ? name.slice(0, -below.length) : undefined;
}

type ReleaseDates = (published: ObjectStore, publication: string | undefined) => Promise<Date | undefined>;

/** The Date of a publication's Release, remembered: a publication never changes once it is served. */
function releaseDates(): ReleaseDates {
  const stores = new WeakMap<ObjectStore, Map<string, Date>>();
  return async (published, publication) => {
    if (publication === undefined) return undefined;
    const known = stores.get(published) ?? new Map<string, Date>();
    stores.set(published, known);
    const remembered = known.get(publication);
    if (remembered !== undefined) return remembered;
    const release = await published.read(`${publication}/Release`);
    const milliseconds = Date.parse(/^Date: (.+)$/m.exec(release?.toString('utf8') ?? '')?.[1] ?? '');
    if (Number.isNaN(milliseconds)) return undefined;
    if (known.size >= 1_000) known.clear();
    known.set(publication, new Date(milliseconds));
    return new Date(milliseconds);
  };
}
