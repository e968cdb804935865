/** `/snapshots`: archive → suite → publications that can still be read, what changed with each, and the lines for apt. */
import type { SnapshotDetail, SnapshotList, SnapshotSuite } from '../../contract/snapshots.ts';
import { Facts, pathOf, Time } from '../components/facts.tsx';
import { Layout } from '../components/layout.tsx';
import { Table } from '../components/table.tsx';

export function SnapshotSuitesPage({ suites }: { readonly suites: readonly SnapshotSuite[] }) {
  return (
    <Layout title="Snapshots" json="/snapshots.json">
      <h1>Snapshots</h1>
      <p>Every publication of a suite can be read by apt as it was, for as long as the suite keeps them.</p>
      <Table
        head={['Suite', '#Snapshots', 'Oldest', 'Newest', 'Kept for']}
        empty="There is no suite yet."
        rows={suites.map((one) => [
          <a href={pathOf(one.url)}>
            {one.archive}/{one.suite}
          </a>,
          String(one.snapshots),
          <Time at={one.oldest} />,
          <Time at={one.newest} />,
          one.retention,
        ])}
      />
    </Layout>
  );
}

export function SnapshotListPage({ list }: { readonly list: SnapshotList }) {
  const title = `${list.archive}/${list.suite}`;
  const here = `/snapshots/${list.archive}/${list.suite}`;
  return (
    <Layout title={`Snapshots of ${title}`} json={`${here}.json`}>
      <h1>Snapshots of {title}</h1>
      <p>
        Kept for {list.retention}. <a href={`/suites/${list.archive}/${list.suite}`}>The suite as it is now</a>
      </p>
      <Table
        head={['Snapshot', '#Serial', 'In force from', 'Until', '#Added', '#Removed', 'Why']}
        empty="It was never published."
        rows={list.snapshots.map((one) => [
          <a href={pathOf(one.url)}>
            <code>{one.id}</code>
          </a>,
          String(one.serial),
          <Time at={one.date} />,
          one.until === null ? 'now' : <Time at={one.until} />,
          String(one.added),
          String(one.removed),
          one.reason,
        ])}
      />
      {list.next === null ? null : <a href={`${here}?before=${list.next}`}>Older</a>}
    </Layout>
  );
}

export function SnapshotPage({ snapshot }: { readonly snapshot: SnapshotDetail }) {
  const { archive, suite, id, serial, from } = snapshot;
  const here = `/snapshots/${archive}/${suite}`;
  return (
    <Layout title={`${archive}/${suite} ${id}`} json={`${here}/${id}.json`}>
      <h1>
        {archive}/{suite} <code>{id}</code>
      </h1>
      <Facts
        rows={[
          ['Suite', <a href={here}>{`${archive}/${suite}`}</a>],
          ['Serial', String(serial)],
          ['In force from', <Time at={snapshot.date} />],
          ['Until', snapshot.until === null ? 'now' : <Time at={snapshot.until} />],
          ['Valid until', <Time at={snapshot.validUntil} />],
          ['Published because of', snapshot.reason],
        ]}
      />
      <h2>For apt</h2>
      {snapshot.kept ? (
        <>
          <p>
            The bytes are those that were signed then, so its Valid-Until passes like that of any publication: the lines
            tell apt not to mind.
          </p>
          <pre>{snapshot.aptSource}</pre>
          <p>
            apt of Debian 13 and later also finds it by{' '}
            <code>{`apt update --snapshot ${id} -o Acquire::Check-Valid-Until=false`}</code>, from a source of the suite
            that it has updated once.
          </p>
        </>
      ) : (
        <p>It is older than what the suite keeps, and can be read no more.</p>
      )}
      <h2>{from === null ? 'What it began with' : `What changed since ${from.id}`}</h2>
      <Table
        head={['Package', 'Architectures', 'Before', 'After']}
        empty="Nothing."
        rows={snapshot.differences.map((one) => [
          <>
            <a href={`/where/${encodeURIComponent(one.name)}`}>{one.name}</a> <span class="soft">{one.kind}</span>
          </>,
          one.architectures.join(' '),
          one.before ?? '–',
          one.after ?? 'removed',
        ])}
      />
      {snapshot.omitted === 0 ? null : <p class="soft">and {snapshot.omitted} more</p>}
    </Layout>
  );
}
