/** `/`: what is happening now, and what needs somebody. */
import type { Status } from '../../contract/status.ts';
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
      <InFlight status={status} />
      <NeedSomebody status={status} />
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

function InFlight({ status }: { readonly status: Status }) {
  return (
    <>
      <h2>Under way</h2>
      <Table
        head={['Package', 'Suite', 'Since', 'How it stands']}
        empty="Nothing is under way."
        rows={status.inFlight.map((trace) => [
          <a href={trace.source === null ? `/submissions/${trace.id}` : `/where/${trace.source}`}>
            {trace.source ?? trace.tag?.ref ?? `submission ${trace.id}`} {trace.version}
          </a>,
          trace.suite,
          <Time at={trace.createdAt} />,
          <>
            <State state={trace.state} /> {trace.sentence}
          </>,
        ])}
      />
    </>
  );
}

function NeedSomebody({ status }: { readonly status: Status }) {
  const failures = status.failures.map((build) => [
    <a href={`/builds/${build.id}`}>
      {build.source} {build.version} {build.architecture}
    </a>,
    <State state={build.state} />,
    <Time at={build.changedAt} />,
    build.sentence,
  ]);
  const rejected = status.rejectedTags.map((tag) => [
    <a href={`/tags/${tag.id}`}>{tag.ref.replace(/^refs\/tags\//, '')}</a>,
    <State state={tag.state} />,
    <Time at={tag.decidedAt ?? tag.seenAt} />,
    <>
      <code>{tag.code}</code> {tag.sentence}
    </>,
  ]);
  return (
    <>
      <h2>Needs somebody</h2>
      <Table empty="Nothing waits for a person." rows={[...failures, ...rejected]} />
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
