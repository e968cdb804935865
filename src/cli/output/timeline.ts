/**
 * A submission as `landfall where` and `landfall watch` print it: how it stands, its steps with times, why it waits and who must
 * act, and what it leads back to: tag, commit, signer, and the worker behind each package.
 */
import type { Step, SubmissionTrace } from '../../contract/submissions.ts';
import { inertLine } from './inert.ts';
import type { Style, Tone } from './style.ts';
import { table, widthOf, wrap, type Cell } from './table.ts';
import { clockTime, day, duration, moment } from './time.ts';

const STATE_WORDS: Readonly<Record<SubmissionTrace['state'], readonly [string, Tone]>> = {
  'in-flight': ['under way', 'busy'],
  attention: ['waits for somebody', 'waiting'],
  published: ['published', 'good'],
  rejected: ['rejected', 'bad'],
  failed: ['failed', 'bad'],
  cancelled: ['cancelled', 'faint'],
  suspended: ['suspended', 'bad'],
};

const STEP_TONES: Readonly<Record<Step['state'], Tone>> = {
  done: 'good',
  running: 'busy',
  waiting: 'waiting',
  failed: 'bad',
  skipped: 'faint',
};

export function renderSubmission(trace: SubmissionTrace, style: Style, now: Date): string {
  return [renderHead(trace, style), renderSteps(trace.steps, style, now), renderProvenance(trace, style)]
    .filter((part) => part !== '')
    .join('\n');
}

function renderHead(trace: SubmissionTrace, style: Style): string {
  const [word, tone] = STATE_WORDS[trace.state];
  const name = [trace.source ?? trace.tag?.ref.replace(/^refs\/tags\//, '') ?? `submission ${trace.id}`, trace.version]
    .filter((part) => part !== null)
    .join(' ');
  const where = trace.suite === null ? trace.archive : `${trace.archive}/${trace.suite}`;
  const title = `${style.paint('strong', inertLine(name))} ${style.symbols.arrow} ${inertLine(where)}`;
  const who = trace.person === null ? '' : ` by ${inertLine(trace.person.name)} (${inertLine(trace.person.handle)})`;
  const lines = [
    `${title}: ${style.paint(tone, word)}`,
    ...sentences(trace, style),
    ...block(`submission ${trace.id}, asked for${who} on ${moment(trace.createdAt)} UTC`, '  ', style, 'faint'),
    style.paint('faint', `  ${inertLine(trace.url)}`),
  ];
  return `${lines.join('\n')}\n`;
}

function sentences(trace: SubmissionTrace, style: Style): string[] {
  const out = block(inertLine(trace.sentence), '  ', style);
  if (trace.mustAct !== null) {
    out.push(...block(`${style.symbols.arrow} ${inertLine(trace.mustAct)}`, '  ', style, 'waiting'));
  }
  if (trace.remedy !== null)
    out.push(...block(`${style.symbols.arrow} ${inertLine(trace.remedy)}`, '  ', style, 'waiting'));
  return out;
}

function block(text: string, indent: string, style: Style, tone: Tone = 'plain'): string[] {
  return wrap(text, style.width === 0 ? 0 : style.width - indent.length).map(
    (line) => indent + style.paint(tone, line),
  );
}

/** Time, how long, symbol, what, and below it the sentence where the line has no room for it. */
export function renderSteps(steps: readonly Step[], style: Style, now: Date): string {
  const lines = steps.map((step) => ({ step, cells: stepCells(step, style, now) }));
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(0, ...lines.map(({ cells }) => widthOf(cells[column]?.text ?? ''))),
  );
  const indent = 2 + widths.reduce((sum, width) => sum + width + 2, 0);
  let lastDay = '';
  let out = '';
  for (const { step, cells } of lines) {
    const at = step.startedAt ?? step.endedAt;
    if (at !== null && day(at) !== lastDay) {
      lastDay = day(at);
      out += `  ${style.paint('faint', lastDay)}\n`;
    }
    const head = cells
      .map((cell, column) => (cell.painted ?? cell.text) + ' '.repeat((widths[column] ?? 0) - widthOf(cell.text)))
      .join('  ');
    const [first = '', ...rest] = explain(step, style, style.width === 0 ? 0 : Math.max(30, style.width - indent));
    out += `  ${`${head}  ${first}`.trimEnd()}\n`;
    for (const line of rest) out += `${' '.repeat(indent)}${line}\n`;
  }
  return out;
}

function stepCells(step: Step, style: Style, now: Date): readonly Cell[] {
  const tone = STEP_TONES[step.state];
  const symbol = style.symbols[step.state];
  const at = step.endedAt ?? step.startedAt;
  const took = lasted(step, now);
  const title = inertLine(step.title);
  return [
    { text: symbol, painted: style.paint(tone, symbol) },
    { text: at === null ? '' : clockTime(at), painted: style.paint('faint', at === null ? '' : clockTime(at)) },
    { text: took.padStart(7), painted: style.paint('faint', took.padStart(7)) },
    { text: title, painted: style.paint(step.state === 'skipped' ? 'faint' : 'plain', title) },
  ];
}

function lasted(step: Step, now: Date): string {
  if (step.durationMs !== null) return duration(step.durationMs);
  if (step.startedAt === null || step.endedAt !== null || step.state === 'done') return '';
  return duration(Math.max(0, now.getTime() - Date.parse(step.startedAt)));
}

function explain(step: Step, style: Style, width: number): string[] {
  const out: string[] = [];
  const by = step.by === null || step.by === 'landfall' ? '' : inertLine(step.by.replace(/^(person|worker):/, ''));
  const sentence = step.sentence === null ? '' : inertLine(step.sentence);
  const first = [sentence, by === '' || sentence.includes(by) ? '' : `(${by})`].filter((part) => part !== '').join(' ');
  if (first !== '') out.push(...wrap(first, width).map((line) => style.paint('faint', line)));
  for (const next of [step.mustAct, step.remedy]) {
    if (next === null) continue;
    out.push(...wrap(`${style.symbols.arrow} ${inertLine(next)}`, width).map((line) => style.paint('waiting', line)));
  }
  if ((step.state === 'failed' || step.state === 'waiting') && step.url !== null) {
    out.push(style.paint('faint', inertLine(step.url)));
  }
  return out.length === 0 ? [''] : out;
}

function renderProvenance(trace: SubmissionTrace, style: Style): string {
  const rows: (readonly (Cell | string)[])[] = [];
  const label = (text: string): Cell => ({ text, painted: style.paint('faint', text) });
  if (trace.tag !== null) {
    const { tag } = trace;
    rows.push([
      label('tag'),
      `${inertLine(tag.ref.replace(/^refs\/tags\//, ''))} in ${inertLine(tag.repository)}, object ${tag.objectId}`,
    ]);
    if (tag.commitId !== null) rows.push([label('commit'), tag.commitId]);
    if (tag.signer !== null || tag.fingerprint !== null) {
      rows.push([
        label('signer'),
        [tag.signer, tag.fingerprint]
          .filter((part) => part !== null)
          .map(inertLine)
          .join('  '),
      ]);
    }
  }
  for (const made of trace.packages) {
    const worker = made.worker === null ? '' : `built by worker ${inertLine(made.worker)}`;
    rows.push([
      label(made.kind === 'source' ? 'source' : made.architecture),
      `${inertLine(made.name)} ${inertLine(made.version)}`,
      { text: worker, painted: style.paint('faint', worker) },
    ]);
  }
  return rows.length === 0 ? '' : table(rows, '  ');
}
