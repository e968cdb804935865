/** `/git`: the Git repositories that tags come from, when each was looked at, and what stands in the way. */
import type { GitNamespace, GitRepository } from '../../contract/git-repositories.ts';
import { Remedy, Time, duration } from '../components/facts.tsx';
import { Layout } from '../components/layout.tsx';
import { Table } from '../components/table.tsx';

export function GitPage(props: {
  readonly repositories: readonly GitRepository[];
  readonly namespaces: readonly GitNamespace[];
}) {
  const { repositories, namespaces } = props;
  const obstructed = repositories.filter(({ obstacle }) => obstacle !== null);
  const passedOver = repositories.filter((one) => one.passedOver.length > 0);
  return (
    <Layout title="Git repositories" json="/git.json">
      <h1>Git repositories</h1>
      {obstructed.length === 0 ? null : (
        <section>
          <h2>Cannot be looked at</h2>
          {obstructed.map(({ name, obstacle }) =>
            obstacle === null ? null : (
              <>
                <p class="sentence">
                  <strong>{name}</strong>: {obstacle.sentence} (<code>{obstacle.code}</code>, since{' '}
                  <Time at={obstacle.since} />)
                </p>
                <Remedy text={obstacle.remedy} />
              </>
            ),
          )}
        </section>
      )}
      {passedOver.length === 0 ? null : (
        <section>
          <h2>Not decided</h2>
          <p>
            These tags were there when their Git repository was looked at first, so they decide nothing by themselves.
          </p>
          <Table
            head={['Tag', 'Git repository', 'Noticed', 'If it is meant as a release']}
            rows={passedOver.flatMap((one) =>
              one.passedOver.map((tag) => [
                tag.name,
                one.name,
                <Time at={tag.noticedAt} />,
                <code>{`landfall tag adopt ${one.name} ${tag.name}`}</code>,
              ]),
            )}
          />
        </section>
      )}
      <Table
        head={['Name', 'Address', 'Prefixes', '#Tags', 'Last looked at', 'Next look', 'Polled every']}
        empty="No Git repository is registered."
        rows={repositories.map((one) => [
          <a href={`/tags?repository=${encodeURIComponent(one.name)}`}>{one.name}</a>,
          one.url ?? 'a folder of this machine',
          one.prefixes.map(({ distro, archive }) => `${distro}/ to ${archive}`).join(', '),
          one.tags,
          <Time at={one.lastLookAt} />,
          one.enabled ? <Time at={one.nextLookAt} /> : 'switched off',
          duration(one.pollEverySeconds * 1000),
        ])}
      />
      {namespaces.length === 0 ? null : (
        <section>
          <h2>Namespaces</h2>
          <Table
            head={['Name', 'Address', 'Prefixes', '#Git repositories', '#At most']}
            rows={namespaces.map((one) => [
              one.name,
              one.url ?? 'a folder of this machine',
              one.prefixes.map(({ distro, archive }) => `${distro}/ to ${archive}`).join(', '),
              one.repositories,
              one.maxRepositories,
            ])}
          />
        </section>
      )}
    </Layout>
  );
}
