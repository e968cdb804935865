/**
 * A tag of the maintainer's own clone as the server needs it for a verdict before the push: the name, the tag object, and one
 * pack with the tag, the commit that it signs, what is in that commit, and the upstream commit that its text names. No history.
 */
import { exec, type ExecOptions } from '../platform/exec.ts';
import { UsageError } from './failures.ts';

export interface LocalTag {
  /** `refs/tags/landfall/2.10-3` */
  readonly ref: string;
  readonly objectId: string;
  readonly pack: Buffer;
  /** The commit that the upstream tag of its text leads to here. */
  readonly upstreamCommitId: string | undefined;
  /** Addresses of the clone's remotes, for finding the Git repository that the server knows. */
  readonly remotes: readonly string[];
}

const DEADLINE_MS = 120_000;
const MAX_PACK = 1024 * 1024 * 1024;

/** Reads the tag `name` of the clone at `directory`. @throws UsageError when there is no such tag or no clone */
export async function readLocalTag(directory: string, name: string): Promise<LocalTag> {
  const ref = name.startsWith('refs/tags/') ? name : `refs/tags/${name}`;
  const git = async (arguments_: readonly string[], options: Partial<ExecOptions> = {}) =>
    await exec(['git', '--no-replace-objects', '-C', directory, ...arguments_], {
      doing: `read the tag ${name}`,
      deadlineMs: DEADLINE_MS,
      env: { GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0', GIT_NO_LAZY_FETCH: '1', GIT_OPTIONAL_LOCKS: '0' },
      ...options,
    });
  const found = await git(['rev-parse', '--verify', '--quiet', '--end-of-options', ref], { okCodes: 'any' });
  if (found.code !== 0) {
    const inside = await git(['rev-parse', '--git-dir'], { okCodes: 'any' });
    throw new UsageError(
      inside.code === 0
        ? `there is no tag ${ref.slice('refs/tags/'.length)} here; git tag --list shows what there is`
        : `${directory} is no clone of a Git repository; run this where the tag was made`,
    );
  }
  const objectId = found.stdout.toString('ascii').trim();
  const type = (await git(['cat-file', '-t', objectId])).stdout.toString('ascii').trim();
  const text = type === 'tag' ? (await git(['cat-file', 'tag', objectId])).stdout.toString('latin1') : '';
  const { present: upstream, upstreamCommitId } = await upstreamObjects(git, text);
  // `--no-walk` lists the commits that are named and what is in them, and goes to no parent.
  const listed = await git(['rev-list', '--objects', '--no-object-names', '--no-walk=unsorted', objectId, ...upstream]);
  const objects = new Set([
    objectId,
    ...listed.stdout
      .toString('ascii')
      .split('\n')
      .filter((line) => line !== ''),
  ]);
  const packed = await git(['pack-objects', '--stdout', '--no-reuse-object', '-q'], {
    input: [...objects].map((id) => `${id}\n`).join(''),
    maxOutput: MAX_PACK,
  });
  const remotes = await git(['config', '--get-regexp', '^remote\\..*\\.(url|pushurl)$'], { okCodes: 'any' });
  return {
    ref,
    objectId,
    pack: packed.stdout,
    upstreamCommitId,
    remotes: remotes.stdout
      .toString('utf8')
      .split('\n')
      .flatMap((line) => line.split(' ').slice(1, 2))
      .filter((url) => url !== ''),
  };
}

/** The upstream commit and tag that the text names, as far as the clone has them; the server says what is missing. */
async function upstreamObjects(
  git: (
    arguments_: readonly string[],
    options?: Partial<ExecOptions>,
  ) => Promise<{ code: number | null; stdout: Buffer }>,
  text: string,
): Promise<{ readonly present: readonly string[]; readonly upstreamCommitId: string | undefined }> {
  const resolve = async (expression: string): Promise<string | undefined> => {
    const found = await git(['rev-parse', '--verify', '--quiet', '--end-of-options', expression], { okCodes: 'any' });
    return found.code === 0 ? found.stdout.toString('ascii').trim() : undefined;
  };
  const wanted = [
    ...text.matchAll(/(?:^|\s)upstream=([0-9a-f]{40}(?:[0-9a-f]{24})?)(?=[\s\]])/g),
    ...text.matchAll(/(?:^|\s)!pristine-tar=([0-9a-f]{40}(?:[0-9a-f]{24})?)(?=[\s\]])/g),
  ].flatMap((match) => match[1] ?? []);
  const tag = /(?:^|\s)upstream-tag=([^\s\]]{1,200})(?=[\s\]])/.exec(text)?.[1];
  if (tag !== undefined) wanted.push(`refs/tags/${tag}`);
  const present: string[] = [];
  for (const name of wanted) {
    const found = await resolve(`${name}^{object}`);
    if (found !== undefined) present.push(found);
  }
  return {
    present,
    upstreamCommitId: tag === undefined ? undefined : await resolve(`refs/tags/${tag}^{commit}`),
  };
}
