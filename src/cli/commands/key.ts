/** `landfall key list|show|import|revoke` */
import { readFile } from 'node:fs/promises';
import { Command } from 'commander';
import {
  importKeysRoute,
  keyRoute,
  keysRoute,
  planKeysRoute,
  revokeKeyRoute,
  type KeyDetail,
  type KeyImport,
  type KeyRevocation,
} from '../../contract/keys.ts';
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
import { styleOf, type Style, type Tone } from '../output/style.ts';
import { table, type Cell } from '../output/table.ts';
import { moment } from '../output/time.ts';
import { keyRow, keyState } from './key-words.ts';

export function keyCommand(context: CliContext): Command {
  const key = new Command('key').description(
    'manage the keys of people: read them in, and revoke them with all that follows',
  );
  key.addCommand(listCommand(context));
  key.addCommand(showCommand(context));
  key.addCommand(importCommand(context));
  key.addCommand(revokeCommand(context));
  return document(key, {
    text: ['The keys that archives are signed with are another matter: landfall archive-key.'],
    examples: [{ command: 'landfall key list', says: 'Whose keys are known, and which of them count?' }],
  });
}

function listCommand(context: CliContext): Command {
  const command = remoteCommand('list', 'list the keys that were ever registered')
    .option('--person <handle>', 'only those of this person')
    .action(async (options: RemoteOptions & { readonly person?: string }) => {
      await runRemote(context, options, async (client) => {
        const { person } = options;
        const found = await client.call(keysRoute, {
          query: person === undefined ? {} : { person },
          signal: context.signal,
        });
        answer(context, options.json, found, (style) =>
          found.keys.length === 0
            ? 'No key is registered: landfall key import FILE --person HANDLE\n'
            : table(found.keys.map((key) => [inertLine(key.person), ...keyRow(key, style)])),
        );
      });
    });
  return document(command, {
    text: ['Also the expired and the revoked ones: what they signed leads back to them.'],
    examples: [{ command: 'landfall key list --person alice', says: 'Her keys.' }],
  });
}

function showCommand(context: CliContext): Command {
  const command = remoteCommand('show', 'show a key and everything that it let in')
    .argument('<fingerprint>', 'the fingerprint, or its last 8 digits or more')
    .option('--public-key', 'print the public key itself')
    .action(async (fingerprint: string, options: RemoteOptions & { readonly publicKey?: boolean }) => {
      await runRemote(context, options, async (client) => {
        const key = await findKey(context, client, fingerprint);
        answer(context, options.json, key, (style) =>
          options.publicKey === true ? `${key.publicKey.trimEnd()}\n` : renderKey(key, style),
        );
      });
    });
  return document(command, {
    text: [
      'For each release: whether it is under way, published, or came to nothing, and what to do about it when the key is not to ' +
        'be trusted any more.',
    ],
    examples: [{ command: 'landfall key show 1F2E3D4C', says: 'What did this key let in?' }],
  });
}

