/**
 * The restore drill: a snapshot is brought back into a scratch folder, with a database, a signer and keys of its own, published
 * there, and checked as `landfall archive check` does, by a real apt too. Nothing outside of the scratch folder is touched, no
 * job runs, nobody is told; the folder is removed at the end. How long each step took is the answer to "how long are we away?".
 */
import { mkdir } from 'node:fs/promises';
import { checkArchives, fillPools, folderStorages, publishSuite, type CheckFinding } from '../../archive/index.ts';
import { createDatabase } from '../../platform/database.ts';
import type { Credentials } from '../../platform/exec.ts';
import { silentLogger } from '../../platform/log.ts';
import { statePaths } from '../../platform/paths.ts';
import { createSignerClient } from '../../signer/client.ts';
import { runSigner } from '../../signer/server.ts';
import type { BackupFolder, Snapshot } from './backup-folder.ts';
import { restore } from './restore.ts';
import type { Steps } from './steps.ts';

export interface DrillOptions {
  readonly backup: BackupFolder;
  readonly snapshot: Snapshot;
  /** An empty folder with a short path: sockets lie below it. */
  readonly scratch: string;
  readonly migrations: string;
  readonly steps: Steps;
  /** Who runs the database, when we are root. */
  readonly user?: Credentials;
}

export interface DrillResult {
  readonly findings: readonly CheckFinding[];
  readonly suites: number;
  readonly missing: readonly string[];
}

export async function drill(options: DrillOptions): Promise<DrillResult> {
  const { scratch, steps } = options;
  const paths = statePaths(scratch);
  const { connection, blobs, cluster, missing } = await restore({ ...options, paths });
  const db = createDatabase(connection, { poolSize: 6, applicationName: 'landfall drill' });
  try {
    await mkdir(paths.run, { recursive: true, mode: 0o700 });
    const log = silentLogger();
    const signing = await runSigner({ socket: paths.signerSocket, home: paths.signer, log });
    try {
      const signer = createSignerClient({ socket: paths.signerSocket });
      const storage = folderStorages(paths);
      const deps = { db, blobs, storage, signer, log, publicUrl: 'http://localhost' };
      await steps.run(
        'pool',
        async () => await fillPools(deps),
        (files) => `${files} files`,
      );
      const suites = await db.selectFrom('suites').select('id').orderBy('id').execute();
      await steps.run(
        'publish',
        async () => {
          for (const { id } of suites) await publishFully(deps, id);
        },
        () => `${suites.length} suites`,
      );
      const checked = await steps.run(
        'check',
        async () =>
          await checkArchives({
            ...deps,
            folderOf: (name) => paths.archive(name),
            aptUrl: (name) => `file:${paths.archive(name)}`,
          }),
        (result) => result.parts.map((part) => `${part.part.replace('-', ' ')}: ${part.says}`).join('; '),
      );
      return { findings: checked.findings, suites: suites.length, missing };
    } finally {
      await signing.stop();
    }
  } finally {
    await db.destroy();
    await cluster?.stop();
  }
}

/** Also finishes what was begun when the snapshot was taken. */
async function publishFully(deps: Parameters<typeof publishSuite>[0], suiteId: number): Promise<void> {
  for (;;) {
    const result = await publishSuite(deps, suiteId, 'request');
    if (result.kind === 'no-such-suite') return;
    if (result.kind === 'published' && !result.resumed) return;
    const waitMs = result.kind === 'too-soon' ? result.waitMs + 5 : 50;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
