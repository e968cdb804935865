/** `landfall status` */
import type { Command } from 'commander';
import { statusRoute, type Status } from '../../contract/status.ts';
import { remoteCommand, runRemote, type RemoteOptions } from '../command.ts';
import type { SubmissionTrace } from '../../contract/submissions.ts';
import type { CliContext } from '../context.ts';
import { document } from '../manual.ts';
import { inertLine } from '../output/inert.ts';
import { answer } from '../output/print.ts';
import type { Style } from '../output/style.ts';
import { table, type Cell } from '../output/table.ts';
import { ago, bytes, duration, moment } from '../output/time.ts';

/** A terminal is shorter than a page. */
const SHOWN_DONE = 3;

export function statusCommand(context: CliContext): Command {
  const command = remoteCommand('status', 'show what is happening now, and what needs somebody').action(
    async (options: RemoteOptions) => {
      await runRemote(context, options, async (client) => {
        const status = await client.call(statusRoute, { signal: context.signal });
        answer(context, options.json, status, (style) => renderStatus(status, client.url, style));
      });
    },
  );
  return document(command, {
    text: [
      'Prints what needs somebody first, then submissions under way, suites with their last publication and the time until they ' +
        'expire, workers, queues, and the space that is left.',
    ],
    examples: [{ command: 'landfall status', says: 'How do things stand?' }],
  });
}

function renderStatus(status: Status, url: string, style: Style): string {
  const now = new Date(status.now);
  const sections = [
    `Landfall ${inertLine(status.version)} at ${url}, ${moment(status.now)} UTC\n`,
    section('Needs somebody', [
      ...status.alerts.map((alert): Row => [symbol(style, 'bad'), inertLine(alert)]),
      ...status.attention.map((one): Row => [
        symbol(style, 'bad'),
        inertLine(`${nameOf(one)}: ${one.sentence}${one.mustAct === null ? '' : ` (must act: ${one.mustAct})`}`),
      ]),
      ...status.failures.map((build): Row => [
        symbol(style, 'bad'),
        `build ${build.id}: ${inertLine([build.source, build.version, build.architecture].filter((part) => part !== null).join(' '))}: ${inertLine(build.sentence)}`,
      ]),
      ...status.rejectedTags.map((tag): Row => [
        symbol(style, 'bad'),
        `tag ${tag.id}: ${inertLine(tag.ref.replace(/^refs\/tags\//, ''))} in ${inertLine(tag.repository)}: ${inertLine(tag.sentence ?? tag.code ?? 'rejected')}`,
      ]),
    ]),
    section(
      'Under way',
      status.inFlight.map((one): Row => [
        symbol(style, 'busy'),
        inertLine(nameOf(one)),
        inertLine(one.suite === null ? one.archive : `${one.archive}/${one.suite}`),
        inertLine(one.sentence),
      ]),
    ),
    section(
      'Published, but not for every architecture',
      status.lacked.map((one): Row => [
        symbol(style, 'waiting'),
        inertLine(
          `${one.packages === 1 ? '1 package waits' : `${one.packages} packages wait`} for ${one.architecture}: ${one.sentence}` +
            (one.mustAct === null ? '' : ` (must act: ${one.mustAct})`),
        ),
      ]),
    ),
    section(
      'Published lately',
      status.done
        .slice(0, SHOWN_DONE)
        .map((one): Row => [
          symbol(style, 'good'),
          inertLine(nameOf(one)),
          inertLine(one.suite === null ? one.archive : `${one.archive}/${one.suite}`),
        ]),
    ),
    section(
      'Suites',
      status.suites.map((suite): Row => [
        `${inertLine(suite.archive)}/${inertLine(suite.suite)}`,
        `${suite.sources} sources, ${suite.binaries} binaries`,
        suite.published?.publishedAt == null
          ? 'not published yet'
          : `published ${ago(suite.published.publishedAt, now)}`,
        suite.published?.validUntil == null ? '' : expiry(suite.published.validUntil, now),
      ]),
    ),
    section(
      'Workers',
      status.workers
        .filter((worker) => worker.state !== 'revoked')
        .map((worker): Row => [
          symbol(style, worker.state === 'alive' ? 'good' : 'waiting'),
          inertLine(worker.name),
          inertLine(worker.architectures.join(' ')),
          worker.current.length > 0
            ? worker.current.map((job) => `${inertLine(job.title)}, ${inertLine(job.phase)}`).join('; ')
            : worker.state === 'alive'
              ? 'idle'
              : worker.lastContactAt === null
                ? 'never made contact'
                : `${worker.state}, last contact ${ago(worker.lastContactAt, now)}`,
        ]),
    ),
    section(
      'Queues',
      status.queues
        .filter((queue) => queue.ready > 0 || queue.running > 0)
        .map((queue): Row => [
          `${inertLine(queue.pool)} ${inertLine(queue.architecture ?? 'any')}`,
          `${queue.ready} waiting, ${queue.running} running`,
          queue.sentence === null ? '' : inertLine(queue.sentence),
        ]),
    ),
  ].filter((part) => part !== '');
  if (status.space !== null) {
    sections.push(`${bytes(status.space.availableBytes)} of ${bytes(status.space.totalBytes)} free\n`);
  }
  if (status.scrub !== null) sections.push(`${inertLine(readingInWords(status.scrub, now))}\n`);
  return sections.join('\n');
}

function readingInWords(scrub: NonNullable<Status['scrub']>, now: Date): string {
  const read = `${scrub.files} files (${bytes(scrub.bytes)}), ${scrub.damaged} damaged or missing`;
  return scrub.finishedAt === null
    ? `what is stored is being read since ${ago(scrub.startedAt, now)}: ${read} so far`
    : `what is stored was last read ${ago(scrub.finishedAt, now)}: ${read}`;
}

function nameOf(one: SubmissionTrace): string {
  return `${one.source ?? one.tag?.ref ?? `submission ${one.id}`} ${one.version ?? ''}`.trim();
}

type Row = readonly (Cell | string)[];

function section(title: string, rows: readonly Row[]): string {
  return rows.length === 0 ? '' : `${title}\n${table(rows, '  ')}`;
}

function symbol(style: Style, tone: 'good' | 'bad' | 'busy' | 'waiting'): Cell {
  const text = {
    good: style.symbols.done,
    bad: style.symbols.failed,
    busy: style.symbols.running,
    waiting: style.symbols.waiting,
  }[tone];
  return { text, painted: style.paint(tone, text) };
}

function expiry(validUntil: string, now: Date): string {
  const left = Date.parse(validUntil) - now.getTime();
  return left <= 0 ? 'EXPIRED' : `valid for ${duration(left)}`;
}
