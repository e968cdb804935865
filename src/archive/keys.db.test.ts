/** Rotating the keys of an archive under real clients, with what is planned, audited, logged and alerted. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAptClient, type AptClient } from '../../test/scenarios/apt-client.ts';
import { createArchiveWorld, type ArchiveWorld } from '../../test/scenarios/archive.ts';
import { exportPublicKey } from '../platform/gpg.ts';
import { statePaths } from '../platform/paths.ts';
import { checkArchives } from './check/check.ts';
import { watchArchiveKeys } from './key-alerts.ts';
import { changeArchiveKey, planKeyChange, type WantedKeyChange } from './key-changes.ts';
import { publishSuite } from './publish/publisher.ts';
import { checkSignerLog } from './signer-log.ts';

const DAY_MS = 86_400_000;
let world: ArchiveWorld;

beforeAll(async () => {
  world = await createArchiveWorld({ architectures: ['amd64'] });
  await world.publish();
});
afterAll(() => world.close());

const asked = (change: WantedKeyChange) => ({
  archive: { id: world.archiveId, name: 'main', audience: 'public' },
  change,
  reason: 'rotation of 2027',
  by: 'person:carol',
});

/** Plans and confirms; gives the key that it is about. */
async function change(wanted: WantedKeyChange): Promise<string> {
  const plan = await planKeyChange(world.deps, asked(wanted), new Date());
  if (plan.kind !== 'plan') throw new Error(plan.reason);
  const done = await changeArchiveKey(world.deps, asked(wanted), plan.hash);
  if (done.kind !== 'done') throw new Error(done.kind);
  return done.fingerprint;
}

/** As the publication that a change of keys asks for. */
async function publishAgain(): Promise<void> {
  for (;;) {
    const result = await publishSuite(world.deps, world.suiteId, 'request');
    if (result.kind === 'published') return;
    if (result.kind !== 'too-soon') throw new Error(result.kind);
    await new Promise((resolve) => setTimeout(resolve, result.waitMs + 5));
  }
}

/** A machine whose keyring has just this key, or the whole published keyring. */
async function client(name: string, fingerprint?: string): Promise<AptClient> {
  const { publicKey } = await world.deps.signer.ensureKey('main', 'x');
  const key =
    fingerprint === undefined
      ? publicKey
      : (await exportPublicKey(join(statePaths(world.folder).signer, 'gnupg'), fingerprint)).toString('utf8');
  const folder = join(world.folder, name);
  await mkdir(folder);
  return await createAptClient(folder, {
    url: `${world.server.url}/archive/main`,
    suite: 'landing',
    components: ['main'],
    key,
  });
}

