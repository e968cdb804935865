/**
 * The signer: a process of its own that holds the archives' keys and signs Release files, and nothing else. It has no
 * database; what it must remember is its log. Requests are worked on one after another.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { z } from 'zod';
import { problem, PROBLEM_TYPE } from '../contract/problem.ts';
import {
  keyRequestSchema,
  MAX_SIGNER_REQUEST_BYTES,
  releaseRequestSchema,
  type KeyAnswer,
  type ReleaseAnswer,
  type ReleaseRequest,
} from '../contract/signer.ts';
import { systemClock, type Clock } from '../platform/clock.ts';
import { LandfallError, describeError } from '../platform/errors.ts';
import { ensureDirectory } from '../platform/files.ts';
import type { Logger } from '../platform/log.ts';
import { openKeyStore, type HeldKey, type KeyStore } from './keys.ts';
import { openSignerLog, type SignerLog } from './log.ts';
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
  | { readonly kind: 'answer'; readonly body: KeyAnswer | ReleaseAnswer }
  | {
      readonly kind: 'problem';
      readonly status: number;
      readonly code: string;
      readonly detail: string;
      readonly remedy?: string;
    };

interface Signer {
  readonly keys: KeyStore;
  readonly memory: SignerLog;
  readonly clock: Clock;
  readonly log: Logger;
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
    const memory = await openSignerLog(options.home);
    const keys = await openKeyStore(options.home);
    ready.resolve({ keys, memory, clock: options.clock ?? systemClock, log: options.log });
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
  const path = request.url ?? '';
  if (request.method === 'POST' && path === '/v1/keys') {
    const body = await readBody(request, keyRequestSchema);
    if (body.kind !== 'value') return body;
    return keyAnswer(body.value.archive, await signer.keys.ensure(body.value.archive, body.value.userId));
  }
  const [, archive] = /^\/v1\/keys\/([a-z0-9][a-z0-9.-]{0,63})$/.exec(path) ?? [];
  if (request.method === 'GET' && archive !== undefined) {
    const key = await signer.keys.find(archive);
    return key === undefined ? noKey(archive) : keyAnswer(archive, key);
  }
  if (request.method === 'POST' && path === '/v1/release') {
    const body = await readBody(request, releaseRequestSchema);
    return body.kind === 'value' ? await signRelease(signer, body.value) : body;
  }
  return { kind: 'problem', status: 404, code: 'signer.no-such-route', detail: 'the signer has no such route' };
}

async function signRelease(signer: Signer, statement: ReleaseRequest): Promise<Answer> {
  const key = await signer.keys.find(statement.archive);
  if (key === undefined) return noKey(statement.archive);
  const now = signer.clock.now();
  const judged = judgeRelease(statement, signer.memory.last(statement.archive, statement.suite), now);
  if (judged.kind === 'refused') {
    return { kind: 'problem', status: 409, code: judged.code, detail: judged.reason, remedy: judged.remedy };
  }
  if (!judged.repeated) {
    await signer.memory.append({
      at: now.toISOString(),
      archive: statement.archive,
      suite: statement.suite,
      serial: statement.serial,
      date: statement.date,
      sha256: judged.sha256,
      fingerprint: key.fingerprint,
    });
  }
  const { inRelease, releaseGpg } = await signer.keys.sign(key, statement.release);
  signer.log.info({ archive: statement.archive, suite: statement.suite, serial: statement.serial }, 'signed a Release');
  return {
    kind: 'answer',
    body: {
      fingerprint: key.fingerprint,
      inRelease: inRelease.toString('base64'),
      releaseGpg: releaseGpg.toString('base64'),
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

function keyAnswer(archive: string, key: HeldKey): Answer {
  return { kind: 'answer', body: { archive, ...key } };
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
