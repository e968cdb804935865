/**
 * Server-sent events, read from a stream of bytes; and the reader of our events that goes on where it stood when a
 * connection breaks. @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
import { ApiProblem, ServerUnreachable, type Client } from './client.ts';
import { eventSchema, eventsRoute, type Event } from './events.ts';

export interface Message {
  /** The last id that was said, also when this message says none. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

const MAX_MESSAGE = 1024 * 1024;

/** The messages of a stream, as they come. A message that the stream's end cuts off is not given. */
export async function* readMessages(body: AsyncIterable<Uint8Array>): AsyncGenerator<Message> {
  let id = '';
  let event = '';
  let data: string[] = [];
  let size = 0;
  for await (const line of lines(body)) {
    if (line === '') {
      if (data.length > 0) yield { id, event: event === '' ? 'message' : event, data: data.join('\n') };
      event = '';
      data = [];
      size = 0;
      continue;
    }
    const colon = line.indexOf(':');
    if (colon === 0) continue;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') {
      size += value.length;
      if (size > MAX_MESSAGE) throw new Error(`an event of more than ${MAX_MESSAGE} characters`);
      data.push(value);
    } else if (field === 'event') event = value;
    else if (field === 'id' && !value.includes('\0')) id = value;
  }
}

/** Lines ended by LF, CRLF or CR, whatever pieces they come in. */
async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8');
  let rest = '';
  let afterReturn = false;
  for await (const chunk of body) {
    let text = decoder.decode(chunk, { stream: true });
    if (text === '') continue;
    if (afterReturn && text.startsWith('\n')) text = text.slice(1);
    afterReturn = text === '' ? false : text.endsWith('\r');
    const parts = (rest + text).split(/\r\n|\n|\r/);
    rest = parts.pop() ?? '';
    if (rest.length > MAX_MESSAGE) throw new Error(`a line of more than ${MAX_MESSAGE} characters`);
    yield* parts;
  }
}

export interface FollowOptions {
  /** Begin after this cursor; without one, with the events that come from now on. */
  readonly after?: string;
  readonly submission?: number;
  readonly signal: AbortSignal;
  /** Told when the connection broke and is made again. */
  readonly onInterruption?: (reason: string) => void;
  readonly retryMs?: number;
}

/**
 * Our events from a cursor on, without end: a broken connection is made again and goes on behind the last event that was
 * given, so none is lost and none comes twice. Ends when `signal` says so. @throws ApiProblem when the server refuses
 */
export async function* followEvents(client: Client, options: FollowOptions): AsyncGenerator<Event> {
  let cursor = options.after;
  const ended = (): boolean => options.signal.aborted;
  while (!ended()) {
    try {
      const response = await client.open(eventsRoute, {
        accept: 'text/event-stream',
        query: {
          ...(cursor === undefined ? {} : { after: cursor }),
          ...(options.submission === undefined ? {} : { submission: options.submission }),
        },
        signal: options.signal,
      });
      if (response.body !== null) {
        for await (const message of readMessages(response.body)) {
          if (ended()) return;
          if (message.id !== '') cursor = message.id;
          if (message.event === 'event') yield eventSchema.parse(JSON.parse(message.data));
        }
      }
      options.onInterruption?.('the server closed the stream');
    } catch (error) {
      if (ended()) return;
      if (error instanceof ApiProblem && error.status < 500) throw error;
      options.onInterruption?.(error instanceof ServerUnreachable ? error.reason : 'the connection broke');
    }
    await pause(options.retryMs ?? 1_000, options.signal);
  }
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done, { once: true });
  });
}
