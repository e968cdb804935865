/**
 * Changing the keys of an archive: planned in sentences, confirmed by the plan's hash, done by the signer, which has the last
 * word and keeps its own log; then audited, told as an event, and every suite of the archive is published again, so that the
 * next Release has the signatures that the keys have now.
 *
 * A rotation without a break is: add a key; wait until clients have fetched the keyring; activate it (the old one goes on
 * signing beside it); wait again; retire the old one.
 */
import { withTransaction, type Db } from '../platform/database.ts';
import { LandfallError } from '../platform/errors.ts';
import { recordAudit, recordEvent } from '../platform/events.ts';
import { sha256 } from '../platform/files.ts';
import { enqueuePublication } from './accept.ts';
import { signingKeyUserId } from './publish/steps.ts';
import type { ArchiveKey, KeyStatement, ReleaseSigner, SigningKey } from './signer.ts';

export interface KeyDeps {
  readonly db: Db;
  readonly signer: ReleaseSigner;
}

/** What a person asks for. */
export type WantedKeyChange =
  | { readonly kind: 'add'; readonly expiresInDays?: number }
  | { readonly kind: 'activate'; readonly fingerprint: string; readonly beside: boolean }
  | { readonly kind: 'retire'; readonly fingerprint: string }
  | { readonly kind: 'extend'; readonly fingerprint: string; readonly expiresInDays: number }
  | { readonly kind: 'certify'; readonly fingerprint: string; readonly certified: string; readonly certifier: string };

export interface KeyChangeRequest {
  readonly archive: { readonly id: number; readonly name: string; readonly audience: string };
  readonly change: WantedKeyChange;
  readonly reason: string;
  readonly by: string;
}

export interface KeyPlan {
  readonly kind: 'plan';
  /** What would happen, in sentences; none when it is so already. */
  readonly changes: readonly string[];
  /** What somebody should think of first. */
  readonly warnings: readonly string[];
  /** Names the plan, and the keys as they were. */
  readonly hash: string;
}

export interface KeyRefusal {
  readonly kind: 'refused';
  readonly code: string;
  readonly reason: string;
  readonly remedy: string | undefined;
}

export type KeyChangeResult =
  | { readonly kind: 'done' | 'unchanged'; readonly fingerprint: string; readonly keys: ArchiveKey }
  /** The keys are no longer as they were when it was planned. */
  | { readonly kind: 'out-of-date' }
  | KeyRefusal;

/** A key that clients had less time to fetch than this is worth a warning. */
const OVERLAP_DAYS = 30;
const DAY_MS = 86_400_000;

export async function planKeyChange(
  deps: KeyDeps,
  request: KeyChangeRequest,
  now: Date,
): Promise<KeyPlan | KeyRefusal> {
  return await judged(async () => {
    const keys = await deps.signer.ensureKey(request.archive.name, signingKeyUserId(request.archive.name));
    const judgement = await deps.signer.judgeKey(statementOf(request));
    const hash = hashOf(request, keys);
    if (judgement.kind === 'unchanged') return { kind: 'plan', changes: [], warnings: [], hash };
    return {
      kind: 'plan',
      changes: sentencesOf(request, judgement.retiring),
      warnings: warningsOf(request.change, keys.keys, now),
      hash,
    };
  });
}

/** Does what was planned. Cut off behind the signer's part, it is finished by asking for it again. */
export async function changeArchiveKey(
  deps: KeyDeps,
  request: KeyChangeRequest,
  hash: string,
): Promise<KeyChangeResult> {
  return await judged(async () => {
    const { archive, change, reason, by } = request;
    const before = await deps.signer.ensureKey(archive.name, signingKeyUserId(archive.name));
    if (hashOf(request, before) !== hash) return { kind: 'out-of-date' };
    const done = await deps.signer.changeKey(statementOf(request));
    await withTransaction(deps.db, async (trx) => {
      const detail = { fingerprint: done.fingerprint, reason, result: done.kind };
      await recordAudit(trx, { actor: by, action: `archive-key.${change.kind}`, subject: archive.name, detail });
      if (done.kind === 'done') {
        await recordEvent(trx, {
          kind: `archive-key.${PAST[change.kind]}`,
          audience: archive.audience,
          actor: by,
          data: { archive: archive.name, ...detail },
        });
      }
      const suites = await trx.selectFrom('suites').select('id').where('archive_id', '=', archive.id).execute();
      for (const { id } of suites) await enqueuePublication(trx, id, { reason: 'request' });
    });
    return done;
  });
}

