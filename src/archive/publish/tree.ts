/**
 * Where things lie in what an archive publishes (platform/objects.ts has the words):
 *
 *     pool/…                        files by name, from blobs
 *     .publications/SUITE/SERIAL/   one publication, whole: InRelease, Release, Release.gpg, COMPONENT/binary-ARCH/… with by-hash
 *     dists/SUITE                   a pointer to .publications/SUITE/SERIAL
 *     dists/ALIAS                   a pointer to dists/SUITE
 *
 * A publication's objects are durable before anything points at them, and never changed while something does.
 */
import type { ObjectStore } from '../../platform/objects.ts';

/** Below it lie all publications of a suite. */
export function publicationsPrefix(suite: string): string {
  return `.publications/${suite}`;
}

export function publicationPrefix(suite: string, serial: number): string {
  return `${publicationsPrefix(suite)}/${serial}`;
}

/** The serial that `dists/SUITE` points at, or undefined when it points at none. */
export async function servedSerial(store: ObjectStore, suite: string): Promise<number | undefined> {
  const target = await store.pointer(`dists/${suite}`);
  const prefix = `${publicationsPrefix(suite)}/`;
  const serial = target?.startsWith(prefix) === true ? target.slice(prefix.length) : '';
  return /^[1-9][0-9]*$/.test(serial) ? Number(serial) : undefined;
}

/** Makes `dists/SUITE` point at the publication, unless it does already. */
export async function serve(store: ObjectStore, suite: string, serial: number): Promise<void> {
  if ((await servedSerial(store, suite)) === serial) return;
  await store.point(`dists/${suite}`, publicationPrefix(suite, serial));
}

/**
 * Makes `dists/NAME` lead to the suite for every name in `names`, and removes other names that led to it. A name that is a
 * suite of its own is left alone and returned.
 */
export async function nameAliases(
  store: ObjectStore,
  suite: string,
  names: readonly string[],
): Promise<readonly string[]> {
  const wanted = new Set(names.filter((name) => name !== suite).map((name) => `dists/${name}`));
  const taken: string[] = [];
  for (const { name, target } of await store.pointers('dists')) {
    if (target === `dists/${suite}`) {
      if (!wanted.delete(name)) await store.unpoint(name);
    } else if (target.startsWith('.publications/') && wanted.delete(name)) {
      taken.push(name.slice('dists/'.length));
    }
  }
  for (const name of wanted) await store.point(name, `dists/${suite}`);
  return taken;
}
