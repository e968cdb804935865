/** `/where/PACKAGE` and `/submissions/ID`: where is my package, and what led there. */
import type { SubmissionTrace } from '../../contract/submissions.ts';
import type { Where } from '../../contract/where.ts';
import { Layout } from '../components/layout.tsx';
import { Table } from '../components/table.tsx';
import { Submission } from '../components/timeline.tsx';

export function WherePage({ where }: { readonly where: Where }) {
  return (
    <Layout title={`Where is ${where.package}?`} json={`/where/${encodeURIComponent(where.package)}.json`}>
      <h1>Where is {where.package}?</h1>
      {where.source === where.package ? null : (
        <p>
          It is built from the source package <a href={`/where/${encodeURIComponent(where.source)}`}>{where.source}</a>.
        </p>
      )}
      <Table
        head={['Suite', 'Version', 'Architectures']}
        empty="No suite holds it."
        rows={where.suites.map((held) => [
          <a href={`/suites/${held.archive}/${held.suite}`}>
            {held.archive}/{held.suite}
          </a>,
          held.version,
          held.architectures.join(' '),
        ])}
      />
      {where.submissions.map((trace) => (
        <Submission trace={trace} linked />
      ))}
    </Layout>
  );
}

export function SubmissionPage({ trace }: { readonly trace: SubmissionTrace }) {
  const title = `${trace.source ?? trace.tag?.ref ?? 'Submission'} ${trace.version ?? trace.id}`;
  return (
    <Layout title={title} json={`/submissions/${trace.id}.json`}>
      <h1>{title}</h1>
      <Submission trace={trace} linked={false} />
    </Layout>
  );
}
