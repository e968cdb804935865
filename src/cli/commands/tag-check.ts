/** `landfall tag check NAME`: the verdict before the push. */
import type { Command } from 'commander';
import { checkTagRoute, type TagVerdict } from '../../contract/tags.ts';
import { remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import { absolute } from '../connection.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { UsageError } from '../failures.ts';
import { readLocalTag, type LocalTag } from '../git-tag.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer, progress } from '../output/print.ts';
import type { Style, Tone } from '../output/style.ts';
import { table, type Cell } from '../output/table.ts';
import { bytes } from '../output/time.ts';

interface Options extends RemoteOptions {
  readonly repository?: string;
  readonly directory: string;
}

const VERDICT_MS = 300_000;

export function tagCheckCommand(context: CliContext): Command {
  const command = remoteCommand('check', 'say whether a tag would be accepted, before it is pushed')
    .argument('<tag>', 'name of a tag in this clone, DISTRO/VERSION')
    .option(
      '--repository <name>',
      'the Git repository as the server calls it; default: found by the address of a remote',
    )
    .option('-C, --directory <folder>', 'the clone', '.')
    .action(async (name: string, options: Options) => {
      await runRemote(context, options, async (client) => {
        const tag = await readLocalTag(absolute(context, options.directory), name);
        progress(context, `sending ${bytes(tag.pack.length)} to ${client.url}`);
        const verdict = await client.call(checkTagRoute, {
          query: {
            ...repositoryOf(tag, options.repository),
            ref: tag.ref,
            object: tag.objectId,
            ...(tag.upstreamCommitId === undefined ? {} : { upstream: tag.upstreamCommitId }),
          },
          body: tag.pack,
          signal: context.signal,
          timeoutMs: VERDICT_MS,
        });
        answer(context, options.json, verdict, (style) => renderVerdict(verdict, style));
        if (verdict.outcome !== 'accepted') context.setExitCode(EXIT.failed);
      });
    });
  return document(command, {
    text: [
      'Sends the tag, the commit that it signs and what is in it, without history, and prints the verdict of the very checks ' +
        'that would decide after the push. Nothing is recorded and no version is taken. The exit code is 0 when the tag would ' +
        'be accepted.',
    ],
    examples: [
      {
        command: 'git tag -d landfall/2.10-3',
        says: 'Removes a tag that would not pass, so that a better one can take its name.',
      },
      { command: 'landfall tag check landfall/2.10-3', says: 'Would this tag be accepted?' },
    ],
  });
}

function repositoryOf(
  tag: LocalTag,
  repository: string | undefined,
): { readonly repository: string } | { readonly url: string } {
  if (repository !== undefined) return { repository };
  const [url] = tag.remotes;
  if (url !== undefined) return { url };
  throw new UsageError('this clone has no remote; say with --repository which Git repository the tag is for');
}

const VERDICT_TONES: Readonly<Record<TagVerdict['outcome'], Tone>> = {
  accepted: 'good',
  rejected: 'bad',
  obstructed: 'waiting',
};

const VERDICT_WORDS: Readonly<Record<TagVerdict['outcome'], string>> = {
  accepted: 'would be accepted',
  rejected: 'would be rejected',
  obstructed: 'could not be decided now',
};

function renderVerdict(verdict: TagVerdict, style: Style): string {
  const what = [verdict.source, verdict.version].filter((part) => part !== null).join(' ');
  const lines = [
    `${what === '' ? 'The tag' : inertLine(what)} ${style.paint(VERDICT_TONES[verdict.outcome], VERDICT_WORDS[verdict.outcome])}` +
      (verdict.suite === null ? '' : ` (${inertLine(verdict.suite)})`),
    `  ${inertLine(verdict.sentence)}`,
    ...(verdict.remedy === null
      ? []
      : [`  ${style.symbols.arrow} ${style.paint('waiting', inertLine(verdict.remedy))}`]),
  ];
  return `${lines.join('\n')}\n\n${renderChecks(verdict.checks, style)}`;
}

const CHECK_TONES: Readonly<Record<TagVerdict['checks'][number]['outcome'], Tone>> = {
  passed: 'good',
  failed: 'bad',
  held: 'waiting',
  obstructed: 'waiting',
  'not-applicable': 'faint',
  'not-reached': 'faint',
};

/** The checks in order, each with what was found. */
export function renderChecks(checks: TagVerdict['checks'], style: Style): string {
  const symbols: Readonly<Record<TagVerdict['checks'][number]['outcome'], string>> = {
    passed: style.symbols.done,
    failed: style.symbols.failed,
    held: style.symbols.waiting,
    obstructed: style.symbols.waiting,
    'not-applicable': style.symbols.skipped,
    'not-reached': style.symbols.skipped,
  };
  const rows = checks.map((check): readonly (Cell | string)[] => {
    const detail = check.detail === null ? '' : inertLine(check.detail);
    return [
      { text: symbols[check.outcome], painted: style.paint(CHECK_TONES[check.outcome], symbols[check.outcome]) },
      inertLine(check.code),
      { text: detail, painted: style.paint('faint', detail) },
    ];
  });
  return rows.length === 0 ? '' : table(rows, '  ');
}
