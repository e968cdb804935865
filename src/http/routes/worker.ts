/**
 * What workers say. The routes translate and nothing more: whether a lease holds, a token is the right one, a repeated message
 * is harmless, is Lighthouse's to judge; its refusals go back with its own status, code and words.
 */
import { Readable } from 'node:stream';
import { receiveDelivery } from '../../archive/index.ts';
import { inputsOf, limitsSchema, payloadSchema } from '../../contract/jobs.ts';
import {
  appendLogRoute,
  deliverRoute,
  failRoute,
  heartbeatRoute,
  identityRoute,
  inputRoute,
  joinRoute,
  leaseRoute,
  phaseRoute,
  putFileRoute,
} from '../../contract/worker.ts';
import {
  LEASE_SECONDS,
  appendLog,
  failAttempt,
  heartbeat,
  joinWorker,
  lease,
  markPhase,
  payloadOfAttempt,
  putFile,
  type Refusal as LighthouseRefusal,
} from '../../lighthouse/index.ts';
import { LandfallError } from '../../platform/errors.ts';
import { contentRange, selectRange } from '../byte-range.ts';
import { partsFolder, type HttpDeps } from '../deps.ts';
import { Refusal, notFound } from '../refusal.ts';
import { requireRoom } from '../room.ts';
import { requireWorker, type Api } from './shared.ts';

/** One piece of a log; a worker that has more sends it in several. */
const MAX_LOG_PIECE = 4 * 1024 * 1024;
/** Three heartbeats may be lost before the lease is. */
const HEARTBEATS_PER_LEASE = 4;

export function workerRoutes(app: Api, deps: HttpDeps): void {
  joining(app, deps);
  leasing(app, deps);
  reporting(app, deps);
  files(app, deps);
}

function joining(app: Api, deps: HttpDeps): void {
  app.openapi(joinRoute, async (c) => {
    const caller = c.get('caller');
    const { openpgpKey, facts } = c.req.valid('json');
    const joined = await joinWorker(deps.db, {
      token: caller.kind === 'join' ? caller.secret : '',
      openpgpKey: Buffer.from(openpgpKey, 'utf8'),
      ...(facts === undefined ? {} : { facts }),
    });
    if (joined.kind === 'refused') {
      throw new Refusal({ status: joined.status, code: joined.code, detail: joined.reason, remedy: ASK_FOR_TOKEN });
    }
    const { name, pool, architectures, secret } = joined;
    return c.json({ name, pool, architectures: [...architectures], secret }, 201);
  });

  app.openapi(identityRoute, (c) => {
    const { name, workerPool, architectures } = requireWorker(c.get('caller'));
    return c.json({ name, pool: workerPool, architectures: [...architectures] }, 200);
  });
}

const ASK_FOR_TOKEN = 'an administrator makes a token with `landfall worker token`';

