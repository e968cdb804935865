import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commitPackage, tagRelease } from '../../../test/scenarios/git-package.ts';
import { createRepository, type TestRepository } from '../../../test/scenarios/git-repository.ts';
import { createArchiveWorld, type ArchiveWorld } from '../../../test/scenarios/archive.ts';
import { requestRelease } from '../../../test/scenarios/uploads.ts';
import { parseDsc } from '../../debian/dsc.ts';
import { exec } from '../../platform/exec.ts';
import { packObjects } from '../../platform/git.ts';
import { assembleSource } from '../../sources/index.ts';
import { makeOrig } from '../../sources/make-orig.ts';
import type { Upload } from '../upload.ts';
import { matchesTag } from './matches-tag.ts';
import type { TagDecision } from './decision.ts';
import type { ReadDsc } from './source.ts';

const FINGERPRINT = 'B'.repeat(40);

let world: ArchiveWorld;
let repository: TestRepository;
let submissionId: number;
let delivered: string;
let signed: NonNullable<TagDecision['signed']>;

/** A decided tag with its frozen input, and the source package that an honest worker makes of it. */
beforeEach(async () => {
  world = await createArchiveWorld();
  repository = await createRepository();
  const commits = await commitPackage(repository);
  const tagObjectId = await tagRelease(repository, commits, undefined);
  submissionId = await requestRelease(world, 'hello', '1.0-1', 'tag');
  const objects = await repository.git([
    'rev-list',
    '--objects',
    '--no-object-names',
    commits.commitId,
    commits.upstreamCommitId,
  ]);
  const pack = await world.blobs.put(packObjects(repository.gitDir, objects.trim().split('\n')));
  const origFolder = join(world.folder, 'orig');
  await mkdir(origFolder);
  const name = await makeOrig(
    repository.gitDir,
    commits.upstreamCommitId,
    { source: 'hello', upstream: '1.0' },
    origFolder,
  );
  const orig = await world.blobs.put(await readFile(join(origFolder, name)));
  if (pack.kind !== 'stored' || orig.kind !== 'stored') throw new Error('the inputs could not be stored');
  await world.db
    .insertInto('origs')
    .values({
      submission_id: submissionId,
      name,
      sha256: orig.sha256,
      size: orig.size,
      provenance: 'upstream-commit',
      detail: 'made for a test',
    })
    .execute();
  const tagObject = Buffer.from(await repository.git(['cat-file', 'tag', tagObjectId]));
  await decideTag(commits.commitId, commits.upstreamCommitId, tagObjectId, tagObject);
  await world.db
    .insertInto('frozen_inputs')
    .values({
      submission_id: submissionId,
      sha256: pack.sha256,
      size: pack.size,
      object_format: 'sha1',
      tag_object_id: tagObjectId,
      commit_id: commits.commitId,
      upstream_commit_id: commits.upstreamCommitId,
    })
    .execute();
  signed = { commitId: commits.commitId, fingerprint: FINGERPRINT, tagger: taggerOf(tagObject) };
  const folder = join(world.folder, 'worker');
  const assembled = await assembleSource({
    gitDir: repository.gitDir,
    commitId: commits.commitId,
    source: 'hello',
    version: '1.0-1',
    quilt: 'gbp',
    origs: [{ name, path: join(origFolder, name) }],
    tag: { objectId: tagObjectId, fingerprint: FINGERPRINT, tagger: signed.tagger },
    folder,
    deadlineMs: 60_000,
  });
  if (assembled.kind === 'failed') throw new Error(assembled.reason);
  delivered = await readFile(join(folder, assembled.dsc), 'utf8');
});

afterEach(async () => {
  await repository.remove();
  await world.close();
});

function taggerOf(tagObject: Buffer): string {
  return /^tagger (.*>) /m.exec(tagObject.toString('utf8'))?.[1] ?? '';
}

