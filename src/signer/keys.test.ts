/** Several keys: their states, what they sign, what is published, and certification by a key that lies elsewhere. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KeyStatement } from '../contract/signer.ts';
import { formatRelease } from '../debian/release.ts';
import { fixedClock, type FixedClock } from '../platform/clock.ts';
import { exec } from '../platform/exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { exportPublicKey, generateKey, importKey, killAgents, readKeys, withGnupgHome } from '../platform/gpg.ts';
import { checkLine, EMPTY_CHAIN } from '../platform/hash-chain.ts';
import { silentLogger } from '../platform/log.ts';
import { createSignerClient, type SignerClient } from './client.ts';
import { openSignerLog, type LogEntry } from './log.ts';
import { runSigner, type RunningSigner } from './server.ts';

const ASKED = { archive: 'main', by: 'person:alice', reason: 'a test' } as const;
const DAY = 86_400_000;

let folder: TemporaryDirectory;
let home: string;
let clock: FixedClock;
let signer: RunningSigner;
let client: SignerClient;
let first: string;
let serial = 0;

async function start(): Promise<void> {
  const socket = join(folder.path, 'run', 's');
  signer = await runSigner({ socket, home, log: silentLogger(), clock });
  client = createSignerClient({ socket });
}

beforeEach(async () => {
  folder = await makeTemporaryDirectory('lf-keys-');
  home = join(folder.path, 'signer');
  clock = fixedClock(new Date(Math.floor(Date.now() / 1_000) * 1_000));
  await start();
  first = (await client.ensureKey('main', 'Landfall archive main')).fingerprint;
});

afterEach(async () => {
  await signer.stop();
  await killAgents(join(home, 'gnupg'));
  await folder.remove();
});

async function change(statement: KeyStatement): Promise<string> {
  return (await client.changeKey(statement)).fingerprint;
}

async function addKey(expiresInDays?: number): Promise<string> {
  const days = expiresInDays === undefined ? {} : { expiresInDays };
  return await change({ kind: 'make-key', ...ASKED, userId: 'Landfall archive main', ...days });
}

async function activate(fingerprint: string, beside = false): Promise<void> {
  await change({ kind: 'activate-key', ...ASKED, fingerprint, beside });
}

async function states(): Promise<Record<string, string>> {
  const { keys } = (await client.findKey('main')) ?? { keys: [] };
  return Object.fromEntries(keys.map(({ fingerprint, state }) => [fingerprint, state]));
}

async function signRelease() {
  serial += 1;
  const date = clock.now();
  const release = formatRelease({
    origin: 'Landfall',
    label: 'Landfall',
    suite: 'landing',
    codename: 'amber',
    date,
    architectures: ['amd64'],
    components: ['main'],
    description: `publication ${serial}`,
    files: [],
  });
  clock.advance(1_000);
  const signed = await client.signRelease({
    archive: 'main',
    suite: 'landing',
    codename: 'amber',
    serial,
    date,
    release,
  });
  return { ...signed, release };
}

/** What gpgv says of the signatures when a client has just this key, and whether sqv, apt 3's verifier, accepts. */
async function verifiedBy(fingerprint: string, signed: Awaited<ReturnType<typeof signRelease>>) {
  const keyring = join(folder.path, `${fingerprint}.pgp`);
  await writeFile(keyring, await exportPublicKey(join(home, 'gnupg'), fingerprint, { armor: false }));
  const [inRelease, detached, release] = ['InRelease', 'Release.gpg', 'Release'].map((name) => join(folder.path, name));
  if (inRelease === undefined || detached === undefined || release === undefined) throw new Error('three names');
  await writeFile(inRelease, signed.inRelease);
  await writeFile(detached, signed.releaseGpg);
  await writeFile(release, signed.release);
  const gpgv = async (files: string[]): Promise<number> => {
    const { stdout } = await exec(
      ['gpgv', '--homedir', folder.path, '--status-fd', '1', '--keyring', keyring, ...files],
      {
        deadlineMs: 30_000,
        okCodes: 'any',
      },
    );
    return stdout.toString('utf8').match(/^\[GNUPG:\] VALIDSIG /gm)?.length ?? 0;
  };
  const sqv = await exec(['sqv', '--keyring', keyring, detached, release], { deadlineMs: 30_000, okCodes: 'any' });
  return { inRelease: await gpgv([inRelease]), detached: await gpgv([detached, release]), sqv: sqv.code === 0 };
}

