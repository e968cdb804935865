/**
 * A binary job: from an accepted source package to the binary packages of one architecture.
 *
 *   base          a cached minimal system of the suite's parent
 *   inputs        the source package, by sha256
 *   dependencies  what the base lacks, downloaded outside the sandbox, from the job's sources only
 *   install       … installed inside a fresh root, without network
 *   unpack        dpkg-source, as the builder
 *   build         dpkg-buildpackage, as the builder: no network, no privileges, limited
 *   collect       what the .changes names, checked
 *   sign          .buildinfo, .changes and the statement, with the worker's key
 *
 * Each step is a phase of the log. Between install, unpack and build nothing of the one survives but files.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { isSourceName } from '../debian/names.ts';
import { parseVersion, withoutEpoch } from '../debian/version.ts';
import { LandfallError } from '../platform/errors.ts';
import { sha256File } from '../platform/files.ts';
import { INPUTS_INSIDE, fetchBuildDependencies, type BuildDependencies } from './apt.ts';
import { acquireBase, type Base } from './chroots.ts';
import { collectUpload } from './collect.ts';
import { openDebCache } from './deb-cache.ts';
import { fetchInputs, type JobContext, type JobResult, type MadeFile } from './job.ts';
import { describeLimit, remainingLimits } from './limits.ts';
import { createRoot, type Root, type RunOptions, type RunResult } from './sandbox.ts';
import { signUpload } from './sign-upload.ts';
import { formatStatement, signStatement } from './statement.ts';
import type { BinaryPayload } from './wire.ts';

const BUILD_FOLDER = '/build';
const BASE_MAX_AGE_MS = 7 * 86_400_000;
const DEB_CACHE_BYTES = 20 * 1024 ** 3;

export async function runBinaryJob(context: JobContext, payload: BinaryPayload): Promise<JobResult> {
  const startedAt = context.clock.now();
  const { log } = context;
  const version = requireVersion(payload);
  await log.startPhase('base');
  const base = await acquireBase({
    folder: join(context.cache, 'bases'),
    spec: {
      uri: payload.chroot.uri,
      suite: payload.chroot.suite,
      components: payload.chroot.components,
      keyring: Buffer.from(payload.chroot.keyring, 'base64'),
      architecture: payload.architecture,
    },
    maxAgeMs: BASE_MAX_AGE_MS,
    clock: context.clock,
    onLine: (line) => log.say(line),
    signal: context.signal,
  });
  try {
    context.note({ chroot: base.facts });
    await log.say(`base ${base.facts.key} of ${base.facts.madeAt}, package list sha256 ${base.facts.packagesSha256}`);
    await log.startPhase('inputs');
    const inputs = await fetchInputs(context, payload.files);
    if (!payload.files.some(({ name }) => name === payload.dsc)) {
      throw new LandfallError({
        code: 'job.malformed',
        doing: 'begin the build',
        reason: `${payload.dsc} is not among the job's files`,
      });
    }
    await log.startPhase('dependencies');
    const dependencies = await dependenciesOf(context, payload, base, join(inputs, payload.dsc));
    if (dependencies.kind === 'unsatisfiable') {
      context.note({ excerpt: [...dependencies.lines], failureKind: 'dependencies' });
      return { kind: 'failed', code: dependencies.code, reason: dependencies.reason };
    }
    context.note({ dependencies: dependencies.packages.length, indices: [...dependencies.indices] });
    const root = await createRoot({
      base: base.root,
      parent: join(context.cache, 'roots'),
      cgroups: context.cgroups,
      directories: [BUILD_FOLDER],
    });
    try {
      const failure = await buildInRoot(context, payload, { root, inputs, dependencies, version });
      if (failure !== undefined) return failure;
      await log.startPhase('collect');
      const out = join(context.folder, 'out');
      const collected = await collectUpload({
        from: root.made(BUILD_FOLDER),
        name: `${payload.source}_${version}_${payload.architecture}.changes`,
        to: out,
        expected: { source: payload.source, sourceVersion: payload.version },
      });
      if (collected.kind === 'failed') return collected;

      await log.startPhase('sign');
      const { changes } = collected;
      const buildinfo = changes.files.find(({ role }) => role === 'buildinfo')?.name;
      await signUpload(out, { changes: collected.name, buildinfo }, context.key);
      const names = [collected.name, ...changes.files.map(({ name }) => name)];
      const files = await describe(out, names);
      const statement = formatStatement({
        kind: 'binary',
        worker: context.workerName,
        attempt: {
          submissionId: payload.submissionId,
          jobId: context.lease.jobId,
          attemptId: context.lease.attemptId,
        },
        startedAt,
        finishedAt: context.clock.now(),
        outputs: files,
        inputs: [...payload.files, ...dependencies.packages.map(({ file, sha256 }) => ({ name: file, sha256 }))],
        subjectOf: {
          source: payload.source,
          version: payload.version,
          architecture: payload.architecture,
          dsc: payload.dsc,
          chroot: base.facts,
          indices: [...dependencies.indices],
        },
      });
      const statementName = `${payload.source}_${version}_${payload.architecture}.intoto.json`;
      await writeFile(join(out, statementName), await signStatement(statement, context.key));
      return {
        kind: 'made',
        changes: collected.name,
        files: [...files, ...(await describe(out, [statementName]))],
      };
    } finally {
      await root.remove();
    }
  } finally {
    await base.release();
  }
}

async function dependenciesOf(
  context: JobContext,
  payload: BinaryPayload,
  base: Base,
  dsc: string,
): Promise<BuildDependencies> {
  const debs = await openDebCache(join(context.cache, 'debs'));
  const found = await fetchBuildDependencies({
    architecture: payload.architecture,
    sources: payload.aptSources,
    status: base.status,
    dsc,
    buildProfiles: payload.buildProfiles,
    withAll: payload.withAll,
    folder: join(context.folder, 'apt'),
    listsCache: join(context.cache, 'lists'),
    debs,
    onOutput: (chunk) => context.log.write(chunk),
    signal: context.signal,
  });
  await debs.prune(DEB_CACHE_BYTES);
  return found;
}

interface Prepared {
  readonly root: Root;
  readonly inputs: string;
  readonly dependencies: Extract<BuildDependencies, { kind: 'ready' }>;
  /** Without epoch, as in file names. */
  readonly version: string;
}

