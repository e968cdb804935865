/** `landfall demo`: sets everything up in a folder of its own, runs the demo, and stays up to be looked at. */
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { run } from '../../cli/command.ts';
import { writeClientFile } from '../../cli/connection.ts';
import type { CliContext } from '../../cli/context.ts';
import { renderSubmission, styleOf } from '../../cli/index.ts';
import { document } from '../../cli/manual.ts';
import { createClient } from '../../contract/client.ts';
import { exec } from '../../platform/exec.ts';
import { exists, writeFileDurably } from '../../platform/files.ts';
import { createLogger } from '../../platform/log.ts';
import { runDemo, type DemoFacts, type DemoWorld, type Teller } from '../demo/demo.ts';
import { createTeller } from '../demo/teller.ts';
import { localUrl, startMachine, type Machine } from '../machine.ts';
import { writeFirstConfiguration } from '../administration.ts';
import { loadSettings, type Settings } from '../settings.ts';
import { askSupervisor, untilStopped } from '../supervisor.ts';
import { aborted, firstAdministrator } from './serve.ts';

interface Options {
  readonly once?: boolean;
  readonly json?: boolean;
  readonly reset?: boolean;
  readonly clean?: boolean;
  readonly port: number;
}

/** Kept by `--reset`: what takes long to make and holds nothing of a demo. */
const KEPT = ['chroots', 'cache'];
const STOP_DEADLINE_MS = 60_000;

export function demoCommand(context: CliContext): Command {
  const command = new Command('demo')
    .description('show the whole path on a real package, then stay up to be looked at')
    .option('--once', 'end when the demo is done')
    .option('--json', 'print one JSON object with what was shown; the story goes to stderr')
    .option('--reset', 'begin anew: forget what earlier demos released')
    .option('--clean', 'remove everything that demos left, and end')
    .option('--port <port>', 'the port on loopback; 0 takes a free one', portArgument, 8463)
    .action(async (options: Options) => {
      await run(context, options, async () => {
        const { paths } = await loadSettings();
        if (options.clean === true || options.reset === true)
          await clean(paths.demo, options.clean === true ? [] : KEPT);
        if (options.clean === true) {
          context.stdout.write(`removed ${paths.demo}\n`);
          return;
        }
        await show(context, options, paths.root, paths.demo);
      });
    });
  return document(command, {
    text: [
      "Debian's own `hello` travels from a tag signed with `git debpush` into `apt install` on a fresh chroot; three bad tags are refused, a build fails, an upgrade is installed. Everything lies in a folder of its own.",
      'Running it again reuses what is there and releases the next version: accepted versions never return.',
    ],
    examples: [
      { command: 'landfall demo', says: 'Run it and stay up.' },
      { command: 'landfall demo --once --json', says: 'For scripts: end when it is done, facts on stdout.' },
      { command: 'landfall demo --clean', says: 'Remove all that demos left.' },
    ],
  });
}

async function show(context: CliContext, options: Options, root: string, folder: string): Promise<void> {
  const out = options.json === true ? context.stderr : context.stdout;
  const tell = createTeller(out, out.isTTY === true && context.environment.NO_COLOR === undefined);
  await configure(folder, options.port);
  const settings = await loadSettings(folder);
  const running = await askSupervisor(settings.supervisorSocket, 'state');
  tell.chapter(running === undefined ? 'Landfall starts' : 'Landfall is running already');
  const machine = running === undefined ? await start(settings, tell) : undefined;
  try {
    if (!(await exists(join(root, 'landfall.toml')))) {
      // Nothing else is set up here: then `landfall where hello` should find the demo without being told.
      await writeClientFile(root, { url: localUrl(settings), tokenFile: join(settings.paths.tokens, 'admin') });
    }
    const facts = await runDemo(await worldOf(settings, machine, tell));
    if (options.json === true) context.stdout.write(`${JSON.stringify(facts)}\n`);
    else context.stdout.write(summary(context, facts, options.once === true || machine === undefined));
    if (machine !== undefined && options.once !== true) {
      await Promise.race([machine.supervisor.stopped, aborted(context.signal)]);
    }
  } finally {
    await machine?.stop();
  }
}

