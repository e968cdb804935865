/** What a person types about an archive: keys, snapshots and takedowns, against a real server, signer and archive. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createArchiveWorld, putBinary, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import { runCommand, type CliResult } from '../../test/scenarios/cli.ts';
import { createApp, startHttp, type HttpServer } from '../http/index.ts';
import { createSignals, openLeaseDesk } from '../lighthouse/index.ts';
import { createAccessToken, createPerson, grant } from '../permissions/index.ts';
import { systemClock } from '../platform/clock.ts';
import { isConnectionError, withTransaction } from '../platform/database.ts';
import { silentLogger } from '../platform/log.ts';
import { statePaths } from '../platform/paths.ts';
import { takedownCommand, takedownsCommand } from './commands/takedown.ts';

const LANDFALL = { kind: 'system', name: 'landfall' } as const;
const WHY = ['--reason', 'rotation of 2027'];
const shutdown = new AbortController();
let world: ArchiveWorld;
let server: HttpServer;

beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  const signals = createSignals();
  server = await startHttp({
    listen: '127.0.0.1:0',
    app: createApp({
      db: world.db,
      inTransaction: async (use) => await withTransaction(world.db, use),
      isDatabaseAway: isConnectionError,
      clock: systemClock,
      log: silentLogger(),
      blobs: world.blobs,
      paths: statePaths(world.folder),
      storage: world.deps.storage,
      publicUrl: 'http://127.0.0.1',
      signer: world.deps.signer,
      signals,
      leaseDesk: openLeaseDesk({ db: world.db, signals, log: silentLogger() }),
      limits: { uploadFile: 1, streams: 5 },
      version: '0.1.0',
      shutdown: shutdown.signal,
    }),
  });
  await withTransaction(world.db, async (trx) => {
    for (const handle of ['carol', 'bob']) {
      const person = await createPerson(trx, { handle, name: handle, email: `${handle}@example.org` }, LANDFALL);
      const { secret } = await createAccessToken(trx, { personId: person.id, name: 'test' });
      await writeFile(join(world.folder, handle), secret, { mode: 0o600 });
    }
    await grant(trx, { to: 'carol', action: 'administer' }, LANDFALL);
  });
  for (const version of ['1.0-1', '1.0-2']) {
    await putBinary(world, { name: 'hello', version, architecture: 'amd64' });
    await world.publish();
  }
}, 120_000);
afterAll(async () => {
  shutdown.abort();
  await server.stop(100);
  await world.close();
});

async function landfall(argv: readonly string[], as = 'carol'): Promise<CliResult> {
  const environment = {
    LANDFALL_STATE_DIR: join(world.folder, 'none'),
    LANDFALL_URL: server.url,
    LANDFALL_TOKEN_FILE: as,
  };
  return await runCommand(argv, { directory: world.folder, environment }, (program, context) => {
    const archive = new Command('archive');
    archive.addCommand(takedownCommand(context)).addCommand(takedownsCommand(context));
    program.addCommand(archive);
  });
}

async function fingerprints(): Promise<string[]> {
  const { stdout } = await landfall(['archive-key', 'list', 'main', '--json']);
  const { keys } = JSON.parse(stdout) as { keys: { fingerprint: string }[] };
  return keys.map(({ fingerprint }) => fingerprint);
}

describe('landfall archive-key', () => {
  test('rotates a key: plans, asks for --yes, does it, and tells of it in its log', async () => {
    const [first = ''] = await fingerprints();
    const planned = await landfall(['archive-key', 'add', 'main', ...WHY, '--dry-run']);
    expect(planned.code).toBe(1);
    expect(planned.stdout).toContain('signs nothing until it is activated');
    expect(await fingerprints()).toEqual([first]);
    expect((await landfall(['archive-key', 'add', 'main', ...WHY])).code).toBe(2);

    const added = await landfall(['archive-key', 'add', 'main', ...WHY, '--expires-in', '1095', '--yes']);
    expect([added.code, added.stderr]).toEqual([0, expect.stringContaining('landfall archive-key activate main ')]);
    const [, second = ''] = await fingerprints();
    const spaced = second.toLowerCase().replace(/.{4}/g, '$& ');
    expect((await landfall(['archive-key', 'activate', 'main', spaced, ...WHY, '--yes'])).code).toBe(0);
    const listed = (await landfall(['archive-key', 'list', 'main'])).stdout;
    expect(listed).toMatch(new RegExp(`${first} +retiring .* never +-\\n${second} +active .* 20\\d\\d-`));
    expect(listed).toContain('keyring: http://127.0.0.1/archive/main/key.asc');
    expect((await landfall(['archive-key', 'activate', 'main', second, ...WHY, '--beside'])).stdout).toContain(
      'it is so already',
    );
    const last = await landfall(['archive-key', 'retire', 'main', second, ...WHY, '--yes']);
    expect(last.code).toBe(1);
    expect(last.stderr).toContain('the only key that is active');
    expect(last.stderr).toContain('landfall archive-key add main');

    const log = (await landfall(['archive-key', 'log', 'main'])).stdout.split('\n');
    expect(log[0]).toMatch(/ main +key-made +[0-9A-F]{40} by landfall: the first key/);
    expect(log).toContainEqual(expect.stringContaining(`key-activated  ${second} by person:carol: rotation of 2027`));
    expect(log).toContainEqual(expect.stringContaining(`release  landing 2 by ${first}`));
    const checked = await landfall(['archive-key', 'check']);
    expect([checked.code, checked.stdout]).toEqual([0, expect.stringContaining('2 of them confirmed')]);
    expect((await landfall(['archive-key', 'export', 'main'])).stdout).toContain('BEGIN PGP PUBLIC KEY BLOCK');
  });

  test('is an administrator’s, but for what everybody may see', async () => {
    expect((await landfall(['archive-key', 'list', 'main'], 'bob')).code).toBe(0);
    for (const words of [['add', 'main', ...WHY, '--yes'], ['log'], ['check']]) {
      expect((await landfall(['archive-key', ...words], 'bob')).code).toBe(4);
    }
    expect((await landfall(['archive-key', 'list', 'other'])).code).toBe(5);
    expect((await landfall(['archive-key', 'retire', 'main', 'ABCD', ...WHY])).code).toBe(2);
  });

  test('finds a line of the log that somebody changed, while the signer runs', async () => {
    const path = join(statePaths(world.folder).signer, 'log.jsonl');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('rotation of 2027', 'rotation of 2026'));
    const found = await landfall(['archive-key', 'check']);
    await writeFile(path, text);
    expect(found.code).toBe(1);
    expect(found.stdout).toBe('line 5 of the log: its hash does not fit: it was changed\n');
  });
});

describe('landfall snapshot', () => {
  test('lists, shows and compares', async () => {
    expect((await landfall(['snapshot', 'list'])).stdout).toMatch(/main\/landing +2 +20/);
    const list = (await landfall(['snapshot', 'list', 'main/landing'])).stdout.split('\n');
    expect(list[1]).toMatch(/^\d{8}T\d{6}Z +2 +20.* now +1 +1 +change$/);
    const shown = (await landfall(['snapshot', 'show', 'main/landing', '2'])).stdout;
    expect(shown).toContain('Check-Valid-Until: no\n');
    expect(shown).toMatch(/~ +hello +amd64 +1\.0-1 -> 1\.0-2/);
    const diff = (await landfall(['snapshot', 'diff', 'main/landing', '2', '1'])).stdout;
    expect(diff).toMatch(/~ +hello +amd64 +1\.0-2 -> 1\.0-1/);
    expect((await landfall(['snapshot', 'show', 'main/landing', '7'])).code).toBe(5);
    expect((await landfall(['snapshot', 'show', 'landing', '1'])).code).toBe(2);
  });
});

describe('landfall archive takedown', () => {
  const REASON = ['--reason', 'it steals passwords'];

  test('shows what goes, takes it down, and keeps the record', async () => {
    const planned = await landfall(['archive', 'takedown', 'hello', '1.0-2', ...REASON, '--dry-run']);
    expect(planned.code).toBe(1);
    expect(planned.stdout).toContain('leaves main/landing\n');
    expect(planned.stdout).toContain('removed for ever: 1 file');
    expect((await landfall(['archive', 'takedown', 'hello', '1.0-2', ...REASON, '--yes'], 'bob')).code).toBe(4);
    const done = await landfall(['archive', 'takedown', 'hello', '1.0-2', ...REASON, '--yes']);
    expect([done.code, done.stderr]).toEqual([0, '']);
    expect(done.stdout).toContain('hello 1.0-2 is taken down');
    expect((await landfall(['archive', 'takedowns'])).stdout).toMatch(
      /hello 1\.0-2 +main +20.* +person:carol +not yet +it steals passwords/,
    );
    const again = await landfall(['archive', 'takedown', 'hello', '1.0-2', ...REASON, '--yes']);
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('was taken down on')]);
    expect((await landfall(['archive', 'takedown', 'hello', '9', ...REASON, '--yes'])).code).toBe(5);
  });
});
