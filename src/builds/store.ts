/**
 * The SQL of builds. The table `builds` is this module's; what the tag's decision left, and what the archive made of the source
 * (`source_packages`, `package_files`: written by a later module, whose rows are the only word about what was accepted) is read.
 */
import { fieldOf } from '../debian/deb822.ts';
import type { Db, Trx } from '../platform/database.ts';
import type { JobState } from '../lighthouse/index.ts';
import type { PayloadFile } from './model.ts';

export interface Build {
  readonly id: number;
  readonly submissionId: number;
  readonly kind: 'source' | 'binary';
  /** `source`, or the architecture of the machine that builds. */
  readonly architecture: string;
  readonly withAll: boolean;
  readonly jobId: number;
  readonly jobState: JobState;
  readonly audience: string;
  readonly createdAt: Date;
}

export async function getBuild(db: Db, buildId: number): Promise<Build | undefined> {
  return await selectBuilds(db).where('b.id', '=', buildId).executeTakeFirst();
}

export async function findBuildOfJob(db: Db, jobId: number): Promise<Build | undefined> {
  return await selectBuilds(db).where('b.job_id', '=', jobId).executeTakeFirst();
}

/** The build's row, locked: what frees a version and what reserves it again come one after the other. */
export async function lockBuild(
  trx: Trx,
  by: { readonly jobId: number } | { readonly buildId: number },
): Promise<void> {
  const rows = trx.selectFrom('builds').select('id').forNoKeyUpdate();
  await ('jobId' in by ? rows.where('job_id', '=', by.jobId) : rows.where('id', '=', by.buildId)).execute();
}

/** True when the row is new. */
export async function addBuild(
  trx: Trx,
  build: Pick<Build, 'submissionId' | 'kind' | 'architecture' | 'withAll' | 'jobId'>,
): Promise<boolean> {
  const inserted = await trx
    .insertInto('builds')
    .values({
      submission_id: build.submissionId,
      kind: build.kind,
      architecture: build.architecture,
      with_all: build.withAll,
      job_id: build.jobId,
    })
    .onConflict((conflict) => conflict.columns(['submission_id', 'kind', 'architecture']).doNothing())
    .returning('id')
    .executeTakeFirst();
  return inserted !== undefined;
}

/** Whether the submission still has a claim on its version; without one there is nothing to build for. */
export async function holdsVersion(trx: Trx, submissionId: number): Promise<boolean> {
  const row = await trx
    .selectFrom('versions')
    .select('id')
    .where('submission_id', '=', submissionId)
    .where('state', '<>', 'freed')
    .executeTakeFirst();
  return row !== undefined;
}

export interface AcceptedSource {
  readonly id: number;
  /** Words of its Architecture field. */
  readonly architectures: readonly string[];
  readonly dsc: string;
  readonly files: readonly PayloadFile[];
  /** Architectures that it has binaries for. */
  readonly present: readonly string[];
}

/** The source package that the archive accepted for a submission. */
export async function findAcceptedSource(db: Db, submissionId: number): Promise<AcceptedSource | undefined> {
  const source = await db
    .selectFrom('source_packages')
    .select(['id', 'stanza'])
    .where('submission_id', '=', submissionId)
    .executeTakeFirst();
  if (source === undefined) return undefined;
  const files = await db
    .selectFrom('package_files as p')
    .innerJoin('pool_files as f', 'f.id', 'p.pool_file_id')
    .where('p.source_package_id', '=', source.id)
    .select(['f.path', 'f.sha256', 'f.size'])
    .orderBy('f.path')
    .execute();
  const named = files.map((file) => ({
    name: file.path.slice(file.path.lastIndexOf('/') + 1),
    sha256: file.sha256,
    size: file.size,
  }));
  const dsc = named.find((file) => file.name.endsWith('.dsc'));
  if (dsc === undefined) return undefined;
  const present = await db
    .selectFrom('binary_packages')
    .select('architecture')
    .distinct()
    .where('source_package_id', '=', source.id)
    .execute();
  return {
    id: source.id,
    architectures: (fieldOf(source.stanza, 'Architecture') ?? '').split(/\s+/).filter((word) => word !== ''),
    dsc: dsc.name,
    files: named,
    present: present.map((row) => row.architecture),
  };
}

function selectBuilds(db: Db) {
  return db
    .selectFrom('builds as b')
    .innerJoin('jobs as j', 'j.id', 'b.job_id')
    .select([
      'b.id',
      'b.submission_id as submissionId',
      'b.kind',
      'b.architecture',
      'b.with_all as withAll',
      'b.job_id as jobId',
      'j.state as jobState',
      'j.audience',
      'b.created_at as createdAt',
    ]);
}
