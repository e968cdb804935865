/**
 * The signer: a process of its own that holds the archives' keys and signs Release files, and nothing else. It has no
 * database; what it must remember is its log: which keys there are and what they may do, and the last Release of each suite.
 * Requests are worked on one after another.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { z } from 'zod';
import { problem, PROBLEM_TYPE } from '../contract/problem.ts';
import {
  keyRequestSchema,
  keyStatementSchema,
  MAX_LOG_LINES,
  MAX_SIGNER_REQUEST_BYTES,
  releaseRequestSchema,
  type KeyAnswer,
  type KeyJudgement,
  type KeyRequest,
  type KeyStatement,
  type KeyStatementAnswer,
  type LogAnswer,
  type ReleaseAnswer,
  type ReleaseRequest,
} from '../contract/signer.ts';
import { systemClock, type Clock } from '../platform/clock.ts';
import { LandfallError, describeError } from '../platform/errors.ts';
import { ensureDirectory } from '../platform/files.ts';
import type { ChainHead } from '../platform/hash-chain.ts';
import type { Logger } from '../platform/log.ts';
import { judgeKeyStatement, openKeyBook, type KeyBook, type StatementRefused } from './key-book.ts';
import { openKeyStore, type KeyStore } from './keys.ts';
import { takeOverEarlierMemory } from './earlier-memory.ts';
import { openSignerLog, type KeyEntry, type SignedEntry, type SignerLog } from './log.ts';
import { listenOnSocket } from './socket.ts';
import { judgeRelease } from './statements.ts';

export interface SignerOptions {
  readonly socket: string;
  /** A folder of its own: keys, log. Made with mode 0700. */
  readonly home: string;
  readonly log: Logger;
  readonly clock?: Clock;
}

export interface RunningSigner {
  /** Finishes the requests that it has, and ends. */
  stop(): Promise<void>;
}

type Answer =
  | {
      readonly kind: 'answer';
      readonly body: KeyAnswer | KeyStatementAnswer | KeyJudgement | ReleaseAnswer | LogAnswer;
    }
  | {
      readonly kind: 'problem';
      readonly status: number;
      readonly code: string;
      readonly detail: string;
      readonly remedy?: string;
    };

interface Signer {
  readonly keys: KeyStore;
  readonly book: KeyBook;
  readonly memory: SignerLog;
  /** The newest Release of each suite, and where the log tells of it. */
  readonly newest: Map<string, LoggedRelease>;
  readonly clock: Clock;
  readonly log: Logger;
}

interface LoggedRelease {
  readonly entry: SignedEntry;
  readonly head: ChainHead;
}

/**
 * Starts the signer; it listens when this returns.
 * @throws LandfallError `signer.running`, `signer.open-folder`, `signer.log-damaged`, `storage.*`
 */
export async function runSigner(options: SignerOptions): Promise<RunningSigner> {
  await ensureDirectory(options.home, 0o700);
  // The socket comes first: whoever has it is the one signer, and nobody else has the log open.
  const ready = withResolver<Signer>();
  let queue: Promise<unknown> = Promise.resolve();
  const server = createServer((request, response) => {
    const answered = queue.then(async () => {
      await handle(await ready.promise, request, response);
    });
    queue = answered.catch((error: unknown) => {
      options.log.error({ error }, 'a request could not be answered');
      response.destroy();
    });
  });
  // Requests are worked on in turn, so one that never ends must not hold up the others.
  server.requestTimeout = 30_000;
  await listenOnSocket(server, options.socket);
  try {
    const book = openKeyBook();
    const newest: Signer['newest'] = new Map();
    await takeOverEarlierMemory(options.home, (options.clock ?? systemClock).now());
    const memory = await openSignerLog(options.home, (entry, head) => {
      if (entry.kind === 'release') newest.set(suiteKey(entry), { entry, head });
      else book.enter(entry);
    });
    const keys = await openKeyStore(options.home);
    ready.resolve({ keys, book, memory, newest, clock: options.clock ?? systemClock, log: options.log });
    options.log.info({ socket: options.socket }, 'the signer listens');
    return {
      stop: async () => {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        server.closeIdleConnections();
        await queue;
        server.closeAllConnections();
        await closed;
        await memory.close();
        await keys.close();
      },
    };
  } catch (error) {
    server.close();
    server.closeAllConnections();
    throw error;
  }
}