function leasing(app: Api, deps: HttpDeps): void {
  app.openapi(leaseRoute, async (c) => {
    const identity = requireWorker(c.get('caller'));
    await requireRoom(deps.room);
    const { waitSeconds, facts, holding } = c.req.valid('json');
    const leased = await lease(deps, identity, {
      waitMs: waitSeconds * 1000,
      signal: AbortSignal.any([c.req.raw.signal, deps.shutdown]),
      ...(facts === undefined ? {} : { facts }),
      ...(holding === undefined ? {} : { holding }),
    });
    if (leased === undefined) return c.body(null, 204);
    // Held against the contract before it goes out: a job that no worker can read must not be tried on one after another.
    const payload = payloadSchema.safeParse(leased.payload);
    const limits = limitsSchema.safeParse(leased.limits);
    if (!payload.success || !limits.success) {
      const issue = (payload.error ?? limits.error)?.issues[0];
      const reason = `its payload does not fit the contract: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
      const failure = { kind: 'failed', code: 'job.malformed', reason } as const;
      await deps.inTransaction(
        async (trx) => await failAttempt(trx, identity, leased.attemptId, leased.token, failure),
      );
      throw new LandfallError({ code: 'job.malformed', doing: `hand out job ${leased.jobId}`, reason });
    }
    return c.json(
      {
        attemptId: leased.attemptId,
        jobId: leased.jobId,
        traceId: leased.traceId,
        number: leased.number,
        token: leased.token,
        leaseExpiresAt: leased.leaseExpiresAt.toISOString(),
        heartbeatSeconds: LEASE_SECONDS / HEARTBEATS_PER_LEASE,
        architecture: leased.architecture,
        sizeClass: leased.sizeClass,
        limits: limits.data,
        payload: payload.data,
      },
      200,
    );
  });
}

function reporting(app: Api, deps: HttpDeps): void {
  app.openapi(heartbeatRoute, async (c) => {
    const identity = requireWorker(c.get('caller'));
    const { id } = c.req.valid('param');
    const token = c.req.valid('header')['landfall-token'];
    const beat = granted(await heartbeat(deps.db, identity, id, token, c.req.valid('json')));
    return c.json({ leaseExpiresAt: beat.leaseExpiresAt.toISOString() }, 200);
  });

  app.openapi(appendLogRoute, async (c) => {
    const identity = requireWorker(c.get('caller'));
    const bytes = await readBounded(c.req.raw.body, MAX_LOG_PIECE);
    const { id } = c.req.valid('param');
    const token = c.req.valid('header')['landfall-token'];
    const added = granted(await appendLog(deps.db, identity, id, token, c.req.valid('query').offset, bytes));
    switch (added.kind) {
      case 'appended':
        return c.json({ size: added.size }, 200);
      case 'gap':
      case 'differs':
        throw new Refusal({
          status: 409,
          code: `log.${added.kind}`,
          detail:
            added.kind === 'gap'
              ? `bytes before the offset are missing; the log has ${added.expected}`
              : 'other bytes are at this place already',
          remedy: `send from byte ${added.expected} on`,
        });
      case 'full':
        throw new Refusal({
          status: 413,
          code: 'log.full',
          detail: `the log has its greatest length, ${added.limit} bytes`,
          remedy: 'end the build: its log is out of bounds',
        });
    }
  });

  app.openapi(phaseRoute, async (c) => {
    const identity = requireWorker(c.get('caller'));
    const { id } = c.req.valid('param');
    const token = c.req.valid('header')['landfall-token'];
    granted(await deps.inTransaction((trx) => markPhase(trx, identity, id, token, c.req.valid('json'))));
    return c.body(null, 204);
  });

  app.openapi(failRoute, async (c) => {
    const identity = requireWorker(c.get('caller'));
    const { id } = c.req.valid('param');
    const token = c.req.valid('header')['landfall-token'];
    const { kind, code, reason, facts } = c.req.valid('json');
    const failure = { kind, code, reason, ...(facts === undefined ? {} : { facts }) };
    granted(await deps.inTransaction((trx) => failAttempt(trx, identity, id, token, failure)));
    return c.body(null, 204);
  });

  app.openapi(deliverRoute, async (c) => {
    const identity = requireWorker(c.get('caller'));
    const { id } = c.req.valid('param');
    const token = c.req.valid('header')['landfall-token'];
    const received = granted(await receiveDelivery(deps, identity, id, token, c.req.valid('json')));
    return c.json({ uploadId: received.uploadId }, 200);
  });
}

function files(app: Api, deps: HttpDeps): void {
  app.openapi(inputRoute, async (c) => {
    const identity = requireWorker(c.get('caller'));
    const { id, sha256 } = c.req.valid('param');
    const token = c.req.valid('header')['landfall-token'];
    const held = granted(await payloadOfAttempt(deps.db, identity, id, token));
    const payload = payloadSchema.parse(held.payload);
    const input = inputsOf(payload).find((one) => one.sha256 === sha256);
    if (input === undefined) throw notFound('such input of this job');
    const range = selectRange(c.req.header('range'), input.size);
    if (range.kind === 'unsatisfiable') {
      return new Response(null, { status: 416, headers: { 'content-range': `bytes */${input.size}` } });
    }
    const start = range.kind === 'part' ? range.start : 0;
    const length = range.kind === 'part' ? range.length : input.size;
    // An answer to HEAD has no body that anybody would read to its end, and so close.
    const body =
      c.req.raw.method === 'HEAD' ? null : webStream(await deps.blobs.open(sha256, { offset: start, length }));
    return new Response(body, {
      status: range.kind === 'part' ? 206 : 200,
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(length),
        'accept-ranges': 'bytes',
        etag: `"${sha256}"`,
        ...(range.kind === 'part' ? { 'content-range': contentRange(start, length, input.size) } : {}),
      },
    });
  });

  app.openapi(putFileRoute, async (c) => {
    const identity = requireWorker(c.get('caller'));
    const { id, name } = c.req.valid('param');
    const { sha256, size, offset } = c.req.valid('query');
    const token = c.req.valid('header')['landfall-token'];
    if (size > deps.limits.uploadFile) {
      throw new Refusal({
        status: 413,
        code: 'upload.too-large',
        detail: `${name} has ${size} bytes; a file may have ${deps.limits.uploadFile}`,
        remedy: 'an administrator can raise [limits] upload_file',
      });
    }
    await requireRoom(deps.room, size - (offset ?? 0));
    const put = granted(
      await putFile(
        { db: deps.db, blobs: deps.blobs, partsFolder: partsFolder(deps.paths) },
        identity,
        id,
        token,
        { name, sha256, size, ...(offset === undefined ? {} : { offset }) },
        nodeStream(c.req.raw.body),
      ),
    );
    return c.json({ received: put.received, complete: put.kind === 'stored' }, 200);
  });
}

/** Passes on what Lighthouse granted; its refusal ends the request with its own words. */
function granted<A extends { readonly kind: string }>(answer: A): Exclude<A, LighthouseRefusal> {
  requireGranted(answer);
  return answer;
}

function requireGranted<A extends { readonly kind: string }>(
  answer: A | LighthouseRefusal,
): asserts answer is Exclude<A, LighthouseRefusal> {
  if (!isRefusal(answer)) return;
  throw new Refusal({ status: answer.status, code: answer.code, detail: answer.reason });
}

function isRefusal(answer: { readonly kind: string }): answer is LighthouseRefusal {
  return answer.kind === 'refused';
}

function nodeStream(body: ReadableStream<Uint8Array> | null): Readable {
  return body === null ? Readable.from([]) : Readable.from(body);
}

function webStream(stream: Readable): ReadableStream<Uint8Array> {
  return Readable.toWeb(stream) as ReadableStream<Uint8Array>;
}

/** A body that fits in memory. @throws Refusal 413 */
async function readBounded(body: ReadableStream<Uint8Array> | null, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > limit) {
      throw new Refusal({ status: 413, code: 'request.too-large', detail: `one piece may have ${limit} bytes` });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}
