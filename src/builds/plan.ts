/**
 * Making the builds of a submission: rows and jobs in one transaction, each made once however often it is asked for.
 */
import { createJob } from '../lighthouse/index.ts';
import { withTransaction, type Db, type Trx } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { recordEvent } from '../platform/events.ts';
import {
  findSuspension,
  freeVersion,
  getArchive,
  getSubmission,
  getSuite,
  suiteParents,
  type Suite,
  type SuiteParent,
} from '../registry/index.ts';
import { findAcceptedTag, origsOf } from '../sources/index.ts';
import { verifyDecisionOf } from '../tags/index.ts';
import {
  SOURCE_PRIORITY,
  binaryJobKey,
  neededBuilds,
  sourceJobKey,
  type AptSource,
  type BinaryPayload,
  type PlannedBuild,
  type SourcePayload,
} from './model.ts';
import { cancelSuperseded } from './supersede.ts';
import { addBuild, findAcceptedSource, holdsVersion } from './store.ts';

export interface PlanDeps {
  readonly db: Db;
  /** Where workers reach the published archives: `PUBLICURL/archive/NAME`. */
  readonly publicUrl: string;
  /**
   * The keys, without armour, that the Release files of one of our archives verify with. The signer knows them; the archive's
   * module comes after this one on the path, so the process hands this in.
   */
  readonly archiveKeyring: (archive: string) => Promise<Buffer>;
}

/** The task that lighthouse enqueues when a job of this module ends. */
export const JOB_ENDED_TASK = 'builds.job-ended';

/**
 * Makes the source build of a submission whose origs are known. Nothing to do where the version was freed meanwhile. The decision
 * that let it in is verified again first: what a worker is told of tag and signer comes from the signed bytes.
 */
export async function planSource(deps: PlanDeps, submissionId: number): Promise<void> {
  const checked = await verifyDecisionOf({ db: deps.db }, submissionId);
  await withTransaction(deps.db, async (trx) => {
    const facts = await describe(trx, submissionId, 'plan the source build');
    if (!(await holdsVersion(trx, submissionId))) return;
    const tag = await findAcceptedTag(trx, submissionId);
    if (checked.kind === 'failed' && tag !== undefined) {
      await giveUp(trx, submissionId, checked);
      return;
    }
    if (tag === undefined || checked.kind === 'failed') {
      throw new LandfallError({
        code: 'builds.no-accepted-tag',
        doing: `plan the source build of submission ${submissionId}`,
        reason: 'it has no accepted tag with a frozen input',
      });
    }
    const origs = await origsOf(trx, submissionId);
    const payload: SourcePayload = {
      kind: 'source',
      submissionId,
      archive: facts.archive.name,
      suite: facts.suite.name,
      source: facts.source,
      version: facts.version,
      distribution: facts.suite.name,
      quilt: tag.quilt,
      commitId: tag.commitId,
      tagObjectId: tag.tagObjectId,
      upstreamCommitId: tag.upstreamCommitId ?? null,
      pristineTarCommitId: tag.pristineTarCommitId ?? null,
      fingerprint: checked.signed.fingerprint,
      tagger: checked.signed.tagger,
      frozen: { sha256: tag.frozen.sha256, size: tag.frozen.size },
      origs: origs.map(({ name, sha256, size }) => ({ name, sha256, size })),
    };
    const jobId = await createJob(trx, {
      ...common(submissionId, facts),
      kind: 'source',
      key: sourceJobKey(submissionId),
      architecture: null,
      sizeClass: 'small',
      priority: SOURCE_PRIORITY,
      payload: { ...payload, origs: payload.origs.map((file) => ({ ...file })), frozen: { ...payload.frozen } },
    });
    await addBuild(trx, { submissionId, kind: 'source', architecture: 'source', withAll: false, jobId });
  });
}

/** A release whose decision does not stand any more ends before anything of it is built; its version is free again. */
async function giveUp(
  trx: Trx,
  submissionId: number,
  failure: { readonly code: string; readonly sentence: string },
): Promise<void> {
  if (!(await freeVersion(trx, submissionId, failure.sentence))) return;
  await recordEvent(trx, {
    kind: 'source.failed',
    submissionId,
    actor: 'landfall',
    data: { code: failure.code, sentence: failure.sentence, remedy: DECISION_REMEDY },
  });
}

const DECISION_REMEDY = 'release the next version, signed with a registered key that is not revoked';

