/**
 * Holds a mirror (or CDN) of an archive against the archive itself, as a client of both: is what it gives signed, whole and not
 * older; is each index there by its hash; are packages the same bytes; and does it tell caches what it must.
 */
import { dirname } from 'node:path/posix';
import { fieldOf, splitStanzas } from '../../debian/deb822.ts';
import { parseRelease, type Release, type ReleaseFile } from '../../debian/release.ts';
import { describeError } from '../../platform/errors.ts';
import { sha256 } from '../../platform/files.ts';
import { verifyClearsignedByAny, verifyDetachedByAny } from '../../platform/gpg.ts';
import { xzDecompress } from '../../platform/xz.ts';
import { fail, ok, warn, type Finding } from '../doctor/finding.ts';

export interface MirrorCheck {
  /** Address of the archive: below it lie dists/ and pool/. */
  readonly origin: string;
  readonly mirror: string;
  readonly suite: string;
  /** Public keys of the archive, armored. */
  readonly keyring: Uint8Array;
  /** Packages that are fetched and hashed. */
  readonly sample: number;
  readonly now: Date;
  readonly fetch: (url: string, init?: RequestInit) => Promise<Response>;
}

const MAX_INDEX_BYTES = 2 * 1024 ** 3;
const DEADLINE_MS = 60_000;
/** InRelease may be kept this long by caches: longer, and clients miss security updates. */
const MAX_RELEASE_AGE_SECONDS = 600;
const LEAST_POOL_AGE_SECONDS = 86_400;
const TOLD = 3;

/** One finding for each thing that was looked at; none of them is left out because another one is bad. */
export async function checkMirror(check: MirrorCheck): Promise<Finding[]> {
  const own = await get(check, check.origin, 'InRelease');
  const theirs = await get(check, check.mirror, 'InRelease');
  const origin = own.kind === 'body' ? await read(check, own.bytes) : undefined;
  if (origin === undefined || 'detail' in origin) {
    const why = own.kind === 'body' ? (origin?.detail ?? '') : own.says;
    return [fail('archive', `the archive's own InRelease cannot be read: ${why}`, 'landfall archive check says more')];
  }
  if (theirs.kind === 'none') {
    return [
      fail(
        'InRelease',
        `${theirs.url}: ${theirs.says}`,
        'is the address right? It is that of the folder with dists/ and pool/',
      ),
    ];
  }
  const signed = await read(check, theirs.bytes);
  if ('detail' in signed) {
    return [
      fail(
        'signature',
        `InRelease is not signed by a key of the archive: ${signed.detail}`,
        'use no package from this mirror until it is clear why',
      ),
    ];
  }
  const { release } = signed;
  const findings = [
    ok('signature', `InRelease is signed by ${signed.key}`),
    freshness(release, origin.release, check.now),
    await checkPair(check, signed.text),
    ...releaseCaching(theirs.headers, release),
    ...(await checkConditional(check, theirs.headers)),
  ];
  findings.push(await checkByHash(check, release));
  findings.push(...(await checkPool(check, release)));
  return findings;
}

interface SignedText {
  readonly release: Release;
  readonly text: string;
  readonly key: string;
}

async function read(check: MirrorCheck, bytes: Buffer): Promise<SignedText | { readonly detail: string }> {
  const verified = await verifyClearsignedByAny({ keyring: [check.keyring], document: bytes });
  if (verified.kind === 'bad') return { detail: verified.detail };
  const release = parseRelease(verified.payload);
  if ('kind' in release) return { detail: release.reason };
  return { release, text: verified.payload.toString('utf8'), key: verified.primary };
}

function freshness(mirror: Release, origin: Release, now: Date): Finding {
  const [there, here] = [mirror.date.getTime(), origin.date.getTime()];
  if (mirror.validUntil !== undefined && mirror.validUntil <= now) {
    return fail(
      'date',
      `it expired on ${mirror.validUntil.toISOString()}: apt refuses it`,
      'have the mirror updated; its last update is that of the Date ' + mirror.date.toISOString(),
    );
  }
  if (there === here) return ok('date', `it has the newest publication, of ${mirror.date.toISOString()}`);
  if (there > here) {
    return fail(
      'date',
      `it has a publication of ${mirror.date.toISOString()}, and the archive's newest is of ${origin.date.toISOString()}`,
      'the archive was restored from an older backup, or is behind a cache itself: landfall archive check',
    );
  }
  const minutes = Math.ceil((here - there) / 60_000);
  return warn(
    'date',
    `it is ${minutes} minutes behind: it has ${mirror.date.toISOString()}, the archive ${origin.date.toISOString()}`,
    'have the mirror updated after each publication (`landfall watch`, or the events of kind suite.published, tell of them)',
  );
}

