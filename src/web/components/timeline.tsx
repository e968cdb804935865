/** One submission as a timeline: each step with who, when and how long; for what waits, the sentence why and who must act. */
import type { Step, SubmissionTrace } from '../../contract/submissions.ts';
import { duration, Facts, pathOf, Remedy, State, Time, toneOf } from './facts.tsx';
import { Table } from './table.tsx';

export function Timeline({ steps }: { readonly steps: readonly Step[] }) {
  return (
    <ol class="timeline">
      {steps.map((step) => (
        <li class={toneOf(step.state)}>
          <div>
            <div class="head">
              <strong>{step.url === null ? step.title : <a href={pathOf(step.url)}>{step.title}</a>}</strong>
              <State state={step.state} />
              <Time at={step.endedAt ?? step.startedAt} />
              {step.durationMs === null ? null : <span class="took">{duration(step.durationMs)}</span>}
              {step.by === null ? null : <span class="soft">by {step.by}</span>}
            </div>
            {step.sentence === null ? null : <div>{step.sentence}</div>}
            {step.mustAct === null ? null : <div class="wait">Must act: {step.mustAct}</div>}
            <Remedy text={step.remedy} />
          </div>
        </li>
      ))}
    </ol>
  );
}

export function Submission({ trace, linked }: { readonly trace: SubmissionTrace; readonly linked: boolean }) {
  const title = `${trace.source ?? trace.tag?.ref ?? 'something'} ${trace.version ?? ''}`;
  return (
    <section class="submission">
      <h2>
        {linked ? <a href={`/submissions/${trace.id}`}>{title}</a> : title} <State state={trace.state} />
      </h2>
      <p class="sentence">{trace.sentence}</p>
      {trace.mustAct === null ? null : <p class="wait">Must act: {trace.mustAct}</p>}
      <Remedy text={trace.remedy} />
      <Timeline steps={trace.steps} />
      <Facts
        rows={[
          ['Suite', trace.suite === null ? null : `${trace.suite} of ${trace.archive}`],
          ['Signed by', trace.tag?.signer ?? null],
          ['Key', trace.tag?.fingerprint == null ? null : <code>{trace.tag.fingerprint}</code>],
          ['Tag', trace.tag === null ? null : <a href={pathOf(trace.tag.url)}>{trace.tag.ref}</a>],
          ['Tag object', trace.tag === null ? null : <code>{trace.tag.objectId}</code>],
          ['Commit', trace.tag?.commitId == null ? null : <code>{trace.tag.commitId}</code>],
          ['Git repository', trace.tag?.repository ?? null],
        ]}
      />
      {trace.packages.length === 0 ? null : (
        <Table
          head={['Package', 'Version', 'Architecture', 'Built by']}
          rows={trace.packages.map((made) => [
            <>
              {made.name} <span class="soft">{made.kind}</span>
            </>,
            made.version,
            made.architecture,
            made.buildId === null ? made.worker : <a href={`/builds/${made.buildId}`}>{made.worker}</a>,
          ])}
        />
      )}
    </section>
  );
}
