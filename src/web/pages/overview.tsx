/** `/`: what is happening now, and what needs somebody. */
import type { Status } from '../../contract/status.ts';
import type { SubmissionTrace } from '../../contract/submissions.ts';
import { bytes, pathOf, State, Time } from '../components/facts.tsx';
import { Layout } from '../components/layout.tsx';
import { Table } from '../components/table.tsx';

export function OverviewPage({ status }: { readonly status: Status }) {
  return (
    <Layout title="What is happening now" json="/index.json">
      <h1>What is happening now</h1>
      {status.alerts.map((alert) => (
        <p class="alert">{alert}</p>
      ))}
      <NeedSomebody status={status} />
      <InFlight status={status} />
      <Lacked status={status} />
      <Done status={status} />
      <Suites status={status} />
      <Workers status={status} />
      {status.space === null ? null : (
        <p class="soft">
          {bytes(status.space.availableBytes)} of {bytes(status.space.totalBytes)} are free where the files lie.
        </p>
      )}
      <LastReading scrub={status.scrub} />
    </Layout>
  );
}

function LastReading({ scrub }: { readonly scrub: Status['scrub'] }) {
  if (scrub === null) return null;
  return (
    <p class="soft">
      What is stored {scrub.finishedAt === null ? 'is being read since ' : 'was last read '}
      <Time at={scrub.finishedAt ?? scrub.startedAt} />: {scrub.files} files, {bytes(scrub.bytes)}, {scrub.damaged}{' '}
      damaged or missing.
    </p>
  );
}

function nameOf(trace: SubmissionTrace) {
  return (
    <a href={trace.source === null ? `/submissions/${trace.id}` : `/where/${encodeURIComponent(trace.source)}`}>
      {trace.source ?? trace.tag?.ref.replace(/^refs\/tags\//, '') ?? `submission ${trace.id}`} {trace.version}
    </a>
  );
}

/** What does not go on by itself: who must act, on what, and why. */
function NeedSomebody({ status }: { readonly status: Status }) {
  const stopped = status.attention.map((trace) => [
    nameOf(trace),
    <State state={trace.state} />,
    trace.sentence,
    trace.mustAct,
    <Time at={trace.createdAt} />,
  ]);
  const failures = status.failures.map((build) => [
    <a href={`/builds/${build.id}`}>
      {build.source} {build.version} {build.kind === 'source' ? 'source' : build.architecture}
    </a>,
    <State state={build.state} />,
    build.sentence,
    build.mustAct,
    <Time at={build.changedAt} />,
  ]);
  const rejected = status.rejectedTags.map((tag) => [
    <a href={`/tags/${tag.id}`}>{tag.ref.replace(/^refs\/tags\//, '')}</a>,
    <State state={tag.state} />,
    <>
      <code>{tag.code}</code> {tag.sentence}
    </>,
    'the maintainer',
    <Time at={tag.decidedAt ?? tag.seenAt} />,
  ]);
  return (
    <>
      <h2>Needs somebody</h2>
      <Table
        head={['What', 'State', 'Why', 'Who must act', 'Since']}
        empty="Nothing waits for a person."
        rows={[...stopped, ...failures, ...rejected]}
      />
    </>
  );
}

function InFlight({ status }: { readonly status: Status }) {
  return (
    <>
      <h2>Under way</h2>
      <Table
        head={['Package', 'Suite', 'How it stands', 'Since']}
        empty="Nothing is under way."
        rows={status.inFlight.map((trace) => [
          nameOf(trace),
          trace.suite,
          trace.sentence,
          <Time at={trace.createdAt} />,
        ])}
      />
    </>
  );
}

/** Nothing is wrong with these packages, and one worker helps them all: a line for each architecture. */
function Lacked({ status }: { readonly status: Status }) {
  if (status.lacked.length === 0) return null;
  return (
    <>
      <h2>Published, but not for every architecture</h2>
      {status.lacked.map((one) => (
        <p class="waiting">
          <a href={`/builds?state=ready&architecture=${encodeURIComponent(one.architecture)}`}>
            {one.packages === 1 ? '1 package waits' : `${one.packages} packages wait`} for {one.architecture}
          </a>
          : {one.sentence}. {one.mustAct === null ? null : <>Must act: {one.mustAct}.</>}{' '}
          <span class="soft">
            {one.newest.join(', ')}
            {one.packages > one.newest.length ? ' …' : null}
          </span>
        </p>
      ))}
    </>
  );
}

function Done({ status }: { readonly status: Status }) {
  if (status.done.length === 0) return null;
  return (
    <>
      <h2>Published lately</h2>
      <Table
        head={['Package', 'Suite', 'Architectures', 'Since']}
        rows={status.done.map((trace) => {
          const published = trace.steps.filter((step) => step.name === 'published' && step.state === 'done');
          return [
            nameOf(trace),
            trace.suite,
            published.flatMap((step) => step.architecture ?? []).join(' '),
            <Time at={published.at(-1)?.endedAt ?? null} />,
          ];
        })}
      />
    </>
  );
}

function Suites({ status }: { readonly status: Status }) {
  return (
    <>
      <h2>Suites</h2>
      <Table
        head={['Suite', '#Sources', '#Binaries', 'Published', 'Valid until']}
        empty="There is no suite yet: `landfall apply` makes one."
        rows={status.suites.map((suite) => [
          <a href={pathOf(suite.url)}>
            {suite.archive}/{suite.suite}
          </a>,
          String(suite.sources),
          String(suite.binaries),
          suite.published === null ? (
            <span class="wait">not yet</span>
          ) : (
            <>
              <Time at={suite.published.date} /> <span class="soft">serial {suite.published.serial}</span>
            </>
          ),
          <Time at={suite.published?.validUntil ?? null} />,
        ])}
      />
    </>
  );
}

function Workers({ status }: { readonly status: Status }) {
  return (
    <>
      <h2>Workers and queues</h2>
      <Table
        head={['Pool', 'Architecture', '#Waiting', '#Running', '#Workers', 'Why']}
        empty="No job waits or runs."
        rows={status.queues.map((queue) => [
          queue.pool,
          queue.architecture ?? 'any',
          String(queue.ready),
          String(queue.running),
          String(queue.workers),
          queue.sentence,
        ])}
      />
      <Table
        head={['Worker', 'State', 'Last contact', 'Busy with']}
        empty="No worker has joined yet."
        rows={status.workers.map((worker) => [
          <>
            {worker.name} <span class="soft">{worker.architectures.join(' ')}</span>
          </>,
          <State state={worker.state} />,
          <Time at={worker.lastContactAt} />,
          worker.current.map((job) => (
            <div>
              {job.buildId === null ? job.title : <a href={`/builds/${job.buildId}`}>{job.title}</a>}{' '}
              <span class="soft">{job.phase}</span>
            </div>
          )),
        ])}
      />
    </>
  );
}
