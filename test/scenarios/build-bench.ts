/**
 * A worker's bench for tests: tiny source packages whose debian/rules say what they do, real packages to depend on in a real
 * signed repository served on the loopback interface, and real builds of them in real sandboxes.
 */
import { copyFile, mkdir, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../src/platform/clock.ts';
import { exec } from '../../src/platform/exec.ts';
import { removeTree, sha256File } from '../../src/platform/files.ts';
import { clearSign, exportPublicKey, generateKey, killAgents } from '../../src/platform/gpg.ts';
import { runBinaryJob } from '../../src/worker/build.ts';
import type { Cgroups } from '../../src/worker/cgroups.ts';
import { ExcerptReader } from '../../src/worker/error-excerpt.ts';
import type { JobResult, WorkerKey } from '../../src/worker/job.ts';
import { resolveLimits, type RunLimits } from '../../src/worker/limits.ts';
import { openLogStream } from '../../src/worker/log-stream.ts';
import type { AptSource, Facts, Lease } from '../../src/worker/wire.ts';
import { serveFolder, type StaticServer } from './static-server.ts';

const DEADLINE_MS = 60_000;

export interface BenchOptions {
  /** Bases and packages lie here and are used again. */
  readonly cache: string;
  /** A fresh folder. */
  readonly folder: string;
  readonly mirror: {
    readonly uri: string;
    readonly suite: string;
    readonly component: string;
    readonly keyring: string;
  };
  readonly architecture: string;
  readonly cgroups: Cgroups | undefined;
}

export interface TinyPackage {
  readonly name: string;
  /** Lines of the target that builds, as shell text; the package itself holds nothing. */
  readonly script: string;
  readonly buildDepends?: string;
}

export interface BuildOptions {
  readonly limits?: Partial<RunLimits>;
  readonly sources?: readonly AptSource[];
  readonly signal?: AbortSignal;
  /** Told when a phase begins. */
  readonly onPhase?: (name: string) => void;
  /** Without it, the bench's own. */
  readonly cgroups?: Cgroups | 'none';
}

export interface BuildOutcome {
  readonly result: JobResult | { readonly kind: 'thrown'; readonly code: string; readonly reason: string };
  readonly log: string;
  readonly facts: Facts;
  /** Of what it made: the folder that holds it until the bench is closed. */
  readonly made: string;
}

export interface Bench {
  readonly key: WorkerKey;
  build(tiny: TinyPackage, options?: BuildOptions): Promise<BuildOutcome>;
  /** Debian's own, as an apt source. */
  readonly debian: AptSource;
  /** A repository with one package, whose postinst is this shell text. Signed; served while the bench is open. */
  repository(name: string, postinst: string): Promise<AptSource>;
  close(): Promise<void>;
}

export async function openBench(options: BenchOptions): Promise<Bench> {
  const { folder, mirror } = options;
  const home = join(folder, 'gnupg');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const key = {
    home,
    fingerprint: await generateKey({ home, userId: 'Worker <w@example.org>', algorithm: 'ed25519' }),
  };
  const keyring = (await readFile(mirror.keyring)).toString('base64');
  const servers: StaticServer[] = [];
  let jobs = 0;

  return {
    key,
    debian: { name: 'debian', uri: mirror.uri, suite: mirror.suite, components: [mirror.component], keyring },
    build: async (tiny, build = {}) => {
      jobs += 1;
      const sources = await mkdtemp(join(folder, 'source-'));
      const dsc = await makeSource(sources, tiny);
      const files = await Promise.all(
        (await readdir(sources))
          .filter((name) => /\.(?:dsc|tar\.xz)$/.test(name))
          .map(async (name) => ({ name, ...(await sha256File(join(sources, name))) })),
      );
      const job = await mkdtemp(join(folder, 'job-'));
      const log = await openLogStream({
        file: join(job, 'log'),
        target: {
          append: async (offset, bytes) => await Promise.resolve(offset + bytes.length),
          markPhase: async (name) => {
            build.onPhase?.(name);
            await Promise.resolve();
          },
        },
      });
      let facts: Facts = {};
      const lease: Lease = {
        attemptId: jobs,
        jobId: jobs,
        traceId: 1,
        number: 1,
        token: jobs,
        leaseExpiresAt: new Date(0).toISOString(),
        heartbeatSeconds: 30,
        architecture: options.architecture,
        sizeClass: 'small',
        limits: {},
        payload: {
          kind: 'binary',
          submissionId: 1,
          source: tiny.name,
          version: '1.0',
          archive: 'main',
          suite: 'landing',
          distribution: 'landing',
          architecture: options.architecture,
          withAll: false,
          dsc,
          files,
          chroot: { uri: mirror.uri, suite: mirror.suite, components: [mirror.component], keyring },
          aptSources: [...(build.sources ?? [])],
          buildProfiles: [],
        },
      };
      const { payload } = lease;
      if (payload.kind !== 'binary') throw new Error('a binary job was made');
      const made = join(job, 'out');
      let result: BuildOutcome['result'];
      try {
        result = await runBinaryJob(
          {
            lease,
            workerName: 'bench',
            key,
            limits: { ...resolveLimits({}, 'small', { memoryBytes: 8 * 1024 ** 3, processors: 2 }), ...build.limits },
            clock: systemClock,
            cgroups: build.cgroups === 'none' ? undefined : (build.cgroups ?? options.cgroups),
            parallel: 2,
            folder: job,
            cache: options.cache,
            log,
            excerpt: new ExcerptReader(),
            fetch: async ({ sha256 }, path) => {
              const name = files.find((file) => file.sha256 === sha256)?.name ?? '';
              await copyFile(join(sources, name), path);
            },
            note: (more) => {
              facts = { ...facts, ...more };
            },
            signal: build.signal ?? new AbortController().signal,
          },
          payload,
        );
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
        result = { kind: 'thrown', code, reason: String(error) };
      }
      await log.flush();
      await log.close();
      return { result, log: await readFile(join(job, 'log'), 'utf8'), facts, made };
    },
    repository: async (name, postinst) => {
      const root = await mkdtemp(join(folder, 'repository-'));
      await makeRepository(root, name, postinst, key);
      const server = await serveFolder(root);
      servers.push(server);
      return {
        name,
        uri: server.url,
        suite: 'extra',
        components: ['main'],
        keyring: (await exportPublicKey(home, key.fingerprint, { armor: false })).toString('base64'),
      };
    },
    close: async () => {
      for (const server of servers) await server.close();
      await killAgents(home);
      await removeTree(folder);
    },
  };

  /** A native source package made by dpkg-source. Gives the .dsc's name. */
  async function makeSource(parent: string, tiny: TinyPackage): Promise<string> {
    const tree = join(parent, tiny.name);
    await mkdir(join(tree, 'debian', 'source'), { recursive: true });
    const rules = `#!/usr/bin/make -f
%:
\tdh $@
override_dh_auto_build:
\tsh script
override_dh_install:
\tinstall -D -m 644 made debian/${tiny.name}/usr/share/${tiny.name}/made
`;
    const text: Record<string, string> = {
      'debian/source/format': '3.0 (native)\n',
      'debian/changelog': `${tiny.name} (1.0) landing; urgency=medium\n\n  * Test.\n\n -- A <a@example.org>  Thu, 02 Jan 2025 03:04:05 +0000\n`,
      'debian/control': `Source: ${tiny.name}\nSection: misc\nPriority: optional\nMaintainer: A <a@example.org>\nStandards-Version: 4.6.2\nRules-Requires-Root: no\nBuild-Depends: debhelper-compat (= 13)${tiny.buildDepends === undefined ? '' : `, ${tiny.buildDepends}`}\n\nPackage: ${tiny.name}\nArchitecture: any\nDescription: test\n A test.\n`,
      'debian/rules': rules,
      script: `set -e\n: >made\n${tiny.script}\n`,
    };
    for (const [name, content] of Object.entries(text)) await writeFile(join(tree, name), content);
    await exec(['chmod', '755', join(tree, 'debian/rules')], { deadlineMs: DEADLINE_MS });
    await exec(['dpkg-source', '--build', tiny.name], { cwd: parent, deadlineMs: DEADLINE_MS });
    return `${tiny.name}_1.0.dsc`;
  }
}

async function makeRepository(root: string, name: string, postinst: string, key: WorkerKey): Promise<void> {
  const tree = join(root, '.tree');
  await mkdir(join(tree, 'DEBIAN'), { recursive: true });
  await writeFile(
    join(tree, 'DEBIAN', 'control'),
    `Package: ${name}\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: test\n A test.\n`,
  );
  await writeFile(join(tree, 'DEBIAN', 'postinst'), `#!/bin/sh\n${postinst}\nexit 0\n`, { mode: 0o755 });
  await mkdir(join(root, 'pool'), { recursive: true });
  const indices = join(root, 'dists/extra/main/binary-all');
  await mkdir(indices, { recursive: true });
  const run = async (...argv: [string, ...string[]]): Promise<Buffer> =>
    (await exec(argv, { cwd: root, deadlineMs: DEADLINE_MS })).stdout;
  await run('dpkg-deb', '--root-owner-group', '--build', tree, join(root, 'pool', `${name}_1.0_all.deb`));
  const packages = await run('apt-ftparchive', 'packages', 'pool');
  for (const architecture of ['binary-all', 'binary-amd64', 'binary-arm64']) {
    await mkdir(join(root, 'dists/extra/main', architecture), { recursive: true });
    await writeFile(join(root, 'dists/extra/main', architecture, 'Packages'), packages);
  }
  const release = await run(
    ...(['apt-ftparchive', '-o', 'APT::FTPArchive::Release::Suite=extra'] as const),
    ...(['-o', 'APT::FTPArchive::Release::Architectures=all amd64 arm64'] as const),
    ...(['-o', 'APT::FTPArchive::Release::Components=main', 'release', 'dists/extra'] as const),
  );
  await writeFile(join(root, 'dists/extra/InRelease'), await clearSign({ ...key, payload: release }));
}
