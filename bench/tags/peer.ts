/**
 * What a script does who only fetches a tag and looks at its signature: `git fetch` into a mirror that has the one before, then
 * `gpgv` over the tag's text. Nothing else is checked, and nothing is kept.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sample } from '../harness.ts';
import { exec } from '../../src/platform/exec.ts';
import { readObject } from '../../src/platform/git-objects.ts';
import { initBare } from '../../src/platform/git.ts';
import { dearmor } from '../../src/platform/openpgp.ts';
import type { Corpus, CorpusTag } from './corpus.ts';
import type { Forge } from './world.ts';

export interface Peer {
  /** Fetches and verifies one tag; milliseconds. */
  verify(forge: Forge, tag: CorpusTag): Promise<Sample>;
}

const DEADLINE_MS = 60_000;

export async function openPeer(folder: string, corpus: Corpus, forges: readonly Forge[]): Promise<Peer> {
  const root = join(folder, 'peer');
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  const key = dearmor(corpus.publicKey, 'PGP PUBLIC KEY BLOCK');
  if (key.kind === 'malformed') throw new Error(key.reason);
  const keyring = join(root, 'keyring.pgp');
  await writeFile(keyring, key.bytes);
  for (const forge of forges) await initBare(mirrorOf(root, forge));
  return {
    verify: async (forge, tag) => {
      // gpgv wants two files; to cut a tag in two is not what is measured.
      const object = await readObject(corpus.store, tag.objectId, { maxBytes: 1024 ** 2 });
      if (object.kind !== 'object') throw new Error(`the corpus has no ${tag.objectId}`);
      const border = object.bytes.indexOf('-----BEGIN PGP SIGNATURE-----');
      const [signature, payload] = [join(root, 'signature.asc'), join(root, 'payload')];
      await writeFile(signature, object.bytes.subarray(border));
      await writeFile(payload, object.bytes.subarray(0, border));
      const started = performance.now();
      await exec(
        [
          'git',
          `--git-dir=${mirrorOf(root, forge)}`,
          'fetch',
          '--quiet',
          '--no-tags',
          forge.url,
          `+${tag.ref}:${tag.ref}`,
        ],
        {
          deadlineMs: DEADLINE_MS,
        },
      );
      await exec(['gpgv', '--quiet', '--keyring', keyring, signature, payload], { deadlineMs: DEADLINE_MS });
      return { value: performance.now() - started };
    },
  };
}

function mirrorOf(root: string, forge: Forge): string {
  return join(root, `${forge.source.source}.git`);
}
