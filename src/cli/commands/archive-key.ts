/** `landfall archive-key list|add|activate|retire|extend|certify|export|log|check` */
import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import {
  archiveKeysRoute,
  changeKeyRoute,
  checkSignerLogRoute,
  planKeyChangeRoute,
  signerLogRoute,
  type ArchiveKeys,
  type KeyChange,
} from '../../contract/archive-keys.ts';
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
import { answer } from '../output/print.ts';
import { styleOf, type Style } from '../output/style.ts';
import { table } from '../output/table.ts';
import { ago, moment } from '../output/time.ts';

const PAGE = 500;

export function archiveKeyCommand(context: CliContext): Command {
  const command = new Command('archive-key').description('manage the keys that archives are signed by');
  command.addCommand(listCommand(context));
  command.addCommand(addCommand(context));
  command.addCommand(activateCommand(context));
  command.addCommand(retireCommand(context));
  command.addCommand(extendCommand(context));
  command.addCommand(certifyCommand(context));
  command.addCommand(exportCommand(context));
  command.addCommand(logCommand(context));
  command.addCommand(checkCommand(context));
  return document(command, {
    text: [
      'A key is upcoming (published, signs nothing yet), active (signs), retiring (still signs beside the active ones) or ' +
        'retired. The keyring that clients fetch holds all but the retired ones. The private parts never leave the signer.',
      'To rotate: add a key, give clients time to fetch the keyring, activate it, wait again, retire the old one.',
    ],
    examples: [
      { command: 'landfall archive-key list main', says: 'Which keys does the archive have, and which of them sign?' },
      { command: 'landfall archive-key add main --reason "rotation of 2027"', says: 'The first step of a rotation.' },
    ],
  });
}

function listCommand(context: CliContext): Command {
  const command = remoteCommand('list', 'show the keys of an archive')
    .argument('<archive>', 'name of the archive')
    .action(async (archive: string, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const found = await client.call(archiveKeysRoute, { params: { archive }, signal: context.signal });
        answer(context, options.json, found, (style) => renderKeys(found, style, context.now()));
      });
    });
  return document(command, {
    text: ['Prints fingerprint, state, since when, until when it is valid, and which other keys vouch for it.'],
    examples: [{ command: 'landfall archive-key list main', says: 'The keys of the archive main.' }],
  });
}

const TONES = { upcoming: 'waiting', active: 'good', retiring: 'busy', retired: 'faint' } as const;

function renderKeys(found: ArchiveKeys, style: Style, now: Date): string {
  const rows = found.keys.map((key) => [
    key.fingerprint,
    { text: key.state, painted: style.paint(TONES[key.state], key.state) },
    ago(key.since, now),
    key.expiresAt === null ? 'never' : moment(key.expiresAt),
    key.certifiedBy.join(' ') || '-',
  ]);
  return `${table([['FINGERPRINT', 'STATE', 'SINCE', 'EXPIRES', 'CERTIFIED BY'], ...rows])}\nkeyring: ${inertLine(found.keyUrl)}\n`;
}

