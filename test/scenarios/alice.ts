/**
 * The world of git-world.ts with one maintainer in it: Alice, with an OpenPGP key, may release `hello` to `landing`, and her
 * Git repository is registered.
 */
import { createRepository, type TestRepository } from './git-repository.ts';
import { createTagWorld, type TagFacts, type TagWorld } from './git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey } from './keys.ts';

export interface AliceWorld {
  /** Where more keys can be made. */
  readonly keys: KeyRing;
  readonly alice: OpenPgpKey;
  readonly world: TagWorld;
  readonly repository: TestRepository;
  readonly repositoryId: number;
  /** A version that no other test of this world uses. */
  readonly nextVersion: () => string;
  readonly remove: () => Promise<void>;
}

export async function createAliceWorld(): Promise<AliceWorld> {
  const keys = await createKeyRing();
  const alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  const repository = await createRepository();
  const world = await createTagWorld();
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice] });
  const repositoryId = await world.register(repository);
  let count = 0;
  return {
    keys,
    alice,
    world,
    repository,
    repositoryId,
    nextVersion: () => {
      count += 1;
      return `1.0-${count}`;
    },
    remove: async () => {
      await world.remove();
      await repository.remove();
      await keys.remove();
    },
  };
}

/** The last decision on a tag, or else the last obstacle, as one line. */
export function verdict(tag: TagFacts): string {
  const last = tag.decisions.at(-1) ?? tag.obstacles.at(-1);
  return `${last?.code ?? 'none'}: ${last?.sentence ?? ''}`;
}