describe('the keys of an archive', () => {
  it('H112 rotate while old and new clients go on, and end as it was planned', async () => {
    const { fingerprint: first } = await world.deps.signer.ensureKey('main', 'x');
    const before = await client('knows-first', first);
    await before.update();

    const second = await change({ kind: 'add' });
    const fetched = await client('fetched-the-keyring');
    await fetched.update();
    const after = await client('knows-second', second);
    expect((await after.tryUpdate()).code).not.toBe(0);

    const plan = await planKeyChange(
      world.deps,
      asked({ kind: 'activate', fingerprint: second, beside: false }),
      new Date(),
    );
    expect(plan).toMatchObject({
      changes: [
        expect.stringContaining(`${second} is active`),
        expect.stringContaining(`${first} is retiring`),
        expect.stringContaining('published again'),
      ],
    });
    await change({ kind: 'activate', fingerprint: second, beside: false });
    await publishAgain();
    for (const apt of [before, fetched, after]) await apt.update();
    const { findings } = await checkArchives({ ...world.deps, folderOf: () => world.archiveFolder });
    expect(findings).toEqual([]);

    const retire = await planKeyChange(world.deps, asked({ kind: 'retire', fingerprint: first }), new Date());
    expect(retire).toMatchObject({
      warnings: [
        expect.stringContaining('0 days only'),
        expect.stringContaining('no other key'),
        expect.stringContaining('need the old keyring'),
      ],
    });
    await change({ kind: 'retire', fingerprint: first });
    await publishAgain();
    expect((await before.tryUpdate()).code).not.toBe(0);
    for (const apt of [fetched, after]) await apt.update();

    const audit = await world.db.selectFrom('audit').select(['actor', 'action', 'subject']).orderBy('id').execute();
    expect(audit).toEqual(
      ['add', 'activate', 'retire'].map((action) => ({
        actor: 'person:carol',
        action: `archive-key.${action}`,
        subject: 'main',
      })),
    );
    const publication = await world.db
      .selectFrom('publications')
      .select(['key_fingerprint', sql<string[]>`facts #> '{signature,fingerprints}'`.as('signers')])
      .orderBy('serial')
      .execute();
    expect(publication).toEqual([
      { key_fingerprint: first, signers: [first] },
      { key_fingerprint: second, signers: [second, first] },
      { key_fingerprint: second, signers: [second] },
    ]);
  });

  it('are changed by the plan that was confirmed, or not at all', async () => {
    const { fingerprint } = await world.deps.signer.ensureKey('main', 'x');
    const refused = await planKeyChange(world.deps, asked({ kind: 'retire', fingerprint }), new Date());
    expect(refused).toMatchObject({ kind: 'refused', code: 'signer.last-key' });
    expect(
      await planKeyChange(world.deps, asked({ kind: 'activate', fingerprint, beside: false }), new Date()),
    ).toMatchObject({ kind: 'plan', changes: [] });
    const plan = await planKeyChange(world.deps, asked({ kind: 'add' }), new Date());
    if (plan.kind !== 'plan') throw new Error(plan.reason);
    const other = await change({ kind: 'add' });
    expect(await changeArchiveKey(world.deps, asked({ kind: 'add' }), plan.hash)).toEqual({ kind: 'out-of-date' });
    await change({ kind: 'retire', fingerprint: other });
  });

  it('are told of long before they expire, until they are extended', async () => {
    const key = await change({ kind: 'add', expiresInDays: 100 });
    await change({ kind: 'activate', fingerprint: key, beside: true });
    const now = Date.now();
    expect(await watchArchiveKeys(world.deps, new Date(now))).toEqual([]);
    const alert = `archive-key.expires main ${key}`;
    expect(await watchArchiveKeys(world.deps, new Date(now + 20 * DAY_MS))).toEqual([alert]);
    expect(await watchArchiveKeys(world.deps, new Date(now + 21 * DAY_MS))).toEqual([alert]);
    await change({ kind: 'extend', fingerprint: key, expiresInDays: 400 });
    expect(await watchArchiveKeys(world.deps, new Date(now + 22 * DAY_MS))).toEqual([]);
    const alerts = await world.db.selectFrom('alerts').select(['key', 'sentence', 'cleared_at']).execute();
    expect(alerts).toHaveLength(1);
    expect(alerts[0]?.sentence).toContain('expires in 78 days');
    expect(alerts[0]?.cleared_at).toBeInstanceOf(Date);
  });
});

describe("the signer's log", () => {
  it('is checked by the hashes that publications kept: one that was written anew is found', async () => {
    const whole = await checkSignerLog(world.deps);
    expect(whole).toMatchObject({ kind: 'whole', confirmed: 3 });
    if (whole.kind !== 'whole') throw new Error('not whole');
    const line = async (of: string): Promise<void> => {
      await sql`UPDATE publications SET facts = jsonb_set(facts, '{signature,line}', ${of}::jsonb)
        WHERE serial = 3`.execute(world.db);
    };
    await line('1');
    expect(await checkSignerLog(world.deps)).toMatchObject({ kind: 'damaged', line: 1 });
    await line(String(whole.lines + 1));
    expect(await checkSignerLog(world.deps)).toMatchObject({ kind: 'damaged', line: whole.lines + 1 });
  });
});
