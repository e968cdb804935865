/**
 * The invariants of DESIGN.md, held against a whole machine that is at rest: its database, its published folders as they lie
 * on disk, and a real apt that reads them over HTTP. Whatever is found is a sentence; a sound machine gives none.
 *
 * I5 (alerts) and I7 (secrets) are not about data at rest and are not looked at here.
 */
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { findVersionsGoneDown, RULES } from '../../src/archive/check/rules.ts';
import { fieldOf, splitStanzas } from '../../src/debian/deb822.ts';
import { liesNowhere } from '../../src/archive/publish/index-names.ts';
import { parseRelease } from '../../src/debian/release.ts';
import type { Db } from '../../src/platform/database.ts';
import { exists, readFileIfExists, sha256, sha256File, withTemporaryDirectory } from '../../src/platform/files.ts';
import type { Paths } from '../../src/platform/paths.ts';
import { xzDecompress } from '../../src/platform/xz.ts';
import { createAptClient } from './apt-client.ts';

/** How far the tables that only grow had come; give it to the next check. */
export interface Growth {
  readonly events: readonly string[];
  readonly audit: readonly string[];
}

export interface Findings {
  readonly violations: readonly string[];
  readonly growth: Growth;
}

export interface CheckedMachine {
  readonly db: Db;
  readonly paths: Pick<Paths, 'archive' | 'blobs'>;
  /** Where the server answers. */
  readonly url: string;
  /** Reads `.asc` of an archive's key: `GET` of this. */
  readonly keyUrl: (archive: string) => string;
  readonly before?: Growth | undefined;
}

const MAX_INDEX_BYTES = 256 * 1024 * 1024;

/** Checks everything. The machine may be running, and should have nothing left to do. */
export async function checkInvariants(machine: CheckedMachine): Promise<Findings> {
  const violations: string[] = [];
  for (const rule of RULES) {
    const { rows } = await rule.query.execute(machine.db);
    for (const { row } of rows) violations.push(`${rule.says}: ${row}`);
  }
  violations.push(...(await findVersionsGoneDown(machine.db)));
  violations.push(...(await checkFiles(machine)));
  for (const suite of await publishedSuites(machine.db)) violations.push(...(await checkSuite(machine, suite)));
  const growth = await readGrowth(machine.db);
  if (machine.before !== undefined) violations.push(...checkGrowth(machine.before, growth));
  return { violations, growth };
}

/** I8: every name in the pool has the bytes that its row says, in the store and, where it was published, in the folder. */
async function checkFiles({ db, paths }: CheckedMachine): Promise<string[]> {
  const { rows } = await sql<{ archive: string; path: string; sha256: string; size: number; published: boolean }>`
    SELECT a.name AS archive, f.path, f.sha256, f.size, EXISTS (
      SELECT 1 FROM package_files pf
      LEFT JOIN suite_sources ss ON ss.source_package_id = pf.source_package_id
      LEFT JOIN suite_binaries sb ON sb.binary_package_id = pf.binary_package_id
      JOIN publications p ON p.suite_id = coalesce(ss.suite_id, sb.suite_id) AND p.state = 'published'
        AND p.serial >= coalesce(ss.added_serial, sb.added_serial)
      WHERE pf.pool_file_id = f.id) AS published
    FROM pool_files f JOIN archives a ON a.id = f.archive_id`.execute(db);
  const violations: string[] = [];
  for (const { archive, path, sha256: expected, size, published } of rows) {
    const places = [join(paths.blobs, expected.slice(0, 2), expected)];
    if (published) places.push(join(paths.archive(archive), path));
    for (const place of places) {
      if (!(await exists(place))) violations.push(`I8 ${place} is missing`);
      else {
        const found = await sha256File(place);
        if (found.sha256 !== expected || found.size !== size) violations.push(`I8 ${place} has other bytes`);
      }
    }
  }
  const recorded = new Set(rows.map(({ archive, path }) => `${archive} ${path}`));
  for (const archive of new Set(rows.map((row) => row.archive))) {
    const pool = join(paths.archive(archive), 'pool');
    for (const entry of await readdir(pool, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name).slice(paths.archive(archive).length + 1);
      if (!recorded.has(`${archive} ${path}`))
        violations.push(`I1 ${path} lies in the pool of ${archive} and has no row`);
    }
  }
  return violations;
}

interface PublishedSuite {
  readonly suiteId: number;
  readonly archive: string;
  readonly suite: string;
  readonly serial: number;
  readonly components: readonly string[];
  readonly architectures: readonly string[];
  readonly release: string;
  readonly inRelease: Buffer;
  readonly releaseGpg: Buffer;
}

async function publishedSuites(db: Db): Promise<readonly PublishedSuite[]> {
  const { rows } = await sql<PublishedSuite>`
    SELECT DISTINCT ON (s.id) s.id AS "suiteId", a.name AS archive, s.name AS suite, p.serial, s.components, s.architectures,
      p.release, p.in_release AS "inRelease", p.release_gpg AS "releaseGpg"
    FROM suites s JOIN archives a ON a.id = s.archive_id JOIN publications p ON p.suite_id = s.id AND p.state = 'published'
    ORDER BY s.id, p.serial DESC`.execute(db);
  return rows;
}

