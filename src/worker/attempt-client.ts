/**
 * What a worker says about one attempt, with the attempt's number and fencing token on every message. Each call goes on until it
 * is through, over a server that is away or a connection that breaks; downloads and uploads continue where they stopped (H27).
 * What ends a call for good: the lease is lost, the server refuses, or `signal`.
 */
import { createReadStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { ApiProblem, ServerUnreachable, type Client } from '../contract/client.ts';
import {
  appendLogRoute,
  deliverRoute,
  failRoute,
  heartbeatRoute,
  inputRoute,
  phaseRoute,
  putFileRoute,
} from '../contract/worker.ts';
import { LandfallError } from '../platform/errors.ts';
import { sha256File } from '../platform/files.ts';
import { isTransient } from './identity.ts';
import type { MadeFile } from './job.ts';
import type { LogTarget } from './log-stream.ts';
import { persistently, type RetryOptions } from './retry.ts';
import type { Facts, Lease } from './wire.ts';

export interface AttemptClient extends LogTarget {
  /** One try: the next heartbeat is the retry. */
  heartbeat(phase: string, facts: Facts): Promise<void>;
  fetch(input: { readonly sha256: string; readonly size: number }, path: string): Promise<void>;
  upload(file: MadeFile): Promise<void>;
  deliver(changes: string): Promise<void>;
  fail(failure: {
    readonly kind: 'failed' | 'infrastructure' | 'unavailable';
    readonly code: string;
    readonly reason: string;
    readonly facts: Facts;
  }): Promise<void>;
}

export interface AttemptClientOptions {
  readonly client: Client;
  readonly lease: Pick<Lease, 'attemptId' | 'token'>;
  readonly signal: AbortSignal;
  readonly onRetry: (error: unknown, pauseMs: number) => void;
}

/** Transfers of this many bytes get a minute, at least; a slow line may take longer than a small request. */
const BYTES_PER_MINUTE = 16 * 1024 * 1024;
const MAX_REASON = 4_000;

export function createAttemptClient(options: AttemptClientOptions): AttemptClient {
  const { client, lease, signal } = options;
  const addressed = {
    params: { id: lease.attemptId },
    headers: { 'landfall-token': lease.token },
    signal,
  };
  const retry: RetryOptions = { signal, isTransient, onRetry: options.onRetry };
  const patience = (bytes: number): number => 60_000 * (1 + Math.ceil(bytes / BYTES_PER_MINUTE));

  return {
    heartbeat: async (phase, facts) => {
      await client.call(heartbeatRoute, { ...addressed, body: { phase, facts } });
    },
    append: async (offset, bytes) =>
      await persistently(async () => {
        try {
          const { size } = await client.call(appendLogRoute, { ...addressed, query: { offset }, body: bytes });
          return size;
        } catch (error) {
          if (!(error instanceof ApiProblem)) throw error;
          if (error.code === 'log.full') return 'full';
          // A server that was set back knows less than it confirmed: it is told everything again.
          if (error.code === 'log.gap') return 0;
          throw error;
        }
      }, retry),
    markPhase: async (name, logStart) => {
      await persistently(() => client.call(phaseRoute, { ...addressed, body: { name, logStart } }), retry);
    },
    fetch: async (input, path) => {
      for (let round = 0; ; round += 1) {
        await persistently(() => download(input, path), retry);
        if ((await sha256File(path)).sha256 === input.sha256) return;
        await rm(path, { force: true });
        if (round < 2) continue;
        throw new LandfallError({
          code: 'input.mismatch',
          doing: `fetch the input ${input.sha256}`,
          reason: 'the server sends other bytes than the job names',
          remedy: 'look at the store of the server: landfall archive check',
        });
      }
    },
    upload: async (file) => {
      let offset = 0;
      let asked = true;
      await persistently(async () => {
        // After a broken connection the server is asked how much it has, by an empty piece behind the end.
        if (!asked) offset = (await put(file, file.size, new Uint8Array(0))).received;
        asked = false;
        for (;;) {
          const answer = await put(file, offset, createReadStream(file.path, { start: offset }));
          if (answer.complete) return;
          if (answer.received <= offset) throw new ServerUnreachable(client.url, 'it keeps nothing of the upload');
          offset = answer.received;
        }
      }, retry);
    },
    deliver: async (changes) => {
      await persistently(
        () => client.call(deliverRoute, { ...addressed, body: { changes }, timeoutMs: 120_000 }),
        retry,
      );
    },
    fail: async ({ kind, code, reason, facts }) => {
      const body = { kind, code: cleanCode(code), reason: reason.slice(0, MAX_REASON) || 'no reason is known', facts };
      await persistently(() => client.call(failRoute, { ...addressed, body }), retry);
    },
  };

  async function put(
    file: MadeFile,
    offset: number,
    body: Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<{ received: number; complete: boolean }> {
    if (file.size === 0 && offset === 0) body = new Uint8Array(0);
    return await client.call(putFileRoute, {
      params: { id: lease.attemptId, name: file.name },
      headers: addressed.headers,
      query: { sha256: file.sha256, size: file.size, offset },
      body,
      signal,
      timeoutMs: patience(file.size - offset),
    });
  }

  /** Brings what is missing of a file. A connection that breaks leaves what came. */
  async function download(input: { readonly sha256: string; readonly size: number }, path: string): Promise<void> {
    const file = await open(path, 'a+');
    try {
      let have = (await file.stat()).size;
      if (have > input.size) {
        await file.truncate(0);
        have = 0;
      }
      if (have === input.size) return;
      const response = await client.open(inputRoute, {
        params: { id: lease.attemptId, sha256: input.sha256 },
        headers: addressed.headers,
        signal,
        ...(have > 0 ? { range: have } : {}),
      });
      if (have > 0 && response.status !== 206) {
        await file.truncate(0);
        have = 0;
      }
      try {
        for await (const chunk of response.body ?? []) {
          have += chunk.length;
          if (have > input.size) throw new ServerUnreachable(client.url, 'it sends more than the job names');
          await file.appendFile(chunk);
        }
      } catch (error) {
        signal.throwIfAborted();
        throw error instanceof ServerUnreachable
          ? error
          : new ServerUnreachable(client.url, 'the connection broke', error);
      }
      if (have < input.size) throw new ServerUnreachable(client.url, 'the connection ended early');
    } finally {
      await file.close();
    }
  }
}

/** A code as the wire takes it. */
export function cleanCode(code: string): string {
  const clean = code
    .toLowerCase()
    .replace(/[^a-z0-9.-]+/g, '-')
    .replace(/[.-]*([.-])(?=[a-z0-9])/g, '$1')
    .replace(/^[.-]+|[.-]+$/g, '')
    .slice(0, 100)
    .replace(/[.-]+$/, '');
  return clean === '' ? 'worker.fault' : clean;
}
