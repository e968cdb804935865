/** `/suites/ARCHIVE/SUITE`: what apt needs to use it, and how fresh it is. */
import type { SuiteDetail } from '../../contract/suites.ts';
import { Facts, pathOf, Time } from '../components/facts.tsx';
import { Layout } from '../components/layout.tsx';
import { Table } from '../components/table.tsx';

const SHOWN_PUBLICATIONS = 10;

export function SuitePage({ suite }: { readonly suite: SuiteDetail }) {
  const title = `${suite.archive}/${suite.suite}`;
  return (
    <Layout title={title} json={`/suites/${suite.archive}/${suite.suite}.json`}>
      <h1>{title}</h1>
      <p>{suite.description}</p>
      <Facts
        rows={[
          ['Codename', suite.codename],
          ['Aliases', suite.aliases.join(' ')],
          ['Components', suite.components.join(' ')],
          ['Architectures', suite.architectures.join(' ')],
          ['Source packages', String(suite.sources)],
          ['Binary packages', String(suite.binaries)],
          ['Published', suite.published === null ? 'not yet' : <Time at={suite.published.date} />],
          ['Valid until', suite.published === null ? null : <Time at={suite.published.validUntil} />],
          ['Serial', suite.published === null ? null : String(suite.published.serial)],
        ]}
      />
      <h2>For apt</h2>
      <p>
        Fetch the <a href={pathOf(suite.keyUrl)}>archive key</a>
        {suite.fingerprint === null ? null : (
          <>
            {' '}
            (fingerprint <code>{suite.fingerprint}</code>)
          </>
        )}{' '}
        into <code>/etc/apt/keyrings</code> and put this into a file below <code>/etc/apt/sources.list.d</code>:
      </p>
      <pre>{suite.aptSource}</pre>
      <h2>Last publications</h2>
      <Table
        head={['#Serial', 'Date', 'Valid until', 'Why']}
        empty="It was never published."
        rows={suite.publications
          .slice(0, SHOWN_PUBLICATIONS)
          .map((one) => [String(one.serial), <Time at={one.date} />, <Time at={one.validUntil} />, one.reason])}
      />
      <p>
        <a href={`/snapshots/${suite.archive}/${suite.suite}`}>
          What changed with each, and the suite as it was: its snapshots
        </a>
      </p>
    </Layout>
  );
}