/** I1: row, folder, indices and pool agree with one another and with what apt reads. */
async function checkSuite(machine: CheckedMachine, suite: PublishedSuite): Promise<string[]> {
  const where = `${suite.archive}/${suite.suite}`;
  const violations: string[] = [];
  const archiveFolder = machine.paths.archive(suite.archive);
  const dists = join(archiveFolder, 'dists', suite.suite);
  const target = await readlink(dists);
  if (!target.endsWith(`/${suite.serial}`)) violations.push(`I1 ${where} serves ${target}, not serial ${suite.serial}`);
  for (const [name, bytes] of [
    ['Release', Buffer.from(suite.release)],
    ['InRelease', suite.inRelease],
    ['Release.gpg', suite.releaseGpg],
  ] as const) {
    if ((await readFileIfExists(join(dists, name)))?.equals(bytes) !== true) {
      violations.push(`I1 ${name} of ${where} is not the one of serial ${suite.serial}`);
    }
  }
  const release = parseRelease(suite.release);
  if ('kind' in release) return [...violations, `I1 the Release of ${where}: ${release.reason}`];
  const listed: string[] = [];
  for (const file of release.files) {
    // The uncompressed indices are named and not kept.
    if (liesNowhere(file.path)) continue;
    const bytes = await readFileIfExists(join(dists, file.path));
    if (bytes === undefined || sha256(bytes) !== file.sha256 || bytes.length !== file.size) {
      violations.push(`I1 ${file.path} of ${where} is not what Release says`);
      continue;
    }
    if (!/\/(?:Packages|Sources)\.xz$/.test(file.path)) continue;
    const plain = await xzDecompress(bytes, MAX_INDEX_BYTES);
    if (plain.kind !== 'decompressed') {
      violations.push(`I1 ${file.path} of ${where} cannot be read`);
      continue;
    }
    const architecture = /binary-([^/]+)\//.exec(file.path)?.[1] ?? 'source';
    for (const stanza of splitStanzas(plain.bytes.toString('utf8'))) {
      listed.push(`${fieldOf(stanza, 'Package') ?? ''} ${fieldOf(stanza, 'Version') ?? ''} ${architecture}`);
      violations.push(...(await checkPoolFile(archiveFolder, stanza)));
    }
  }
  const held = await heldBy(machine.db, suite);
  const [found, expected] = [
    listed.sort().join(', '),
    held
      .map((row) => row)
      .sort()
      .join(', '),
  ];
  if (found !== expected) violations.push(`I1 the indices of ${where} list [${found}], the suite holds [${expected}]`);
  violations.push(...(await checkByApt(machine, suite, held)));
  return violations;
}

/** The file of a binary package's stanza; a source package's files are held against their rows by I8. */
async function checkPoolFile(archiveFolder: string, stanza: string): Promise<string[]> {
  const path = fieldOf(stanza, 'Filename');
  if (path === undefined) return [];
  const file = join(archiveFolder, path);
  if (!(await exists(file))) return [`I1 ${path} is listed and missing`];
  const { sha256: found } = await sha256File(file);
  return found === fieldOf(stanza, 'SHA256') ? [] : [`I1 ${path} has other bytes than the index says`];
}

async function heldBy(db: Db, suite: PublishedSuite): Promise<readonly string[]> {
  const { suiteId, serial } = suite;
  const { rows } = await sql<{ row: string }>`
    SELECT p.name || ' ' || p.version || ' source' AS row
    FROM suite_sources m JOIN source_packages p ON p.id = m.source_package_id
    WHERE m.suite_id = ${suiteId} AND m.added_serial <= ${serial} AND (m.removed_serial IS NULL OR m.removed_serial > ${serial})
    UNION ALL
    SELECT p.name || ' ' || p.version || ' ' || m.architecture
    FROM suite_binaries m JOIN binary_packages p ON p.id = m.binary_package_id
    WHERE m.suite_id = ${suiteId} AND m.added_serial <= ${serial} AND (m.removed_serial IS NULL OR m.removed_serial > ${serial})`.execute(
    db,
  );
  return rows.map(({ row }) => row);
}

/** A fresh apt, strict about everything, sees exactly what the suite holds. */
async function checkByApt(
  machine: CheckedMachine,
  suite: PublishedSuite,
  held: readonly string[],
): Promise<readonly string[]> {
  const where = `${suite.archive}/${suite.suite}`;
  const key = await (await fetch(machine.keyUrl(suite.archive))).text();
  return await withTemporaryDirectory(async (folder) => {
    const violations: string[] = [];
    for (const architecture of suite.architectures) {
      const client = await createAptClient(
        join(folder, architecture),
        { url: `${machine.url}/archive/${suite.archive}`, suite: suite.suite, components: suite.components, key },
        architecture,
      );
      const updated = await client.tryUpdate();
      if (updated.code !== 0) {
        violations.push(`I1 apt-get update of ${where} for ${architecture}: ${updated.stderr.trim()}`);
        continue;
      }
      const expected = held
        .filter((row) => row.endsWith(` ${architecture}`))
        .map((row) => row.split(' ').slice(0, 2).join('='));
      const found = await client.packages();
      if (found.join() !== expected.sort().join()) {
        violations.push(
          `I1 apt sees [${found.join(', ')}] in ${where} for ${architecture}, not [${expected.join(', ')}]`,
        );
      }
    }
    return violations;
  });
}

/** I6: one text for each row of the tables that only grow. */
async function readGrowth(db: Db): Promise<Growth> {
  const events = await sql<{ row: string }>`SELECT events::text AS row FROM events ORDER BY id`.execute(db);
  const audit = await sql<{ row: string }>`SELECT audit::text AS row FROM audit ORDER BY id`.execute(db);
  return { events: events.rows.map(({ row }) => row), audit: audit.rows.map(({ row }) => row) };
}

function checkGrowth(before: Growth, now: Growth): string[] {
  return (['events', 'audit'] as const).flatMap((table) => {
    const there = new Set(now[table]);
    return before[table]
      .filter((row) => !there.has(row))
      .map((row) => `I6 a row of ${table} is gone or changed: ${row}`);
  });
}
