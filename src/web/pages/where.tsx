/** `/where/PACKAGE` and `/submissions/ID`: where is my package, and what led there. */
import type { SubmissionTrace } from '../../contract/submissions.ts';
import type { Where } from '../../contract/where.ts';
import { State, Time } from '../components/facts.tsx';
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
      {where.submissions.map((trace, index) =>
        index === 0 || standsOpen(trace) ? <Submission trace={trace} linked /> : <Earlier trace={trace} />,
      )}
    </Layout>
  );
}

/** Somebody may want to act on it. */
function standsOpen(trace: SubmissionTrace): boolean {
  return trace.state === 'in-flight' || trace.state === 'attention';
}

/** One of the past: a line that opens. */
function Earlier({ trace }: { readonly trace: SubmissionTrace }) {
  return (
    <details class="submission">
      <summary>
        <strong>{trace.version ?? trace.tag?.ref.replace(/^refs\/tags\//, '') ?? trace.id}</strong>{' '}
        <State state={trace.state} /> <Time at={trace.createdAt} /> <span class="soft">{trace.sentence}</span>
      </summary>
      <Submission trace={trace} linked />
    </details>
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
