import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../test/postgres.ts';
import type { Trx } from '../platform/database.ts';
import { exec } from '../platform/exec.ts';
import { exportPublicKey, generateKey, withGnupgHome } from '../platform/gpg.ts';
import {
  addKeys,
  createPerson,
  findKey,
  findSigner,
  letInBy,
  registeredKeyring,
  readKeyFile,
  revokeKey,
  type KeyFile,
  type KeyOwner,
  type SystemActor,
} from './index.ts';

const LANDFALL: SystemActor = { kind: 'system', name: 'landfall' };

let world: TestDatabase;
let count = 0;
beforeAll(async () => {
  world = await createTestDatabase();
});
afterAll(async () => {
  await world.drop();
});

async function inTransaction<T>(run: (trx: Trx) => Promise<T>): Promise<T> {
  return await world.db.transaction().execute(run);
}

async function owner(): Promise<KeyOwner> {
  count += 1;
  const handle = `owner-${count}`;
  const { id } = await inTransaction(
    async (trx) => await createPerson(trx, { handle, name: handle, email: `${handle}@example.org` }, LANDFALL),
  );
  return { personId: id, handle };
}

async function add(of: KeyOwner, bytes: Uint8Array) {
  return await inTransaction(async (trx) => await addKeys(trx, of, bytes, LANDFALL));
}

function reasonOf(file: KeyFile): string {
  return file.kind === 'invalid-key' ? file.reason : 'none';
}

async function gpg(home: string, ...args: string[]): Promise<Buffer> {
  const { stdout } = await exec(
    ['gpg', '--homedir', home, '--batch', '--yes', '--pinentry-mode', 'loopback', '--passphrase', '', ...args],
    { deadlineMs: 60_000 },
  );
  return stdout;
}

