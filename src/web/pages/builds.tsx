/** `/builds` and `/builds/ID`: attempts, phases, limits, inputs and outputs; on top the lines that say why it failed. */
import type { Attempt, Build, BuildSummary } from '../../contract/builds.ts';
import { between, bytes, Facts, pathOf, Remedy, State, Time } from '../components/facts.tsx';
import { Checks } from '../components/checks.tsx';
import { Layout } from '../components/layout.tsx';
import { Table } from '../components/table.tsx';
import type { ListFilter } from '../views.ts';
import { queryOf } from './tags.tsx';

const STATES = ['ready', 'leased', 'delivered', 'succeeded', 'failed', 'quarantined', 'cancelled'];

export function BuildsPage(props: {
  readonly builds: readonly BuildSummary[];
  readonly next: number | null;
  readonly filter: ListFilter;
}) {
  const { builds, next, filter } = props;
  return (
    <Layout title="Builds" json={`/builds.json${queryOf(filter, {})}`}>
      <h1>Builds</h1>
      <form class="filter" method="get" action="/builds">
        <select name="state" aria-label="State">
          <option value="">any state</option>
          {STATES.map((state) => (
            <option value={state} selected={filter.state === state}>
              {state}
            </option>
          ))}
        </select>{' '}
        <input name="source" placeholder="source" aria-label="Source" value={filter.source ?? ''} />{' '}
        <input
          name="architecture"
          placeholder="architecture"
          aria-label="Architecture"
          value={filter.architecture ?? ''}
        />{' '}
        <button type="submit">Filter</button>
      </form>
      <Table
        head={['Build', 'Architecture', 'Suite', 'State', 'Since', 'How it stands']}
        empty="No such build."
        rows={builds.map((build) => [
          <a href={`/builds/${build.id}`}>
            {build.source} {build.version}
          </a>,
          build.architecture,
          build.suite,
          <State state={build.state} />,
          <Time at={build.changedAt} />,
          build.sentence,
        ])}
      />
      {next === null ? null : <a href={`/builds${queryOf(filter, { before: String(next) })}`}>Older</a>}
    </Layout>
  );
}

export function BuildPage({ build }: { readonly build: Build }) {
  const title = `${build.source ?? 'build'} ${build.version ?? ''} ${build.architecture}`;
  const { attempts } = build;
  return (
    <Layout title={title} json={`/builds/${build.id}.json`}>
      <h1>{title}</h1>
      <p class="sentence">
        <State state={build.state} /> {build.sentence}
      </p>
      {build.mustAct === null ? null : <p class="wait">Must act: {build.mustAct}</p>}
      {build.excerpt.length === 0 ? null : (
        <>
          <h2>The lines of the log that say why</h2>
          <pre>{build.excerpt.join('\n')}</pre>
        </>
      )}
      <Facts
        rows={[
          ['Submission', <a href={`/submissions/${build.submissionId}`}>{build.submissionId}</a>],
          [
            'Package',
            build.source === null ? null : <a href={`/where/${encodeURIComponent(build.source)}`}>{build.source}</a>,
          ],
          ['Suite', build.suite === null ? null : `${build.suite} of ${build.archive}`],
          ['Worker pool', build.workerPool],
          [
            'Makes',
            build.kind === 'source'
              ? 'the source package'
              : build.withAll
                ? `${build.architecture} and all`
                : build.architecture,
          ],
          ['Asked for', <Time at={build.createdAt} />],
          [
            'Last good before',
            build.lastGood === null ? null : <a href={pathOf(build.lastGood.url)}>{build.lastGood.version}</a>,
          ],
          [
            'To run it again',
            build.state === 'failed' || build.state === 'quarantined' ? (
              <code>landfall job give-back {build.id}</code>
            ) : null,
          ],
        ]}
      />
      <Uploads build={build} />
      {attempts.map((attempt) => (
        <AttemptSection attempt={attempt} />
      ))}
      {build.reproduce.length === 0 ? null : (
        <>
          <h2>The same build on your own machine</h2>
          <pre>{build.reproduce.join('\n')}</pre>
        </>
      )}
      {attempts.length === 0 ? <p class="soft">No worker has taken it yet.</p> : null}
    </Layout>
  );
}

/** What the archive said of what was delivered. */
function Uploads({ build }: { readonly build: Build }) {
  return (
    <>
      {build.uploads.map((upload) => (
        <section class="submission">
          <h2>
            Upload <State state={upload.state} />
          </h2>
          {upload.sentence === null ? null : <p class="sentence">{upload.sentence}</p>}
          <Remedy text={upload.remedy} />
          <details>
            <summary>
              {upload.checks.filter(({ outcome }) => outcome === 'passed').length} of {upload.checks.length} checks
              passed
            </summary>
            <Checks checks={upload.checks} />
          </details>
        </section>
      ))}
    </>
  );
}

function AttemptSection({ attempt }: { readonly attempt: Attempt }) {
  const log = pathOf(attempt.logUrl);
  const running = attempt.endedAt === null;
  return (
    <section class="submission">
      <h2>
        Attempt {attempt.number} <State state={attempt.state} />
      </h2>
      <Facts
        rows={[
          ['Worker', attempt.worker],
          ['Started', <Time at={attempt.startedAt} />],
          ['Ended', attempt.endedAt === null ? `not yet: ${attempt.phase}` : <Time at={attempt.endedAt} />],
          ['Took', between(attempt.startedAt, attempt.endedAt)],
          ['Result', attempt.reason === null ? null : `${attempt.code ?? ''} ${attempt.reason}`],
          [
            'Log',
            <>
              <a href={running ? `${log}?follow=1` : log}>{running ? 'as it is written' : 'whole'}</a>{' '}
              <span class="soft">{bytes(attempt.logSize)}</span>
            </>,
          ],
        ]}
      />
      {attempt.phases.length === 0 ? null : (
        <Table
          head={['Phase', 'Started', '#Took', 'Log from']}
          rows={attempt.phases.map((phase) => [
            phase.name,
            <Time at={phase.startedAt} />,
            between(phase.startedAt, phase.endedAt ?? attempt.endedAt),
            <a href={`${log}?from=${phase.logStart}`}>byte {phase.logStart}</a>,
          ])}
        />
      )}
      {attempt.files.length === 0 ? null : (
        <Table
          head={['Delivered', '#Size', 'sha256']}
          rows={attempt.files.map((file) => [file.name, bytes(file.size), <code>{file.sha256}</code>])}
        />
      )}
      {Object.keys(attempt.facts).length === 0 ? null : (
        <details>
          <summary>Machine, limits, inputs</summary>
          <pre>{JSON.stringify(attempt.facts, undefined, 2)}</pre>
        </details>
      )}
    </section>
  );
}
