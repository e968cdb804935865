/** `landfall archive`: looks after what this machine stores and publishes. */
import { Command, InvalidArgumentError } from 'commander';
import {
  checkArchives,
  describeRepair,
  doRepairs,
  goForward,
  isBehind,
  planRepairs,
  readSerials,
  type CheckFinding,
  type CheckResult,
  type Repair,
  type RepairOutcome,
  type SuiteSerials,
} from '../../archive/index.ts';
import { run } from '../../cli/command.ts';
import { takedownCommand, takedownsCommand } from '../../cli/commands/takedown.ts';
import { confirm } from '../../cli/confirm.ts';
import type { CliContext } from '../../cli/context.ts';
import { EXIT } from '../../cli/exit-codes.ts';
import { UsageError } from '../../cli/failures.ts';
import { document } from '../../cli/manual.ts';
import { inertLine } from '../../cli/output/inert.ts';
import { styleOf, type Style } from '../../cli/output/style.ts';
import { table } from '../../cli/output/table.ts';
import { bytes, duration } from '../../cli/output/time.ts';
import { loadSettings } from '../settings.ts';
import { withLocalState, type LocalState } from '../upkeep/local-state.ts';

export function archiveCommand(context: CliContext): Command {
  const command = new Command('archive')
    .description('look after what this machine stores and publishes')
    .addCommand(checkCommand(context))
    .addCommand(forwardCommand(context))
    .addCommand(takedownCommand(context))
    .addCommand(takedownsCommand(context));
  return document(command, {
    text: [
      'check and forward work on the state folder of this machine, whether the server runs or not; the others ask the server.',
    ],
    examples: [{ command: 'landfall archive check', says: 'Is everything there, and as it was?' }],
  });
}

interface CheckOptions {
  readonly quick?: boolean;
  readonly repair?: boolean;
  readonly yes?: boolean;
  readonly sample: number;
  readonly json?: boolean;
}

function checkCommand(context: CliContext): Command {
  const command = new Command('check')
    .description('hold everything that is stored and published against its hashes, the database and apt')
    .argument('[archive]', 'only this archive')
    .option('--quick', 'leave out the reading of every stored file')
    .option('--sample <packages>', 'packages that apt downloads of each suite and architecture', count, 3)
    .option('--repair', 'show what can be made again, ask, and do it')
    .option('--yes', 'with --repair: do not ask')
    .option('--json', 'print one JSON document')
    .action(async (archive: string | undefined, options: CheckOptions) => {
      await run(context, options, async () => {
        const settings = await loadSettings();
        await withLocalState(settings, (state) => checkAndRepair(context, state, archive, options));
      });
    });
  return document(command, {
    text: [
      'Reads every stored file that the database names against its hash; holds the pool, each published Release with its ' +
        'signatures, indices and by-hash names, and what the indices list against the database; asks a real apt, with ' +
        "the archive's key and validity checked, what it sees, and lets it download some packages; and checks what must " +
        'be true of the rows. It only looks, and may run beside the server.',
      'With --repair it then shows a plan of what can be made again from what is there: indices, signatures and by-hash names ' +
        '(by a new publication), a damaged name in the pool from the stored file, or the stored file from the pool. Nothing is ' +
        'guessed: for what cannot be made again it says where it can be had, from a backup (`landfall restore --file`) or from a ' +
        'parent suite. What it does is in the audit.',
      'The exit code is 0 when everything is sound, or was made so, and 1 when something is left.',
    ],
    examples: [
      { command: 'landfall archive check', says: 'Everything.' },
      { command: 'landfall archive check main --quick', says: 'What is published in main, in seconds.' },
      { command: 'landfall archive check --repair --yes', says: 'Make again what can be made, without asking.' },
    ],
  });
}

async function checkAndRepair(
  context: CliContext,
  state: LocalState,
  archive: string | undefined,
  options: CheckOptions,
): Promise<void> {
  if (
    archive !== undefined &&
    (await state.db.selectFrom('archives').select('id').where('name', '=', archive).executeTakeFirst()) === undefined
  ) {
    throw new UsageError(`there is no archive ${archive}`);
  }
  const look = async (): Promise<CheckResult> =>
    await checkArchives(
      {
        ...state,
        folderOf: (name) => state.paths.archive(name),
        aptUrl: (name) => `file:${state.paths.archive(name)}`,
        signal: context.signal,
        onProgress: teller(context),
      },
      {
        ...(archive === undefined ? {} : { archive }),
        ...(options.quick === true ? { quick: true } : {}),
        sample: options.sample,
      },
    );
  const style = styleOf(context.stdout, context.environment);
  const json = options.json === true;
  const found = await look();
  const plan = planRepairs(found.findings);
  if (!json) context.stdout.write(renderCheck(found, plan, style));
  if (options.repair !== true || plan.length === 0) {
    if (json) context.stdout.write(print({ ...found, plan }));
    if (found.findings.length > 0) context.setExitCode(EXIT.failed);
    return;
  }
  if (options.yes !== true && !(await confirm(context, 'Do this?'))) {
    if (json) context.stdout.write(print({ ...found, plan }));
    context.stderr.write('nothing was changed\n');
    context.setExitCode(EXIT.failed);
    return;
  }
  const done = await doRepairs(state, plan, actor(context), (outcome) => {
    if (!json) context.stdout.write(renderOutcome(outcome, style));
  });
  const after = await look();
  if (json) context.stdout.write(print({ ...found, plan, done, after }));
  else {
    context.stdout.write(
      after.findings.length === 0
        ? '\nEverything is sound now.\n'
        : `\nLeft:\n${renderFindings(after.findings, style)}`,
    );
  }
  if (after.findings.length > 0) context.setExitCode(EXIT.failed);
}