async function start(settings: Settings, tell: Teller): Promise<Machine> {
  return await startMachine({
    settings,
    log: createLogger({ role: 'demo', level: 'warn' }),
    administrator: firstAdministrator(),
    onStep: (what, milliseconds) => tell.done(what, milliseconds / 1000),
  });
}

async function worldOf(settings: Settings, machine: Machine | undefined, tell: Teller): Promise<DemoWorld> {
  const common = {
    url: settings.publicUrl,
    folder: join(settings.paths.root, 'work'),
    cache: join(settings.paths.root, 'cache'),
    tell,
  };
  if (machine !== undefined)
    return { ...common, client: machine.client, addWorker: async (worker) => await machine.addWorker(worker) };
  const token = (await readFile(join(settings.paths.tokens, 'admin'), 'utf8')).trim();
  // Its worker joined when it was started.
  return {
    ...common,
    client: createClient({ url: localUrl(settings), token }),
    addWorker: async () => Promise.resolve(),
  };
}

/** The demo's own configuration: an address on loopback, and free of what another port had before. */
async function configure(folder: string, port: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { config, paths } = await loadSettings(folder);
  const free = port === 0 ? await freePort() : port;
  if (await writeFirstConfiguration(folder, `127.0.0.1:${String(free)}`)) return;
  if (port === 0 || config.server.listen === `127.0.0.1:${String(port)}`) return;
  const text = await readFile(paths.config, 'utf8');
  await writeFileDurably(paths.config, text.replace(/^listen = .*$/m, `listen = "127.0.0.1:${String(port)}"`));
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  return address.port;
}

/** Stops the demo and removes its folder but for the names in `kept`. */
async function clean(folder: string, kept: readonly string[]): Promise<void> {
  if (!(await exists(folder))) return;
  const { supervisorSocket } = await loadSettings(folder);
  if ((await askSupervisor(supervisorSocket, 'stop')) !== undefined)
    await untilStopped(supervisorSocket, STOP_DEADLINE_MS);
  const names = kept.flatMap((name, index) => [...(index === 0 ? [] : ['-o']), '-name', name]);
  await exec(
    [
      // Chroots belong to subordinate ids: only inside the user namespace can they be removed.
      'unshare',
      ...['--user', '--map-auto', '--map-root-user', 'find', folder, '-mindepth', '1', '-maxdepth', '1'],
      ...(names.length === 0 ? [] : ['!', '(', ...names, ')']),
      ...['-exec', 'rm', '-rf', '--one-file-system', '{}', '+'],
    ],
    { doing: `remove what lies in ${folder}`, deadlineMs: 300_000 },
  );
}

function summary(context: CliContext, facts: DemoFacts, ends: boolean): string {
  const times = facts.steps.map(({ step, seconds }) => `  ${seconds.toFixed(1).padStart(6)} s  ${step}`).join('\n');
  const indented = facts.apt.lines.trimEnd().replace(/^/gm, '  ');
  const style = styleOf(context.stdout, context.environment);
  return `
The first release, step by step
${renderSubmission(facts.timeline, style, context.now()).trimEnd()}

Time
${times}
  ${facts.seconds.toFixed(1).padStart(6)} s  in all

For apt, in /etc/apt/sources.list.d/landfall-demo.sources (key fingerprint ${facts.apt.fingerprint}):
${indented}

See it:   ${facts.url}/where/hello
Ask it:   landfall where hello
${ends ? '' : `It stays up at ${facts.url}/ until Ctrl-C or \`landfall stop\`.\n`}
demo: hello ${facts.upgrade} installed by apt from the archive
`;
}

function portArgument(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError('expected a port, 0 to 65535.');
}