/** Installs, unpacks, builds. Undefined when all went well. */
async function buildInRoot(
  context: JobContext,
  payload: BinaryPayload,
  { root, inputs, dependencies, version }: Prepared,
): Promise<JobResult | undefined> {
  const { log, limits } = context;
  const tree = `${BUILD_FOLDER}/${payload.source}-${version}`;
  const decoder = new StringDecoder('utf8');
  // Time, processor time and log are the job's, whichever command uses them up.
  const spent = { seconds: 0, cpuSeconds: 0, logBytes: 0 };
  const onOutput = async (chunk: Buffer): Promise<void> => {
    spent.logBytes += chunk.length;
    context.excerpt.push(decoder.write(chunk));
    await log.write(chunk);
  };
  const run = async (
    options: Omit<RunOptions, 'limits' | 'onOutput' | 'signal'>,
    failedAs: { readonly code: string; readonly doing: string },
  ): Promise<JobResult | undefined> => {
    await log.say(options.argv.join(' '));
    const result = await root.run({
      ...options,
      limits: remainingLimits(limits, spent),
      onOutput,
      signal: context.signal,
    });
    spent.seconds += result.use.seconds;
    spent.cpuSeconds += result.use.cpuSeconds ?? 0;
    return await judge(context, result, failedAs);
  };

  if (dependencies.packages.length > 0) {
    await log.startPhase('install');
    const { argv, env, binds } = dependencies.install;
    const failed = await run(
      { argv, env, binds, user: 'root' },
      { code: 'builddeps.install-failed', doing: 'the build dependencies could not be installed' },
    );
    if (failed !== undefined) return failed;
  }
  await log.startPhase('unpack');
  const unpacked = await run(
    {
      argv: ['dpkg-source', '--no-check', '--extract', `${INPUTS_INSIDE}/${payload.dsc}`, tree],
      user: 'builder',
      cwd: BUILD_FOLDER,
      binds: [{ from: inputs, to: INPUTS_INSIDE }],
    },
    { code: 'build.unpack-failed', doing: 'the source package could not be unpacked' },
  );
  if (unpacked !== undefined) return unpacked;

  await log.startPhase('build');
  return await run(
    {
      argv: [
        'dpkg-buildpackage',
        '-us',
        '-uc',
        // Never -A alone: many packages' rules cannot build their architecture-independent part by itself.
        payload.withAll ? '-b' : '-B',
        ...(payload.buildProfiles.length > 0 ? [`-P${payload.buildProfiles.join(',')}`] : []),
        `--changes-option=-DDistribution=${payload.suite}`,
      ],
      user: 'builder',
      cwd: tree,
      env: { DEB_BUILD_OPTIONS: buildOptions(payload, context.parallel) },
    },
    { code: 'build.failed', doing: 'the package does not build' },
  );
}

