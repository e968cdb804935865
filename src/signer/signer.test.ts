import { appendFile, chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatRelease } from '../debian/release.ts';
import { fixedClock, type FixedClock } from '../platform/clock.ts';
import { spawnService } from '../platform/service.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';
import { killAgents, verifyClearsigned, verifyDetached } from '../platform/gpg.ts';
import { silentLogger } from '../platform/log.ts';
import { createSignerClient, type SignerClient } from './client.ts';
import { runSigner, type RunningSigner } from './server.ts';

const NOON = new Date('2026-11-22T12:00:00Z');

let folder: TemporaryDirectory;
let socket: string;
let home: string;
let clock: FixedClock;
let signer: RunningSigner;
let client: SignerClient;

async function start(): Promise<RunningSigner> {
  return await runSigner({ socket, home, log: silentLogger(), clock });
}

beforeEach(async () => {
  folder = await makeTemporaryDirectory('lf-sig-');
  socket = join(folder.path, 'run', 's');
  home = join(folder.path, 'signer');
  clock = fixedClock(NOON);
  signer = await start();
  client = createSignerClient({ socket });
});

afterEach(async () => {
  await signer.stop();
  await killAgents(join(home, 'gnupg'));
  await folder.remove();
});

function at(seconds: number): Date {
  return new Date(NOON.getTime() + seconds * 1000);
}

interface Change {
  readonly suite?: string;
  readonly codename?: string;
  readonly date?: Date;
  readonly description?: string;
}

function release(change: Change = {}): string {
  return formatRelease({
    origin: 'Landfall',
    label: 'Landfall',
    suite: change.suite ?? 'landing',
    codename: change.codename ?? 'amber',
    date: change.date ?? NOON,
    architectures: ['amd64'],
    components: ['main'],
    ...(change.description === undefined ? {} : { description: change.description }),
    files: [],
  });
}

function statement(serial: number, date: Date = NOON, text: string = release({ date })) {
  return { archive: 'main', suite: 'landing', codename: 'amber', serial, date, release: text };
}

describe('keys', () => {
  it('are made once for each archive and outlive the process', async () => {
    const key = await client.ensureKey('main', 'Landfall archive main');
    expect(key.publicKey).toContain('BEGIN PGP PUBLIC KEY BLOCK');
    expect(await client.ensureKey('main', 'Another name')).toEqual(key);
    const other = await client.ensureKey('other', 'Landfall archive other');
    expect(other.fingerprint).not.toBe(key.fingerprint);
    await signer.stop();
    signer = await start();
    expect(await client.findKey('main')).toEqual(key);
    expect(await client.findKey('third')).toBeUndefined();
  });

  it('of a signer of the first release go on, and so does what it had signed', async () => {
    const key = await client.ensureKey('main', 'Landfall archive main');
    await signer.stop();
    await rm(join(home, 'log.jsonl'));
    await writeFile(join(home, 'keys.json'), JSON.stringify({ main: { fingerprint: key.fingerprint } }));
    const signed = { archive: 'main', suite: 'landing', serial: 7, date: '2026-01-31T12:00:00.000Z' } as const;
    const line = { at: signed.date, ...signed, sha256: '0'.repeat(64), fingerprint: key.fingerprint };
    await writeFile(join(home, 'releases.jsonl'), `${JSON.stringify(line)}\n{"at":"2026`);
    signer = await start();
    expect(await client.ensureKey('main', 'Landfall archive main')).toEqual({
      ...key,
      keys: expect.anything() as unknown,
    });
    await expect(client.signRelease(statement(6, at(60)))).rejects.toMatchObject({
      code: 'signer.older-serial',
    });
  });

  it('of two requests at the same moment are one', async () => {
    const keys = await Promise.all([1, 2, 3].map(() => client.ensureKey('main', 'Landfall archive main')));
    expect(new Set(keys.map(({ fingerprint }) => fingerprint)).size).toBe(1);
  });

  it('are refused for a name or user id that is none', async () => {
    await expect(client.ensureKey('../etc', 'Name')).rejects.toMatchObject({ code: 'signer.malformed-request' });
    await expect(client.ensureKey('main', 'Name\n%no-protection')).rejects.toMatchObject({
      code: 'signer.malformed-request',
    });
  });
});

