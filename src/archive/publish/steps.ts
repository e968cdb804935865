/**
 * The three steps of a publication, each of which may be begun again: write, sign, switch over.
 */
import { sql } from 'kysely';
import { formatRelease, parseRelease, type ReleaseFile } from '../../debian/release.ts';
import { jsonText, withTransaction } from '../../platform/database.ts';
import { LandfallError, isFault } from '../../platform/errors.ts';
import { recordEvent } from '../../platform/events.ts';
import { sha256 } from '../../platform/files.ts';
import type { SignedRelease } from '../signer.ts';
import { readChanges, readNewChangelogs, readNewPoolFiles, type PackageChange } from './content.ts';
import { liesNowhere } from './index-names.ts';
import { writeIndices, type PreviousPublication } from './indices.ts';
import { fillPool } from './pool.ts';
import { publicationFactsSchema, type OpenPublication, type StepDeps } from './publication.ts';
import { recentReleaseFiles } from './retention.ts';
import { nameAliases, publicationPrefix, serve, servedSerial } from './tree.ts';

/** Told in the facts and the event; a first publication of a large suite has too many to tell each. */
const MAX_TOLD_CHANGES = 500;

/** writing → written: pool, indices and the Release text. */
export async function write(deps: StepDeps, publication: OpenPublication): Promise<OpenPublication> {
  await requireForward(deps, publication);
  const { release, facts } = await writeTree(deps, publication);
  await deps.db
    .updateTable('publications')
    .set({ state: 'written', release, facts: jsonText(facts) })
    .where('id', '=', publication.id)
    .where('state', '=', 'writing')
    .execute();
  await deps.fault('written');
  return { ...publication, state: 'written', release, facts: publicationFactsSchema.parse(facts) };
}

/** Fills the pool, and the publication with everything but the signed files; durable after return. */
async function writeTree(
  deps: StepDeps,
  publication: OpenPublication,
): Promise<{ readonly release: string; readonly facts: object }> {
  const { db, published, keeper } = deps;
  const { suiteId, serial, from, settings } = publication;
  const steps: Record<string, number> = {};
  const timed = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    const result = await run();
    steps[name] = Math.round(performance.now() - started);
    return result;
  };
  // A pool that was lost, or a store that begins anew, gets all that the suite holds and not only what came.
  const fillFrom = (await published.children('pool')).length > 0 ? from : 0;
  const added = await timed('pool', () =>
    fillPool(published, deps.blobs, readNewPoolFiles(db, suiteId, fillFrom, serial)),
  );
  await timed('changelogs', async () =>
    fillPool(published, deps.blobs, await readNewChangelogs(db, suiteId, fillFrom, serial)),
  );
  await deps.fault('pool-filled');

  const prefix = publicationPrefix(settings.suite, serial);
  await published.deleteBelow(prefix);
  const changes = await timed('changes', () => readChanges(db, suiteId, from, serial));
  const previous = await previousPublication(deps, publication);
  const recent = await recentReleaseFiles(db, suiteId);
  const { files, indices } = await timed('indices', () =>
    writeIndices({ db, keeper, published, suiteId, settings, serial, changes, prefix, previous, recent }),
  );
  await deps.fault('indices-written');
  return {
    release: releaseText(publication, files),
    facts: {
      ...publication.facts,
      indices,
      steps,
      poolFilesAdded: added,
      changed: changes.packages.length,
      changes: changes.packages.slice(0, MAX_TOLD_CHANGES),
    },
  };
}

/** written → signed. The text was fixed before, so being cut off here signs the same text again (H8). */
export async function sign(deps: StepDeps, publication: OpenPublication): Promise<OpenPublication> {
  const started = performance.now();
  const { release, settings } = publication;
  if (release === null) throw new Error(`publication ${publication.id} is written and has no Release`);
  const statement = {
    archive: settings.archive,
    suite: settings.suite,
    codename: settings.codename,
    serial: publication.serial,
    date: publication.date,
    release,
  };
  let signed: SignedRelease;
  try {
    signed = await deps.signer.signRelease(statement);
  } catch (error) {
    if (!isFault(error, 'signer.no-key')) throw error;
    await deps.signer.ensureKey(settings.archive, signingKeyUserId(settings.archive));
    signed = await deps.signer.signRelease(statement);
  }
  await deps.fault('signature-made');
  await deps.db
    .updateTable('publications')
    .set({
      state: 'signed',
      in_release: signed.inRelease,
      release_gpg: signed.releaseGpg,
      key_fingerprint: signed.fingerprint,
      facts: withSignature(signed, performance.now() - started),
    })
    .where('id', '=', publication.id)
    .where('state', '=', 'written')
    .execute();
  await deps.fault('signed');
  return { ...publication, state: 'signed', inRelease: signed.inRelease, releaseGpg: signed.releaseGpg };
}