const PAST: Readonly<Record<WantedKeyChange['kind'], string>> = {
  add: 'added',
  activate: 'activated',
  retire: 'retired',
  extend: 'extended',
  certify: 'certified',
};

function statementOf({ archive, change, reason, by }: KeyChangeRequest): KeyStatement {
  const asked = { archive: archive.name, reason, by };
  switch (change.kind) {
    case 'add': {
      const days = change.expiresInDays === undefined ? {} : { expiresInDays: change.expiresInDays };
      return { kind: 'make-key', ...asked, userId: signingKeyUserId(archive.name), ...days };
    }
    case 'activate':
      return { ...asked, kind: 'activate-key', fingerprint: change.fingerprint, beside: change.beside };
    case 'retire':
      return { ...asked, kind: 'retire-key', fingerprint: change.fingerprint };
    case 'extend': {
      const { fingerprint, expiresInDays } = change;
      return { ...asked, kind: 'extend-key', fingerprint, expiresInDays };
    }
    case 'certify': {
      const { fingerprint, certified, certifier } = change;
      return { ...asked, kind: 'certify-key', fingerprint, certified, certifier };
    }
  }
}

function sentencesOf({ archive, change }: KeyChangeRequest, retiring: readonly string[]): readonly string[] {
  const again = `every suite of ${archive.name} is published again`;
  switch (change.kind) {
    case 'add':
      return [
        'a key is made' +
          (change.expiresInDays === undefined
            ? ' that does not expire'
            : ` that expires in ${change.expiresInDays} days`),
        'it is published in the keyring, and signs nothing until it is activated',
        again,
      ];
    case 'activate':
      return [
        `${change.fingerprint} is active: it signs every Release from now on`,
        ...retiring.map((key) => `${key} is retiring: it goes on signing beside it until it is retired`),
        again,
      ];
    case 'retire':
      return [
        `${change.fingerprint} is retired for ever: it signs nothing more, and leaves the published keyring`,
        again,
      ];
    case 'extend':
      return [`${change.fingerprint} expires in ${change.expiresInDays} days from now`, again];
    case 'certify':
      return [`the published keyring carries the certification of ${change.fingerprint}`, again];
  }
}

function warningsOf(change: WantedKeyChange, keys: readonly SigningKey[], now: Date): readonly string[] {
  const key = 'fingerprint' in change ? keys.find((one) => one.fingerprint === change.fingerprint) : undefined;
  if (key === undefined) return [];
  const days = (since: string): number => Math.floor((now.getTime() - Date.parse(since)) / DAY_MS);
  if (change.kind === 'retire' && key.state !== 'upcoming') {
    const youngest = keys
      .filter((one) => one !== key && one.state === 'active')
      .reduce<number | undefined>((most, one) => Math.max(most ?? 0, days(one.since)), undefined);
    return [
      ...(youngest !== undefined && youngest < OVERLAP_DAYS
        ? [`the other keys have signed for ${youngest} days only; ${OVERLAP_DAYS} give clients time to fetch them`]
        : []),
      'a client that knows no other key refuses the archive from then on',
      'snapshots that only this key signed need the old keyring',
    ];
  }
  if (change.kind === 'extend') return ['clients learn of it only by fetching the keyring again'];
  return [];
}

function hashOf(request: KeyChangeRequest, keys: ArchiveKey): string {
  const { archive, change } = request;
  const states = keys.keys.map(({ fingerprint, state, expiresAt }) => [fingerprint, state, expiresAt]);
  return sha256(JSON.stringify([archive.id, change, states]));
}

/** What the signer finds nonsense is an outcome; that it is away, or broken, is a fault. */
async function judged<T>(use: () => Promise<T>): Promise<T | KeyRefusal> {
  try {
    return await use();
  } catch (error) {
    if (!(error instanceof LandfallError) || !REFUSALS.has(error.code)) throw error;
    return { kind: 'refused', code: error.code, reason: error.reason, remedy: error.remedy };
  }
}

const REFUSALS: ReadonlySet<string> = new Set([
  'signer.unknown-key',
  'signer.retired-key',
  'signer.expired-key',
  'signer.last-key',
  'signer.no-certification',
  'signer.malformed-request',
]);
