/** `landfall people`, `landfall people enrol`, `landfall people redeem`: who is registered, and how a person comes in. */
import { chmod, mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { enrolRoute, inviteRoute, peopleRoute, personRoute, type PersonDetail } from '../../contract/people.ts';
import { createClient } from '../../contract/client.ts';
import { readFileIfExists, writeFileDurably } from '../../platform/files.ts';
import { stateDirectory } from '../../platform/paths.ts';
import { remoteCommand, run, runRemote, type RemoteOptions } from '../command.ts';
import { absolute, clientFilePath, findConnection, writeClientFile } from '../connection.ts';
import type { CliContext } from '../context.ts';
import { UsageError } from '../failures.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style } from '../output/style.ts';
import { table, type Cell } from '../output/table.ts';
import { moment } from '../output/time.ts';
import { keyRow } from './key-words.ts';

export function peopleCommand(context: CliContext): Command {
  const people = remoteCommand('people', 'show who is registered: keys, groups, permissions, releases')
    .argument('[handle]', 'one person')
    .action(async (handle: string | undefined, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        if (handle !== undefined) {
          const person = await client.call(personRoute, { params: { handle }, signal: context.signal });
          answer(context, options.json, person, (style) => renderPerson(person, style));
          return;
        }
        const found = await client.call(peopleRoute, { signal: context.signal });
        answer(context, options.json, found, () =>
          table([
            ['HANDLE', 'NAME', 'KEYS', 'PERMISSIONS', 'LAST RELEASE', 'GROUPS'],
            ...found.people.map((one) => [
              inertLine(one.handle) + (one.active ? '' : ' (inactive)'),
              inertLine(one.name),
              one.keys.valid === one.keys.all ? String(one.keys.all) : `${one.keys.valid} of ${one.keys.all} valid`,
              String(one.grants),
              one.lastReleaseAt === null ? 'never' : moment(one.lastReleaseAt),
              inertLine(one.groups.join(' ')),
            ]),
          ]),
        );
      });
    });
  people.addCommand(enrolCommand(context));
  people.addCommand(redeemCommand(context));
  return document(people, {
    text: [
      'People, groups and permissions are declared in distribution files and changed with landfall apply; keys also with ' +
        'landfall key import. Times are UTC.',
    ],
    examples: [
      { command: 'landfall people', says: 'Everybody.' },
      { command: 'landfall people alice', says: 'Her keys, what she may do and until when, what she released lately.' },
    ],
  });
}

function renderPerson(person: PersonDetail, style: Style): string {
  const title = `${style.paint('strong', inertLine(person.handle))}  ${inertLine(person.name)} <${inertLine(person.email)}>`;
  const inactive = person.active ? '' : style.paint('bad', '  not active: may do nothing');
  const inForce = person.grants.filter(({ state }) => state === 'in-force');
  const over = person.grants.filter(({ state }) => state !== 'in-force');
  const grantRow = (grant: PersonDetail['grants'][number]): readonly (Cell | string)[] => [
    inertLine(grant.permission),
    grant.state === 'withdrawn'
      ? `withdrawn ${moment(grant.withdrawnAt ?? grant.createdAt)}`
      : grant.validUntil === null
        ? 'without end'
        : `${grant.state === 'expired' ? 'ended' : 'until'} ${moment(grant.validUntil)}`,
    (grant.group === null ? '' : `through group ${inertLine(grant.group)}, `) +
      `given by ${inertLine(grant.grantedBy)}`,
  ];
  const section = (heading: string, rows: readonly (readonly (Cell | string)[])[], empty: string): string =>
    `\n${heading}\n${rows.length === 0 ? `  ${empty}\n` : table(rows, '  ')}`;
  return [
    `${title}${inactive}\n`,
    person.groups.length === 0 ? '' : `  groups: ${inertLine(person.groups.join(', '))}\n`,
    section(
      'Keys',
      person.keys.map((key) => keyRow(key, style)),
      'none: landfall key import FILE --person ' + person.handle,
    ),
    section('May', inForce.map(grantRow), 'nothing'),
    over.length === 0 ? '' : section('Could once', over.map(grantRow), ''),
    section(
      'Released lately',
      person.releases.map((one) => [
        moment(one.decidedAt),
        inertLine(`${one.source} ${one.version}`),
        inertLine(`${one.archive}/${one.suite}`),
        `tag ${one.tagId}`,
      ]),
      'nothing',
    ),
  ].join('');
}

