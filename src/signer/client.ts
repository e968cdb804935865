/**
 * How `serve` speaks to the signer. What the signer refuses comes back as a fault with the signer's own code and remedy; that
 * it is away is `signer.unreachable`, worth another try a little later.
 */
import { request } from 'node:http';
import type { z } from 'zod';
import { problemSchema } from '../contract/problem.ts';
import {
  keyAnswerSchema,
  keyJudgementSchema,
  keyStatementAnswerSchema,
  logAnswerSchema,
  releaseAnswerSchema,
  type KeyAnswer,
  type KeyJudgement,
  type KeyRequest,
  type KeyStatement,
  type KeyStatementAnswer,
  type LogAnswer,
  type ReleaseRequest,
} from '../contract/signer.ts';
import { LandfallError, describeError } from '../platform/errors.ts';

/** What `archive/` expects of whoever signs; the two agree by shape, since neither may import the other. */
export interface SignerClient {
  ensureKey(archive: string, userId: string): Promise<KeyAnswer>;
  findKey(archive: string): Promise<KeyAnswer | undefined>;
  changeKey(statement: KeyStatement): Promise<KeyStatementAnswer>;
  /** Whether {@link changeKey} would do it, and what would come of it. */
  judgeKey(statement: KeyStatement): Promise<KeyJudgement>;
  readLog(after: number, limit: number): Promise<LogAnswer>;
  signRelease(statement: {
    readonly archive: string;
    readonly suite: string;
    readonly codename: string;
    readonly serial: number;
    readonly date: Date;
    readonly release: string;
  }): Promise<{
    readonly inRelease: Buffer;
    readonly releaseGpg: Buffer;
    readonly fingerprint: string;
    readonly fingerprints: readonly string[];
    readonly log: { readonly line: number; readonly hash: string };
  }>;
}

/** The signer's answer may take as long as two gpg runs on a busy machine. */
const DEADLINE_MS = 60_000;
const MAX_ANSWER_BYTES = 256 * 1024 * 1024;

/** A client of the signer that listens on `socket`. Nothing is connected before the first request. */
export function createSignerClient(options: { readonly socket: string }): SignerClient {
  const { socket } = options;
  return {
    ensureKey: async (archive, userId) => {
      const body: KeyRequest = { archive, userId };
      return await call(socket, 'POST', '/v1/keys', body, keyAnswerSchema, 'make a signing key');
    },
    findKey: async (archive) => {
      try {
        const path = `/v1/keys/${encodeURIComponent(archive)}`;
        return await call(socket, 'GET', path, undefined, keyAnswerSchema, 'read a signing key');
      } catch (error) {
        if (error instanceof LandfallError && error.code === 'signer.no-key') return undefined;
        throw error;
      }
    },
    changeKey: async (statement) => {
      const doing = `${statement.kind.replace('-', ' the ')} of ${statement.archive}`;
      return await call(socket, 'POST', '/v1/key-statements', statement, keyStatementAnswerSchema, doing);
    },
    judgeKey: async (statement) => {
      const doing = `judge whether to ${statement.kind.replace('-', ' the ')} of ${statement.archive}`;
      return await call(socket, 'POST', '/v1/key-judgements', statement, keyJudgementSchema, doing);
    },
    readLog: async (after, limit) => {
      const path = `/v1/log?after=${after}&limit=${limit}`;
      return await call(socket, 'GET', path, undefined, logAnswerSchema, "read the signer's log");
    },
    signRelease: async (statement) => {
      const body: ReleaseRequest = { ...statement, date: statement.date.toISOString() };
      const doing = `sign publication ${statement.serial} of ${statement.archive}/${statement.suite}`;
      const answer = await call(socket, 'POST', '/v1/release', body, releaseAnswerSchema, doing);
      return {
        fingerprint: answer.fingerprint,
        fingerprints: answer.fingerprints,
        log: answer.log,
        inRelease: Buffer.from(answer.inRelease, 'base64'),
        releaseGpg: Buffer.from(answer.releaseGpg, 'base64'),
      };
    },
  };
}

async function call<S extends z.ZodType>(
  socket: string,
  method: 'GET' | 'POST',
  path: string,
  body: unknown,
  schema: S,
  doing: string,
): Promise<z.infer<S>> {
  const { status, bytes } = await exchange(socket, method, path, body, doing);
  const json = parseJson(bytes);
  if (status !== 200) {
    const told = problemSchema.safeParse(json);
    throw new LandfallError({
      code: told.success ? told.data.code : 'signer.fault',
      doing,
      reason: told.success ? told.data.detail : `the signer answered with the status ${status}`,
      remedy: (told.success ? told.data.remedy : undefined) ?? undefined,
    });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new LandfallError({
    code: 'signer.fault',
    doing,
    reason: 'the answer of the signer cannot be read',
    remedy: 'serve and signer must be of the same version: restart both',
    cause: parsed.error,
  });
}

async function exchange(
  socket: string,
  method: string,
  path: string,
  body: unknown,
  doing: string,
): Promise<{ status: number; bytes: Buffer }> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body), 'utf8');
  try {
    return await new Promise((resolve, reject) => {
      const out = request(
        {
          socketPath: socket,
          method,
          path,
          agent: false,
          signal: AbortSignal.timeout(DEADLINE_MS),
          headers:
            payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': payload.length },
        },
        (answer) => {
          const chunks: Buffer[] = [];
          let size = 0;
          answer.on('data', (chunk: Buffer) => {
            size += chunk.length;
            if (size > MAX_ANSWER_BYTES) out.destroy(new Error('the answer is too large'));
            else chunks.push(chunk);
          });
          answer.on('error', reject);
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, bytes: Buffer.concat(chunks) }));
        },
      );
      out.on('error', reject);
      out.end(payload);
    });
  } catch (cause) {
    throw new LandfallError({
      code: 'signer.unreachable',
      doing,
      reason: `the signer at ${socket} does not answer: ${describeError(cause)}`,
      remedy: 'start it with `landfall signer`; what waits for it goes on by itself',
      cause,
    });
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
