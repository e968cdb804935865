/** `landfall apply FILE…` */
import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { applyRoute, planRoute, type Distribution, type Plan } from '../../contract/apply.ts';
import type { Client } from '../../contract/client.ts';
import { isErrnoException } from '../../platform/errors.ts';
import { remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import { confirm } from '../confirm.ts';
import { absolute } from '../connection.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failures.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { styleOf, type Style } from '../output/style.ts';

interface Options extends RemoteOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

type Planned = Extract<Plan, { kind: 'plan' }>;
type Problems = Extract<Plan, { kind: 'problems' }>;

/** A distribution file with the folder that names in it begin at. */
interface SourceFile {
  readonly folder: string;
  readonly file: Distribution['files'][number];
}

const MAX_ROUNDS = 3;
const MAX_ATTACHMENT = 8 * 1024 * 1024;

export function applyCommand(context: CliContext): Command {
  const command = remoteCommand('apply', 'make archives, suites, people and permissions what the files say')
    .argument('<file...>', 'distribution files, or folders of *.toml')
    .option('--yes', 'do it without asking')
    .option('--dry-run', 'only print the plan; the exit code is 1 when it would change something')
    .action(async (paths: string[], options: Options) => {
      await runRemote(context, options, async (client) => {
        await apply(context, client, await readFiles(context, paths), options);
      });
    });
  return document(command, {
    text: [
      'Prints what would change, asks, and does it: all of it or nothing. What changed in between is noticed, and nothing is ' +
        'done then. Applying the same files again changes nothing. What the files do not speak of is left alone, except ' +
        'permissions and members of the people and groups that they declare.',
      'Files that a distribution file names (keys, keyrings) are read from beside it and sent along.',
    ],
    examples: [
      { command: 'landfall apply distribution.toml', says: 'Shows the plan and asks.' },
      { command: 'landfall apply --yes /etc/landfall/distribution.d', says: 'All files of a folder, without asking.' },
    ],
  });
}

async function apply(
  context: CliContext,
  client: Client,
  files: readonly SourceFile[],
  options: Options,
): Promise<void> {
  const { plan, distribution } = await makePlan(context, client, files);
  const style = styleOf(context.stdout, context.environment);
  if (plan.kind === 'problems') {
    context.stdout.write(options.json === true ? print(plan) : renderProblems(plan, style));
    context.setExitCode(EXIT.failed);
    return;
  }
  if (options.json !== true) context.stdout.write(renderPlan(plan, style));
  if (plan.changes.length === 0 || options.dryRun === true) {
    if (options.json === true) context.stdout.write(print(plan));
    if (plan.changes.length > 0) context.setExitCode(EXIT.failed);
    return;
  }
  if (options.yes !== true && !(await confirm(context, 'Apply this?'))) {
    if (options.json === true) context.stdout.write(print(plan));
    context.stderr.write('nothing was changed\n');
    context.setExitCode(EXIT.failed);
    return;
  }
  const { applied } = await client.call(applyRoute, {
    body: { ...distribution, hash: plan.hash },
    signal: context.signal,
  });
  if (options.json === true) context.stdout.write(print({ kind: 'applied', applied }));
  else context.stdout.write(`${applied.length} ${applied.length === 1 ? 'change' : 'changes'} applied\n`);
}

/** Asks for the plan; what the server says is needed beside the files is read and sent along. */
async function makePlan(
  context: CliContext,
  client: Client,
  files: readonly SourceFile[],
): Promise<{ readonly plan: Plan; readonly distribution: Distribution }> {
  let current = files;
  for (let round = 1; ; round += 1) {
    const distribution: Distribution = { files: current.map(({ file }) => file) };
    const plan = await client.call(planRoute, { body: distribution, signal: context.signal });
    const needed = plan.kind === 'problems' ? plan.problems.filter((problem) => problem.needs !== null) : [];
    const next = round < MAX_ROUNDS ? await attach(current, needed) : undefined;
    if (next === undefined) return { plan, distribution };
    current = next;
  }
}

/** The files with what they need beside them; undefined when nothing more can be added. */
async function attach(files: readonly SourceFile[], needed: Problems['problems']): Promise<SourceFile[] | undefined> {
  const next = await Promise.all(
    files.map(async ({ folder, file }): Promise<SourceFile> => {
      const missing = new Set(
        needed.flatMap((one) => (one.file === file.name && one.needs !== null ? [one.needs] : [])),
      );
      const attachments = [...file.attachments];
      for (const name of missing) {
        if (attachments.some((one) => one.name === name) || !isNamedIn(file.text, name)) continue;
        const bytes = await readAttachment(resolve(folder, name));
        if (bytes !== undefined) attachments.push({ name, bytes: bytes.toString('base64') });
      }
      return { folder, file: { ...file, attachments } };
    }),
  );
  const count = (all: readonly SourceFile[]): number => all.reduce((sum, one) => sum + one.file.attachments.length, 0);
  return count(next) > count(files) ? next : undefined;
}

/** A server gets no other files of ours than those that the person's own file names. */
function isNamedIn(text: string, name: string): boolean {
  return text.includes(`"${name}"`) || text.includes(`'${name}'`);
}

async function readAttachment(path: string): Promise<Buffer | undefined> {
  try {
    const { size } = await stat(path);
    if (size > MAX_ATTACHMENT)
      throw new UsageError(`${path} has ${size} bytes; a key or keyring has at most ${MAX_ATTACHMENT}`);
    return await readFile(path);
  } catch (error) {
    // The server's problem names the file and says what to do, better than an error here could.
    if (isErrnoException(error) && ['ENOENT', 'EISDIR', 'ENOTDIR', 'EACCES'].includes(error.code)) return undefined;
    throw error;
  }
}

async function readFiles(context: CliContext, paths: readonly string[]): Promise<SourceFile[]> {
  const found: SourceFile[] = [];
  for (const path of paths) {
    const full = absolute(context, path);
    const facts = await reading(path, () => stat(full));
    const names = facts.isDirectory()
      ? (await reading(path, () => readdir(full))).filter((name) => /^[^.].*\.toml$/.test(name)).sort()
      : [basename(full)];
    const folder = facts.isDirectory() ? full : dirname(full);
    if (names.length === 0) throw new UsageError(`there is no *.toml in ${path}`);
    for (const name of names) {
      const text = (await reading(path, () => readFile(join(folder, name)))).toString('utf8');
      found.push({ folder, file: { name: facts.isDirectory() ? join(path, name) : path, text, attachments: [] } });
    }
  }
  return found;
}

async function reading<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (isErrnoException(error)) throw new UsageError(`${path} cannot be read: ${describe(error.code)}`);
    throw error;
  }
}

