/**
 * The typed client: a call takes a route of the contract and what the route asks for, and gives what it promises. The answer
 * is held against the route's schema before it is returned. A refusal is an {@link ApiProblem} with the server's code, words
 * and remedy; no answer at all is a {@link ServerUnreachable}.
 *
 * @example
 * const client = createClient({ url: 'http://127.0.0.1:8463', token });
 * const { tags } = await client.call(tagsRoute, { query: { state: 'rejected' } });
 */
import { z, type RouteConfig } from '@hono/zod-openapi';
import { PROBLEM_TYPE, problemSchema } from './problem.ts';
import { CONTRACT_VERSION, VERSION_HEADER, judgeVersion } from './version.ts';

const DEFAULT_TIMEOUT_MS = 30_000;

/** The server refused, or failed, and said so. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly remedy: string | null;
  readonly requestId: string | null;

  constructor(facts: {
    status: number;
    code: string;
    detail: string;
    remedy?: string | null;
    requestId?: string | null;
  }) {
    super(facts.detail);
    this.status = facts.status;
    this.code = facts.code;
    this.detail = facts.detail;
    this.remedy = facts.remedy ?? null;
    this.requestId = facts.requestId ?? null;
  }
}

/** No answer: nobody listens there, the connection broke, or it took too long. Trying again may help. */
export class ServerUnreachable extends Error {
  override readonly name = 'ServerUnreachable';
  readonly url: string;
  readonly reason: string;

  constructor(url: string, reason: string, cause?: unknown) {
    super(`no answer from ${url}: ${reason}`, cause === undefined ? undefined : { cause });
    this.url = url;
    this.reason = reason;
  }
}

export type Octets = Uint8Array | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

export interface TransportRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string | Octets;
  readonly signal: AbortSignal;
  /** Bodies that are streams are sent without waiting for the answer. */
  readonly duplex?: 'half';
  /** A redirect would carry the token to a place that nobody chose. */
  readonly redirect: 'error';
}

export interface TransportResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: ReadableStream<Uint8Array> | null;
  text(): Promise<string>;
}

/** The part of `fetch` that the client needs; a worker gives one that presents its certificate. */
export type Transport = (url: string, request: TransportRequest) => Promise<TransportResponse>;

export interface ClientOptions {
  /** The server's address, with a path prefix if it has one. */
  readonly url: string;
  readonly token?: string | undefined;
  readonly transport?: Transport;
  /** For an answer to begin, and for a JSON answer to end; a call may say its own. */
  readonly timeoutMs?: number;
  /** Says who calls, in the server's log. */
  readonly userAgent?: string;
}

type RequestPart<R extends RouteConfig, K extends string> = R extends { request: infer Q }
  ? K extends keyof Q
    ? Q[K]
    : undefined
  : undefined;
/** Numbers may be given where the wire has their text. */
type Widened<T> = string extends T ? T | number : T;
type Fields<S> = S extends z.ZodType ? { [K in keyof z.input<S>]: Widened<z.input<S>[K]> } : never;
type Needed<K extends string, F> = Partial<F> extends F ? { readonly [P in K]?: F } : { readonly [P in K]: F };
type Field<R extends RouteConfig, K extends string> =
  RequestPart<R, K> extends z.ZodType ? Needed<K, Fields<RequestPart<R, K>>> : unknown;
type Content<R extends RouteConfig> = RequestPart<R, 'body'> extends { content: infer C } ? C : undefined;
type Body<R extends RouteConfig> =
  Content<R> extends { 'application/json': { schema: infer S extends z.ZodType } }
    ? { readonly body: z.input<S> }
    : Content<R> extends { 'application/octet-stream': unknown }
      ? { readonly body: Octets }
      : unknown;

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs?: number;
}

/** What a call of route `R` takes. */
export type Arguments<R extends RouteConfig> = Field<R, 'params'> &
  Field<R, 'query'> &
  Field<R, 'headers'> &
  Body<R> &
  CallOptions;
type Rest<R extends RouteConfig> =
  Partial<Arguments<R>> extends Arguments<R> ? [given?: Arguments<R>] : [given: Arguments<R>];

type SuccessStatus = 200 | 201 | 204;
type AnswerAt<T> = T extends { content: { 'application/json': { schema: infer S extends z.ZodType } } }
  ? z.output<S>
  : T extends { content: unknown }
    ? never
    : undefined;