/** signed → published: the Release files join the publication, InRelease last, and `dists/SUITE` points at it. */
export async function switchOver(deps: StepDeps, publication: OpenPublication): Promise<void> {
  const started = performance.now();
  const { published, db } = deps;
  const { settings, serial, suiteId, release, inRelease, releaseGpg } = publication;
  if (release === null || inRelease === null || releaseGpg === null) {
    throw new Error(`publication ${publication.id} is signed and has no signature`);
  }
  const prefix = publicationPrefix(settings.suite, serial);
  const batch = published.batch();
  for (const [name, bytes] of [
    ['Release', release],
    ['Release.gpg', releaseGpg],
    ['InRelease', inRelease],
  ] as const) {
    // apt asks by If-Modified-Since; Last-Modified is to be the Date that it compares with.
    await batch.put(`${prefix}/${name}`, bytes, { modifiedAt: publication.date });
  }
  await batch.settle();
  await deps.fault('release-files-placed');
  const changes = await readChanges(db, suiteId, publication.from, serial);
  await withTransaction(db, async (trx) => {
    // Held while the pointer is replaced: a publisher that was cut off from the database cannot point it back later.
    const row = await trx
      .selectFrom('publications')
      .select('state')
      .where('id', '=', publication.id)
      .forUpdate()
      .executeTakeFirstOrThrow();
    if (row.state === 'published') return;
    await serve(published, settings.suite, serial);
    const taken = await nameAliases(published, settings.suite, [settings.codename, ...settings.aliases]);
    if (taken.length > 0) deps.log.warn({ suite: settings.suite, taken }, 'these aliases are suites of their own');
    await deps.fault('switched');
    await trx
      .updateTable('publications')
      .set({
        state: 'published',
        published_at: sql<Date>`clock_timestamp()`,
        facts: withStep('switch', performance.now() - started),
      })
      .where('id', '=', publication.id)
      .execute();
    await tell(trx, publication, changes.packages);
  });
}

async function tell(
  trx: Parameters<typeof recordEvent>[0],
  publication: OpenPublication,
  changes: readonly PackageChange[],
): Promise<void> {
  const { settings, serial, suiteId } = publication;
  const { audience } = await trx
    .selectFrom('suites')
    .select('audience')
    .where('id', '=', suiteId)
    .executeTakeFirstOrThrow();
  const submissionIds = [...new Set(changes.filter(isAdded).map((change) => change.submissionId))].slice(
    0,
    MAX_TOLD_CHANGES,
  );
  const common = {
    suiteId,
    suite: settings.suite,
    archive: settings.archive,
    serial,
    date: publication.date.toISOString(),
    reason: publication.reason,
  };
  await recordEvent(trx, {
    kind: 'suite.published',
    audience,
    actor: 'landfall',
    data: { ...common, changed: changes.length, changes: changes.slice(0, MAX_TOLD_CHANGES).map(plain), submissionIds },
  });
  for (const submissionId of submissionIds) {
    const own = changes.filter((change) => change.submissionId === submissionId && isAdded(change));
    await recordEvent(trx, {
      kind: 'submission.published',
      submissionId,
      actor: 'landfall',
      data: { ...common, changes: own.slice(0, MAX_TOLD_CHANGES).map(plain) },
    });
  }
}

function isAdded(change: PackageChange): boolean {
  return change.change === 'added';
}

function plain(change: PackageChange) {
  return { ...change };
}

/** The user id that an archive's key is made with. */
export function signingKeyUserId(archive: string): string {
  return `Landfall archive ${archive}`;
}