function buildOptions(payload: BinaryPayload, parallel: number): string {
  const skipped = payload.buildProfiles.filter((profile) => profile === 'nocheck' || profile === 'nodoc');
  return [`parallel=${parallel}`, ...skipped].join(' ');
}

/** What a command's end means for the job, with the excerpt noted when it is bad. */
async function judge(
  context: JobContext,
  result: RunResult,
  failedAs: { readonly code: string; readonly doing: string },
): Promise<JobResult | undefined> {
  const { use } = result;
  context.note({
    seconds: Math.round(use.seconds * 10) / 10,
    ...(use.cpuSeconds === undefined ? {} : { cpuSeconds: use.cpuSeconds }),
    ...(use.peakMemoryBytes === undefined ? {} : { peakMemoryBytes: use.peakMemoryBytes }),
  });
  if (result.kind === 'ended' && result.code === 0) return undefined;
  const { kind, headline, lines } = context.excerpt.excerpt();
  context.note({ excerpt: [...lines], failureKind: kind });
  if (result.kind === 'limit') {
    // In the job's numbers, not in those that were left for its last command.
    const reason = describeLimit(result.code, context.limits);
    await context.log.say(`stopped: ${reason}`);
    context.note({ limit: result.code });
    return { kind: 'failed', code: result.code, reason };
  }
  await context.log.say(`it ended with code ${result.code}`);
  return {
    kind: 'failed',
    code: failedAs.code,
    reason: `${failedAs.doing} (exit code ${result.code})${headline === '' ? '' : `: ${headline}`}`,
  };
}

async function describe(folder: string, names: readonly string[]): Promise<MadeFile[]> {
  const files: MadeFile[] = [];
  for (const name of names) files.push({ name, path: join(folder, name), ...(await sha256File(join(folder, name))) });
  return files;
}

/** Source and version become parts of paths and arguments. */
function requireVersion(payload: BinaryPayload): string {
  const version = parseVersion(payload.version);
  const safe = isSourceName(payload.source) && /^[a-z0-9][a-z0-9+.-]*$/.test(payload.suite);
  const profiles = payload.buildProfiles.every((profile) => /^[a-z0-9][a-z0-9.-]*$/.test(profile));
  if (!('kind' in version) && safe && profiles) return withoutEpoch(version);
  throw new LandfallError({
    code: 'job.malformed',
    doing: 'begin the build',
    reason: `${JSON.stringify([payload.source, payload.version, payload.suite])} cannot be built`,
  });
}