describe('a key', () => {
  test('is found by its fingerprint, with its person, whether it came armoured, binary or in a keyring', async () => {
    await withGnupgHome(async (home) => {
      const one = await generateKey({ home, userId: 'One <one@example.org>', algorithm: 'ed25519' });
      const two = await generateKey({ home, userId: 'Two <two@example.org>', algorithm: 'ed25519' });
      const alice = await owner();
      expect(await add(alice, await exportPublicKey(home, one))).toMatchObject({ results: [{ kind: 'added' }] });
      const keyring = await gpg(home, '--export', one, two);
      expect(await add(alice, keyring)).toMatchObject({ results: [{ kind: 'unchanged' }, { kind: 'added' }] });
      expect(await findSigner(world.db, one.toLowerCase().replace(/(.{4})/g, '$1 '))).toMatchObject({
        handle: alice.handle,
        fingerprint: one,
        active: true,
        validUntil: null,
        revokedAt: null,
      });
      expect(await findSigner(world.db, 'A'.repeat(40))).toBeUndefined();
      const stored = [await findKey(world.db, one), await findKey(world.db, two)];
      expect(stored[0]?.material[0]).toBeGreaterThanOrEqual(0x80);
      expect(await registeredKeyring(world.db)).toEqual(expect.arrayContaining(stored.map((key) => key?.material)));
    });
  });

  test('new, changed or revoked, is in the keyring at once; a keyring that did not change is not read again', async () => {
    await withGnupgHome(async (home) => {
      const before = await registeredKeyring(world.db);
      const fingerprint = await generateKey({ home, userId: 'A <a@example.org>', algorithm: 'ed25519' });
      await add(await owner(), await exportPublicKey(home, fingerprint));
      const added = await registeredKeyring(world.db);
      expect(added).toHaveLength(before.length + 1);
      expect(await registeredKeyring(world.db)).toBe(added);
      const other = Buffer.from([0x98]);
      await world.db.updateTable('keys').set({ material: other }).where('fingerprint', '=', fingerprint).execute();
      expect((await registeredKeyring(world.db)).at(-1)).toEqual(other);
      await world.db
        .updateTable('keys')
        .set({ material: added.at(-1) })
        .where('fingerprint', '=', fingerprint)
        .execute();
      expect(await registeredKeyring(world.db)).toEqual(added);
    });
  });

  test('belongs to one person for ever', async () => {
    await withGnupgHome(async (home) => {
      const fingerprint = await generateKey({ home, userId: 'A <a@example.org>', algorithm: 'ed25519' });
      const bytes = await exportPublicKey(home, fingerprint);
      const alice = await owner();
      const mallory = await owner();
      await add(alice, bytes);
      expect(await add(mallory, bytes)).toMatchObject({ kind: 'refused', code: 'key.other-person' });
      expect(await findSigner(world.db, fingerprint)).toMatchObject({ handle: alice.handle });
    });
  });

  test('applied again brings its new expiry, and an older export takes nothing back', async () => {
    await withGnupgHome(async (home) => {
      const fingerprint = await generateKey({ home, userId: 'A <a@example.org>', algorithm: 'ed25519', expire: '1y' });
      const alice = await owner();
      const old = await exportPublicKey(home, fingerprint);
      await add(alice, old);
      const before = await findKey(world.db, fingerprint);
      expect(before?.validUntil).toBeInstanceOf(Date);

      // A self-signature of the same second would not count as newer.
      const later = `${new Date(Date.now() + 60_000).toISOString().replace(/[-:]|\.\d+Z/g, '')}!`;
      await gpg(home, '--faked-system-time', later, '--quick-set-expire', fingerprint, '5y');
      expect(await add(alice, await exportPublicKey(home, fingerprint))).toMatchObject({
        results: [{ kind: 'changed' }],
      });
      const extended = await findKey(world.db, fingerprint);
      expect(extended?.validUntil?.getTime()).toBeGreaterThan(before?.validUntil?.getTime() ?? 0);

      expect(await add(alice, old)).toMatchObject({ results: [{ kind: 'unchanged' }] });
      expect((await findKey(world.db, fingerprint))?.validUntil).toEqual(extended?.validUntil);
    });
  });

  test('H78 that its owner revoked is revoked, and stays so when an older export comes again', async () => {
    await withGnupgHome(async (home) => {
      const fingerprint = await generateKey({ home, userId: 'A <a@example.org>', algorithm: 'ed25519' });
      const alice = await owner();
      const old = await exportPublicKey(home, fingerprint);
      await add(alice, old);
      const certificate = await readFile(join(home, 'openpgp-revocs.d', `${fingerprint}.rev`), 'utf8');
      await exec(['gpg', '--homedir', home, '--batch', '--import'], {
        input: certificate.replace(/^:-----BEGIN/m, '-----BEGIN'),
        deadlineMs: 60_000,
      });
      expect(await add(alice, await exportPublicKey(home, fingerprint))).toMatchObject({
        results: [{ kind: 'changed' }],
      });
      const revoked = await findKey(world.db, fingerprint);
      expect(revoked).toMatchObject({ revocationReason: 'the key itself says that it is revoked' });
      await add(alice, old);
      expect((await findKey(world.db, fingerprint))?.revokedAt).toEqual(revoked?.revokedAt);
    });
  });

  test('may be an SSH key', async () => {
    await withGnupgHome(async (folder) => {
      const path = join(folder, 'id');
      await exec(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'x', '-f', path], { deadlineMs: 60_000 });
      const line = await readFile(`${path}.pub`, 'utf8');
      const { stdout } = await exec(['ssh-keygen', '-l', '-f', `${path}.pub`], { deadlineMs: 10_000 });
      const fingerprint = stdout.toString('utf8').split(' ')[1] ?? '';
      const alice = await owner();
      await add(alice, Buffer.from(line));
      const signer = await findSigner(world.db, fingerprint);
      expect(signer).toMatchObject({ kind: 'ssh', handle: alice.handle, fingerprint });
      expect(line.startsWith(signer?.material.toString('latin1') ?? '?')).toBe(true);
    });
  });

  test('that is secret, weak, unable to sign or no key at all is refused in words', async () => {
    await withGnupgHome(async (home) => {
      const fingerprint = await generateKey({ home, userId: 'A <a@example.org>', algorithm: 'ed25519' });
      const secret = await gpg(home, '--armor', '--export-secret-keys', fingerprint);
      expect(reasonOf(await readKeyFile(secret))).toContain('secret key');
      expect(await readKeyFile(Buffer.from('-----BEGIN OPENSSH PRIVATE KEY-----\n'))).toMatchObject({
        reason: 'it is a secret key: send the public one',
      });
      await gpg(home, '--quick-generate-key', 'Weak <w@example.org>', 'rsa1024', 'sign', 'never');
      expect(reasonOf(await readKeyFile(await gpg(home, '--export', 'w@example.org')))).toContain('too weak');
      await gpg(home, '--quick-generate-key', 'Certify <c@example.org>', 'ed25519', 'cert', 'never');
      expect(reasonOf(await readKeyFile(await gpg(home, '--export', 'c@example.org')))).toContain('cannot sign');
      for (const garbage of [
        '',
        'hello',
        '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----',
      ]) {
        expect(await readKeyFile(Buffer.from(garbage))).toMatchObject({ kind: 'invalid-key' });
      }
    });
  });
});