/** Release and Release.gpg must be of the same publication as InRelease, or clients that use the one or the other differ. */
async function checkPair(check: MirrorCheck, text: string): Promise<Finding> {
  const [release, signature] = [
    await get(check, check.mirror, 'Release'),
    await get(check, check.mirror, 'Release.gpg'),
  ];
  const update = 'mirror Release, Release.gpg and InRelease last, and together';
  if (release.kind === 'none') return fail('Release', `${release.url}: ${release.says}`, update);
  if (signature.kind === 'none') return fail('Release.gpg', `${signature.url}: ${signature.says}`, update);
  const verified = await verifyDetachedByAny({
    keyring: [check.keyring],
    signature: signature.bytes,
    payload: release.bytes,
  });
  if (verified.kind === 'bad')
    return fail('Release.gpg', `it does not sign the Release beside it: ${verified.detail}`, update);
  return release.bytes.toString('utf8').trimEnd() === text.trimEnd()
    ? ok('Release', 'Release, Release.gpg and InRelease agree')
    : fail('Release', 'Release and InRelease are of different publications', update);
}

function releaseCaching(headers: Headers, release: Release): Finding[] {
  const findings: Finding[] = [];
  const policy = headers.get('cache-control');
  const keep = 'let caches ask for dists/ each time: Cache-Control: no-cache, or a max-age of a few minutes';
  const age = maxAge(policy);
  if (age !== undefined && age > MAX_RELEASE_AGE_SECONDS) {
    findings.push(fail('caching of dists/', `InRelease may be kept for ${age} s by caches (${policy ?? ''})`, keep));
  } else if (policy === null) {
    findings.push(warn('caching of dists/', 'InRelease says nothing to caches, which then guess', keep));
  } else findings.push(ok('caching of dists/', policy));
  const modified = Date.parse(headers.get('last-modified') ?? '');
  if (modified !== release.date.getTime()) {
    findings.push(
      warn(
        'Last-Modified',
        `that of InRelease is ${headers.get('last-modified') ?? 'missing'}, and its Date ${release.date.toISOString()}: apt asks by it`,
        'mirror with the times of files (rsync --times)',
      ),
    );
  } else findings.push(ok('Last-Modified', 'it is the Date of the Release'));
  return findings;
}

async function checkConditional(check: MirrorCheck, headers: Headers): Promise<Finding[]> {
  const since = headers.get('last-modified');
  if (since === null) return [];
  const again = await attempt(check, `${check.mirror}/dists/${check.suite}/InRelease`, {
    headers: { 'if-modified-since': since },
  });
  if (typeof again === 'string') return [fail('conditional requests', again, 'try again')];
  await again.body?.cancel();
  return again.status === 304
    ? [ok('conditional requests', 'what is unchanged is answered with 304')]
    : [
        warn(
          'conditional requests',
          `If-Modified-Since with its own Last-Modified is answered with ${again.status}: every apt update downloads everything`,
          'let the server answer conditional requests',
        ),
      ];
}

/** Every index of the mirror's Release, by its hash: where one is missing, clients get a hash mismatch. */
async function checkByHash(check: MirrorCheck, release: Release): Promise<Finding> {
  const missing: string[] = [];
  let looked = 0;
  for (const file of release.files) {
    // The uncompressed ones are named and lie nowhere.
    if (isPlainIndex(file)) continue;
    looked += 1;
    const name = byHash(file);
    const answer = await attempt(check, `${check.mirror}/dists/${check.suite}/${name}`, { method: 'HEAD' });
    if (typeof answer === 'string') missing.push(`${file.path} (${answer})`);
    else if (answer.status !== 200) missing.push(`${file.path} (${answer.status})`);
    else {
      const size = answer.headers.get('content-length');
      if (size !== null && Number(size) !== file.size)
        missing.push(`${file.path} (${size} bytes in place of ${file.size})`);
    }
  }
  return missing.length === 0
    ? ok('by-hash', `all ${looked} indices are there by their hashes`)
    : fail(
        'by-hash',
        `${missing.length} of ${looked} indices are not there by their hashes: ${few(missing)}`,
        'mirror by-hash folders too, and InRelease after everything else',
      );
}

/** A few packages, byte for byte; and how the pool is told to caches. */
async function checkPool(check: MirrorCheck, release: Release): Promise<Finding[]> {
  const packages = await somePackages(check, release);
  if (packages === undefined) {
    return [fail('indices', 'no index could be read whole', 'mirror the by-hash folders of dists/ with it')];
  }
  if (packages.length === 0) return [ok('pool', 'the suite has no packages yet')];
  const bad: string[] = [];
  let headers = new Headers();
  for (const { path, hash } of packages) {
    const answer = await attempt(check, `${check.mirror}/${path}`);
    if (typeof answer === 'string') bad.push(`${path} (${answer})`);
    else if (answer.status !== 200) {
      await answer.body?.cancel();
      bad.push(`${path} (${answer.status})`);
    } else {
      ({ headers } = answer);
      if (sha256(Buffer.from(await answer.arrayBuffer())) !== hash) bad.push(`${path} (other bytes)`);
    }
  }
  if (bad.length > 0) {
    return [
      fail(
        'pool',
        `${bad.length} of ${packages.length} packages that were tried are not as the index says: ${few(bad)}`,
        'mirror pool/ before dists/, and remove from it only after dists/',
      ),
    ];
  }
  const findings = [ok('pool', `${packages.length} packages have the bytes that the index says`)];
  const policy = headers.get('cache-control');
  const age = maxAge(policy);
  findings.push(
    age !== undefined && age >= LEAST_POOL_AGE_SECONDS
      ? ok('caching of pool/', policy ?? '')
      : warn(
          'caching of pool/',
          `packages may be kept for ${age === undefined ? 'nobody says how long' : `${age} s`}, though they never change`,
          'Cache-Control: public, max-age=31536000, immutable',
        ),
  );
  findings.push(await checkRange(check, packages[0]?.path ?? ''));
  return findings;
}

