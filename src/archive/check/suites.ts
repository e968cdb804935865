/**
 * Holds what each suite serves against the database (I1): the pointer, the signed Release, every index that it lists by name and
 * by hash, what the indices list, the key, the time until it expires, and the parts that the next index is made from.
 */
import { dirname } from 'node:path/posix';
import { sql } from 'kysely';
import { fieldOf, splitStanzas } from '../../debian/deb822.ts';
import { parseRelease, type ReleaseFile } from '../../debian/release.ts';
import type { BlobStore } from '../../platform/blobs.ts';
import type { Db } from '../../platform/database.ts';
import { hashStream, sha256 } from '../../platform/files.ts';
import { verifyClearsignedByAny, verifyDetachedByAny } from '../../platform/gpg.ts';
import type { ObjectStore } from '../../platform/objects.ts';
import { xzDecompress } from '../../platform/xz.ts';
import { decodeManifest } from '../index-keeper/manifest.ts';
import { publicationFactsSchema, type PublicationFacts } from '../publish/publication.ts';
import { publicationPrefix, servedSerial } from '../publish/tree.ts';
import type { CheckArchiveDeps } from './deps.ts';
import { finding, type CheckFinding, type Repair } from './findings.ts';
import { readObject } from './read-object.ts';

const MAX_INDEX_BYTES = 2 * 1024 ** 3;
const TOLD = 5;

/** The newest publication of a suite. */
export interface PublishedSuite {
  readonly suiteId: number;
  readonly archive: string;
  readonly suite: string;
  readonly serial: number;
  readonly validUntil: Date | null;
  readonly expired: boolean;
  readonly components: readonly string[];
  readonly architectures: readonly string[];
  readonly release: string;
  readonly inRelease: Buffer;
  readonly releaseGpg: Buffer;
  readonly facts: PublicationFacts;
}

/** Suites that were published, with their newest publication. */
export async function publishedSuites(db: Db): Promise<PublishedSuite[]> {
  const { rows } = await sql<Omit<PublishedSuite, 'facts'> & { readonly facts: unknown }>`
    SELECT DISTINCT ON (s.id) s.id AS "suiteId", a.name AS archive, s.name AS suite, p.serial,
      p.valid_until AS "validUntil", coalesce(p.valid_until <= clock_timestamp(), false) AS expired,
      p.release, p.in_release AS "inRelease", p.release_gpg AS "releaseGpg", p.facts
    FROM suites s JOIN archives a ON a.id = s.archive_id JOIN publications p ON p.suite_id = s.id AND p.state = 'published'
    ORDER BY s.id, p.serial DESC`.execute(db);
  return rows.map((row) => {
    const facts = publicationFactsSchema.parse(row.facts);
    const { components, architectures } = facts.settings;
    return { ...row, facts, components, architectures };
  });
}

/**
 * The serial of a publication that is being switched to: it is signed, and served from one moment to the next, but its row does not
 * say so yet. Where its publisher was killed, the next one goes on there.
 */
export async function signedBeyond(db: Db, suite: PublishedSuite): Promise<number | undefined> {
  const row = await db
    .selectFrom('publications')
    .select('serial')
    .where('suite_id', '=', suite.suiteId)
    .where('state', '=', 'signed')
    .where('serial', '>', suite.serial)
    .executeTakeFirst();
  return row?.serial;
}

