/** A store of objects in memory, with the behaviour that objects.ts promises: for tests, and as the measure for an object store. */
import { sha256, type Digest } from './files.ts';
import { MAX_POINTERS, notAPointer, otherBytes, partsOf } from './objects.ts';
import type { ObjectBatch, ObjectFacts, ObjectStore, OpenObject } from './objects.ts';

interface Held {
  readonly bytes: Buffer;
  readonly modifiedAt: Date;
}

export function createMemoryObjectStore(now: () => Date = () => new Date()): ObjectStore {
  const objects = new Map<string, Held>();
  const pointers = new Map<string, string>();

  /** The name behind all pointers; undefined when they lead in a circle. */
  const resolve = (name: string): string | undefined => {
    let at = name;
    for (let step = 0; step <= MAX_POINTERS; step += 1) {
      const parts = partsOf(at);
      const length = parts.findIndex((_, index) => pointers.has(parts.slice(0, index + 1).join('/'))) + 1;
      if (length === 0) return at;
      at = [pointers.get(parts.slice(0, length).join('/')) ?? '', ...parts.slice(length)].join('/');
    }
    return undefined;
  };
  const find = (name: string): (Held & { readonly name: string }) | undefined => {
    const resolved = resolve(name);
    const held = resolved === undefined ? undefined : objects.get(resolved);
    return resolved === undefined || held === undefined ? undefined : { name: resolved, ...held };
  };
  const place = (name: string, bytes: Buffer, modifiedAt: Date): boolean => {
    partsOf(name);
    const there = objects.get(name);
    if (there !== undefined) {
      if (there.bytes.equals(bytes)) return false;
      throw otherBytes(name, sha256(there.bytes), sha256(bytes));
    }
    objects.set(name, { bytes, modifiedAt });
    return true;
  };
  const below = (prefix: string): string[] => {
    partsOf(prefix);
    return [...objects.keys()].filter((name) => name.startsWith(`${prefix}/`));
  };
  const batch = (): ObjectBatch => ({
    put: (name, bytes, options = {}) =>
      settled(() => {
        const copy = Buffer.from(bytes);
        place(name, copy, wholeSecond(options.modifiedAt ?? now()));
        return digestOf(copy);
      }),
    create: (name) =>
      settled(() => {
        partsOf(name);
        const chunks: Buffer[] = [];
        return {
          write: (bytes) => settled(() => void chunks.push(Buffer.from(bytes))),
          finish: () =>
            settled(() => {
              const bytes = Buffer.concat(chunks);
              place(name, bytes, wholeSecond(now()));
              return digestOf(bytes);
            }),
          discard: () => Promise.resolve(),
        };
      }),
    putBlob: async (name, blobs, blob) => {
      const there = objects.get(name);
      if (there !== undefined && sha256(there.bytes) === blob.sha256) return false;
      return place(name, await blobs.read(blob.sha256), wholeSecond(now()));
    },
    copy: (from, to) =>
      settled(() => {
        partsOf(to);
        const held = find(from);
        if (held === undefined) return false;
        if (!objects.has(to)) objects.set(to, { bytes: held.bytes, modifiedAt: held.modifiedAt });
        return true;
      }),
    settle: () => Promise.resolve(),
  });
  const facts = (held: Held & { readonly name: string }): ObjectFacts => {
    return { name: held.name, size: held.bytes.length, modifiedAt: held.modifiedAt };
  };
  return {
    batch,
    point: (name, target) =>
      settled(() => {
        partsOf(name);
        partsOf(target);
        if (objects.has(name) || below(name).length > 0) throw notAPointer(name, target);
        pointers.set(name, target);
      }),
    pointer: (name) => settled(() => (partsOf(name), pointers.get(name))),
    pointers: (prefix) =>
      settled(() =>
        [...pointers]
          .filter(([name]) => name.startsWith(`${prefix}/`) && !name.slice(prefix.length + 1).includes('/'))
          .map(([name, target]) => ({ name, target }))
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
      ),
    unpoint: (name) => settled(() => (partsOf(name), pointers.delete(name))),
    open: (name) =>
      settled((): OpenObject | undefined => {
        const held = find(name);
        if (held === undefined) return undefined;
        return {
          ...facts(held),
          read: (start, length) =>
            new ReadableStream<Uint8Array>({
              start: (controller) => {
                if (length > 0) controller.enqueue(Uint8Array.from(held.bytes.subarray(start, start + length)));
                controller.close();
              },
            }),
          close: () => Promise.resolve(),
        };
      }),
    stat: (name) =>
      settled(() => {
        const held = find(name);
        return held === undefined ? undefined : facts(held);
      }),
    read: (name) =>
      settled(() => {
        const held = find(name);
        return held === undefined ? undefined : Buffer.from(held.bytes);
      }),
    list: async function* (prefix) {
      for (const name of below(prefix)) {
        const held = objects.get(name);
        if (held !== undefined) yield await Promise.resolve(facts({ name, ...held }));
      }
    },
    children: (prefix) =>
      settled(() => [
        ...new Set(
          below(prefix).map((name) =>
            name
              .slice(prefix.length + 1)
              .split('/', 1)
              .join(''),
          ),
        ),
      ]),
    delete: (name) => settled(() => (partsOf(name), objects.delete(name))),
    deleteBelow: (prefix) =>
      settled(() => {
        for (const name of below(prefix)) objects.delete(name);
      }),
  };
}

function digestOf(bytes: Buffer): Digest {
  return { sha256: sha256(bytes), size: bytes.length };
}

function wholeSecond(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 1000) * 1000);
}

/** A promise of what the function gives or throws. */
function settled<T>(use: () => T): Promise<T> {
  return new Promise((resolve) => {
    resolve(use());
  });
}