async function handle(signer: Signer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let answer: Answer;
  try {
    answer = await route(signer, request);
  } catch (error) {
    signer.log.error({ error, path: request.url }, 'a request failed');
    const fault = error instanceof LandfallError ? error : undefined;
    answer = {
      kind: 'problem',
      status: fault?.code === 'storage.full' ? 507 : 500,
      code: fault?.code ?? 'signer.fault',
      detail: describeError(error),
      ...(fault?.remedy === undefined ? {} : { remedy: fault.remedy }),
    };
  }
  if (answer.kind === 'answer') {
    send(response, 200, 'application/json', answer.body);
    return;
  }
  signer.log.warn({ code: answer.code, path: request.url }, answer.detail);
  send(response, answer.status, PROBLEM_TYPE, problem(answer));
}

async function route(signer: Signer, request: IncomingMessage): Promise<Answer> {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  if (request.method === 'POST' && path === '/v1/keys') {
    const body = await readBody(request, keyRequestSchema);
    return body.kind === 'value' ? await ensureKey(signer, body.value) : body;
  }
  if (request.method === 'POST' && path === '/v1/key-statements') {
    const body = await readBody(request, keyStatementSchema);
    return body.kind === 'value' ? await keyStatement(signer, body.value) : body;
  }
  if (request.method === 'POST' && path === '/v1/key-judgements') {
    const body = await readBody(request, keyStatementSchema);
    return body.kind === 'value' ? judgeKey(signer, body.value) : body;
  }
  const [, archive] = /^\/v1\/keys\/([a-z0-9][a-z0-9.-]{0,63})$/.exec(path) ?? [];
  if (request.method === 'GET' && archive !== undefined) {
    const answer = await keyAnswer(signer, archive);
    return answer === undefined ? noKey(archive) : { kind: 'answer', body: answer };
  }
  if (request.method === 'POST' && path === '/v1/release') {
    const body = await readBody(request, releaseRequestSchema);
    return body.kind === 'value' ? await signRelease(signer, body.value) : body;
  }
  if (request.method === 'GET' && path === '/v1/log') {
    const number = (name: string): number =>
      Number(/^\d{1,15}$/.exec(new URLSearchParams(query).get(name) ?? '')?.[0] ?? 0);
    const lines = await signer.memory.read(number('after'), Math.min(MAX_LOG_LINES, number('limit') || MAX_LOG_LINES));
    return { kind: 'answer', body: { lines, total: signer.memory.head.line } };
  }
  return { kind: 'problem', status: 404, code: 'signer.no-such-route', detail: 'the signer has no such route' };
}

/** The archive's keys; its first key is made and active at once. */
async function ensureKey(signer: Signer, { archive, userId }: KeyRequest): Promise<Answer> {
  if (!signer.book.of(archive).some(({ state }) => state === 'active')) {
    // One that was made and not activated, since the signer was cut off in between, is as good as a new one.
    const there = signer.book.of(archive).find(({ state }) => state === 'upcoming');
    const asked = { archive, by: 'landfall', reason: 'the first key of the archive' };
    const fingerprint = there?.fingerprint ?? (await makeKey(signer, { ...asked, userId }));
    await enter(signer, { kind: 'key-activated', at: now(signer), ...asked, fingerprint, retiring: [] });
  }
  const answer = await keyAnswer(signer, archive);
  if (answer === undefined) throw new Error('a key that was made is not there');
  return { kind: 'answer', body: answer };
}

