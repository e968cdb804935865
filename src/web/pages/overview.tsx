/** `/`: what is happening now, and what needs somebody. */
import type { Status } from '../../contract/status.ts';
import { bytes, pathOf, State, Time } from '../components/facts.tsx';
import { Layout } from '../components/layout.tsx';

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
    </Layout>
  );
}

function InFlight({ status }: { readonly status: Status }) {
  return (
    <>
      <h2>Under way</h2>
      {status.inFlight.length === 0 ? (
        <p class="soft">Nothing is under way.</p>
      ) : (
        <div class="wide">
          <table>
            <thead>
              <tr>
                <th>Package</th>
                <th>Suite</th>
                <th>Since</th>
                <th>How it stands</th>
              </tr>
            </thead>
            <tbody>
              {status.inFlight.map((trace) => (
                <tr>
                  <td>
                    <a href={trace.source === null ? `/submissions/${trace.id}` : `/where/${trace.source}`}>
                      {trace.source ?? trace.tag?.ref ?? `submission ${trace.id}`} {trace.version}
                    </a>
                  </td>
                  <td>{trace.suite}</td>
                  <td>
                    <Time at={trace.createdAt} />
                  </td>
                  <td>
                    <State state={trace.state} /> {trace.sentence}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function NeedSomebody({ status }: { readonly status: Status }) {
  return (
    <>
      <h2>Needs somebody</h2>
      {status.failures.length + status.rejectedTags.length === 0 ? (
        <p class="soft">Nothing waits for a person.</p>
      ) : (
        <div class="wide">
          <table>
            <tbody>
              {status.failures.map((build) => (
                <tr>
                  <td>
                    <a href={`/builds/${build.id}`}>
                      {build.source} {build.version} {build.architecture}
                    </a>
                  </td>
                  <td>
                    <State state={build.state} />
                  </td>
                  <td>
                    <Time at={build.changedAt} />
                  </td>
                  <td>{build.sentence}</td>
                </tr>
              ))}
              {status.rejectedTags.map((tag) => (
                <tr>
                  <td>
                    <a href={`/tags/${tag.id}`}>{tag.ref.replace(/^refs\/tags\//, '')}</a>
                  </td>
                  <td>
                    <State state={tag.state} />
                  </td>
                  <td>
                    <Time at={tag.decidedAt ?? tag.seenAt} />
                  </td>
                  <td>
                    <code>{tag.code}</code> {tag.sentence}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Suites({ status }: { readonly status: Status }) {
  return (
    <>
      <h2>Suites</h2>
      <div class="wide">
        <table>
          <thead>
            <tr>
              <th>Suite</th>
              <th class="number">Sources</th>
              <th class="number">Binaries</th>
              <th>Published</th>
              <th>Valid until</th>
            </tr>
          </thead>
          <tbody>
            {status.suites.map((suite) => (
              <tr>
                <td>
                  <a href={pathOf(suite.url)}>
                    {suite.archive}/{suite.suite}
                  </a>
                </td>
                <td class="number">{suite.sources}</td>
                <td class="number">{suite.binaries}</td>
                <td>
                  {suite.published === null ? (
                    <span class="wait">not yet</span>
                  ) : (
                    <>
                      <Time at={suite.published.date} /> <span class="soft">serial {suite.published.serial}</span>
                    </>
                  )}
                </td>
                <td>
                  <Time at={suite.published?.validUntil ?? null} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Workers({ status }: { readonly status: Status }) {
  return (
    <>
      <h2>Workers and queues</h2>
      <div class="wide">
        <table>
          <thead>
            <tr>
              <th>Pool</th>
              <th>Architecture</th>
              <th class="number">Waiting</th>
              <th class="number">Running</th>
              <th class="number">Workers</th>
              <th>Why</th>
            </tr>
          </thead>
          <tbody>
            {status.queues.map((queue) => (
              <tr>
                <td>{queue.pool}</td>
                <td>{queue.architecture ?? 'any'}</td>
                <td class="number">{queue.ready}</td>
                <td class="number">{queue.running}</td>
                <td class="number">{queue.workers}</td>
                <td>{queue.sentence}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <table>
          <thead>
            <tr>
              <th>Worker</th>
              <th>State</th>
              <th>Last contact</th>
              <th>Busy with</th>
            </tr>
          </thead>
          <tbody>
            {status.workers.map((worker) => (
              <tr>
                <td>
                  {worker.name} <span class="soft">{worker.architectures.join(' ')}</span>
                </td>
                <td>
                  <State state={worker.state} />
                </td>
                <td>
                  <Time at={worker.lastContactAt} />
                </td>
                <td>
                  {worker.current.map((job) => (
                    <div>
                      {job.buildId === null ? job.title : <a href={`/builds/${job.buildId}`}>{job.title}</a>}{' '}
                      <span class="soft">{job.phase}</span>
                    </div>
                  ))}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