describe('the keys of an archive', () => {
  it('H112 rotate with overlap: a client that knows the old key alone, or the new one, finds every Release good', async () => {
    const second = await addKey();
    expect(await states()).toEqual({ [first]: 'active', [second]: 'upcoming' });
    const before = await signRelease();
    expect(before.fingerprints).toEqual([first]);
    expect(await verifiedBy(second, before)).toEqual({ inRelease: 0, detached: 0, sqv: false });

    await activate(second);
    expect(await states()).toEqual({ [first]: 'retiring', [second]: 'active' });
    const overlap = await signRelease();
    expect(overlap.fingerprints).toEqual([second, first]);
    for (const key of [first, second]) {
      expect(await verifiedBy(key, overlap)).toEqual({ inRelease: 1, detached: 1, sqv: true });
    }

    await change({ kind: 'retire-key', ...ASKED, fingerprint: first });
    const after = await signRelease();
    expect(after.fingerprints).toEqual([second]);
    expect(await verifiedBy(first, after)).toEqual({ inRelease: 0, detached: 0, sqv: false });
    expect(await verifiedBy(second, after)).toEqual({ inRelease: 1, detached: 1, sqv: true });
  });

  it('that are published are all but the retired ones', async () => {
    const second = await addKey();
    const published = async () => {
      const read = await readKeys(Buffer.from((await client.findKey('main'))?.publicKey ?? ''));
      return Array.isArray(read) ? read.map(({ fingerprint }) => fingerprint).sort() : read;
    };
    expect(await published()).toEqual([first, second].sort());
    await activate(second);
    expect(await published()).toEqual([first, second].sort());
    await change({ kind: 'retire-key', ...ASKED, fingerprint: first });
    expect(await published()).toEqual([second]);
  });

  it('may be several at a time, and are as they were after a restart', async () => {
    const second = await addKey();
    await activate(second, true);
    expect((await signRelease()).fingerprints).toEqual([second, first]);
    const before = await client.findKey('main');
    await signer.stop();
    await start();
    expect(await client.findKey('main')).toEqual(before);
    expect(before?.fingerprint).toBe(second);
  });

  it('change by statements that make sense, and by no others', async () => {
    const retire = async (fingerprint: string) => await change({ kind: 'retire-key', ...ASKED, fingerprint });
    await expect(retire(first)).rejects.toMatchObject({ code: 'signer.last-key' });
    await expect(activate('A'.repeat(40))).rejects.toMatchObject({ code: 'signer.unknown-key' });
    const other = (await client.ensureKey('other', 'Landfall archive other')).fingerprint;
    await expect(activate(other)).rejects.toMatchObject({ code: 'signer.unknown-key' });
    const second = await addKey();
    await retire(second);
    await expect(activate(second)).rejects.toMatchObject({ code: 'signer.retired-key' });
    const again = await client.changeKey({ kind: 'activate-key', ...ASKED, fingerprint: first, beside: false });
    expect(again.kind).toBe('unchanged');
    await expect(
      client.changeKey({ kind: 'retire-key', ...ASKED, by: 'x\ny', fingerprint: second }),
    ).rejects.toMatchObject({ code: 'signer.malformed-request' });
  });

  it('expire, are extended, and one that has expired does not sign', async () => {
    const second = await addKey(30);
    await activate(second);
    clock.advance(31 * DAY);
    const third = await addKey(10);
    clock.advance(11 * DAY);
    await expect(activate(third)).rejects.toMatchObject({ code: 'signer.expired-key' });
    expect((await signRelease()).fingerprints).toEqual([first]);
    await change({ kind: 'extend-key', ...ASKED, fingerprint: second, expiresInDays: 400 });
    expect((await signRelease()).fingerprints).toEqual([second, first]);
    await expect(change({ kind: 'retire-key', ...ASKED, fingerprint: second })).rejects.toMatchObject({
      code: 'signer.last-key',
    });
  });
});