interface ImportOptions extends RemoteOptions {
  readonly person?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

function importCommand(context: CliContext): Command {
  const command = remoteCommand('import', 'read keys from a file: new ones, and what is new in known ones')
    .argument('<file>', 'public keys: OpenPGP armoured or binary, one or a keyring; or OpenSSH .pub')
    .option('--person <handle>', 'whose the keys are that are not registered yet')
    .option('--yes', 'do it without asking')
    .option('--dry-run', 'only print what would be done')
    .action(async (file: string, options: ImportOptions) => {
      await runRemote(context, options, async (client) => importFile(context, client, file, options));
    });
  return document(command, {
    text: [
      'Says of each key whose it is and what is new: a later expiry, a revocation by its owner, other subkeys. An older export ' +
        'takes nothing back. Keys in the file that belong to nobody here are left alone, and the exit code is then 1.',
      'An administrator registers keys; what a registered key says anew of itself, its owner may bring in too.',
    ],
    examples: [
      { command: 'landfall key import alice.asc --person alice', says: 'Registers her key.' },
      { command: 'landfall key import keyring.pgp', says: 'Reads expiry and revocations of all known keys again.' },
    ],
  });
}

async function importFile(context: CliContext, client: Client, path: string, options: ImportOptions): Promise<void> {
  const bytes = (await readKeys(context, path)).toString('base64');
  const { person } = options;
  const body = { bytes, ...(person === undefined ? {} : { person }) };
  const plan = await client.call(planKeysRoute, { body, signal: context.signal });
  const style = styleOf(context.stdout, context.environment);
  const open = plan.keys.filter(({ action }) => action === 'add' || action === 'refresh');
  if (plan.keys.some(({ action }) => action === 'refuse')) context.setExitCode(EXIT.failed);
  if (options.json !== true) context.stdout.write(renderImport(plan, style));
  const stop = open.length === 0 || options.dryRun === true;
  if (stop || (options.yes !== true && !(await confirm(context, `Import ${count(open.length, 'key')}?`)))) {
    if (options.json === true) context.stdout.write(`${JSON.stringify(plan, undefined, 2)}\n`);
    else if (!stop) context.stderr.write('nothing was changed\n');
    if (!stop) context.setExitCode(EXIT.failed);
    return;
  }
  const done = await client.call(importKeysRoute, { body: { ...body, hash: plan.hash }, signal: context.signal });
  if (options.json === true) context.stdout.write(`${JSON.stringify(done, undefined, 2)}\n`);
  else context.stdout.write(`${count(open.length, 'key')} imported\n`);
}

const IMPORT_SIGNS = {
  add: ['+', 'good'],
  refresh: ['~', 'waiting'],
  unchanged: ['=', 'faint'],
  refuse: ['x', 'bad'],
} as const;

function renderImport(plan: KeyImport, style: Style): string {
  return plan.keys
    .map((key) => {
      const [sign, tone] = IMPORT_SIGNS[key.action];
      const whose = key.person === null ? '' : ` of ${inertLine(key.person)}`;
      const ids = key.userIds.length === 0 ? '' : style.paint('faint', `  ${inertLine(key.userIds.join(', '))}`);
      const remedy =
        key.remedy === null ? '' : `    ${style.symbols.arrow} ${style.paint('waiting', inertLine(key.remedy))}\n`;
      return `${style.paint(tone, sign)} ${inertLine(key.fingerprint)}${whose}${ids}\n    ${inertLine(key.detail)}\n${remedy}`;
    })
    .join('');
}

interface RevokeOptions extends RemoteOptions {
  readonly reason: string;
  readonly suspend?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

function revokeCommand(context: CliContext): Command {
  const command = remoteCommand('revoke', 'revoke a key for ever, and see to what it let in')
    .argument('<fingerprint>', 'the fingerprint, or its last 8 digits or more')
    .requiredOption('--reason <text>', 'why; it is shown with every refusal')
    .option('--suspend', 'also end what it let in and is not published yet')
    .option('--yes', 'do it without asking')
    .option('--dry-run', 'only print what would be done')
    .action(async (fingerprint: string, options: RevokeOptions) => {
      await runRemote(context, options, async (client) => revoke(context, client, fingerprint, options));
    });
  return document(command, {
    text: [
      'From then on nothing that the key signed counts, whenever it was signed: new tags are rejected, and uploads of releases ' +
        'that it let in are rejected when they arrive. Everything that it let in is listed with what to do about it.',
      'With --suspend what is not published yet ends at once: jobs are cancelled, waiting uploads rejected, reserved versions ' +
        'freed, and packages that no publication has shown leave their suite. What apt can read stays until a newer version ' +
        'replaces it. A key is revoked by its owner, or by somebody who administers everything; it cannot be undone. A key that ' +
        'is revoked already may be named again with --suspend.',
    ],
    examples: [
      {
        command: 'landfall key revoke 1F2E3D4C --reason "laptop stolen" --suspend',
        says: 'Shows what it let in, asks, and does it.',
      },
    ],
  });
}

async function revoke(context: CliContext, client: Client, fingerprint: string, options: RevokeOptions): Promise<void> {
  const key = await findKey(context, client, fingerprint);
  const style = styleOf(context.stdout, context.environment);
  if (options.json !== true) {
    context.stdout.write(renderKey(key, style));
    const ending = key.releases.filter(({ state }) => state === 'under-way' || state === 'partly-published').length;
    const also =
      options.suspend === true
        ? `; ${count(ending, 'release')} that you see${key.hidden === 0 ? '' : `, and what there is of ${key.hidden} that you do not,`} will be suspended`
        : '';
    const verb = key.state === 'revoked' ? 'is revoked already' : 'will be revoked for ever';
    context.stdout.write(`\nThe key ${verb}${also}.\n`);
  }
  if (options.dryRun === true) {
    if (options.json === true) context.stdout.write(`${JSON.stringify(key, undefined, 2)}\n`);
    return;
  }
  if (options.yes !== true && !(await confirm(context, 'Do it?'))) {
    context.stderr.write('nothing was changed\n');
    context.setExitCode(EXIT.failed);
    return;
  }
  const done = await client.call(revokeKeyRoute, {
    params: { id: key.id },
    body: { reason: options.reason, suspend: options.suspend === true, hash: key.hash },
    signal: context.signal,
  });
  answer(context, options.json, done, () => renderRevocation(done, style));
}

function renderRevocation(done: KeyRevocation, style: Style): string {
  const { key } = done;
  const lines = done.suspended.map(({ submissionId, jobs, uploads, versionFreed, takenFrom }) => {
    const release = key.releases.find((one) => one.submissionId === submissionId);
    const name = release === undefined ? `submission ${submissionId}` : `${release.source} ${release.version}`;
    const parts = [
      ...(jobs === 0 ? [] : [`${count(jobs, 'job')} cancelled`]),
      ...(uploads === 0 ? [] : [`${count(uploads, 'upload')} rejected`]),
      ...(versionFreed ? ['version freed'] : []),
      ...takenFrom.map((suite) => `taken out of ${suite}`),
    ];
    return [`suspended ${inertLine(name)}`, parts.join(', ') || 'nothing of it was under way'];
  });
  const left = key.releases.filter(({ publishedIn }) => publishedIn.length > 0);
  const rest =
    left.length === 0
      ? ''
      : `\nPublished, and left to you:\n${table(
          left.map((one) => [inertLine(`${one.source} ${one.version}`), inertLine(one.advice ?? '')]),
          '  ',
        )}`;
  const head = done.alreadyRevoked ? 'was revoked before' : 'is revoked';
  return `${style.paint('bad', 'revoked')}: the key ${inertLine(key.fingerprint)} of ${inertLine(key.person)} ${head}\n${table(lines, '  ')}${rest}`;
}

const RELEASE_TONES: Readonly<Record<KeyDetail['releases'][number]['state'], Tone>> = {
  'under-way': 'busy',
  'partly-published': 'waiting',
  published: 'waiting',
  gone: 'faint',
  ended: 'faint',
  suspended: 'bad',
};

function renderKey(key: KeyDetail, style: Style): string {
  const kind = key.kind === 'openpgp' ? 'OpenPGP' : 'SSH';
  const rows = key.releases.map((one): readonly (Cell | string)[] => [
    moment(one.decidedAt),
    inertLine(`${one.source} ${one.version}`),
    inertLine(one.publishedIn.length === 0 ? `${one.archive}/${one.suite}` : one.publishedIn.join(' ')),
    { text: one.state, painted: style.paint(RELEASE_TONES[one.state], one.state) },
    `tag ${one.tagId}`,
  ]);
  const advice = [
    ...new Set(
      key.releases.flatMap((one) => (one.advice === null ? [] : [`${one.source} ${one.version}: ${one.advice}`])),
    ),
  ];
  return [
    `${style.paint('strong', inertLine(key.fingerprint))}  ${kind} key of ${inertLine(key.name)} (${inertLine(key.person)})\n`,
    `  ${style.paint(key.state === 'valid' ? 'good' : 'bad', keyState(key))}; known here since ${moment(key.validFrom)} UTC\n`,
    rows.length === 0 ? '\nIt let nothing in.\n' : `\nIt let in:\n${table(rows, '  ')}`,
    key.hidden === 0 ? '' : `  and ${count(key.hidden, 'release')} that are not for you to see\n`,
    advice.length === 0
      ? ''
      : `\nIf it is not to be trusted:\n${advice.map((line) => `  ${style.symbols.arrow} ${inertLine(line)}\n`).join('')}`,
  ].join('');
}

async function findKey(context: CliContext, client: Client, fingerprint: string): Promise<KeyDetail> {
  if (fingerprint.replace(/^0x|\s/gi, '').length < 8) {
    throw new UsageError('give the fingerprint, or at least its last 8 digits');
  }
  const { keys } = await client.call(keysRoute, { query: { fingerprint }, signal: context.signal });
  const [found, ...others] = keys;
  if (found === undefined)
    throw new UsageError(`no key with the fingerprint ${fingerprint} is registered: landfall key list`);
  if (others.length > 0)
    throw new UsageError(`${keys.length} keys end with ${fingerprint}: give the whole fingerprint`);
  return await client.call(keyRoute, { params: { id: found.id }, signal: context.signal });
}

async function readKeys(context: CliContext, path: string): Promise<Buffer> {
  try {
    return await readFile(absolute(context, path));
  } catch (error) {
    if (isErrnoException(error)) throw new UsageError(`${path} cannot be read (${error.code})`);
    throw error;
  }
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
