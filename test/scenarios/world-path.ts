/** Whole stretches of the path in the world, for tests that begin behind them. */
import type { Release, World, WorldArchive } from './world.ts';
import {
  acceptBinary,
  acceptSource,
  deliverUpload,
  leaseNext,
  planBinaries,
  planSource,
  publish,
} from './world-builds.ts';
import { acceptTag, prepareSource, seeTag } from './world-tags.ts';

/** A tag is seen, let in and its source job planned. */
export async function releaseSource(
  world: World,
  version: string,
  options: { readonly source?: string; readonly archive?: WorldArchive } = {},
): Promise<Release> {
  const release = await seeTag(world, { version, ...options });
  await acceptTag(world, release);
  await prepareSource(world, release);
  await planSource(world, release);
  return release;
}

/** As {@link releaseSource}, and the source is built, accepted, published, and its binary jobs planned. */
export async function releaseToBinaries(
  world: World,
  version: string,
  options: { readonly source?: string; readonly archive?: WorldArchive; readonly architecture?: string } = {},
): Promise<Release> {
  const release = await releaseSource(world, version, options);
  const running = await leaseNext(world);
  await acceptSource(
    world,
    release,
    running,
    await deliverUpload(world, release, running, 'source'),
    options.architecture,
  );
  await planBinaries(world, release);
  await publish(world, release.archive);
  return release;
}

/** As {@link releaseToBinaries}, and amd64 is built, accepted and published; arm64 waits for a worker. */
export async function releaseWhole(
  world: World,
  version: string,
  options: { readonly source?: string; readonly archive?: WorldArchive } = {},
): Promise<Release> {
  const release = await releaseToBinaries(world, version, options);
  const running = await leaseNext(world);
  await acceptBinary(world, release, running, await deliverUpload(world, release, running, 'binary'), {
    architecture: 'amd64',
  });
  await publish(world, release.archive);
  return release;
}