function judgeKey(signer: Signer, statement: KeyStatement): Answer {
  if (statement.kind === 'make-key') return { kind: 'answer', body: { kind: 'holds', retiring: [] } };
  const judged = judgeKeyStatement(signer.book.of(statement.archive), statement, signer.clock.now());
  if (judged.kind === 'refused') return refused(judged);
  return { kind: 'answer', body: { kind: judged.kind, retiring: judged.kind === 'holds' ? [...judged.retiring] : [] } };
}

async function keyStatement(signer: Signer, statement: KeyStatement): Promise<Answer> {
  const { archive, by, reason } = statement;
  const asked = { archive, by, reason };
  if (statement.kind === 'make-key') {
    return await statementAnswer(signer, archive, 'done', await makeKey(signer, statement));
  }
  const { fingerprint } = statement;
  const judged = judgeKeyStatement(signer.book.of(archive), statement, signer.clock.now());
  if (judged.kind === 'refused') return refused(judged);
  if (judged.kind === 'unchanged') return await statementAnswer(signer, archive, 'unchanged', fingerprint);
  switch (statement.kind) {
    case 'activate-key':
      await enter(signer, {
        kind: 'key-activated',
        at: now(signer),
        ...asked,
        fingerprint,
        retiring: [...judged.retiring],
      });
      break;
    case 'retire-key':
      await enter(signer, { kind: 'key-retired', at: now(signer), ...asked, fingerprint });
      break;
    case 'extend-key': {
      const expiresAt = (await signer.keys.extend(fingerprint, statement.expiresInDays)).toISOString();
      await enter(signer, { kind: 'key-extended', at: now(signer), ...asked, fingerprint, expiresAt });
      break;
    }
    case 'certify-key': {
      const [certified, certifier] = [statement.certified, statement.certifier].map((text) =>
        Buffer.from(text, 'base64'),
      );
      if (certified === undefined || certifier === undefined) throw new Error('two keys were expected');
      const taken = await signer.keys.certify(fingerprint, certified, certifier);
      if (taken.kind === 'refused') return refused(taken);
      await enter(signer, {
        kind: 'key-certified',
        at: now(signer),
        ...asked,
        fingerprint,
        certifier: taken.certifier,
      });
      break;
    }
  }
  return await statementAnswer(signer, archive, 'done', fingerprint);
}

/** Makes an upcoming key. gpg keeps user ids apart, so those of later keys carry a number. */
async function makeKey(
  signer: Signer,
  asked: Pick<Extract<KeyStatement, { kind: 'make-key' }>, 'archive' | 'userId' | 'by' | 'reason' | 'expiresInDays'>,
): Promise<string> {
  const { archive, userId, by, reason, expiresInDays } = asked;
  const number = signer.book.of(archive).length + 1;
  const numbered = number === 1 ? userId : userId.replace(/^[^<]*[^< ]/, (name) => `${name} (${number})`);
  const made = await signer.keys.make(numbered, expiresInDays);
  const expiresAt = made.expiresAt?.toISOString() ?? null;
  await enter(signer, {
    kind: 'key-made',
    at: now(signer),
    archive,
    fingerprint: made.fingerprint,
    by,
    reason,
    expiresAt,
  });
  return made.fingerprint;
}

/** Writes a change of keys down; from then on it holds. */
async function enter(signer: Signer, entry: KeyEntry): Promise<void> {
  await signer.memory.append(entry);
  signer.book.enter(entry);
  const { kind, archive, fingerprint, by } = entry;
  signer.log.info({ kind, archive, fingerprint, by }, 'the keys of an archive changed');
}

async function statementAnswer(
  signer: Signer,
  archive: string,
  kind: KeyStatementAnswer['kind'],
  fingerprint: string,
): Promise<Answer> {
  const keys = await keyAnswer(signer, archive);
  return keys === undefined ? noKey(archive) : { kind: 'answer', body: { kind, fingerprint, keys } };
}