async function checkRange(check: MirrorCheck, path: string): Promise<Finding> {
  const answer = await attempt(check, `${check.mirror}/${path}`, { headers: { range: 'bytes=0-7' } });
  if (typeof answer === 'string') return fail('ranges', answer, 'try again');
  const body = answer.status === 206 ? Buffer.from(await answer.arrayBuffer()) : undefined;
  if (body === undefined) await answer.body?.cancel();
  return body?.length === 8
    ? ok('ranges', 'downloads that broke off can go on')
    : warn(
        'ranges',
        `a range is answered with ${answer.status}: a download that broke off begins anew`,
        'let the server answer ranges',
      );
}

/** Some packages of the first index that has any; undefined when no index can be read. */
async function somePackages(
  check: MirrorCheck,
  release: Release,
): Promise<{ path: string; hash: string }[] | undefined> {
  let readable = false;
  for (const file of release.files) {
    if (!/\/binary-[^/]+\/Packages\.xz$/.test(file.path)) continue;
    const answer = await get(check, check.mirror, byHash(file));
    if (answer.kind === 'none' || sha256(answer.bytes) !== file.sha256) continue;
    const plain = await xzDecompress(answer.bytes, MAX_INDEX_BYTES);
    if (plain.kind !== 'decompressed') continue;
    readable = true;
    const all = [...splitStanzas(plain.bytes.toString('utf8'))].flatMap((stanza) => {
      const [path, hash] = [fieldOf(stanza, 'Filename'), fieldOf(stanza, 'SHA256')];
      return path === undefined || hash === undefined ? [] : [{ path, hash }];
    });
    if (all.length === 0) continue;
    const step = Math.max(1, Math.floor(all.length / check.sample));
    return all.filter((_, index) => index % step === 0).slice(0, check.sample);
  }
  return readable ? [] : undefined;
}

function isPlainIndex(file: ReleaseFile): boolean {
  return /\/(?:Packages|Sources|Translation-[^/.]+|Contents-[^/.]+)$/.test(`/${file.path}`);
}

function byHash(file: ReleaseFile): string {
  return `${dirname(file.path)}/by-hash/SHA256/${file.sha256}`;
}

type Got =
  | { readonly kind: 'body'; readonly bytes: Buffer; readonly headers: Headers }
  | { readonly kind: 'none'; readonly url: string; readonly says: string };

/** A file below dists/SUITE. */
async function get(check: MirrorCheck, base: string, name: string): Promise<Got> {
  const url = `${base}/dists/${check.suite}/${name}`;
  const answer = await attempt(check, url);
  if (typeof answer === 'string') return { kind: 'none', url, says: answer };
  if (answer.status !== 200) {
    await answer.body?.cancel();
    return { kind: 'none', url, says: `answered with ${answer.status}` };
  }
  return { kind: 'body', bytes: Buffer.from(await answer.arrayBuffer()), headers: answer.headers };
}

/** The answer, or in words why there is none. Nothing is taken from a cache of ours. */
async function attempt(check: MirrorCheck, url: string, init: RequestInit = {}): Promise<Response | string> {
  try {
    return await check.fetch(url, { ...init, signal: AbortSignal.timeout(DEADLINE_MS) });
  } catch (error) {
    return describeError(error);
  }
}

/** Seconds, 0 for `no-cache` and `no-store`; undefined when the policy names none. @see RFC 9111, section 5.2.2 */
export function maxAge(policy: string | null): number | undefined {
  if (policy === null) return undefined;
  if (/(^|[\s,])(no-cache|no-store)([\s,=]|$)/i.test(policy)) return 0;
  const seconds = /(^|[\s,])s-maxage=(\d{1,10})/i.exec(policy)?.[2] ?? /(^|[\s,])max-age=(\d{1,10})/i.exec(policy)?.[2];
  return seconds === undefined ? undefined : Number(seconds);
}

function few(items: readonly string[]): string {
  return items.slice(0, TOLD).join(', ') + (items.length > TOLD ? ` and ${items.length - TOLD} more` : '');
}