interface ChangeOptions extends RemoteOptions {
  readonly reason: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

/** A command that changes keys: the archive, the reason, and what every plan takes. */
function changingCommand(name: string, summary: string): Command {
  return remoteCommand(name, summary)
    .argument('<archive>', 'name of the archive')
    .requiredOption('--reason <text>', "why, for the audit and the signer's log")
    .option('--yes', 'do it without asking')
    .option('--dry-run', 'only print the plan; the exit code is 1 when it would change something');
}

/** Shows the plan, asks, and does it. */
async function change(
  context: CliContext,
  archive: string,
  options: ChangeOptions,
  makeChange: () => Promise<KeyChange> | KeyChange,
): Promise<void> {
  await runRemote(context, options, async (client: Client) => {
    const wanted = { change: await makeChange(), reason: options.reason };
    const params = { archive };
    const plan = await client.call(planKeyChangeRoute, { params, body: wanted, signal: context.signal });
    const style = styleOf(context.stdout, context.environment);
    if (options.json !== true) context.stdout.write(renderPlan(plan, style));
    if (plan.changes.length === 0 || options.dryRun === true) {
      if (options.json === true) context.stdout.write(`${JSON.stringify(plan, undefined, 2)}\n`);
      if (plan.changes.length > 0) context.setExitCode(EXIT.failed);
      return;
    }
    if (options.yes !== true && !(await confirm(context, 'Do this?'))) {
      context.stderr.write('nothing was changed\n');
      context.setExitCode(EXIT.failed);
      return;
    }
    const body = { ...wanted, hash: plan.hash };
    const done = await client.call(changeKeyRoute, { params, body, signal: context.signal });
    answer(context, options.json, done, () => `\n${renderKeys(done.keys, style, context.now())}`);
    if (wanted.change.kind === 'add' && options.json !== true) {
      context.stderr.write(
        `when clients have fetched the keyring: landfall archive-key activate ${archive} ${done.fingerprint} --reason …\n`,
      );
    }
  });
}

function renderPlan(
  plan: { readonly changes: readonly string[]; readonly warnings: readonly string[] },
  style: Style,
): string {
  if (plan.changes.length === 0) return 'Nothing to change: it is so already.\n';
  return [
    ...plan.changes.map((text) => `${style.symbols.arrow} ${inertLine(text)}\n`),
    ...plan.warnings.map((text) => `${style.paint('waiting', 'think of this:')} ${inertLine(text)}\n`),
  ].join('');
}

function addCommand(context: CliContext): Command {
  const command = changingCommand('add', 'make a key: published at once, not signing yet')
    .option('--expires-in <days>', 'until when it is valid, in days from now; default: for ever', daysArgument)
    .action(async (archive: string, options: ChangeOptions & { readonly expiresIn?: number }) => {
      const days = options.expiresIn === undefined ? {} : { expiresInDays: options.expiresIn };
      await change(context, archive, options, () => ({ kind: 'add', ...days }));
    });
  return document(command, {
    text: [
      'The signer makes the key; its private part never leaves it. An alert comes 90 days before a key in use expires.',
    ],
    examples: [
      {
        command: 'landfall archive-key add main --expires-in 1095 --reason "rotation of 2027"',
        says: 'A key for three years.',
      },
    ],
  });
}

function activateCommand(context: CliContext): Command {
  const command = changingCommand('activate', 'let a key sign; the ones that signed until now go on beside it')
    .argument('<fingerprint>', 'the key', fingerprintArgument)
    .option('--beside', 'the other active keys stay active, instead of retiring')
    .action(async (archive: string, fingerprint: string, options: ChangeOptions & { readonly beside?: boolean }) => {
      await change(context, archive, options, () => ({
        kind: 'activate',
        fingerprint,
        beside: options.beside === true,
      }));
    });
  return document(command, {
    text: [
      'From the next publication on every Release carries its signature beside those of the other keys, so that clients that ' +
        'know one of them accept it. Every suite is published again at once.',
    ],
    examples: [
      {
        command:
          'landfall archive-key activate main 0123456789ABCDEF0123456789ABCDEF01234567 --reason "rotation of 2027"',
        says: 'The second step of a rotation.',
      },
    ],
  });
}

function retireCommand(context: CliContext): Command {
  const command = changingCommand('retire', 'end a key: it signs nothing more and leaves the keyring, for ever')
    .argument('<fingerprint>', 'the key', fingerprintArgument)
    .action(async (archive: string, fingerprint: string, options: ChangeOptions) => {
      await change(context, archive, options, () => ({ kind: 'retire', fingerprint }));
    });
  return document(command, {
    text: [
      'Clients that know this key alone refuse the archive from the next publication on. The last active key cannot be retired.',
    ],
    examples: [
      {
        command:
          'landfall archive-key retire main 0123456789ABCDEF0123456789ABCDEF01234567 --reason "rotation of 2027"',
        says: 'The last step of a rotation.',
      },
    ],
  });
}

function extendCommand(context: CliContext): Command {
  const command = changingCommand('extend', 'let a key expire later')
    .argument('<fingerprint>', 'the key', fingerprintArgument)
    .requiredOption('--expires-in <days>', 'until when it is valid, in days from now', daysArgument)
    .action(async (archive: string, fingerprint: string, options: ChangeOptions & { readonly expiresIn: number }) => {
      await change(context, archive, options, () => ({
        kind: 'extend',
        fingerprint,
        expiresInDays: options.expiresIn,
      }));
    });
  return document(command, {
    text: ['Clients learn of it only by fetching the keyring again.'],
    examples: [
      {
        command:
          'landfall archive-key extend main 0123456789ABCDEF0123456789ABCDEF01234567 --expires-in 730 --reason "two years more"',
        says: 'It expires in two years from now.',
      },
    ],
  });
}

interface CertifyOptions extends ChangeOptions {
  readonly certified: string;
  readonly certifier: string;
}

function certifyCommand(context: CliContext): Command {
  const command = changingCommand('certify', 'publish the certification of a key by one that is kept offline')
    .argument('<fingerprint>', 'the key', fingerprintArgument)
    .requiredOption('--certified <file>', 'the key with the certification, as gpg --export wrote it')
    .requiredOption('--certifier <file>', 'the public key that made the certification')
    .action(async (archive: string, fingerprint: string, options: CertifyOptions) => {
      await change(context, archive, options, async () => ({
        kind: 'certify',
        fingerprint,
        certified: (await readGiven(context, options.certified)).toString('base64'),
        certifier: (await readGiven(context, options.certifier)).toString('base64'),
      }));
    });
  return document(command, {
    text: [
      'The signer checks the certification and takes nothing else over. The published keyring carries it from then on, so that ' +
        'whoever trusts the offline key can verify the archive key by it.',
    ],
    examples: [
      {
        command:
          'landfall archive-key certify main 0123456789ABCDEF0123456789ABCDEF01234567 --certified signed.asc --certifier root.asc --reason "ceremony of May"',
        says: 'After gpg --sign-key on the offline machine.',
      },
    ],
  });
}

async function readGiven(context: CliContext, path: string): Promise<Buffer> {
  try {
    return await readFile(absolute(context, path));
  } catch (error) {
    if (isErrnoException(error)) throw new UsageError(`${path} cannot be read: ${error.code}`);
    throw error;
  }
}

function exportCommand(context: CliContext): Command {
  const command = remoteCommand('export', 'print the keyring that clients need')
    .argument('<archive>', 'name of the archive')
    .action(async (archive: string, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const found = await client.call(archiveKeysRoute, { params: { archive }, signal: context.signal });
        answer(context, options.json, found, () => found.publicKey);
      });
    });
  return document(command, {
    text: ['Every key but the retired ones, armored, in one block: what Signed-By of a sources.list file takes.'],
    examples: [
      { command: 'landfall archive-key export main > /etc/apt/keyrings/main.asc', says: 'The keyring for apt.' },
    ],
  });
}

