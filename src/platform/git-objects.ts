/**
 * Reading many objects of a repository through one git process, with the size known before the content is asked for: a delta
 * of a few bytes can stand for gigabytes. What was read is hashed again, because git gives out a loose object that lost its
 * end as it is, without a word.
 */
import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { LandfallError, toError } from './errors.ts';
import { git, isObjectType, requireObjectId, type ObjectType } from './git.ts';

export interface ObjectFacts {
  readonly type: ObjectType;
  readonly size: number;
}

export type ReadObject =
  | { readonly kind: 'object'; readonly type: ObjectType; readonly bytes: Buffer }
  | { readonly kind: 'missing' }
  | { readonly kind: 'too-large'; readonly type: ObjectType; readonly size: number };

export interface ObjectReader {
  /** Type and size, or undefined when the object is not there. */
  info(objectId: string): Promise<ObjectFacts | undefined>;
  /** `facts`, where they were asked for already, save a question. */
  read(
    objectId: string,
    options: { readonly maxBytes: number; readonly facts?: ObjectFacts | undefined },
  ): Promise<ReadObject>;
  /**
   * What a ref of our own making leads to now, by its full name; or its commit, or the object behind its tags, whatever it is.
   * Undefined when there is no such object.
   */
  resolve(ref: string, to?: 'commit' | 'untagged'): Promise<string | undefined>;
  /** Ends the process. */
  close(): Promise<void>;
}

/** Opens a repository for reading objects. Requests are answered in order; several may wait at once. */
export function openObjects(
  gitDir: string,
  options: { readonly deadlineMs?: number; readonly idleMs?: number } = {},
): ObjectReader {
  const requests = new PassThrough();
  const cancel = new AbortController();
  const waiting: { take: (answer: Answer) => void; fail: (error: Error) => void }[] = [];
  const parser = new AnswerParser((answer) => waiting.shift()?.take(answer));
  let ended: Error | undefined;
  let idle: NodeJS.Timeout | undefined;
  /** Bytes that never come are how a damaged object shows. */
  const watch = (): void => {
    clearTimeout(idle);
    if (waiting.length > 0) idle = setTimeout(() => cancel.abort(), options.idleMs ?? 60_000);
  };

  const done = git(['cat-file', '--batch-command'], {
    gitDir,
    doing: 'read Git objects',
    input: requests,
    deadlineMs: options.deadlineMs ?? 30 * 60_000,
    signal: cancel.signal,
    stdout: (chunk) => {
      parser.push(chunk);
      watch();
    },
  }).then(
    () => undefined,
    (error: unknown) => toError(error),
  );
  void done.then((error) => {
    clearTimeout(idle);
    ended = cancel.signal.aborted
      ? damaged('git does not give all of it')
      : (error ??
        new LandfallError({ code: 'git.closed', doing: 'read Git objects', reason: 'the reader was closed' }));
    for (const { fail } of waiting.splice(0)) fail(ended);
  });

  // What is asked for at one moment goes to git in one piece.
  let unsent = '';
  const send = (): void => {
    if (unsent !== '' && !requests.writableEnded) requests.write(unsent);
    unsent = '';
  };
  const ask = async (command: 'info' | 'contents', name: string): Promise<Answer> => {
    if (ended !== undefined) throw ended;
    return await new Promise<Answer>((take, fail) => {
      waiting.push({ take, fail });
      parser.expect(command);
      if (unsent === '') process.nextTick(send);
      unsent += `${command} ${name}\n`;
      watch();
    });
  };
  const info = async (objectId: string): Promise<ObjectFacts | undefined> => {
    const answer = await ask('info', requireObjectId(objectId));
    return answer.kind === 'missing' ? undefined : { type: answer.type, size: answer.size };
  };
  return {
    info,
    resolve: async (ref, to) => {
      if (!/^refs\/[a-z0-9][a-z0-9/-]*$/.test(ref)) throw new Error(`${ref} is no ref of our own`);
      const answer = await ask('info', to === undefined ? ref : `${ref}^{${to === 'untagged' ? '' : to}}`);
      return answer.kind === 'missing' ? undefined : answer.objectId;
    },
    read: async (objectId, { maxBytes, facts: known }) => {
      const facts = known ?? (await info(objectId));
      if (facts === undefined) return { kind: 'missing' };
      if (facts.size > maxBytes) return { kind: 'too-large', ...facts };
      const answer = await ask('contents', objectId);
      if (answer.kind === 'missing') return { kind: 'missing' };
      const hash = createHash(objectId.length === 40 ? 'sha1' : 'sha256');
      hash.update(`${answer.type} ${answer.bytes.length}\0`).update(answer.bytes);
      if (hash.digest('hex') !== objectId) {
        // What follows cannot be told from the missing part of this one.
        cancel.abort();
        throw damaged(`${objectId} has other content than its name says`);
      }
      return { kind: 'object', type: answer.type, bytes: answer.bytes };
    },
    close: async () => {
      send();
      requests.end();
      await done;
    },
  };
}