function releaseText(publication: OpenPublication, files: readonly ReleaseFile[]): string {
  const { settings } = publication;
  return formatRelease({
    origin: settings.origin,
    label: settings.label,
    suite: settings.suite,
    codename: settings.codename,
    date: publication.date,
    ...(publication.validUntil === null ? {} : { validUntil: publication.validUntil }),
    notAutomatic: settings.notAutomatic,
    butAutomaticUpgrades: settings.butAutomaticUpgrades,
    acquireByHash: true,
    architectures: settings.architectures,
    components: settings.components,
    ...(settings.changelogs === undefined ? {} : { changelogs: settings.changelogs }),
    ...(settings.snapshots === undefined ? {} : { snapshots: settings.snapshots }),
    ...(settings.signedBy === undefined ? {} : { signedBy: settings.signedBy }),
    ...(settings.description === '' ? {} : { description: settings.description }),
    files,
  });
}

/** The last publication that was served, when its facts are readable. */
async function previousPublication(
  deps: StepDeps,
  publication: OpenPublication,
): Promise<PreviousPublication | undefined> {
  if (publication.from === 0) return undefined;
  const row = await deps.db
    .selectFrom('publications')
    .select('facts')
    .where('suite_id', '=', publication.suiteId)
    .where('serial', '=', publication.from)
    .executeTakeFirst();
  const facts = publicationFactsSchema.safeParse(row?.facts);
  if (!facts.success || facts.data.indices === undefined) return undefined;
  const suite = facts.data.settings.suite;
  return { prefix: publicationPrefix(suite, publication.from), indices: facts.data.indices };
}

/**
 * Sees that every file that Release names is there, for a publication that was cut off behind `written`: somebody may have
 * removed them since. They are then written again; the same content gives the same Release, or it is a fault.
 * @throws LandfallError `publish.files-lost`
 */
export async function ensureFiles(deps: StepDeps, publication: OpenPublication): Promise<void> {
  const lost = await findLostFile(deps, publication);
  if (lost === undefined) return;
  deps.log.warn({ path: lost, serial: publication.serial }, 'a publication lost files and is written again');
  const { release } = await writeTree(deps, publication);
  if (release === publication.release) return;
  throw new LandfallError({
    code: 'publish.files-lost',
    doing: `go on with the publication ${publication.serial} of ${publication.settings.suite}`,
    reason: `${lost} is not as it was written, and cannot be made again as it was`,
    remedy: 'restore what is published from a backup',
  });
}

async function findLostFile(deps: StepDeps, publication: OpenPublication): Promise<string | undefined> {
  const release = parseRelease(publication.release ?? '');
  if ('kind' in release) throw new Error(`the Release of publication ${publication.id}: ${release.reason}`);
  const prefix = publicationPrefix(publication.settings.suite, publication.serial);
  for (const file of release.files) {
    const path = `${prefix}/${file.path}`;
    if (liesNowhere(file.path)) continue;
    const bytes = await deps.published.read(path);
    if (bytes === undefined || sha256(bytes) !== file.sha256) return path;
  }
  return undefined;
}

/** Nothing that is served is written over: a database from an older backup must not undo what readers have (H18). */
async function requireForward(deps: StepDeps, publication: OpenPublication): Promise<void> {
  const { settings, serial } = publication;
  const served = await servedSerial(deps.published, settings.suite);
  if (served === undefined || served < serial) return;
  throw new LandfallError({
    code: 'publish.older-serial',
    doing: `write the publication ${serial} of ${settings.suite}`,
    reason: `publication ${served} of it is served already, so the database is older than what was published`,
    remedy: `restore a newer backup of the database; where there is none, go on above what is served: landfall archive forward ${settings.archive}/${settings.suite}`,
  });
}

/** Which keys signed, and the line of the signer's log that tells of it (see ../signer-log.ts). */
function withSignature({ fingerprints, log }: SignedRelease, milliseconds: number) {
  return sql<string>`${withStep('sign', milliseconds)}
    || jsonb_build_object('signature', ${jsonText({ fingerprints: [...fingerprints], ...log })}::jsonb)`;
}

function withStep(name: string, milliseconds: number) {
  return sql<string>`jsonb_set(facts, ARRAY['steps', ${name}::text], to_jsonb(${Math.round(milliseconds)}::integer))`;
}