test('revoking a key lists all that it let in, and happens once', async () => {
  await withGnupgHome(async (home) => {
    const fingerprint = await generateKey({ home, userId: 'A <a@example.org>', algorithm: 'ed25519' });
    const alice = await owner();
    await add(alice, await exportPublicKey(home, fingerprint));
    const { db } = world;
    const pool = await db.insertInto('worker_pools').values({ name: 'p' }).returning('id').executeTakeFirstOrThrow();
    const archive = await db
      .insertInto('archives')
      .values({ name: 'main', origin: 'O', label: 'L', description: '', worker_pool_id: pool.id })
      .returning('id')
      .executeTakeFirstOrThrow();
    const suite = await db
      .insertInto('suites')
      .values({
        archive_id: archive.id,
        name: 'landing',
        codename: 'landing',
        components: ['main'],
        architectures: ['amd64'],
        architecture_for_all: 'amd64',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const git = await db
      .insertInto('git_repositories')
      .values({ name: 'hello', url: 'https://forge.example.org/hello.git' })
      .returning('id')
      .executeTakeFirstOrThrow();
    const submission = await db
      .insertInto('submissions')
      .values({ origin: 'tag', archive_id: archive.id, audience: 'public' })
      .returning('id')
      .executeTakeFirstOrThrow();
    const tag = await db
      .insertInto('tags')
      .values({
        git_repository_id: git.id,
        submission_id: submission.id,
        ref: 'refs/tags/landfall/1.0',
        object_id: '0'.repeat(40),
        distro: 'landfall',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const granted = await db
      .insertInto('grants')
      .values({ person_id: alice.personId, action: 'release', granted_by: 'landfall' })
      .returning('id')
      .executeTakeFirstOrThrow();
    await db
      .insertInto('tag_decisions')
      .values({
        tag_id: tag.id,
        outcome: 'accepted',
        code: 'accepted',
        sentence: 'Accepted.',
        checks: '[]',
        tag_object: Buffer.from('x'),
        signature_kind: 'openpgp',
        key_fingerprint: fingerprint,
        key_material: Buffer.from('x'),
        person_id: alice.personId,
        commit_id: '0'.repeat(40),
        source: 'hello',
        version: '1.0',
        suite_id: suite.id,
        quilt: 'native',
        grant_id: granted.id,
        decided_by: 'landfall',
      })
      .execute();

    const revoke = async () =>
      await inTransaction(async (trx) => await revokeKey(trx, fingerprint, 'the laptop was stolen', LANDFALL));
    const letIn = [
      {
        tagId: tag.id,
        submissionId: submission.id,
        archive: 'main',
        suite: 'landing',
        source: 'hello',
        version: '1.0',
      },
    ];
    expect(await revoke()).toMatchObject({ kind: 'revoked', person: alice.handle, letIn });
    expect(await revoke()).toMatchObject({ kind: 'already-revoked', letIn });
    expect(await letInBy(db, fingerprint)).toMatchObject(letIn);
    expect(await findSigner(db, fingerprint)).toMatchObject({ revocationReason: 'the laptop was stolen' });
    // Applying the key again does not make it good again.
    await add(alice, await exportPublicKey(home, fingerprint));
    expect((await findSigner(db, fingerprint))?.revokedAt).toBeInstanceOf(Date);
    expect(await inTransaction(async (trx) => await revokeKey(trx, 'B'.repeat(40), 'unknown', LANDFALL))).toEqual({
      kind: 'unknown-key',
    });
  });
});