function logCommand(context: CliContext): Command {
  const command = remoteCommand('log', "print the signer's log: what was signed, and every change of the keys")
    .argument('[archive]', 'only of this archive')
    .action(async (archive: string | undefined, options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        for (let after = 0; ;) {
          const query = { after, limit: PAGE };
          const { lines } = await client.call(signerLogRoute, { query, signal: context.signal });
          for (const text of lines)
            context.stdout.write(options.json === true ? `${text}\n` : renderLine(text, archive));
          if (lines.length < PAGE) return;
          after += lines.length;
        }
      });
    });
  return document(command, {
    text: [
      'One line for each. With --json the lines as they stand in the log: each holds the hash of the one before it, so that ' +
        'anybody can check them; docs/reference/signer-log.md has the form.',
    ],
    examples: [{ command: 'landfall archive-key log main', says: "What the signer did for the archive 'main'." }],
  });
}

/** A line for people; empty when it is of another archive. */
function renderLine(text: string, archive: string | undefined): string {
  const { entry } = JSON.parse(text) as { entry: Record<string, unknown> };
  const field = (name: string): string => {
    const value = entry[name];
    if (Array.isArray(value)) return inertLine(value.join(' '));
    return typeof value === 'string' || typeof value === 'number' ? inertLine(String(value)) : '';
  };
  if (archive !== undefined && entry['archive'] !== archive) return '';
  const what =
    entry['kind'] === 'release'
      ? `${field('suite')} ${field('serial')} by ${field('fingerprints')}`
      : `${field('fingerprint')} by ${field('by')}: ${field('reason')}`;
  return `${moment(field('at'))}  ${field('archive')}  ${field('kind')}  ${what}\n`;
}

function checkCommand(context: CliContext): Command {
  const command = remoteCommand(
    'check',
    "check the signer's log: that no line of it was changed, taken out or added",
  ).action(async (options: RemoteOptions) => {
    await runRemote(context, options, async (client) => {
      const found = await client.call(checkSignerLogRoute, { signal: context.signal });
      if (found.kind === 'damaged') context.setExitCode(EXIT.failed);
      answer(context, options.json, found, () =>
        found.kind === 'whole'
          ? `the log is whole: ${found.lines} lines, ${found.confirmed} of them confirmed by publications; the last has the hash ${found.hash}\n`
          : `line ${found.line} of the log: ${inertLine(found.reason)}\n`,
      );
    });
  });
  return document(command, {
    text: [
      'Each line holds the hash of the one before it, and each publication keeps the hash of the line that tells of its ' +
        'signature: a changed line is found, and so is a log that was written anew. Exit code 1 when it is damaged.',
    ],
    examples: [{ command: 'landfall archive-key check', says: 'Is the log as the signer wrote it?' }],
  });
}

function fingerprintArgument(text: string): string {
  const plain = text.replace(/[ :]/g, '').replace(/^0x/i, '').toUpperCase();
  if (/^(?:[0-9A-F]{40}|[0-9A-F]{64})$/.test(plain)) return plain;
  throw new InvalidArgumentError('expected a whole fingerprint, 40 or 64 hexadecimal digits.');
}

function daysArgument(text: string): number {
  if (/^[1-9]\d{0,4}$/.test(text) && Number(text) <= 36_500) return Number(text);
  throw new InvalidArgumentError('expected a number of days, at most 36500.');
}
