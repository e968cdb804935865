/** `landfall mirror-check` */
import { type Command, InvalidArgumentError } from 'commander';
import { suitesRoute, type Suite } from '../../contract/suites.ts';
import { remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { Finding } from '../doctor/finding.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failures.ts';
import { document } from '../manual.ts';
import { checkMirror } from '../mirror/check-mirror.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style } from '../output/style.ts';

interface Options extends RemoteOptions {
  readonly archive?: string;
  readonly suite?: readonly string[];
  readonly sample: number;
}

interface Checked {
  readonly suite: string;
  readonly findings: readonly Finding[];
}

export function mirrorCheckCommand(context: CliContext): Command {
  const command = remoteCommand('mirror-check', 'hold a mirror or CDN against the archive')
    .argument('<address>', 'of the mirror: the folder that has dists/ and pool/')
    .option('--archive <name>', 'the archive that it mirrors; needed where there is more than one')
    .option('--suite <name...>', 'only these suites; default: all')
    .option('--sample <packages>', 'packages of each suite that are fetched and hashed', sampleArgument, 5)
    .action(async (address: string, options: Options) => {
      await runRemote(context, options, async (client) => {
        const mirror = addressOf(address);
        const { suites } = await client.call(suitesRoute, { signal: context.signal });
        const checked: Checked[] = [];
        for (const suite of chosen(suites, options)) {
          const key = await client.fetch(`/archive/${suite.archive}/key.asc`, { signal: context.signal });
          const findings = await checkMirror({
            origin: `${client.url}/archive/${suite.archive}`,
            mirror,
            suite: suite.suite,
            keyring: Buffer.from(await key.text(), 'utf8'),
            sample: options.sample,
            now: context.now(),
            fetch: async (url, init) => await fetch(url, init),
          });
          checked.push({ suite: `${suite.archive}/${suite.suite}`, findings });
        }
        answer(context, options.json, checked, (style) => render(checked, style));
        if (checked.some(({ findings }) => findings.some((one) => one.outcome === 'fail'))) {
          context.setExitCode(EXIT.failed);
        }
      });
    });
  return document(command, {
    text: [
      'Fetches from both, as a client does, and says what is wrong in words: the signature of InRelease, whether the mirror is behind or ' +
        'expired, whether Release and Release.gpg belong to it, whether every index is there by its hash, whether some packages ' +
        'have the bytes that the index says, and whether caches are told to keep the pool and to ask for dists/.',
      'The exit code is 1 when something is wrong that clients feel; what could only be better is a warning.',
    ],
    examples: [
      { command: 'landfall mirror-check https://mirror.example.org/landfall', says: 'All suites.' },
      {
        command: 'landfall mirror-check https://cdn.example.org/main --archive main --suite landing --json',
        says: 'One suite, for a monitor.',
      },
    ],
  });
}

function chosen(suites: readonly Suite[], options: Options): Suite[] {
  const published = suites.filter((suite) => suite.published !== null && suite.audience === 'public');
  const archives = [...new Set(published.map((suite) => suite.archive))];
  const archive = options.archive ?? (archives.length === 1 ? archives[0] : undefined);
  if (archive === undefined) {
    throw new UsageError(
      archives.length === 0
        ? 'nothing is published yet'
        : `say which archive it mirrors: --archive ${archives.join('|')}`,
    );
  }
  const found = published.filter((suite) => suite.archive === archive);
  if (found.length === 0)
    throw new UsageError(`the archive ${archive} has no public suite; there are ${archives.join(', ') || 'none'}`);
  const wanted = options.suite;
  if (wanted === undefined) return found;
  return wanted.map((name) => {
    const suite = found.find((one) => one.suite === name || one.codename === name || one.aliases.includes(name));
    if (suite !== undefined) return suite;
    throw new UsageError(`${archive} has no suite ${name}; it has ${found.map((one) => one.suite).join(', ')}`);
  });
}

function addressOf(text: string): string {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return text.replace(/\/+$/, '');
  throw new UsageError(`${JSON.stringify(text)} is not an http or https address`);
}

function sampleArgument(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected a number from 1 to 9999.');
}

function render(checked: readonly Checked[], style: Style): string {
  return checked
    .map(({ suite, findings }) => {
      const lines = findings.map((one) => {
        const [symbol, tone] = {
          ok: [style.symbols.done, 'good'] as const,
          warn: [style.symbols.waiting, 'waiting'] as const,
          fail: [style.symbols.failed, 'bad'] as const,
        }[one.outcome];
        const line = `  ${style.paint(tone, symbol)} ${inertLine(one.name)}: ${inertLine(one.says)}\n`;
        return one.remedy === null ? line : `${line}      ${style.symbols.arrow} ${inertLine(one.remedy)}\n`;
      });
      return `${inertLine(suite)}\n${lines.join('')}`;
    })
    .join('');
}