function describe(code: string): string {
  if (code === 'ENOENT') return 'there is no such file';
  return code === 'EACCES' ? 'permission denied' : code;
}

const SIGNS = { create: ['+', 'good'], change: ['~', 'waiting'], withdraw: ['-', 'bad'] } as const;

function renderPlan(plan: Planned, style: Style): string {
  if (plan.changes.length === 0) return 'Nothing to change: everything is as the files say.\n';
  const lines = plan.changes.map((change) => {
    const [sign, tone] = SIGNS[change.action];
    const detail =
      change.detail === null || change.detail === '' ? '' : style.paint('faint', `  ${inertLine(change.detail)}`);
    return `${style.paint(tone, sign)} ${inertLine(change.what)}${detail}`;
  });
  const count = (action: keyof typeof SIGNS): number => plan.changes.filter((one) => one.action === action).length;
  return `${lines.join('\n')}\n\n${count('create')} to create, ${count('change')} to change, ${count('withdraw')} to withdraw\n`;
}

function renderProblems(problems: Problems, style: Style): string {
  return problems.problems
    .map((one) => {
      const place = [one.file, one.line, one.column].filter((part) => part !== null).join(':');
      const path = one.path === '' ? '' : `${one.path} `;
      const lines = [
        `${style.paint('bad', inertLine(place))}: ${inertLine(`${path}${one.problem}`)}`,
        `    expected: ${inertLine(one.expected)}`,
        ...(one.remedy === '' ? [] : [`    ${style.symbols.arrow} ${inertLine(one.remedy)}`]),
      ];
      return `${lines.join('\n')}\n`;
    })
    .join('');
}

function print(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
