/**
 * Publishing, side by side with what people publish with today.
 *
 * `add-one` is a package's way from the hands of whoever built it to where apt can fetch it, over the same .debs in repositories
 * of the same size. The others have no peer that does the like: Debian's own index at its real size, and many suites at once.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { killAgents } from '../../src/platform/gpg.ts';
import { interleave, median, type BenchContext, type Benchmark, type Result, type Sample } from '../harness.ts';
import { buildAdded, isPlain, openDebs, type AddedPackage } from './debs.ts';
import { startOurs, type Ours, type Suite } from './ours.ts';
import { readRealIndex, type IndexedPackage } from './packages.ts';
import { openPeerKey, openPeers } from './peers.ts';

const SIZES = [2_000, 30_000, 60_000] as const;
const SUITES = 50;
/** Apt compares whole seconds, so a suite is published at most once in each: what is measured is not that wait. */
const BETWEEN_PUBLICATIONS_MS = 1_100;

export const publishBenchmark: Benchmark = {
  name: 'publish',
  says: 'from a built package to an index that apt can fetch',
  rounds: 5,
  options: { packages: { says: 'packages in the repository that peers are compared in', value: 30_000 } },
  versions: {
    'apt-ftparchive': ['apt-ftparchive', '--version'],
    reprepro: ['reprepro', '--version'],
    aptly: ['aptly', 'version'],
    xz: ['xz', '--version'],
  },
  measures: [
    {
      measure: 'add-one',
      says: 'one package added, signed, to the moment when apt can fetch it',
      unit: 's',
      target:
        'ours.median < 0.3 and ours.rss_mb < 250 and ratio.apt-ftparchive >= 40 and ratio.reprepro >= 40 and ratio.aptly >= 15',
    },
    {
      measure: 'growth',
      says: `the median of one addition among ${SIZES[2]} packages against one among ${SIZES[0]}`,
      unit: '×',
      target: 'ours.median < 4',
    },
    { measure: 'real-first', says: "Debian's real index, published first", unit: 's', target: 'ours.max < 30' },
    {
      measure: 'real-one',
      says: "a change of one package in Debian's real index",
      unit: 's',
      target: 'ours.median < 0.6',
    },
    {
      measure: 'real-hundred',
      says: "a hundred changed packages in Debian's real index, one publication",
      unit: 's',
      target: 'ours.median < 3',
    },
    {
      measure: 'many-suites',
      says: `${SUITES} suites of ${SIZES[0]} packages, one change in each, until the last is published`,
      unit: 's',
      target: 'ours.median < 5',
    },
  ],
  run,
};