/** Makes the binary builds that an accepted source still needs. */
export async function planBinaries(deps: PlanDeps, submissionId: number): Promise<void> {
  // Asked for outside the transaction: the signer is another process.
  const { suite, archive } = await describe(deps.db, submissionId, 'plan the binary builds');
  const parents = await suiteParents(deps.db, suite.id);
  const { chroot, aptSources } = await aptSourcesOf(deps, archive.name, suite, parents);

  await withTransaction(deps.db, async (trx) => {
    // Two runs at the same moment come here one after the other.
    await trx.selectFrom('submissions').select('id').where('id', '=', submissionId).forNoKeyUpdate().execute();
    const facts = await describe(trx, submissionId, 'plan the binary builds');
    if ((await findSuspension(trx, submissionId)) !== undefined) return;
    const source = await findAcceptedSource(trx, submissionId);
    if (source === undefined) {
      throw new LandfallError({
        code: 'builds.no-accepted-source',
        doing: `plan the binary builds of submission ${submissionId}`,
        reason: 'the archive has no source package of it',
      });
    }
    const planned = neededBuilds({
      field: source.architectures,
      suite: facts.suite.architectures,
      forAll: facts.suite.architectureForAll,
      present: source.present,
    });
    for (const build of planned) {
      await addBinaryBuild(trx, submissionId, facts, build, {
        dsc: source.dsc,
        files: source.files.map((file) => ({ ...file })),
        chroot,
        aptSources,
      });
    }
    await cancelSuperseded(trx, { id: facts.suite.id, source: facts.source });
    if (planned.length === 0 && source.present.length === 0)
      await recordNothingToBuild(trx, submissionId, source.architectures);
  });
}

interface Facts {
  readonly source: string;
  readonly version: string;
  readonly audience: string;
  readonly archive: { readonly name: string; readonly workerPoolId: number };
  readonly suite: Suite;
}

async function addBinaryBuild(
  trx: Trx,
  submissionId: number,
  facts: Facts,
  build: PlannedBuild,
  input: Pick<BinaryPayload, 'dsc' | 'files' | 'chroot' | 'aptSources'>,
): Promise<void> {
  const jobId = await createJob(trx, {
    ...common(submissionId, facts),
    kind: 'binary',
    key: binaryJobKey(submissionId, build.architecture),
    architecture: build.architecture,
    payload: {
      kind: 'binary',
      submissionId,
      archive: facts.archive.name,
      suite: facts.suite.name,
      source: facts.source,
      version: facts.version,
      distribution: facts.suite.name,
      architecture: build.architecture,
      withAll: build.withAll,
      dsc: input.dsc,
      files: input.files.map((file) => ({ ...file })),
      chroot: { ...input.chroot },
      aptSources: input.aptSources.map((source) => ({ ...source })),
      buildProfiles: [],
    },
  });
  await addBuild(trx, { submissionId, kind: 'binary', ...build, jobId });
}

/** What source and binary jobs of a submission have in common. */
function common(submissionId: number, facts: Facts) {
  return {
    traceId: submissionId,
    audience: facts.audience,
    fairGroup: facts.source,
    workerPoolId: facts.archive.workerPoolId,
    endedTask: JOB_ENDED_TASK,
  };
}

async function describe(db: Db, submissionId: number, doing: string): Promise<Facts> {
  const submission = await getSubmission(db, submissionId);
  if (submission.suiteId === null || submission.source === null || submission.version === null) {
    throw new LandfallError({
      code: 'builds.submission-undecided',
      doing: `${doing} of submission ${submissionId}`,
      reason: 'it was not let in, so its source, version and suite are not known',
    });
  }
  const [archive, suite] = [await getArchive(db, submission.archiveId), await getSuite(db, submission.suiteId)];
  return { source: submission.source, version: submission.version, audience: submission.audience, archive, suite };
}

/** What a suite's builds may take their dependencies from; the root is made from the first parent that is not ours. */
async function aptSourcesOf(
  deps: PlanDeps,
  archive: string,
  suite: Suite,
  parents: readonly SuiteParent[],
): Promise<Pick<BinaryPayload, 'chroot' | 'aptSources'>> {
  const aptSources: AptSource[] = [await ours(deps, archive, suite.name, suite.components)];
  let chroot: AptSource | undefined;
  for (const parent of parents) {
    if (parent.kind === 'suite') {
      aptSources.push(await ours(deps, parent.archive, parent.suite, parent.components));
      continue;
    }
    const external: AptSource = {
      name: parent.name,
      uri: parent.uri,
      suite: parent.suite,
      components: parent.components,
      keyring: parent.keyring.toString('base64'),
    };
    aptSources.push(external);
    chroot ??= external;
  }
  if (chroot === undefined) {
    throw new LandfallError({
      code: 'builds.no-base',
      doing: `plan the binary builds for suite ${archive}/${suite.name}`,
      reason: 'none of its parents is an external suite that a root could be made from',
      remedy: 'give the suite a parent such as `external:debian-stable` in the distribution file and apply it',
    });
  }
  const { name: _name, ...base } = chroot;
  return { chroot: base, aptSources };
}

async function ours(deps: PlanDeps, archive: string, suite: string, components: readonly string[]): Promise<AptSource> {
  return {
    name: `${archive}-${suite}`,
    uri: `${deps.publicUrl.replace(/\/$/, '')}/archive/${archive}`,
    suite,
    components,
    keyring: (await deps.archiveKeyring(archive)).toString('base64'),
  };
}

/** Said once: a source that no architecture of its suite is for waits for nothing, and somebody should know. */
async function recordNothingToBuild(trx: Trx, submissionId: number, field: readonly string[]): Promise<void> {
  const said = await trx
    .selectFrom('events')
    .select('id')
    .where('submission_id', '=', submissionId)
    .where('kind', '=', 'builds.none')
    .executeTakeFirst();
  if (said !== undefined) return;
  await recordEvent(trx, { kind: 'builds.none', submissionId, actor: 'landfall', data: { architectures: [...field] } });
}