export async function checkSuite(deps: CheckArchiveDeps, suite: PublishedSuite): Promise<CheckFinding[]> {
  const { archive, serial, release } = suite;
  const where = `${archive}/${suite.suite}`;
  const { published, chunks } = await deps.storage(archive);
  const publish: Repair = { kind: 'publish', suiteId: suite.suiteId, archive, suite: suite.suite };
  const findings: CheckFinding[] = [];
  const wrong = (code: string, says: string, repairs: readonly Repair[], remedy: string | null = null): void => {
    findings.push(finding(code, says, { archive, suites: [where], repairs, remedy }));
  };

  const served = await servedSerial(published, suite.suite);
  if (served !== serial) {
    const ahead = served !== undefined && served > serial;
    if (ahead && (await signedBeyond(deps.db, suite)) === served) return findings;
    wrong(
      'suite.serves-other',
      `${where} serves ${served === undefined ? 'nothing' : `serial ${served}`}, and the database's last publication is ${serial}`,
      ahead ? [] : [publish],
      ahead ? `the database is older than what is published: landfall archive forward ${where}` : null,
    );
    return findings;
  }
  const prefix = publicationPrefix(suite.suite, serial);
  for (const [name, bytes] of [
    ['Release', Buffer.from(release)],
    ['Release.gpg', suite.releaseGpg],
    ['InRelease', suite.inRelease],
  ] as const) {
    const found = await readObject(published, `${prefix}/${name}`);
    if (found?.sha256 !== sha256(bytes)) {
      wrong(
        'suite.release-differs',
        `${name} of ${where} is ${found === undefined ? 'missing' : 'not as it was signed'}`,
        [publish],
      );
    }
  }
  await checkSignatures(deps, suite, wrong, publish);
  if (suite.expired) {
    wrong('suite.expired', `${where} expired on ${suite.validUntil?.toISOString() ?? ''}: apt refuses it`, [publish]);
  }

  const parsed = parseRelease(release);
  if ('kind' in parsed) {
    wrong('suite.release-unreadable', `the Release of ${where}: ${parsed.reason}`, [publish]);
    return findings;
  }
  const mustBe = async (name: string, hash: string): Promise<void> => {
    const found = await readObject(published, name);
    if (found?.sha256 === hash) return;
    const drop: Repair[] = found === undefined ? [] : [{ kind: 'drop-published-file', archive, name }];
    const shown = name.slice(prefix.length + 1);
    wrong('index.differs', `${shown} of ${where} is ${found === undefined ? 'missing' : 'damaged'}`, [
      ...drop,
      publish,
    ]);
  };
  const held = await heldBy(deps.db, suite);
  const listed: string[] = [];
  const notStored = namesNotStored(suite.facts);
  for (const file of parsed.files) {
    deps.signal?.throwIfAborted();
    if (notStored.has(file.path)) continue;
    await mustBe(`${prefix}/${file.path}`, file.sha256);
    if ((await published.stat(byHash(prefix, file))) === undefined) await mustBe(byHash(prefix, file), file.sha256);
    listed.push(...(await listedBy(published, `${prefix}/${file.path}`, file)));
  }
  // Also those of earlier publications, for clients that are a little behind.
  for await (const { name } of published.list(prefix)) {
    const hash = /\/by-hash\/SHA256\/([0-9a-f]{64})$/.exec(name)?.[1];
    if (hash !== undefined) await mustBe(name, hash);
  }
  compare(where, listed, held, (says) => wrong('index.lists-other', says, [publish]));
  for (const id of indexIds(suite.facts)) {
    for (const damaged of await damagedParts(chunks, id)) {
      wrong('index-part.damaged', `a part of an index of ${where} is damaged; the published index is not`, [
        { kind: 'drop-index-part', archive, id: damaged },
      ]);
    }
  }
  return findings;
}

async function checkSignatures(
  deps: CheckArchiveDeps,
  suite: PublishedSuite,
  wrong: (code: string, says: string, repairs: readonly Repair[], remedy?: string | null) => void,
  publish: Repair,
): Promise<void> {
  const where = `${suite.archive}/${suite.suite}`;
  const key = await deps.signer.findKey(suite.archive);
  if (key === undefined) {
    wrong(
      'suite.no-key',
      `the signer has no key of ${suite.archive}`,
      [],
      "restore the signer's folder, or publish with a new key",
    );
    return;
  }
  const keyring = [Buffer.from(key.publicKey)];
  const inline = await verifyClearsignedByAny({ keyring, document: suite.inRelease });
  const detached = await verifyDetachedByAny({
    keyring,
    signature: suite.releaseGpg,
    payload: Buffer.from(suite.release),
  });
  for (const [name, result] of [
    ['InRelease', inline],
    ['Release.gpg', detached],
  ] as const) {
    if (result.kind === 'good') continue;
    wrong('suite.signature', `the signature ${name} of ${where} is not good: ${result.detail}`, [publish]);
  }
}