describe('a key that lies elsewhere', () => {
  it('vouches for the key of the signer, and the published keyring carries it', async () => {
    const { publicKey } = await client.ensureKey('main', 'x');
    const certify = async (certified: Buffer, certifier: Buffer) =>
      await client.changeKey({
        kind: 'certify-key',
        ...ASKED,
        fingerprint: first,
        certified: certified.toString('base64'),
        certifier: certifier.toString('base64'),
      });
    await withGnupgHome(async (offline) => {
      // The ceremony, as the guide has it.
      const root = await generateKey({ home: offline, userId: 'Landfall root', algorithm: 'ed25519' });
      await importKey(offline, Buffer.from(publicKey));
      const rootKey = await exportPublicKey(offline, root);
      await expect(certify(await exportPublicKey(offline, first), rootKey)).rejects.toMatchObject({
        code: 'signer.no-certification',
      });
      await exec(['gpg', '--homedir', offline, '--batch', '--yes', '--quick-sign-key', first], { deadlineMs: 30_000 });
      const certified = await exportPublicKey(offline, first);
      await expect(certify(certified, await exportPublicKey(offline, first))).rejects.toMatchObject({
        code: 'signer.no-certification',
      });
      await expect(certify(rootKey, rootKey)).rejects.toMatchObject({ code: 'signer.no-certification' });
      const done = await certify(certified, rootKey);
      expect(done.keys.keys[0]?.certifiedBy).toEqual([root]);

      // Somebody who trusts the root alone.
      await withGnupgHome(async (client) => {
        await importKey(client, rootKey);
        await importKey(client, Buffer.from(done.keys.publicKey));
        const { stdout } = await exec(['gpg', '--homedir', client, '--with-colons', '--check-sigs', first], {
          deadlineMs: 30_000,
        });
        expect(stdout.toString('utf8')).toContain(`sig:!::22:${root.slice(-16)}:`);
      });
    });
    expect(await verifiedBy(first, await signRelease())).toEqual({ inRelease: 1, detached: 1, sqv: true });
  });
});

describe("the signer's log", () => {
  it('tells of keys and Releases, and each answer says where', async () => {
    const second = await addKey();
    await activate(second);
    const { log } = await signRelease();
    const { lines, total } = await client.readLog(0, 100);
    expect(total).toBe(lines.length);
    let head = EMPTY_CHAIN;
    const kinds = lines.map((text) => {
      const line = checkLine(head, text);
      if (line.kind === 'broken') throw new Error(line.reason);
      head = line.head;
      return line.entry.kind;
    });
    expect(kinds).toEqual(['key-made', 'key-activated', 'key-made', 'key-activated', 'release']);
    expect(head).toEqual(log);
    expect((await client.readLog(3, 1)).lines).toEqual(lines.slice(3, 4));
  });

  it('is not used when a line of it was changed', async () => {
    await signer.stop();
    const path = join(home, 'log.jsonl');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('person:', 'person;').replace('"landfall"', '"landfalk"'));
    await expect(start()).rejects.toMatchObject({ code: 'signer.log-damaged' });
    await writeFile(path, text);
    await start();
  });
});

describe('a log that a killed signer left', () => {
  let place: TemporaryDirectory;
  beforeAll(async () => {
    place = await makeTemporaryDirectory('lf-log-');
  });
  afterAll(() => place.remove());

  const entry = (serial: number): LogEntry => ({
    kind: 'release',
    at: '2026-11-22T12:00:00.000Z',
    archive: 'main',
    suite: 'landing',
    serial,
    date: '2026-11-22T12:00:00.000Z',
    validUntil: null,
    sha256: 'a'.repeat(64),
    fingerprints: ['B'.repeat(40)],
  });

  it('goes on behind its last whole line, wherever the write was cut off', async () => {
    const path = join(place.path, 'log.jsonl');
    const written = await openSignerLog(place.path, () => undefined);
    await written.append(entry(1));
    await written.append(entry(2));
    await written.close();
    const whole = await readFile(path);
    const second = whole.indexOf(10) + 1;
    for (const end of [0, 1, second - 1, second, second + 1, second + 150, whole.length - 1]) {
      await writeFile(path, whole.subarray(0, end));
      const seen: LogEntry[] = [];
      const log = await openSignerLog(place.path, (one) => seen.push(one));
      expect(seen).toEqual(end < second ? [] : [entry(1)]);
      await log.append(entry(3));
      await log.close();
      const again: LogEntry[] = [];
      await (await openSignerLog(place.path, (one) => again.push(one))).close();
      expect(again).toEqual([...seen, entry(3)]);
    }
  });
});