async function run(context: BenchContext): Promise<readonly Result[]> {
  const { folder, app, rounds, options, progress, signal } = context;
  const compared = options.packages ?? SIZES[1];
  const index = await readRealIndex(join(folder, 'index'), progress);
  const sizes = [...new Set([SIZES[0], compared, SIZES[2]])].sort((a, b) => a - b);
  const plain = uniqueNames(index.binaries).filter(isPlain);
  const debs = await openDebs(join(folder, 'debs'), plain, Math.max(...sizes), progress);
  const key = await openPeerKey(folder);
  try {
    const peers = await openPeers({ folder, ...key, debs: debs.slice(0, compared), progress });
    progress('starting Landfall');
    const ours = await startOurs({
      folder,
      app,
      signal,
      archives: { plain: [...sizes.map(archiveOf), 'real'], many: { archive: 'many', suites: SUITES } },
    });
    try {
      const added = packageSource(join(folder, 'added'));
      const suites = new Map<number, Suite>();
      for (const size of sizes) {
        progress(`filling an archive with ${size} packages`);
        const suite = await ours.suite(archiveOf(size));
        await ours.fill(suite, debs.slice(0, size));
        suites.set(size, suite);
      }
      const add = async (size: number, one: AddedPackage): Promise<Sample> => {
        const suite = suites.get(size);
        if (suite === undefined) throw new Error(`no archive has ${size} packages`);
        await sleep(BETWEEN_PUBLICATIONS_MS);
        return await ours.add(suite, one);
      };
      // Once unmeasured: the first of each reads what the next ones find in memory, as with the peers' caches.
      for (const size of sizes) await add(size, await added('warm'));
      progress(`adding a package to ${compared}, in turn with ${peers.map(({ name }) => name).join(', ')}`);
      const each = await Promise.all(Array.from({ length: rounds }, async (_, round) => await added(`round${round}`)));
      const samples = await interleave(
        rounds,
        new Map([
          ['ours', async (round: number) => await add(compared, at(each, round))],
          ...peers.map((peer) => [peer.name, async (round: number) => await peer.add(at(each, round))] as const),
        ]),
        signal,
      );
      const [small, large] = [await additions(SIZES[0]), await additions(SIZES[2])];
      return [
        {
          measure: 'add-one',
          size: compared,
          ours: samples.get('ours') ?? [],
          peers: Object.fromEntries(peers.map(({ name }) => [name, samples.get(name) ?? []])),
        },
        {
          measure: 'growth',
          size: SIZES[2],
          ours: [{ value: median(large.map(({ value }) => value)) / median(small.map(({ value }) => value)) }],
        },
        ...(await measureRealIndex(ours, index, rounds, progress)),
        ...(await measureManySuites(ours, plain.slice(0, SIZES[0]), rounds, progress)),
      ];

      async function additions(size: number): Promise<Sample[]> {
        progress(`adding a package to ${size}`);
        const all: Sample[] = [];
        for (let round = 0; round < rounds; round += 1) all.push(await add(size, await added(`size${size}`)));
        return all;
      }
    } finally {
      await ours.stop();
    }
  } finally {
    await killAgents(key.home);
  }
}

async function measureRealIndex(
  ours: Ours,
  index: { readonly binaries: readonly IndexedPackage[]; readonly sources: readonly IndexedPackage[] },
  rounds: number,
  progress: (text: string) => void,
): Promise<Result[]> {
  progress("publishing Debian's real index");
  const size = index.binaries.length + index.sources.length;
  const suite = await ours.suite('real');
  await ours.load(suite, index.binaries, index.sources);
  const first = await ours.publish([suite]);
  const changes = async (count: number): Promise<Sample[]> => {
    const samples: Sample[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await ours.change([suite], count);
      await sleep(BETWEEN_PUBLICATIONS_MS);
      samples.push(await ours.publish([suite]));
    }
    return samples;
  };
  return [
    { measure: 'real-first', size, ours: [first] },
    { measure: 'real-one', size, ours: await changes(1) },
    { measure: 'real-hundred', size, ours: await changes(100) },
  ];
}

async function measureManySuites(
  ours: Ours,
  packages: readonly IndexedPackage[],
  rounds: number,
  progress: (text: string) => void,
): Promise<Result[]> {
  progress(`publishing ${SUITES} suites at once`);
  const suites = await Promise.all(
    Array.from({ length: SUITES }, async (_, index) => await ours.suite('many', `suite-${index + 1}`)),
  );
  const [first, ...others] = suites;
  if (first === undefined) throw new Error('there are no suites');
  await ours.load(first, packages, []);
  await ours.copy(first, others);
  await ours.publish(suites);
  const samples: Sample[] = [];
  for (let round = 0; round < rounds; round += 1) {
    await ours.change(suites, 1);
    await sleep(BETWEEN_PUBLICATIONS_MS);
    samples.push(await ours.publish(suites));
  }
  return [{ measure: 'many-suites', size: SUITES, ours: samples }];
}

function archiveOf(size: number): string {
  return `of-${size}`;
}

/** Names no package twice in a repository's life: peers keep what they were given. */
function packageSource(folder: string): (what: string) => Promise<AddedPackage> {
  const run = Date.now().toString(36);
  let number = 0;
  return async (what) => {
    number += 1;
    return await buildAdded(join(folder, `${what}-${number}`), `added-${what}-${run}-${number}`);
  };
}

function uniqueNames(packages: readonly IndexedPackage[]): IndexedPackage[] {
  return [...new Map(packages.map((one) => [one.name, one])).values()];
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`there is no package for round ${index}`);
  return found;
}