/** What a call of route `R` gives: the JSON of its success, `undefined` for 204. */
export type Answer<R extends RouteConfig> = {
  [Status in keyof R['responses'] & SuccessStatus]: AnswerAt<R['responses'][Status]>;
}[keyof R['responses'] & SuccessStatus];

export interface Client {
  readonly url: string;
  /** Calls a route whose answer is JSON or nothing. @throws ApiProblem, ServerUnreachable */
  call<R extends RouteConfig>(route: R, ...given: Rest<R>): Promise<Answer<R>>;
  /**
   * Calls a route whose answer is read as it comes. The time limit holds until the answer begins; `range` asks for the bytes
   * from an offset. @throws ApiProblem, ServerUnreachable
   */
  open<R extends RouteConfig>(route: R, given: Arguments<R> & OpenOptions): Promise<TransportResponse>;
  /** As {@link open}, for what has no route of its own: hooks, keys, archives. */
  fetch(path: string, options?: FetchOptions): Promise<TransportResponse>;
}

export interface OpenOptions {
  readonly accept?: string;
  /** First byte wanted. */
  readonly range?: number;
  readonly lastEventId?: string | undefined;
}

export interface FetchOptions extends CallOptions, OpenOptions {
  readonly method?: string;
  readonly body?: string | Octets;
  readonly contentType?: string;
}

interface Given extends CallOptions, OpenOptions {
  readonly params?: Record<string, unknown>;
  readonly query?: Record<string, unknown>;
  readonly headers?: Record<string, unknown>;
  readonly body?: unknown;
}

export function createClient(options: ClientOptions): Client {
  const base = options.url.replace(/\/+$/, '');
  const transport = options.transport ?? defaultTransport;

  const send = async (method: string, path: string, given: Given, contentType?: string): Promise<Exchange> => {
    const url = `${base}${path}`;
    const headers: Record<string, string> = {
      [VERSION_HEADER]: CONTRACT_VERSION,
      accept: given.accept ?? 'application/json',
      'user-agent': options.userAgent ?? 'landfall',
    };
    if (options.token !== undefined) headers.authorization = `Bearer ${options.token}`;
    if (given.range !== undefined) headers.range = `bytes=${given.range}-`;
    if (given.lastEventId !== undefined) headers['last-event-id'] = given.lastEventId;
    for (const [name, value] of Object.entries(given.headers ?? {})) {
      if (value !== undefined) headers[name] = plain(value);
    }
    const body = given.body === undefined ? undefined : encodeBody(given.body);
    if (body !== undefined) headers['content-type'] = contentType ?? body.type;
    const timer = limitTime(given.timeoutMs ?? options.timeoutMs ?? DEFAULT_TIMEOUT_MS, given.signal);
    try {
      const response = await transport(url, {
        method: method.toUpperCase(),
        headers,
        signal: timer.signal,
        redirect: 'error',
        ...(body === undefined ? {} : { body: body.bytes }),
        ...(body?.streamed === true ? { duplex: 'half' } : {}),
      });
      const verdict = judgeVersion(response.headers.get(VERSION_HEADER) ?? undefined);
      if (verdict.kind === 'incompatible') {
        throw new ApiProblem({
          status: 426,
          code: 'contract.version',
          detail: verdict.reason,
          remedy: 'bring both sides to the same release of Landfall',
        });
      }
      if (response.status >= 400) throw await problemOf(response, url);
      return { response, timer, url };
    } catch (error) {
      timer.stop();
      throw timer.explain(error, url);
    }
  };

  return {
    url: base,
    call: async <R extends RouteConfig>(route: R, ...[given]: Rest<R>): Promise<Answer<R>> => {
      const parts: Given = given ?? {};
      const { response, timer, url } = await send(route.method, pathOf(route, parts), parts);
      try {
        const value = response.status === 204 ? undefined : readJson(await response.text(), url);
        // The border: from here on the value is what the route's own schema made of it.
        return checkAnswer(route, response.status, value, url) as Answer<R>;
      } catch (error) {
        throw timer.explain(error, url);
      } finally {
        timer.stop();
      }
    },
    open: async (route, given) => {
      const parts: Given = { accept: '*/*', ...given };
      const { response, timer } = await send(route.method, pathOf(route, parts), parts);
      timer.begun();
      return response;
    },
    fetch: async (path, given = {}) => {
      const { response, timer } = await send(
        given.method ?? 'GET',
        path,
        { accept: '*/*', ...given },
        given.contentType ?? (typeof given.body === 'string' ? 'text/plain' : undefined),
      );
      timer.begun();
      return response;
    },
  };
}

