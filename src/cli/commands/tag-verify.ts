/** `landfall tag verify`: an old decision looked at again, by the server or from its evidence alone. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { evidenceSchema, verifyTagRoute, type Evidence, type TagVerification } from '../../contract/verification.ts';
import { isErrnoException } from '../../platform/errors.ts';
import { writeFileDurably } from '../../platform/files.ts';
import { verifyEvidence, type DecisionEvidence, type Surroundings, type VerifiedStep } from '../../tags/evidence.ts';
import { numberArgument, remoteCommand, run, runRemote, type RemoteOptions } from '../command.ts';
import { absolute } from '../connection.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failures.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style } from '../output/style.ts';
import { moment } from '../output/time.ts';
import { renderChecks } from './tag-check.ts';

interface Options extends RemoteOptions {
  readonly bundle?: string;
  readonly export?: string;
  readonly pack?: string;
}

const VERIFY_MS = 120_000;
const MAX_BUNDLE = 16 * 1024 * 1024;

export function tagVerifyCommand(context: CliContext): Command {
  const command = remoteCommand('verify', 'verify an old decision again, from what was stored with it')
    .argument('[tag]', 'number of a tag', numberArgument)
    .option('--export <file>', 'also write the evidence to a file, to be verified anywhere')
    .option('--bundle <file>', 'verify the evidence in this file, here, without any server')
    .option('--pack <file>', 'with --bundle: the frozen pack, to be held against its recorded hash')
    .action(async (id: number | undefined, options: Options) => {
      if ((id === undefined) === (options.bundle === undefined)) {
        await run(context, options, () => Promise.reject(new UsageError('give the number of a tag, or --bundle FILE')));
        return;
      }
      if (id === undefined) await run(context, options, async () => verifyHere(context, options));
      else
        await runRemote(context, options, async (client) => {
          const verification = await client.call(verifyTagRoute, {
            params: { id },
            signal: context.signal,
            timeoutMs: VERIFY_MS,
          });
          if (options.export !== undefined) {
            const text = `${JSON.stringify(verification.evidence, undefined, 2)}\n`;
            await writeFileDurably(absolute(context, options.export), text);
          }
          report(context, options, verification);
          if (options.export !== undefined && options.json !== true) {
            context.stderr.write(
              `wrote ${options.export}; verify it anywhere: landfall tag verify --bundle ${options.export}\n`,
            );
          }
        });
    });
  return document(command, {
    text: [
      'Looks again at the stored tag object, its signature by the key as it was then, source, version and commits against the ' +
        'signed bytes, the recorded checks, the frozen pack’s hash, and the fingerprint that was kept of the record; then whether ' +
        'the key was revoked since. Expiry is judged as of the decision. The first thing that is not as it was is named, and the ' +
        'exit code is 1.',
      'The evidence file is complete: with --bundle nothing but gpg or ssh-keygen is needed. What the signature does not cover ' +
        '(suite, permission, checks) is held against the fingerprint in the file; to trust that too, compare it with one that ' +
        'you noted earlier, or that the server prints.',
    ],
    examples: [
      { command: 'landfall tag verify 7', says: 'Does the decision on tag 7 still stand?' },
      { command: 'landfall tag verify 7 --export tag-7.json', says: 'Keeps its evidence.' },
      { command: 'landfall tag verify --bundle tag-7.json', says: 'Verifies it years later, on any machine.' },
    ],
  });
}

async function verifyHere(context: CliContext, options: Options): Promise<void> {
  const evidence = await readBundle(context, options.bundle ?? '');
  const { record, fingerprint, revoked } = evidence;
  const around: Surroundings = {
    ...(fingerprint === null ? {} : { fingerprint }),
    ...(revoked === null ? {} : { revoked: { at: new Date(revoked.at), reason: revoked.reason } }),
    ...(options.pack === undefined ? {} : { pack: await readPack(context, options.pack) }),
  };
  const verification = await verifyEvidence(decisionOf(record), around);
  report(context, options, {
    tagId: record.tagId,
    decisionId: record.decisionId,
    decision: record.outcome,
    verified: verification.kind === 'verified',
    code: verification.kind === 'failed' ? verification.code : null,
    sentence: verification.sentence,
    steps: verification.steps.map((step) => ({ ...step })),
    evidence,
  });
}

function decisionOf(record: Evidence['record']): DecisionEvidence {
  const bytes = (base64: string | null): Buffer | null => (base64 === null ? null : Buffer.from(base64, 'base64'));
  return {
    ...record,
    tagObject: bytes(record.tagObject),
    keyMaterial: bytes(record.keyMaterial),
    decidedAt: new Date(record.decidedAt),
  };
}

async function readBundle(context: CliContext, path: string): Promise<Evidence> {
  const bytes = await reading(path, () => readFile(absolute(context, path)));
  if (bytes.length > MAX_BUNDLE) throw new UsageError(`${path} is larger than any evidence`);
  const parsed = evidenceSchema.safeParse(parseJson(bytes.toString('utf8')));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new UsageError(
    `${path} holds no evidence of a decision (${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not JSON'}); ` +
      'landfall tag verify ID --export FILE writes one',
  );
}

async function readPack(context: CliContext, path: string): Promise<{ kind: 'read'; sha256: string; size: number }> {
  return await reading(path, async () => {
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of createReadStream(absolute(context, path))) {
      const piece: unknown = chunk;
      if (!(piece instanceof Uint8Array)) throw new TypeError('a file is read as bytes');
      hash.update(piece);
      size += piece.length;
    }
    return { kind: 'read', sha256: hash.digest('hex'), size };
  });
}

async function reading<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    if (isErrnoException(error)) throw new UsageError(`${path} cannot be read (${error.code})`);
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function report(context: CliContext, options: Options, verification: TagVerification): void {
  answer(context, options.json, verification, (style) => render(verification, style));
  if (!verification.verified) context.setExitCode(EXIT.failed);
}

function render(verification: TagVerification, style: Style): string {
  const { record } = verification.evidence;
  const what = [record.source, record.version].filter((part) => part !== null).join(' ');
  const name = record.ref.replace(/^refs\/tags\//, '');
  const verdict = verification.verified
    ? style.paint('good', 'verified')
    : style.paint('bad', `not verified: ${verification.code ?? ''}`);
  const where = record.suite === null ? record.archive : `${record.archive}/${record.suite}`;
  return [
    `${style.paint('strong', inertLine(name))} in ${inertLine(record.repository)}, decision ${record.decisionId} (${record.outcome}): ${verdict}\n`,
    `  ${inertLine(verification.sentence)}\n`,
    what === '' ? '' : `  ${inertLine(what)} ${style.symbols.arrow} ${inertLine(where)}\n`,
    style.paint('faint', `  decided ${moment(record.decidedAt)} UTC by ${inertLine(record.decidedBy)}`),
    '\n\n',
    renderChecks(verification.steps.map(toCheck), style),
  ].join('');
}

function toCheck(step: VerifiedStep): { code: string; outcome: VerifiedStep['outcome']; detail: string } {
  return { ...step };
}