describe('signing a Release', () => {
  beforeEach(async () => {
    await client.ensureKey('main', 'Landfall archive main');
  });

  it('gives both forms, which gpgv finds good', async () => {
    const key = await client.ensureKey('main', 'x');
    const text = release();
    const signed = await client.signRelease(statement(1));
    expect(signed.fingerprint).toBe(key.fingerprint);
    const keyring = [Buffer.from(key.publicKey)];
    expect(await verifyClearsigned({ keyring, document: signed.inRelease })).toMatchObject({
      kind: 'good',
      primary: key.fingerprint,
      hash: 10,
    });
    expect(await verifyDetached({ keyring, signature: signed.releaseGpg, payload: Buffer.from(text) })).toMatchObject({
      kind: 'good',
      primary: key.fingerprint,
    });
  });

  it('needs a key that was made before', async () => {
    await expect(client.signRelease({ ...statement(1), archive: 'other' })).rejects.toMatchObject({
      code: 'signer.no-key',
    });
  });

  it('H8 the same content for the same serial is signed again', async () => {
    await client.signRelease(statement(7));
    await expect(client.signRelease(statement(7))).resolves.toMatchObject({});
    const lines = (await readFile(join(home, 'log.jsonl'), 'utf8')).trimEnd().split('\n');
    // The key was made and activated before.
    expect(lines).toHaveLength(3);
  });

  it('other content for the same serial is refused', async () => {
    await client.signRelease(statement(7));
    const other = statement(7, NOON, release({ description: 'other' }));
    await expect(client.signRelease(other)).rejects.toMatchObject({ code: 'signer.other-content' });
  });

  it('H18 a lower serial is refused, also after the signer was started again', async () => {
    await client.signRelease(statement(7));
    await signer.stop();
    signer = await start();
    await expect(client.signRelease(statement(6, at(60)))).rejects.toMatchObject({ code: 'signer.older-serial' });
  });

  it('an older or equal Date is refused for a higher serial', async () => {
    await client.signRelease(statement(7));
    for (const date of [NOON, at(-60)]) {
      await expect(client.signRelease(statement(8, date))).rejects.toMatchObject({ code: 'signer.older-date' });
    }
    await expect(client.signRelease(statement(8, at(1)))).resolves.toMatchObject({});
  });

  it('suites do not stand in each other’s way', async () => {
    await client.signRelease(statement(7));
    const text = release({ suite: 'stable', codename: 'basalt' });
    await expect(
      client.signRelease({ ...statement(1, NOON, text), suite: 'stable', codename: 'basalt' }),
    ).resolves.toMatchObject({});
  });

  it('H28 a Date ahead of the signer’s own clock is refused', async () => {
    await expect(client.signRelease(statement(1, at(3600)))).rejects.toMatchObject({ code: 'signer.future-date' });
  });

  it('a text that says another suite, codename or Date than the statement is refused', async () => {
    const cases = [
      [release({ suite: 'stable' }), 'signer.other-suite'],
      [release({ codename: 'basalt' }), 'signer.other-codename'],
      [release({ date: at(1) }), 'signer.other-date'],
      ['not a Release', 'signer.malformed-release'],
      [`${release()}Suite: landing\n`, 'signer.malformed-release'],
    ] as const;
    for (const [text, code] of cases) {
      await expect(client.signRelease(statement(1, NOON, text))).rejects.toMatchObject({ code });
    }
  });

  it('kill -9 while a line is written: what is left of it is cut off; a damaged line stops the start', async () => {
    await client.signRelease(statement(7));
    await signer.stop();
    const log = join(home, 'log.jsonl');
    const before = await readFile(log, 'utf8');
    await appendFile(log, '{"line":3,"previous":"00');
    signer = await start();
    expect(await readFile(log, 'utf8')).toBe(before);
    await expect(client.signRelease(statement(6, at(5)))).rejects.toMatchObject({ code: 'signer.older-serial' });
    await signer.stop();
    await writeFile(log, `damaged\n${before}`);
    await expect(start()).rejects.toMatchObject({ code: 'signer.log-damaged' });
    await writeFile(log, before);
    signer = await start();
  });
});

describe('the socket', () => {
  it('is for its user alone', async () => {
    expect((await stat(socket)).mode & 0o777).toBe(0o600);
    expect((await stat(join(socket, '..'))).mode & 0o777).toBe(0o700);
    expect((await stat(home)).mode & 0o777).toBe(0o700);
  });

  it('of a signer that runs is not taken over', async () => {
    await expect(start()).rejects.toMatchObject({ code: 'signer.running' });
    await expect(client.findKey('main')).resolves.toBeUndefined();
  });

  it('that a killed signer left behind is taken over', async () => {
    await signer.stop();
    // A process that listens and is killed leaves its socket.
    const script = `require('node:net').createServer().listen(${JSON.stringify(socket)}, () => console.log('up'))`;
    let up: () => void = () => undefined;
    const listening = new Promise<void>((resolve) => (up = resolve));
    const service = await spawnService([process.execPath, '-e', script], { output: () => up() });
    await listening;
    process.kill(service.pid, 'SIGKILL');
    await service.exited;
    expect((await stat(socket)).isSocket()).toBe(true);
    signer = await start();
    await expect(client.findKey('main')).resolves.toBeUndefined();
  });

  it('in a folder that others can enter is refused', async () => {
    const open = join(folder.path, 'open');
    await mkdir(open);
    await chmod(open, 0o755);
    await expect(
      runSigner({ socket: join(open, 's'), home: join(folder.path, 'h2'), log: silentLogger() }),
    ).rejects.toMatchObject({ code: 'signer.open-folder' });
  });

  it('name that a file has is refused', async () => {
    const path = join(socket, '..', 'file');
    await writeFile(path, '');
    await expect(runSigner({ socket: path, home: join(folder.path, 'h2'), log: silentLogger() })).rejects.toMatchObject(
      { code: 'signer.not-a-socket' },
    );
  });
});

describe('the client', () => {
  it('says that the signer is away', async () => {
    const away = createSignerClient({ socket: join(folder.path, 'nobody') });
    await expect(away.findKey('main')).rejects.toMatchObject({ code: 'signer.unreachable' });
  });

  it('says that whoever answers is no signer', async () => {
    const path = join(folder.path, 'other');
    const server = createServer((_request, response) => response.end('hi'));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    await expect(createSignerClient({ socket: path }).findKey('main')).rejects.toMatchObject({ code: 'signer.fault' });
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
});
