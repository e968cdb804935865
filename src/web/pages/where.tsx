/** `/where/PACKAGE` and `/submissions/ID`: where is my package, and what led there. */
import type { SubmissionTrace } from '../../contract/submissions.ts';
import type { Where } from '../../contract/where.ts';
import { Layout } from '../components/layout.tsx';
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
      {where.suites.length === 0 ? (
        <p class="soft">No suite holds it.</p>
      ) : (
        <table>
          <thead>
            <tr>
              <th>Suite</th>
              <th>Version</th>
              <th>Architectures</th>
            </tr>
          </thead>
          <tbody>
            {where.suites.map((held) => (
              <tr>
                <td>
                  <a href={`/suites/${held.archive}/${held.suite}`}>
                    {held.archive}/{held.suite}
                  </a>
                </td>
                <td>{held.version}</td>
                <td>{held.architectures.join(' ')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
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
