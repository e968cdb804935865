/**
 * Who this worker is: the one place for its credentials. On disk, readable by nobody else:
 *
 *   identity.json   name, pool, architectures, the secret that goes with every request, the key's fingerprint
 *   gnupg/          the GnuPG home with the key that signs what it makes
 *   pending-key     the fingerprint of a key that was made for a join whose answer did not come yet
 */
import { chmod, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ApiProblem, ServerUnreachable, createClient, type Client } from '../contract/client.ts';
import { joinRoute } from '../contract/worker.ts';
import { LandfallError } from '../platform/errors.ts';
import { ensureDirectory, readFileIfExists, writeFileDurably } from '../platform/files.ts';
import { exportPublicKey, generateKey } from '../platform/gpg.ts';
import { requireSocketPath } from '../platform/paths.ts';
import type { WorkerKey } from './job.ts';
import type { Facts } from './wire.ts';

const fileSchema = z.strictObject({
  name: z.string(),
  pool: z.string(),
  architectures: z.array(z.string()),
  secret: z.string(),
  fingerprint: z.string(),
});

export interface WorkerIdentity {
  readonly name: string;
  readonly pool: string;
  readonly architectures: readonly string[];
  readonly key: WorkerKey;
  /** A client whose requests are this worker's. */
  readonly client: Client;
}

const USER_AGENT = 'landfall-worker';

/** The identity that lies in `folder`, or undefined when the worker has not joined. */
export async function loadIdentity(folder: string, url: string): Promise<WorkerIdentity | undefined> {
  const file = join(folder, 'identity.json');
  const text = await readFileIfExists(file);
  if (text === undefined) return undefined;
  const parsed = fileSchema.safeParse(parseJson(text.toString('utf8')));
  if (!parsed.success) {
    throw new LandfallError({
      code: 'worker.identity',
      doing: `read ${file}`,
      reason: 'it is damaged',
      remedy: 'remove it and join again with a new token: landfall worker token',
    });
  }
  const { secret, fingerprint, ...rest } = parsed.data;
  return {
    ...rest,
    key: { home: keyHome(folder), fingerprint },
    client: createClient({ url, token: secret, userAgent: USER_AGENT }),
  };
}

/**
 * Joins with a one-time token: makes the key, tells Lighthouse, keeps what it answers. Safe to repeat with the same token when the
 * answer was lost: the same key is sent again.
 * @throws LandfallError `worker.join-refused`; ServerUnreachable
 */
export async function joinAsWorker(options: {
  readonly folder: string;
  readonly url: string;
  /** The name that the token is expected to be for; it becomes part of the key's user id. */
  readonly name: string;
  readonly joinToken: string;
  readonly facts: Facts;
}): Promise<WorkerIdentity> {
  const { folder, url } = options;
  const home = keyHome(folder);
  requireSocketPath(join(home, 'S.gpg-agent.browser'));
  await ensureDirectory(folder, 0o700);
  await ensureDirectory(home, 0o700);
  await chmod(home, 0o700);
  const pending = join(folder, 'pending-key');
  let fingerprint = (await readFileIfExists(pending))?.toString('utf8').trim();
  if (fingerprint === undefined) {
    fingerprint = await generateKey({ home, userId: `Landfall worker ${options.name}`, algorithm: 'ed25519' });
    await writeFileDurably(pending, `${fingerprint}\n`, { mode: 0o600 });
  }
  const client = createClient({ url, token: options.joinToken, userAgent: USER_AGENT });
  const openpgpKey = (await exportPublicKey(home, fingerprint)).toString('utf8');
  let joined;
  try {
    joined = await client.call(joinRoute, { body: { openpgpKey, facts: options.facts } });
  } catch (error) {
    if (!(error instanceof ApiProblem) || error.status >= 500) throw error;
    throw new LandfallError({
      code: 'worker.join-refused',
      doing: `join ${url} as the worker ${options.name}`,
      reason: error.detail,
      remedy: error.remedy ?? 'ask an administrator for a new token: landfall worker token',
      cause: error,
    });
  }
  const { name, pool, architectures, secret } = joined;
  const text = JSON.stringify({ name, pool, architectures, secret, fingerprint }, undefined, 2);
  await writeFileDurably(join(folder, 'identity.json'), `${text}\n`, { mode: 0o600 });
  await rm(pending, { force: true });
  const identity = await loadIdentity(folder, url);
  if (identity === undefined) throw new Error('the identity that was written is not there');
  return identity;
}

/** Reads a token from a file of one line. Undefined when there is no such file. */
export async function readJoinToken(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether trying again later may help. */
export function isTransient(error: unknown): boolean {
  if (error instanceof ServerUnreachable) return true;
  return error instanceof ApiProblem && (error.status >= 500 || error.status === 429 || error.status === 408);
}

/** Whether Lighthouse says that the attempt is not ours any more, or that we are not one of its workers. */
export function isLeaseLost(error: unknown): error is ApiProblem {
  if (!(error instanceof ApiProblem)) return false;
  return [401, 403, 410].includes(error.status) || error.code.startsWith('attempt.');
}

function keyHome(folder: string): string {
  return join(folder, 'gnupg');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
