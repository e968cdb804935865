/**
 * A source job: from the frozen pack of a verified tag to a signed source upload. No code of the package runs: the recipe
 * (sources/recipe.ts) and dpkg's own tools, confined, do it all, and the archive repeats the recipe to see that it got the
 * same bytes.
 *
 *   inputs     the pack and the origs, by sha256
 *   unpack     the pack into a bare repository; a commit or a tag object that is not in it is refused
 *   assemble   dpkg-source
 *   sign       .dsc, then the .buildinfo that names it, then the .changes that names both, then the statement
 */
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseChanges } from '../debian/changes.ts';
import { parseVersion, withoutEpoch } from '../debian/version.ts';
import { parseClearsigned } from '../debian/clearsign.ts';
import { LandfallError } from '../platform/errors.ts';
import { readFileIfExists, sha256File } from '../platform/files.ts';
import { readObject } from '../platform/git-objects.ts';
import {
  assembleSource,
  confined,
  dpkgSourceVersion,
  environment,
  unpackFrozenInput,
  type AssembledSource,
} from '../sources/recipe.ts';
import { fetchInputs, type JobContext, type JobResult, type MadeFile } from './job.ts';
import { signFile } from './sign-upload.ts';
import { formatStatement, signStatement } from './statement.ts';
import type { SourcePayload } from './wire.ts';

const MAX_PACK_BYTES = 64 * 1024 ** 3;
const MAX_OBJECT_BYTES = 1024 * 1024;

export async function runSourceJob(context: JobContext, payload: SourcePayload): Promise<JobResult> {
  const startedAt = context.clock.now();
  const { log } = context;
  await log.startPhase('inputs');
  const pack = { name: 'frozen.pack', ...payload.frozen };
  const inputs = await fetchInputs(context, [pack, ...payload.origs]);

  await log.startPhase('unpack');
  const gitDir = await unpackFrozenInput(createReadStream(join(inputs, pack.name)), join(context.folder, 'git'), {
    objectFormat: payload.commitId.length === 64 ? 'sha256' : 'sha1',
    shallow: [payload.commitId, payload.upstreamCommitId, payload.pristineTarCommitId].filter((id) => id !== null),
    maxBytes: MAX_PACK_BYTES,
  });
  const missing = await missingObject(gitDir, payload);
  if (missing !== undefined) return missing;

  await log.startPhase('assemble');
  const out = join(context.folder, 'out');
  await mkdir(out);
  await log.say(
    `assembling ${payload.source} ${payload.version} from commit ${payload.commitId}, quilt mode ${payload.quilt}, with dpkg-source ${await dpkgSourceVersion({ folder: out })}`,
  );
  const assembled = await assembleSource({
    gitDir,
    commitId: payload.commitId,
    source: payload.source,
    version: payload.version,
    quilt: payload.quilt,
    origs: payload.origs.map(({ name }) => ({ name, path: join(inputs, name) })),
    tag: { objectId: payload.tagObjectId, fingerprint: payload.fingerprint, tagger: payload.tagger },
    folder: out,
    deadlineMs: context.limits.seconds * 1000,
  });
  if (assembled.kind === 'failed') {
    const lines = assembled.reason.split('; ');
    for (const line of lines) await log.say(line);
    context.note({ excerpt: lines, failureKind: 'source', remedy: assembled.remedy });
    return { kind: 'failed', code: assembled.code, reason: assembled.reason };
  }
  for (const file of assembled.files) await log.say(`made ${file.name} (${file.size} bytes, sha256 ${file.sha256})`);

  await log.startPhase('sign');
  const files = await signSource(context, payload, assembled, out);
  const changes = files.find(({ name }) => name.endsWith('.changes'))?.name ?? '';
  const statement = formatStatement({
    kind: 'source',
    worker: context.workerName,
    attempt: {
      submissionId: payload.submissionId,
      jobId: context.lease.jobId,
      attemptId: context.lease.attemptId,
    },
    startedAt,
    finishedAt: context.clock.now(),
    outputs: files,
    inputs: [pack, ...payload.origs],
    subjectOf: {
      source: payload.source,
      version: payload.version,
      tagObject: payload.tagObjectId,
      signer: payload.fingerprint,
      commit: payload.commitId,
      upstreamCommit: payload.upstreamCommitId,
      dsc: assembled.dsc,
    },
  });
  const name = changes.replace(/\.changes$/, '.intoto.json');
  await writeFile(join(out, name), await signStatement(statement, context.key));
  return { kind: 'made', changes, files: [...files, await describe(out, name)] };
}

/** The pack must hold what the job names: the commit, and the tag object that vouches for it. */
async function missingObject(gitDir: string, payload: SourcePayload): Promise<JobResult | undefined> {
  for (const [what, objectId, type] of [
    ['commit', payload.commitId, 'commit'],
    ['tag object', payload.tagObjectId, 'tag'],
  ] as const) {
    const object = await readObject(gitDir, objectId, { maxBytes: MAX_OBJECT_BYTES });
    if (object.kind === 'object' && object.type === type) continue;
    return {
      kind: 'failed',
      code: 'source.not-in-input',
      reason: `the frozen input does not hold the ${what} ${objectId} that was verified`,
    };
  }
  return undefined;
}

async function signSource(
  context: JobContext,
  payload: SourcePayload,
  assembled: AssembledSource,
  out: string,
): Promise<MadeFile[]> {
  const version = parseVersion(payload.version);
  if ('kind' in version) throw new RangeError(version.reason);
  const stem = `${payload.source}_${withoutEpoch(version)}_source`;
  await signFile(join(out, assembled.dsc), context.key);

  // dpkg-genbuildinfo names what is installed where it runs; a confined one sees no other list than this copy.
  const admin = join(out, 'dpkg');
  await mkdir(admin);
  await copyFile('/var/lib/dpkg/status', join(admin, 'status'));
  const inTree = { folder: out, cwd: `/work/${assembled.tree}`, env: environment(assembled.timestamp) };
  const deadlineMs = 600_000;
  await confined(['dpkg-genbuildinfo', '--build=source', '--admindir=/work/dpkg', `-O../${stem}.buildinfo`], {
    ...inTree,
    deadlineMs,
    doing: 'write the .buildinfo',
  });
  await signFile(join(out, `${stem}.buildinfo`), context.key);
  await confined(
    ['dpkg-genchanges', '--build=source', '-sa', `-DDistribution=${payload.suite}`, `-O../${stem}.changes`],
    { ...inTree, deadlineMs, doing: 'write the .changes' },
  );
  await signFile(join(out, `${stem}.changes`), context.key);

  const signed = parseClearsigned((await readFileIfExists(join(out, `${stem}.changes`))) ?? '');
  const changes = 'kind' in signed ? signed : parseChanges(signed.text);
  if ('kind' in changes) {
    throw new LandfallError({ code: 'source.bad-changes', doing: 'read the .changes', reason: changes.reason });
  }
  return await Promise.all(
    [`${stem}.changes`, ...changes.files.map(({ name }) => name)].map((name) => describe(out, name)),
  );
}

async function describe(folder: string, name: string): Promise<MadeFile> {
  const path = join(folder, name);
  return { name, path, ...(await sha256File(path)) };
}