interface Exchange {
  readonly response: TransportResponse;
  readonly timer: Timer;
  readonly url: string;
}

interface Timer {
  readonly signal: AbortSignal;
  /** The answer began: only the caller ends it from now on. */
  begun(): void;
  stop(): void;
  /** The error in words: a timeout, a cancellation by the caller, or a connection that failed. */
  explain(error: unknown, url: string): unknown;
}

function limitTime(milliseconds: number, outer: AbortSignal | undefined): Timer {
  const controller = new AbortController();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    controller.abort(new Error('timeout'));
  }, milliseconds);
  const forward = (): void => controller.abort(outer?.reason);
  if (outer?.aborted === true) forward();
  else outer?.addEventListener('abort', forward, { once: true });
  return {
    signal: controller.signal,
    begun: () => clearTimeout(timer),
    stop: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', forward);
    },
    explain: (error, url) => {
      if (error instanceof ApiProblem || error instanceof ServerUnreachable) return error;
      if (outer?.aborted === true) {
        const reason: unknown = outer.reason;
        return reason ?? error;
      }
      if (timedOut) return new ServerUnreachable(url, `it did not answer within ${milliseconds / 1000} s`, error);
      return new ServerUnreachable(url, networkReason(error), error);
    },
  };
}

const defaultTransport: Transport = async (url, request) => {
  const { body, ...rest } = request;
  return await fetch(url, body === undefined ? rest : { ...rest, body });
};

/** The innermost message of a failed connection: fetch itself only says "fetch failed". */
function networkReason(error: unknown): string {
  let current: unknown = error;
  let words = 'the connection failed';
  for (let depth = 0; depth < 6 && current instanceof Error; depth += 1) {
    const first: unknown = current instanceof AggregateError ? current.errors[0] : undefined;
    if ('code' in current && current.code === 'ECONNREFUSED') return 'nobody listens there (connection refused)';
    if (current.message !== '' && current.message !== 'fetch failed') words = current.message;
    current = first ?? current.cause;
  }
  return words;
}

/** The path of a route with its parameters and query in it. */
export function pathOf(
  route: { readonly path: string },
  given: { readonly params?: Record<string, unknown>; readonly query?: Record<string, unknown> },
): string {
  const path = route.path.replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(plain(given.params?.[key])));
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(given.query ?? {})) {
    if (value !== undefined) query.set(key, plain(value));
  }
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}

function plain(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  throw new TypeError('a parameter must be text or a number');
}

function encodeBody(body: unknown): { bytes: string | Octets; type: string; streamed: boolean } {
  if (typeof body === 'string') return { bytes: body, type: 'text/plain', streamed: false };
  if (body instanceof Uint8Array) return { bytes: body, type: 'application/octet-stream', streamed: false };
  if (isAsyncIterable(body)) return { bytes: body, type: 'application/octet-stream', streamed: true };
  return { bytes: JSON.stringify(body), type: 'application/json', streamed: false };
}

function isAsyncIterable(value: unknown): value is AsyncIterable<Uint8Array> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

function readJson(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ServerUnreachable(url, 'what answers there does not speak JSON; is it a Landfall server?', error);
  }
}

function checkAnswer(route: RouteConfig, status: number, value: unknown, url: string): unknown {
  const response = route.responses[status];
  if (response === undefined) {
    throw new ServerUnreachable(
      url,
      `it answered ${status}, which the contract does not know; is it a Landfall server?`,
    );
  }
  const content: unknown = 'content' in response ? response.content : undefined;
  const schema =
    isRecord(content) && isRecord(content['application/json']) ? content['application/json'].schema : undefined;
  if (!(schema instanceof z.ZodType)) return undefined;
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  throw new ApiProblem({
    status: 500,
    code: 'contract.mismatch',
    detail: `the answer of ${url} is not what the contract says: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
    remedy: 'bring both sides to the same release of Landfall',
  });
}

async function problemOf(response: TransportResponse, url: string): Promise<ApiProblem> {
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith(PROBLEM_TYPE)) {
    const parsed = problemSchema.safeParse(readJson(text, url));
    if (parsed.success) return new ApiProblem(parsed.data);
  }
  return new ApiProblem({
    status: response.status,
    code: `http.${response.status}`,
    detail: `${url} answered ${response.status} without saying why`,
    remedy: 'look whether a proxy stands before the Landfall server',
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
