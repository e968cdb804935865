/** `/tags` and `/tags/ID`: every tag that was seen, also the rejected, with its checks and the signed text verbatim. */
import type { Tag, TagDetail } from '../../contract/tags.ts';
import { Facts, Remedy, State, Time } from '../components/facts.tsx';
import { Checks } from '../components/checks.tsx';
import { Layout } from '../components/layout.tsx';
import { Table } from '../components/table.tsx';
import type { ListFilter } from '../views.ts';

const STATES = ['seen', 'obstructed', 'accepted', 'rejected'];

export function TagsPage(props: {
  readonly tags: readonly Tag[];
  readonly next: number | null;
  readonly filter: ListFilter;
}) {
  const { tags, next, filter } = props;
  return (
    <Layout title="Tags" json={`/tags.json${queryOf(filter, {})}`}>
      <h1>Tags</h1>
      <p>
        {['all', ...STATES].map((state) => (
          <>
            {(filter.state ?? 'all') === state ? (
              <strong>{state}</strong>
            ) : (
              <a
                href={`/tags${queryOf({ ...filter, before: undefined }, { state: state === 'all' ? undefined : state })}`}
              >
                {state}
              </a>
            )}{' '}
          </>
        ))}
      </p>
      <Table
        head={['Tag', 'Git repository', 'Signer', 'State', 'Seen', 'Why']}
        empty="No such tag."
        rows={tags.map((tag) => [
          <a href={`/tags/${tag.id}`}>{tag.ref.replace(/^refs\/tags\//, '')}</a>,
          tag.repository,
          tag.signer?.name,
          <State state={tag.state} />,
          <Time at={tag.seenAt} />,
          <>
            <code>{tag.code}</code> {tag.sentence}
          </>,
        ])}
      />
      {next === null ? null : <a href={`/tags${queryOf(filter, { before: String(next) })}`}>Older</a>}
    </Layout>
  );
}

export function TagPage({ tag }: { readonly tag: TagDetail }) {
  const passed = tag.checks.filter(({ outcome }) => outcome === 'passed').length;
  const stopped = tag.checks.find(({ outcome }) => outcome === 'failed' || outcome === 'obstructed');
  return (
    <Layout title={tag.ref.replace(/^refs\/tags\//, '')} json={`/tags/${tag.id}.json`}>
      <h1>{tag.ref.replace(/^refs\/tags\//, '')}</h1>
      <p class="sentence">
        <State state={tag.state} /> {tag.sentence}
      </p>
      <Remedy text={tag.remedy} />
      <Facts
        rows={[
          ['Submission', <a href={`/submissions/${tag.submissionId}`}>{tag.submissionId}</a>],
          ['Git repository', tag.repository],
          ['Archive', tag.archive],
          ['Suite', tag.suite],
          [
            'Source',
            tag.source === null ? null : <a href={`/where/${encodeURIComponent(tag.source)}`}>{tag.source}</a>,
          ],
          ['Version', tag.version],
          ['Signer', tag.signer === null ? null : `${tag.signer.name} (${tag.signer.handle})`],
          ['Key', tag.fingerprint === null ? null : <code>{tag.fingerprint}</code>],
          ['Tag object', <code>{tag.objectId}</code>],
          ['Commit', tag.commitId === null ? null : <code>{tag.commitId}</code>],
          ['Upstream commit', tag.upstreamCommitId === null ? null : <code>{tag.upstreamCommitId}</code>],
          ['Seen', <Time at={tag.seenAt} />],
          ['Decided', tag.decidedAt === null ? null : <Time at={tag.decidedAt} />],
          ['Tried again', tag.retryAt === null ? null : <Time at={tag.retryAt} />],
        ]}
      />
      <h2>
        Checks: {passed} passed{stopped === undefined ? '' : `, stopped at ${stopped.code}`}
      </h2>
      <Checks checks={tag.checks} />
      {tag.decisions.length < 2 ? null : (
        <>
          <h2>Decisions</h2>
          <Table
            rows={tag.decisions.map((decision) => [
              <Time at={decision.decidedAt} />,
              <State state={decision.outcome} />,
              <>
                <code>{decision.code}</code> {decision.sentence} <span class="soft">by {decision.decidedBy}</span>
              </>,
            ])}
          />
        </>
      )}
      {tag.obstacles.length === 0 ? null : (
        <>
          <h2>What stood in the way</h2>
          <ul>
            {tag.obstacles.map((obstacle) => (
              <li>
                <Time at={obstacle.at} /> <code>{obstacle.code}</code> {obstacle.sentence}
              </li>
            ))}
          </ul>
        </>
      )}
      {tag.verifiedAgain.length === 0 ? null : (
        <>
          <h2>Verified again when uploads arrived</h2>
          <Table
            rows={tag.verifiedAgain.map((one) => [
              <Time at={one.at} />,
              <State state={one.verified ? 'passed' : 'failed'} />,
              <>
                {one.kind} upload {one.uploadId}: {one.sentence}
              </>,
            ])}
          />
        </>
      )}
      {tag.text === null ? null : (
        <>
          <h2>The tag, verbatim</h2>
          <pre>{tag.text}</pre>
        </>
      )}
    </Layout>
  );
}

/** The filter as a query string, with changes; empty when there is nothing in it. */
export function queryOf(filter: ListFilter, changes: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...filter, ...changes })) {
    if (value !== undefined) query.set(name, String(value));
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}