/** Reads one object. For several, {@link openObjects} is cheaper. */
export async function readObject(
  gitDir: string,
  objectId: string,
  options: { readonly maxBytes: number },
): Promise<ReadObject> {
  const reader = openObjects(gitDir);
  try {
    return await reader.read(objectId, options);
  } finally {
    await reader.close();
  }
}

function damaged(reason: string): LandfallError {
  return new LandfallError({
    code: 'git.damaged',
    doing: 'read a Git object',
    reason,
    remedy: 'the mirror is damaged: remove its folder below git/ in the state folder, it is fetched again',
  });
}

type Answer =
  | { readonly kind: 'missing' }
  | {
      readonly kind: 'found';
      readonly objectId: string;
      readonly type: ObjectType;
      readonly size: number;
      readonly bytes: Buffer;
    };

/** Cuts git's output into answers: a line, and for `contents` that many bytes and a newline. */
class AnswerParser {
  readonly #deliver: (answer: Answer) => void;
  readonly #expected: ('info' | 'contents')[] = [];
  #chunks: Buffer[] = [];
  #size = 0;
  #header: { objectId: string; type: ObjectType; size: number } | undefined;

  constructor(deliver: (answer: Answer) => void) {
    this.#deliver = deliver;
  }

  expect(command: 'info' | 'contents'): void {
    this.#expected.push(command);
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    while (this.#step());
  }

  /** Takes one header or one body off the front; false when there is not enough yet. */
  #step(): boolean {
    if (this.#header !== undefined) {
      const { objectId, type, size } = this.#header;
      if (this.#size < size + 1) return false;
      const bytes = this.#take(size + 1).subarray(0, size);
      this.#header = undefined;
      this.#answer({ kind: 'found', objectId, type, size, bytes: Buffer.from(bytes) });
      return true;
    }
    const buffered = this.#joined();
    const end = buffered.indexOf(10);
    if (end === -1) return false;
    const [first, second, third] = this.#take(end + 1)
      .toString('latin1')
      .trimEnd()
      .split(' ');
    if (second === 'missing') {
      this.#answer({ kind: 'missing' });
      return true;
    }
    const size = Number(third);
    if (first === undefined || !isObjectType(second) || !Number.isSafeInteger(size)) {
      throw new Error('git cat-file speaks otherwise');
    }
    if (this.#expected[0] === 'contents') this.#header = { objectId: first, type: second, size };
    else this.#answer({ kind: 'found', objectId: first, type: second, size, bytes: Buffer.alloc(0) });
    return true;
  }

  #answer(answer: Answer): void {
    this.#expected.shift();
    this.#deliver(answer);
  }

  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0] ?? Buffer.alloc(0);
  }

  #take(length: number): Buffer {
    const whole = this.#joined();
    this.#chunks = [whole.subarray(length)];
    this.#size -= length;
    return whole.subarray(0, length);
  }
}
