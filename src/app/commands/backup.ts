/** `landfall backup` and `landfall restore`: the way back from a lost machine, and its drill. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { fillPools, folderStorages, usesOf } from '../../archive/index.ts';
import { run } from '../../cli/command.ts';
import { absolute } from '../../cli/connection.ts';
import type { CliContext } from '../../cli/context.ts';
import { EXIT } from '../../cli/exit-codes.ts';
import { UsageError } from '../../cli/failures.ts';
import { document } from '../../cli/manual.ts';
import { inertLine } from '../../cli/output/inert.ts';
import { styleOf } from '../../cli/output/style.ts';
import { bytes, duration } from '../../cli/output/time.ts';
import { createDatabase, withTransaction } from '../../platform/database.ts';
import { recordAudit } from '../../platform/events.ts';
import { exists, makeTemporaryDirectory } from '../../platform/files.ts';
import { loadSettings, migrationsFolder, VERSION } from '../settings.ts';
import { openBackupFolder, type BackupFolder } from '../upkeep/backup-folder.ts';
import { backUp, type BackupResult } from '../upkeep/backup.ts';
import { drill } from '../upkeep/drill.ts';
import { openKeyBundle, type BundleLock } from '../upkeep/key-bundle.ts';
import { withLocalState } from '../upkeep/local-state.ts';
import { chooseSnapshot, reopenSuites, restore } from '../upkeep/restore.ts';
import { stepper, type Step } from '../upkeep/steps.ts';
import { actor } from './archive.ts';

interface BackupOptions {
  readonly withKeys?: boolean;
  readonly passphraseFile?: string;
  readonly recipientFile?: string;
  readonly keep?: number;
  readonly json?: boolean;
}

export function backupCommand(context: CliContext): Command {
  const command = new Command('backup')
    .description('save the database and every stored file into a folder of backups')
    .argument('<folder>', 'the folder of backups; made when it is not there')
    .option('--with-keys', 'also save the private keys, encrypted: needs one of the next two')
    .option('--passphrase-file <file>', 'with --with-keys: a file whose first line is the passphrase')
    .option('--recipient-file <file>', 'with --with-keys: a file with the public OpenPGP key of who shall open them')
    .option('--keep <snapshots>', 'remove all but the newest ones', positive)
    .option('--json', 'print one JSON document')
    .action(async (folder: string, options: BackupOptions) => {
      await run(context, options, async () => {
        const keys = bundleLock(context, options);
        const settings = await loadSettings();
        const result = await withLocalState(settings, (state) =>
          backUp({
            ...state,
            target: absolute(context, folder),
            version: VERSION,
            ...(keys === undefined ? {} : { keys }),
            ...(options.keep === undefined ? {} : { keep: options.keep }),
            onStep: tell(context, options.json),
          }),
        );
        context.stdout.write(options.json === true ? print(result) : renderBackup(context, result, folder));
        if (result.damaged.length > 0) context.setExitCode(EXIT.failed);
      });
    });
  return document(command, {
    text: [
      'A backup is consistent and may be made while the server runs: the database as it was at one moment, and then every stored ' +
        'file that it named, each read whole and held against its hash. Stored files never change, so a file is copied once for ' +
        'all snapshots in the folder, and a later backup costs what is new. What is published is made from these and not copied.',
      "The private keys, the signer's log, landfall.toml and the tokens are NOT in it unless --with-keys says so, and then " +
        'encrypted. Without its log the signer cannot know which serials it signed. Keep both apart from the backup.',
      'The exit code is 1 when a stored file was missing or damaged: the snapshot is whole but for these, which are named.',
    ],
    examples: [
      { command: 'landfall backup /srv/backup/landfall --keep 14', says: 'Every night, from a timer.' },
      {
        command: 'landfall backup /srv/backup/landfall --with-keys --recipient-file admin.asc',
        says: 'With the keys, for who holds the secret part of admin.asc.',
      },
    ],
  });
}

function bundleLock(context: CliContext, options: BackupOptions): BundleLock | undefined {
  const { withKeys, passphraseFile, recipientFile } = options;
  if (withKeys !== true) {
    if (passphraseFile === undefined && recipientFile === undefined) return undefined;
    throw new UsageError('--passphrase-file and --recipient-file go with --with-keys');
  }
  if ((passphraseFile === undefined) === (recipientFile === undefined)) {
    throw new UsageError('--with-keys needs --passphrase-file or --recipient-file: keys are only saved encrypted');
  }
  return passphraseFile === undefined
    ? { kind: 'recipient', file: absolute(context, recipientFile ?? '') }
    : { kind: 'passphrase', file: absolute(context, passphraseFile) };
}

function renderBackup(context: CliContext, result: BackupResult, folder: string): string {
  const style = styleOf(context.stdout, context.environment);
  const { manifest, copied, damaged, pruned } = result;
  const lines = [
    `${style.paint('good', style.symbols.done)} snapshot ${result.snapshot} in ${folder}: ${manifest.objects.files} stored files (${bytes(manifest.objects.bytes)}), ${copied.files} of them new (${bytes(copied.bytes)}); database ${bytes(manifest.database.size)}`,
    manifest.keys === null
      ? `  The private keys and the signer's log are not in it: --with-keys saves them, encrypted.`
      : `  The private keys and the signer's log are in it, encrypted: keys.gpg`,
    ...(pruned === undefined || pruned.snapshots === 0
      ? []
      : [`  Removed ${pruned.snapshots} older snapshots and ${pruned.objects} files (${bytes(pruned.bytes)}).`]),
    ...damaged.flatMap((one) => [
      `${style.paint('bad', style.symbols.failed)} ${one.sha256} is not in it: ${inertLine(one.reason)}`,
      ...one.uses.map((use) => `    ${inertLine(use)}`),
    ]),
    ...(damaged.length === 0 ? [] : [`  ${style.symbols.arrow} landfall archive check says what can be made again`]),
    `  Try it out: landfall restore --drill ${folder}`,
  ];
  return `${lines.join('\n')}\n`;
}

interface RestoreOptions {
  readonly drill?: boolean;
  readonly scratch?: string;
  readonly snapshot?: string;
  readonly file?: string;
  readonly withKeys?: boolean;
  readonly passphraseFile?: string;
  readonly list?: boolean;
  readonly json?: boolean;
}

export function restoreCommand(context: CliContext): Command {
  const command = new Command('restore')
    .description('bring a backup back into an empty state folder, or try that out')
    .argument('<folder>', 'the folder of backups')
    .option('--drill', 'restore into a scratch folder, publish and check there, and say how long it took')
    .option('--scratch <folder>', 'with --drill: where the scratch folder is made')
    .option('--snapshot <name>', 'this snapshot; default: the newest')
    .option('--list', 'only list the snapshots')
    .option('--file <sha256>', 'bring back this one stored file, into the state folder that is in use')
    .option('--with-keys', "also bring back the keys, the signer's log, landfall.toml and the tokens")
    .option('--passphrase-file <file>', 'with --with-keys: the passphrase that they were saved with')
    .option('--json', 'print one JSON document')
    .action(async (folder: string, options: RestoreOptions) => {
      await run(context, options, async () => {
        const backup = await openBackupFolder(absolute(context, folder));
        if (options.list === true) await listSnapshots(context, backup, options);
        else if (options.file !== undefined) await restoreFile(context, backup, options.file, options);
        else if (options.drill === true) await runDrill(context, backup, options);
        else await restoreAll(context, backup, options);
      });
    });
  return document(command, {
    text: [
      'Restores into a state folder without a database (or into the empty database of database.url); nothing that is there is ever ' +
        'written over. It may be cut off and run again. What was published is made anew when `landfall serve` starts.',
      'When the backup is older than what was published, the signer refuses the lower serials. `landfall archive forward` then ' +
        'raises them above what was signed; `landfall restore` says which suites need it.',
      '--drill does the same in a scratch folder with a database and keys of its own, publishes every suite there, checks everything ' +
        'as `landfall archive check` does, and removes it again. Nothing else is touched. It needs as much room as the backup has. ' +
        'The exit code is 1 when something is not sound.',
    ],
    examples: [
      { command: 'landfall restore --drill /srv/backup/landfall', says: 'Would it work, and how long would it take?' },
      { command: 'landfall restore /srv/backup/landfall', says: 'Bring everything back, on a new machine.' },
      {
        command: 'landfall restore --file 2cf24dba5fb0…9824 /srv/backup/landfall',
        says: 'One stored file that `landfall archive check` found damaged.',
      },
    ],
  });
}

async function listSnapshots(context: CliContext, backup: BackupFolder, options: RestoreOptions): Promise<void> {
  const all = await backup.snapshots();
  context.stdout.write(
    options.json === true
      ? print(all.map(({ name, manifest }) => ({ name, ...manifest })))
      : all
          .map(
            ({ name, manifest }) =>
              `${name}  ${manifest.objects.files} files, ${bytes(manifest.objects.bytes)}  ${manifest.keys === null ? 'without keys' : 'with keys'}  ${manifest.suites.map((one) => `${one.archive}/${one.suite} ${one.serial}`).join(', ')}\n`,
          )
          .join('') || 'no backup was ever finished there\n',
  );
}

async function restoreFile(
  context: CliContext,
  backup: BackupFolder,
  sha256: string,
  options: RestoreOptions,
): Promise<void> {
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new UsageError('--file takes a sha256 in lower-case hexadecimal');
  const settings = await loadSettings();
  await withLocalState(settings, async (state) => {
    const size = await backup.objects.size(sha256);
    if (size === undefined) throw new UsageError(`the backup has no file ${sha256}`);
    const sound = await backup.objects.read(sha256);
    // Checked against its hash before the damaged one goes.
    const checked = await state.blobs.put(await backup.objects.open(sha256), { sha256 });
    if (checked.kind !== 'stored') throw new UsageError(`the file ${sha256} is damaged in the backup too`);
    await state.blobs.delete(sha256);
    await state.blobs.put(sound, { sha256, size });
    const uses = await usesOf(state.db, [sha256]);
    for (const { archive, path } of uses) {
      const { published } = await state.storage(archive);
      if ((await published.stat(path)) === undefined) continue;
      await published.delete(path);
      const batch = published.batch();
      await batch.putBlob(path, state.blobs, { sha256, size });
      await batch.settle();
    }
    const names = uses.map((use) => `${use.archive}: ${use.path}`);
    await withTransaction(state.db, (trx) =>
      recordAudit(trx, {
        actor: actor(context),
        action: 'archive.file-restored',
        subject: `stored file ${sha256}`,
        detail: { backup: backup.path, names },
      }),
    );
    context.stdout.write(
      options.json === true
        ? print({ sha256, size, names })
        : `${sha256} is back: ${names.join(', ') || 'in no pool'}\n`,
    );
  });
}

async function runDrill(context: CliContext, backup: BackupFolder, options: RestoreOptions): Promise<void> {
  const snapshot = await chooseSnapshot(backup, options.snapshot);
  // The path must be short, since sockets lie below it.
  const scratch = await makeTemporaryDirectory(
    'lf-drill-',
    options.scratch === undefined ? undefined : absolute(context, options.scratch),
  );
  const started = performance.now();
  const steps = stepper(tell(context, options.json));
  try {
    const result = await drill({ backup, snapshot, scratch: scratch.path, migrations: migrationsFolder(), steps });
    const milliseconds = Math.round(performance.now() - started);
    const sound = result.findings.length === 0 && result.missing.length === 0;
    if (!sound) context.setExitCode(EXIT.failed);
    if (options.json === true) {
      context.stdout.write(print({ snapshot: snapshot.name, sound, milliseconds, steps: steps.done, ...result }));
      return;
    }
    const style = styleOf(context.stdout, context.environment);
    context.stdout.write(
      [
        ...result.missing.map((sha256) => `${style.paint('bad', style.symbols.failed)} the backup lacks ${sha256}`),
        ...result.findings.map((one) => `${style.paint('bad', style.symbols.failed)} ${inertLine(one.says)}`),
        sound
          ? `${style.paint('good', style.symbols.done)} the snapshot ${snapshot.name} can be restored: ${result.suites} suites published and read by apt, in ${duration(milliseconds)}`
          : `the snapshot ${snapshot.name} is not sound; it took ${duration(milliseconds)}`,
      ].join('\n') + '\n',
    );
  } finally {
    await scratch.remove();
  }
}

async function restoreAll(context: CliContext, backup: BackupFolder, options: RestoreOptions): Promise<void> {
  const snapshot = await chooseSnapshot(backup, options.snapshot);
  const first = await loadSettings();
  const keys: string[] = [];
  if (options.withKeys === true) {
    const bundle = join(snapshot.folder, 'keys.gpg');
    if (!(await exists(bundle))) throw new UsageError(`the snapshot ${snapshot.name} was made without keys`);
    if (options.passphraseFile === undefined) {
      throw new UsageError(
        `--with-keys needs --passphrase-file. Keys that were saved for a recipient: gpg --decrypt ${bundle} | tar --extract --directory ${first.paths.root}`,
      );
    }
    keys.push(...(await openKeyBundle(bundle, absolute(context, options.passphraseFile), first.paths)));
  }
  const settings = await loadSettings();
  await mkdir(settings.paths.run, { recursive: true, mode: 0o700 });
  const steps = stepper(tell(context, options.json));
  const restored = await restore({
    backup,
    snapshot,
    paths: settings.paths,
    migrations: migrationsFolder(),
    steps,
    ...(settings.privateCluster ? {} : { server: settings.database }),
  });
  const db = createDatabase(restored.connection, { poolSize: 2, applicationName: 'landfall restore' });
  try {
    await steps.run(
      'pool',
      () => fillPools({ db, blobs: restored.blobs, storage: folderStorages(settings.paths) }),
      (files) => `${files} files`,
    );
    const suites = await reopenSuites(db, snapshot, actor(context));
    const facts = {
      snapshot: snapshot.name,
      takenAt: snapshot.manifest.takenAt,
      stateFolder: settings.paths.root,
      suites,
      missing: restored.missing,
      keys,
      renumbered: restored.renumbered,
      steps: steps.done,
    };
    if (restored.missing.length > 0) context.setExitCode(EXIT.failed);
    context.stdout.write(
      options.json === true ? print(facts) : renderRestored(facts, await exists(settings.paths.signer)),
    );
  } finally {
    await db.destroy();
    if (restored.cluster?.startedHere === true) await restored.cluster.stop();
  }
}

function renderRestored(
  facts: {
    snapshot: string;
    takenAt: string;
    stateFolder: string;
    suites: readonly string[];
    missing: readonly string[];
    keys: readonly string[];
    renumbered: boolean;
  },
  hasSigner: boolean,
): string {
  const lines = [
    `Restored ${facts.snapshot} into ${facts.stateFolder}: everything as it was on ${facts.takenAt}.`,
    ...facts.missing.map((sha256) => `The backup lacks the stored file ${sha256}.`),
    ...(facts.renumbered ? ['Events have new numbers: whoever follows them begins anew.'] : []),
    '',
    'Next:',
    ...(hasSigner
      ? []
      : [
          "  The private keys are not here. Put the signer's folder back before the first start, or new keys are made and clients refuse them.",
        ]),
    '  landfall serve                   publishes every suite anew',
    '  landfall archive check           holds everything against its hashes',
    ...facts.suites.map(
      (suite) =>
        `  landfall archive forward ${suite}    when the signer refuses its serial: it goes on above what was signed`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

/** One line for each step, for people. */
function tell(context: CliContext, json: boolean | undefined): (step: Step) => void {
  return (step) => {
    if (json === true) return;
    const says = step.says === '' ? '' : `, ${step.says}`;
    context.stdout.write(`  ${step.name}: ${duration(step.milliseconds)}${says}\n`);
  };
}

function positive(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a number.');
}

function print(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