interface EnrolOptions extends RemoteOptions {
  readonly hours: number;
}

function enrolCommand(context: CliContext): Command {
  const command = remoteCommand('enrol', 'make a one-time code with which a person gets a token')
    .argument('<handle>', 'the person')
    .option('--hours <hours>', 'how long the code may be used', hoursArgument, 48)
    .action(async (handle: string, options: EnrolOptions) => {
      await runRemote(context, options, async (client) => {
        const made = await client.call(inviteRoute, {
          params: { handle },
          body: { validSeconds: Math.round(options.hours * 3600) },
          signal: context.signal,
        });
        answer(context, options.json, made, () => `${made.code}\n`);
        if (options.json === true) return;
        context.stderr.write(
          `good once, until ${moment(made.expiresAt)} UTC. Send it to ${handle}, who runs: landfall people redeem --url ${client.url}\n`,
        );
      });
    });
  return document(command, {
    text: [
      'For an administrator. The person turns the code into a token with landfall people redeem; nobody else ever holds that ' +
        'token. The code is printed once, and only its hash is kept.',
    ],
    examples: [{ command: 'landfall people enrol alice', says: 'A code for alice, good for two days.' }],
  });
}

function hoursArgument(text: string): number {
  const hours = Number(text);
  if (/^\d{1,3}(\.\d+)?$/.test(text) && hours >= 0.02 && hours <= 720) return hours;
  throw new InvalidArgumentError('expected a number of hours, at most 720.');
}

interface RedeemOptions extends RemoteOptions {
  readonly name: string;
  readonly output?: string;
}

function redeemCommand(context: CliContext): Command {
  const command = remoteCommand('redeem', 'turn a one-time code into a token, kept in a file of yours')
    .option('--name <text>', 'what the token is called in your list', `landfall on ${hostname()}`)
    .option('--output <file>', 'where the token is kept; default: in your state folder, where landfall finds it')
    .action(async (options: RedeemOptions) => {
      await run(context, options, async () => {
        const folder = stateDirectory(context.environment, context.caller);
        const file = options.output === undefined ? join(folder, 'token') : absolute(context, options.output);
        if ((await readFileIfExists(file)) !== undefined) {
          throw new UsageError(`${file} is there already: remove it, or say another with --output`);
        }
        const { url } = await findConnection(context, options);
        const client = createClient({
          url,
          token: await readCode(context),
          userAgent: `landfall/${context.version}`,
          ...(context.transport === undefined ? {} : { transport: context.transport }),
        });
        const made = await client.call(enrolRoute, { body: { name: options.name }, signal: context.signal });
        await mkdir(dirname(file), { recursive: true, mode: 0o700 });
        await writeFileDurably(file, `${made.secret}\n`, { mode: 0o600 });
        await chmod(file, 0o600);
        const remembered =
          options.output === undefined && (await readFileIfExists(clientFilePath(folder))) === undefined;
        if (remembered) await writeClientFile(folder, { url, tokenFile: file });
        const facts = { handle: made.handle, tokenFile: file, url, remembered };
        answer(
          context,
          options.json,
          facts,
          () =>
            `you are ${inertLine(made.handle)}; the token is in ${file}\n${
              remembered
                ? `from now on landfall talks to ${url} with it\n`
                : `use it with: --url ${url} --token-file ${file}\n`
            }`,
        );
      });
    });
  return document(command, {
    text: [
      'The code is read from standard input, so that it stands in no list of processes and no history. It is worthless ' +
        'afterwards. The token file can be read by you alone.',
    ],
    examples: [{ command: 'landfall people redeem --url https://landfall.example', says: 'Asks for the code.' }],
  });
}

async function readCode(context: CliContext): Promise<string> {
  if (context.stdin.isTTY === true) context.stderr.write('Enrolment code: ');
  let text = '';
  for await (const chunk of context.stdin) {
    text += typeof chunk === 'string' ? chunk : chunk instanceof Uint8Array ? Buffer.from(chunk).toString('utf8') : '';
    if (text.includes('\n') || text.length > 1000) break;
  }
  const code = text.trim();
  if (/^lfe_[A-Za-z0-9_-]{16,100}$/.test(code)) return code;
  throw new UsageError(
    'an enrolment code was expected on standard input; an administrator makes one: landfall people enrol HANDLE',
  );
}
