/**
 * Real Git repositories for tests, made quickly: commits by `git fast-import`, tags as bytes, so that every shape that git's
 * porcelain would refuse can be made too.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec } from '../../src/platform/exec.ts';
import { makeTemporaryDirectory } from '../../src/platform/files.ts';
import type { TagSigner } from './keys.ts';

const DEADLINE_MS = 60_000;

/** Path → content; or a mode with content (a link's target, a submodule's commit id). */
export type Files = Readonly<Record<string, string | Uint8Array | { readonly mode: string; readonly content: string }>>;

export interface NewCommit {
  readonly files: Files;
  readonly parents?: readonly string[];
  readonly message?: string;
  /** A branch that shall point at it. */
  readonly branch?: string;
}

export interface NewTag {
  readonly name: string;
  readonly commitId: string;
  readonly message: string;
  /** Seconds since 1970; default now. */
  readonly time?: number;
  readonly sign?: TagSigner | undefined;
  /** Headers in place of the usual four; `{object}`, `{tag}` and `{tagger}` are filled in. */
  readonly headers?: readonly string[];
  /** Whatever stands behind the signature. */
  readonly trailer?: string;
  /** Publishes it under another ref. */
  readonly ref?: string;
}

export interface TestRepository {
  /** The bare repository. */
  readonly gitDir: string;
  readonly url: string;
  git(args: readonly string[], input?: string | Uint8Array): Promise<string>;
  commit(commit: NewCommit): Promise<string>;
  /** Makes a tag object and publishes it; gives its object id. */
  tag(tag: NewTag): Promise<string>;
  /** Publishes any object under any ref. */
  point(ref: string, objectId: string): Promise<void>;
  /** Stores bytes as an object, without any check. */
  store(type: 'tag' | 'commit' | 'tree' | 'blob', bytes: string | Uint8Array): Promise<string>;
  remove(): Promise<void>;
}

export async function createRepository(
  options: { readonly objectFormat?: 'sha1' | 'sha256' } = {},
): Promise<TestRepository> {
  const folder = await makeTemporaryDirectory('lf-git-');
  const gitDir = join(folder.path, 'forge.git');
  const env = {
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Alice Example',
    GIT_AUTHOR_EMAIL: 'alice@example.org',
    GIT_COMMITTER_NAME: 'Alice Example',
    GIT_COMMITTER_EMAIL: 'alice@example.org',
  };
  const run = async (args: readonly string[], input?: string | Uint8Array): Promise<string> => {
    const { stdout } = await exec(['git', ...args], {
      env,
      deadlineMs: DEADLINE_MS,
      ...(input === undefined ? {} : { input }),
    });
    return stdout.toString('utf8');
  };
  await run(['init', '--quiet', '--bare', `--object-format=${options.objectFormat ?? 'sha1'}`, '-b', 'main', gitDir]);
  const inside = async (args: readonly string[], input?: string | Uint8Array): Promise<string> =>
    await run([`--git-dir=${gitDir}`, ...args], input);
  const store: TestRepository['store'] = async (type, bytes) =>
    (await inside(['hash-object', '-t', type, '-w', '--stdin', '--literally'], bytes)).trim();

  return {
    gitDir,
    url: `file://${gitDir}`,
    git: inside,
    store,
    point: async (ref, objectId) => {
      await inside(['update-ref', ref, objectId]);
    },
    commit: async ({ files, parents = [], message = 'a commit', branch }) => {
      const ref = branch === undefined ? 'refs/test/commit' : `refs/heads/${branch}`;
      const marks = join(folder.path, 'marks');
      const parts: (string | Uint8Array)[] = [
        `commit ${ref}\nmark :1\n`,
        'committer Alice Example <alice@example.org> 1700000000 +0000\n',
        `data ${Buffer.byteLength(message)}\n${message}\n`,
        ...parents.map((parent, index) => `${index === 0 ? 'from' : 'merge'} ${parent}\n`),
        'deleteall\n',
      ];
      for (const [path, file] of Object.entries(files)) {
        if (typeof file === 'object' && 'mode' in file && file.mode === '160000') {
          parts.push(`M 160000 ${file.content} ${quotePath(path)}\n`);
          continue;
        }
        const { mode, content } = typeof file === 'object' && 'mode' in file ? file : { mode: '100644', content: file };
        const bytes = Buffer.from(content);
        parts.push(`M ${mode} inline ${quotePath(path)}\ndata ${bytes.length}\n`, bytes, '\n');
      }
      await inside(
        ['fast-import', '--quiet', '--force', `--export-marks=${marks}`],
        Buffer.concat(parts.map((part) => Buffer.from(part))),
      );
      const [, id] = (await readFile(marks, 'utf8')).trim().split(' ');
      if (id === undefined) throw new Error('git fast-import made no commit');
      return id;
    },
    tag: async (tag) => {
      const time = tag.time ?? Math.floor(Date.now() / 1000);
      const values = {
        '{object}': tag.commitId,
        '{tag}': tag.name,
        '{tagger}': `Alice Example <alice@example.org> ${time} +0000`,
      };
      const headers = tag.headers ?? ['object {object}', 'type commit', 'tag {tag}', 'tagger {tagger}'];
      const filled = headers.map((header) =>
        Object.entries(values).reduce((text, [name, value]) => text.replaceAll(name, value), header),
      );
      const payload = Buffer.from(`${filled.join('\n')}\n\n${tag.message.replace(/\n*$/, '\n')}`);
      const signature = tag.sign === undefined ? Buffer.alloc(0) : await tag.sign(payload);
      const objectId = await store('tag', Buffer.concat([payload, signature, Buffer.from(tag.trailer ?? '')]));
      await inside(['update-ref', tag.ref ?? `refs/tags/${tag.name}`, objectId]);
      return objectId;
    },
    remove: async () => await folder.remove(),
  };
}

function quotePath(path: string): string {
  return `"${path.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`;
}