async function decideTag(
  commitId: string,
  upstreamCommitId: string,
  tagObjectId: string,
  tagObject: Buffer,
): Promise<void> {
  const { db } = world;
  const git = await db
    .insertInto('git_repositories')
    .values({ name: 'hello', url: repository.url })
    .returning('id')
    .executeTakeFirstOrThrow();
  const person = await db
    .insertInto('people')
    .values({ handle: 'alice', name: 'Alice', email: 'alice@example.org' })
    .returning('id')
    .executeTakeFirstOrThrow();
  const grant = await db
    .insertInto('grants')
    .values({ person_id: person.id, action: 'release', granted_by: 'test' })
    .returning('id')
    .executeTakeFirstOrThrow();
  const tag = await db
    .insertInto('tags')
    .values({
      git_repository_id: git.id,
      submission_id: submissionId,
      ref: 'refs/tags/landing/1.0-1',
      object_id: tagObjectId,
      distro: 'landing',
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  await db
    .insertInto('tag_decisions')
    .values({
      tag_id: tag.id,
      outcome: 'accepted',
      code: 'accepted',
      sentence: 'Accepted.',
      checks: '[]',
      tag_object: tagObject,
      signature_kind: 'openpgp',
      key_fingerprint: FINGERPRINT,
      key_material: Buffer.from('key'),
      person_id: person.id,
      commit_id: commitId,
      upstream_commit_id: upstreamCommitId,
      source: 'hello',
      version: '1.0-1',
      suite_id: world.suiteId,
      quilt: 'gbp',
      grant_id: grant.id,
      decided_by: 'landfall',
    })
    .execute();
  await db.updateTable('tags').set({ state: 'accepted', decided_at: new Date() }).where('id', '=', tag.id).execute();
}

/** The upload whose .dsc has this text, as the checks before have read it. */
function uploadWith(text: string, origin: Upload['origin'] = 'tag'): Upload & TagDecision & ReadDsc {
  const dsc = parseDsc(text);
  if ('kind' in dsc) throw new Error(dsc.reason);
  return {
    id: 1,
    kind: 'source',
    state: 'received',
    changesName: 'hello_1.0-1_source.changes',
    submissionId,
    archiveId: world.archiveId,
    archive: 'main',
    suiteId: world.suiteId,
    files: new Map(),
    origin,
    source: 'hello',
    version: '1.0-1',
    build: {
      jobId: 1,
      architecture: 'source',
      withAll: false,
      worker: 'anchor',
      workerFingerprint: FINGERPRINT,
      workerRevoked: false,
    },
    signed,
    dsc,
    dscName: 'hello_1.0-1.dsc',
    dscText: Buffer.from(text),
  };
}

describe('source.matches-tag', () => {
  it('passes what an honest worker made of the tagged commit', async () => {
    expect(await matchesTag(world.deps, uploadWith(delivered))).toMatchObject({ kind: 'passed' });
  });

  it('H64 fails another file under the name of one, another field, and says which', async () => {
    const other = delivered.replace(/ [0-9a-f]{64} (\d+ \S+\.debian\.tar\.xz)/, ` ${'a'.repeat(64)} $1`);
    expect(other).not.toBe(delivered);
    const result = await matchesTag(world.deps, uploadWith(other));
    expect(result).toMatchObject({ kind: 'failed' });
    expect(result.kind === 'failed' && result.sentence).toContain('.debian.tar.xz');
    const build = delivered.replace('debhelper-compat (= 13)', 'debhelper-compat (= 13), backdoor');
    const { stdout } = await exec(['dpkg-source', '--version'], { deadlineMs: 60_000 });
    const version = /version (\S+)\.$/m.exec(stdout.toString('utf8'))?.[1];
    expect(await matchesTag(world.deps, uploadWith(build))).toEqual({
      kind: 'failed',
      sentence: `hello_1.0-1.dsc is not what commit ${signed.commitId} gives: it says "Build-Depends: debhelper-compat (= 13), backdoor", and the commit gives "Build-Depends: debhelper-compat (= 13)". Here it was made with dpkg-source ${version}; the log of the job says with which one there.`,
      remedy:
        'if the two versions of dpkg-source differ, bring the worker anchor and the server to one release of Debian; if not, look at the worker that delivered it, then give the build back',
    });
  });

  it('does not apply to what came by no tag', async () => {
    expect(await matchesTag(world.deps, uploadWith(delivered, 'import'))).toMatchObject({ kind: 'not-applicable' });
  });

  it('is a fault, not a verdict, while the frozen input is away', async () => {
    const { sha256 } = await world.db.selectFrom('frozen_inputs').select('sha256').executeTakeFirstOrThrow();
    await world.blobs.delete(sha256);
    await expect(matchesTag(world.deps, uploadWith(delivered))).rejects.toMatchObject({ code: 'blob.missing' });
  });
});
