/**
 * Deciding tags, end to end: a real server with its own PostgreSQL is told by HTTP that a tag was pushed, and what is measured ends
 * when the decision is committed.
 *
 * First one tag at a time, in turn with a script that only fetches the same tag and runs gpgv. Then a burst of
 * them, each pushed and noticed by itself, spread over many Git repositories: how many are decided in a second, what all of it costs
 * until the source jobs are there, and what becomes of the server's memory.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { interleave, median, memoryOf, resetPeak, type BenchContext, type Benchmark, type Result } from '../harness.ts';
import { openCorpus, type CorpusSource, type CorpusTag } from './corpus.ts';
import { openPeer } from './peer.ts';
import { startWorld, type Forge, type World } from './world.ts';

const QUIET_SOURCES = 8;
const BUSY_SOURCES = 100;
/** Tags that are on their way at the same time, at most: ten for each Git repository, as when a whole distribution is rebuilt. */
const IN_FLIGHT = 1_000;
/** Counting costs the database what deciding a tag costs it: to count often is to measure the counting. */
const LOOK_EVERY_MS = 300;
const PEER = 'git-fetch-and-gpgv';

export const tagsBenchmark: Benchmark = {
  name: 'tags',
  says: 'from the notice of a signed tag to its decision',
  rounds: 40,
  options: { tags: { says: 'tags to decide for rate and memory; the target is for 10000', value: 2_000 } },
  versions: { git: ['git', '--version'], gpgv: ['gpgv', '--version'] },
  measures: [
    {
      measure: 'notice-to-decision',
      says: 'one tag of a mirrored Git repository, from the HTTP notice to the committed decision',
      unit: 'ms',
      target: `ours.median < 80 and ratio.${PEER} > 0.333`,
    },
    {
      measure: 'decisions',
      says: `tags decided in a second of a burst, each pushed and noticed by itself, ${IN_FLIGHT} on their way; figures of each tenth`,
      unit: '1/s',
      better: 'higher',
      target: 'ours.median >= 50',
    },
    {
      measure: 'processor-time',
      says: 'of the server, its database and all that they ran, for one of these tags, source job included',
      unit: 'ms',
    },
    {
      measure: 'memory-growth',
      says: "the server's resident memory in the last fifth of the tags against the second fifth",
      unit: '×',
      target: 'ours.median < 1.1',
    },
  ],
  run,
};

async function run(context: BenchContext): Promise<readonly Result[]> {
  const { folder, app, rounds, options, progress, signal } = context;
  const tags = options.tags ?? 0;
  const busySources = Math.min(BUSY_SOURCES, tags);
  const corpus = await openCorpus(
    join(folder, 'corpus'),
    [
      { kind: 'quilt', sources: QUIET_SOURCES, tagsPerSource: 1 + Math.ceil(rounds / QUIET_SOURCES) },
      { kind: 'native', sources: busySources, tagsPerSource: Math.ceil(tags / busySources) },
    ],
    progress,
  );
  progress('starting Landfall');
  const world = await startWorld({ folder, app, corpus, signal });
  try {
    const quiet = world.forges.filter(({ source }) => source.kind === 'quilt');
    const busy = world.forges.filter(({ source }) => source.kind === 'native');
    const peer = await openPeer(folder, corpus, quiet);
    // A first tag of each, so that there is a mirror.
    for (const forge of quiet) {
      const tag = tagOf(forge.source, 0);
      await world.push(forge, [tag]);
      await world.notify(forge, tag);
      await world.decided(tag);
      await peer.verify(forge, tag);
    }
    const samples = await interleave(
      rounds,
      new Map([
        [
          'ours',
          async (round: number) => {
            const { forge, tag } = turn(quiet, round);
            await world.push(forge, [tag]);
            await world.idle();
            const started = performance.now();
            await world.notify(forge, tag);
            await world.decided(tag);
            return { value: performance.now() - started };
          },
        ],
        [
          PEER,
          async (round: number) => {
            const { forge, tag } = turn(quiet, round);
            await world.push(forge, [tag]);
            await world.idle();
            return await peer.verify(forge, tag);
          },
        ],
      ]),
      signal,
    );
    await world.idle();
    const used = await world.processorSeconds();
    const { rates, memory } = await decideMany(context, world, busy, tags);
    progress('waiting for what follows the decisions');
    await world.idle();
    const perTag = (((await world.processorSeconds()) - used) * 1000) / tags;
    const fifth = Math.floor(memory.length / 5);
    const early = median(memory.slice(fifth, 2 * fifth));
    const late = median(memory.slice(-fifth));
    const { peakMb } = await memoryOf(world.serverPid);
    return [
      {
        measure: 'notice-to-decision',
        size: rounds,
        ours: samples.get('ours') ?? [],
        peers: { [PEER]: samples.get(PEER) ?? [] },
      },
      { measure: 'decisions', size: tags, ours: rates.map((value) => ({ value, rssMb: peakMb })) },
      { measure: 'processor-time', size: tags, ours: [{ value: perTag }] },
      { measure: 'memory-growth', size: tags, ours: [{ value: late / early, rssMb: late }] },
    ];
  } finally {
    await world.stop();
  }
}

/** Keeps {@link IN_FLIGHT} tags on their way until all are decided. */
async function decideMany(
  context: BenchContext,
  world: World,
  forges: readonly Forge[],
  tags: number,
): Promise<{ readonly rates: readonly number[]; readonly memory: readonly number[] }> {
  const { progress, signal } = context;
  const before = await world.acceptedCount();
  const tenth = Math.max(1, Math.floor(tags / 10));
  const rates: number[] = [];
  const memory: number[] = [];
  let sent = 0;
  let done = 0;
  let counted = 0;
  await resetPeak(world.serverPid);
  let since = performance.now();
  while (done < tags) {
    signal.throwIfAborted();
    const wave: Promise<void>[] = [];
    while (sent < tags && sent - done + wave.length < IN_FLIGHT) {
      const forge = forges[sent % forges.length];
      if (forge === undefined) break;
      const tag = tagOf(forge.source, Math.floor(sent / forges.length));
      sent += 1;
      wave.push(world.push(forge, [tag]).then(async () => await world.notify(forge, tag)));
    }
    await Promise.all(wave);
    await sleep(LOOK_EVERY_MS);
    done = (await world.acceptedCount()) - before;
    memory.push((await memoryOf(world.serverPid)).rssMb);
    while (done - counted >= tenth) {
      const now = performance.now();
      const newly = Math.floor((done - counted) / tenth) * tenth;
      rates.push((newly * 1000) / (now - since));
      counted += newly;
      since = now;
    }
    progress(
      `${done} of ${tags} tags decided, ${Math.round(rates.at(-1) ?? 0)} a second, ${Math.round(memory.at(-1) ?? 0)} MB`,
    );
  }
  return { rates, memory };
}

/** Which tag a round is about: each Git repository in turn, so that none is looked at twice within a second. */
function turn(forges: readonly Forge[], round: number): { readonly forge: Forge; readonly tag: CorpusTag } {
  const forge = forges[round % forges.length];
  if (forge === undefined) throw new Error('there is no Git repository');
  return { forge, tag: tagOf(forge.source, 1 + Math.floor(round / forges.length)) };
}

function tagOf(source: CorpusSource, index: number): CorpusTag {
  const tag = source.tags[index];
  if (tag === undefined) throw new Error(`${source.source} has no release ${index + 1}`);
  return tag;
}