function renderCheck(result: CheckResult, plan: readonly Repair[], style: Style): string {
  const parts = table(
    result.parts.map((part) => [part.part.replace('-', ' '), part.says, duration(part.milliseconds)]),
  );
  if (result.findings.length === 0) return `${parts}\nEverything is sound.\n`;
  const planned =
    plan.length === 0
      ? ''
      : `\nCan be made again (--repair does it):\n${plan.map((one) => `  ${inertLine(describeRepair(one))}\n`).join('')}`;
  return `${parts}\n${renderFindings(result.findings, style)}${planned}`;
}

function renderFindings(findings: readonly CheckFinding[], style: Style): string {
  return findings
    .map((one) => {
      const line = `${style.paint('bad', style.symbols.failed)} ${inertLine(one.says)}  ${style.paint('faint', one.code)}\n`;
      return one.remedy === null ? line : `${line}    ${style.symbols.arrow} ${inertLine(one.remedy)}\n`;
    })
    .join('');
}

function renderOutcome({ says, problem }: RepairOutcome, style: Style): string {
  return problem === undefined
    ? `${style.paint('good', style.symbols.done)} ${inertLine(says)}\n`
    : `${style.paint('bad', style.symbols.failed)} ${inertLine(says)}: ${inertLine(problem)}\n`;
}

/** Progress on a terminal, a few times a second at most. */
function teller(context: CliContext): (progress: { what: string; files: number; bytes: number }) => void {
  let last = 0;
  return ({ what, files, bytes: read }) => {
    if (context.stderr.isTTY !== true || performance.now() - last < 250) return;
    last = performance.now();
    context.stderr.write(`\r${what}: ${files} files, ${bytes(read)} read\u001b[K\r`);
  };
}

interface ForwardOptions {
  readonly json?: boolean;
}

function forwardCommand(context: CliContext): Command {
  const command = new Command('forward')
    .description('go on above what was published and signed, after an older backup was restored')
    .argument('<archive/suite...>', 'suites, or an archive for all of its suites')
    .option('--json', 'print one JSON document')
    .action(async (names: readonly string[], options: ForwardOptions) => {
      await run(context, options, async () => {
        const settings = await loadSettings();
        await withLocalState(settings, async (state) => {
          const chosen = choose(await readSerials(state), names);
          const done: { suite: string; before: number; next: number; served: number; signed: number }[] = [];
          for (const serials of chosen) {
            const { archive, suite, next: before, served, signed } = serials;
            const next = isBehind(serials) ? await goForward(state.db, serials, actor(context)) : before;
            done.push({ suite: `${archive}/${suite}`, before, next, served, signed });
          }
          context.stdout.write(
            options.json === true
              ? print(done)
              : done
                  .map((one) =>
                    one.next === one.before
                      ? `${one.suite}: nothing to do, the next serial is ${one.next} already\n`
                      : `${one.suite}: the next serial is ${one.next} (was ${one.before}; ${Math.max(one.signed, one.served)} was signed or served); it is published by the server at once\n`,
                  )
                  .join(''),
          );
        });
      });
    });
  return document(command, {
    text: [
      'The signer remembers the last serial of each suite and refuses a lower one, and nothing that is served is written over. A ' +
        'database from an older backup is behind both. This raises the serial of the next publication above them, and asks for ' +
        'that publication. What happened between the backup and the loss (uploads, decisions) stays lost, and readers may see ' +
        'older versions than before. It is in the audit.',
    ],
    examples: [
      { command: 'landfall archive forward main/landing', says: 'After a restore, when publishing is refused.' },
    ],
  });
}

function choose(all: readonly SuiteSerials[], names: readonly string[]): SuiteSerials[] {
  return names.flatMap((name) => {
    const found = all.filter((one) => one.archive === name || `${one.archive}/${one.suite}` === name);
    if (found.length > 0) return found;
    throw new UsageError(`there is no suite ${name}: give ARCHIVE/SUITE, or the name of an archive`);
  });
}

function count(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a number from 0 to 9999.');
}

/** Who sits at this machine; nobody asked for a token. */
export function actor(context: CliContext): string {
  return `local:${context.caller.user}`;
}

function print(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