async function keyAnswer(signer: Signer, archive: string): Promise<KeyAnswer | undefined> {
  const [first, ...others] = signer.book.published(archive).map(({ fingerprint }) => fingerprint);
  const active = signer.book.of(archive).findLast(({ state }) => state === 'active');
  if (first === undefined || active === undefined) return undefined;
  return {
    archive,
    fingerprint: active.fingerprint,
    publicKey: await signer.keys.export([first, ...others]),
    keys: [...signer.book.of(archive)],
  };
}

async function signRelease(signer: Signer, statement: ReleaseRequest): Promise<Answer> {
  const { archive, suite, serial, date } = statement;
  const time = signer.clock.now();
  const [first, ...others] = signer.book.signing(archive, time).map(({ fingerprint }) => fingerprint);
  if (first === undefined) {
    return signer.book.of(archive).some(({ state }) => state === 'active') ? expired(archive) : noKey(archive);
  }
  const last = signer.newest.get(suiteKey(statement));
  const judged = judgeRelease(statement, last?.entry, time);
  if (judged.kind === 'refused') return refused(judged);
  const fingerprints = [first, ...others];
  let logged = last;
  if (logged === undefined || !judged.repeated || String(logged.entry.fingerprints) !== String(fingerprints)) {
    const entry: SignedEntry = {
      kind: 'release',
      at: time.toISOString(),
      archive,
      suite,
      serial,
      date,
      validUntil: judged.validUntil?.toISOString() ?? null,
      sha256: judged.sha256,
      fingerprints,
    };
    logged = { entry, head: await signer.memory.append(entry) };
    signer.newest.set(suiteKey(entry), logged);
  }
  const { inRelease, releaseGpg } = await signer.keys.sign([first, ...others], statement.release);
  signer.log.info({ archive, suite, serial, fingerprints }, 'signed a Release');
  return {
    kind: 'answer',
    body: {
      fingerprint: first,
      fingerprints,
      inRelease: inRelease.toString('base64'),
      releaseGpg: releaseGpg.toString('base64'),
      log: logged.head,
    },
  };
}

async function readBody<S extends z.ZodType>(
  request: IncomingMessage,
  schema: S,
): Promise<{ readonly kind: 'value'; readonly value: z.infer<S> } | Extract<Answer, { kind: 'problem' }>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a stream of bytes was expected');
    size += chunk.length;
    if (size > MAX_SIGNER_REQUEST_BYTES) {
      return { kind: 'problem', status: 413, code: 'signer.too-large', detail: 'the request is too large' };
    }
    chunks.push(chunk);
  }
  let json: unknown;
  try {
    json = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return { kind: 'problem', status: 400, code: 'signer.malformed-request', detail: 'the request is not JSON' };
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return { kind: 'value', value: parsed.data };
  const detail = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  return { kind: 'problem', status: 400, code: 'signer.malformed-request', detail };
}

function suiteKey({ archive, suite }: { readonly archive: string; readonly suite: string }): string {
  return `${archive} ${suite}`;
}

function now(signer: Signer): string {
  return signer.clock.now().toISOString();
}

function refused({ code, reason, remedy }: StatementRefused): Answer {
  return { kind: 'problem', status: 409, code, detail: reason, remedy };
}

function expired(archive: string): Answer {
  return {
    kind: 'problem',
    status: 409,
    code: 'signer.keys-expired',
    detail: `every key of the archive ${archive} that may sign has expired`,
    remedy: `extend one (\`landfall archive-key extend ${archive}\`), or make and activate a new one`,
  };
}

function noKey(archive: string): Answer {
  return {
    kind: 'problem',
    status: 404,
    code: 'signer.no-key',
    detail: `there is no key of the archive ${archive} yet`,
    remedy: 'ask for it to be made first',
  };
}

function send(response: ServerResponse, status: number, type: string, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body), 'utf8');
  response.writeHead(status, { 'content-type': type, 'content-length': bytes.length });
  response.end(bytes);
}

function withResolver<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