/** Packages that an index lists, as `NAME VERSION ARCHITECTURE`; nothing for other files. */
async function listedBy(published: ObjectStore, name: string, file: ReleaseFile): Promise<string[]> {
  const [, below, stem] = /^(.*)\/(Packages|Sources)\.xz$/.exec(file.path) ?? [];
  if (below === undefined || below.includes('debian-installer')) return [];
  const bytes = await published.read(name);
  if (bytes === undefined || sha256(bytes) !== file.sha256) return [];
  const plain = await xzDecompress(bytes, MAX_INDEX_BYTES);
  if (plain.kind !== 'decompressed') return [];
  const architecture = stem === 'Sources' ? 'source' : (/binary-([^/]+)$/.exec(below)?.[1] ?? '');
  return [...splitStanzas(plain.bytes.toString('utf8'))].map(
    (stanza) => `${fieldOf(stanza, 'Package') ?? ''} ${fieldOf(stanza, 'Version') ?? ''} ${architecture}`,
  );
}

/** What a suite's newest publication holds, as {@link listedBy} has it. */
export async function heldBy(db: Db, suite: Pick<PublishedSuite, 'suiteId' | 'serial'>): Promise<string[]> {
  const { suiteId, serial } = suite;
  const { rows } = await sql<{ row: string }>`
    SELECT p.name || ' ' || p.version || ' source' AS row
    FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
    WHERE m.suite_id = ${suiteId} AND m.added_serial <= ${serial} AND (m.removed_serial IS NULL OR m.removed_serial > ${serial})
    UNION ALL
    SELECT p.name || ' ' || p.version || ' ' || m.architecture
    FROM suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
    WHERE m.suite_id = ${suiteId} AND p.type = 'deb' AND m.added_serial <= ${serial}
      AND (m.removed_serial IS NULL OR m.removed_serial > ${serial})`.execute(db);
  return rows.map(({ row }) => row);
}

function compare(
  where: string,
  listed: readonly string[],
  held: readonly string[],
  wrong: (says: string) => void,
): void {
  const [there, wanted] = [new Set(listed), new Set(held)];
  const more = [...there].filter((row) => !wanted.has(row));
  const less = [...wanted].filter((row) => !there.has(row));
  const told = (rows: readonly string[]): string =>
    rows.slice(0, TOLD).join(', ') + (rows.length > TOLD ? ` and ${rows.length - TOLD} more` : '');
  if (more.length > 0) wrong(`the indices of ${where} list what the suite does not hold: ${told(more)}`);
  if (less.length > 0) wrong(`the indices of ${where} do not list what the suite holds: ${told(less)}`);
}

/** Names that Release lists and that lie nowhere: the uncompressed indices. */
function namesNotStored(facts: PublicationFacts): ReadonlySet<string> {
  return new Set(
    Object.entries(facts.indices ?? {}).flatMap(([path, index]) =>
      index.files.filter((file) => !file.stored).map((file) => `${dirname(path)}/${file.name}`),
    ),
  );
}

function indexIds(facts: PublicationFacts): string[] {
  return Object.values(facts.indices ?? {}).flatMap((index) => index.id ?? []);
}

/** Ids of the manifest and chunks that are there and not what their names say. Those that are gone are made again by themselves. */
async function damagedParts(chunks: BlobStore, id: string): Promise<string[]> {
  const damaged: string[] = [];
  const sound = async (one: string): Promise<boolean> =>
    !(await chunks.has(one)) || (await hashStream(await chunks.open(one))).sha256 === one;
  if (!(await sound(id))) return [id];
  if (!(await chunks.has(id))) return [];
  for (const chunk of decodeManifest(await chunks.read(id))?.chunks ?? []) {
    if (!(await sound(chunk.id))) damaged.push(chunk.id);
  }
  return damaged;
}

function byHash(prefix: string, file: ReleaseFile): string {
  return `${prefix}/${dirname(file.path)}/by-hash/SHA256/${file.sha256}`;
}
