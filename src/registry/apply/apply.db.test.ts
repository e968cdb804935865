/** Applying a distribution file: what it makes, changes and withdraws. */
import {
  DISTRIBUTION,
  KEY,
  LANDFALL,
  file,
  createApplyWorld,
  type ApplyWorld,
} from '../../../test/scenarios/distribution.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { decide, findPerson, findSigner, listGroups } from '../../permissions/index.ts';
import { withTransaction } from '../../platform/database.ts';
import { findArchive, findSuite, listSuites, suiteParents } from '../archives.ts';
import { archiveForDistro, findGitRepositoryByName } from '../git-repositories.ts';
import { findHookSecret } from '../hook-secrets.ts';
import { listNamespaces, registerMember } from '../namespaces.ts';
import { applyPlan } from './apply.ts';
import type { DistributionFile } from './declarations.ts';

let world: ApplyWorld;
beforeEach(async () => {
  world = await createApplyWorld();
});
afterEach(async () => await world.drop());

describe('applying a distribution file', () => {
  test('makes everything that it declares, and a second time changes nothing', async () => {
    const first = await world.plan(file(DISTRIBUTION));
    expect(first.lines.map((line) => line.split(':')[0])).toEqual([
      'create worker pool trusted',
      'create external suite debian-stable',
      'create group core',
      'create person alice',
      'create person root',
      `create key ${KEY.fingerprint} of alice`,
      'create archive main',
      'create suite main/landing',
      'create suite main/stable',
      'create Git repository packages/hello',
      'change group core',
      'create permission of alice',
      'create permission of alice',
      'create permission of root',
    ]);
    await world.applied(file(DISTRIBUTION));
    const audited = await world.auditCount();
    expect(audited).toBe(first.lines.length);

    expect((await world.plan(file(DISTRIBUTION))).lines).toEqual([]);
    await world.applied(file(DISTRIBUTION));
    expect(await world.auditCount()).toBe(audited);

    const archive = await findArchive(world.db, 'main');
    const landing = await findSuite(world.db, archive?.id ?? 0, 'landing');
    expect(landing).toMatchObject({ codename: 'landing', newPolicy: 'accept', validForSeconds: 7 * 86_400 });
    expect(await findSuite(world.db, archive?.id ?? 0, 'current')).toMatchObject({
      name: 'stable',
      codename: 'harbour',
      architectureForAll: 'arm64',
      validForSeconds: 14 * 86_400,
    });
    expect(await suiteParents(world.db, landing?.id ?? 0)).toMatchObject([
      { kind: 'external', name: 'debian-stable', suite: 'bookworm', uri: 'https://deb.example.org/debian' },
      { kind: 'suite', archive: 'main', suite: 'stable' },
    ]);
    const git = await findGitRepositoryByName(world.db, 'packages/hello');
    expect(git).toMatchObject({ url: 'file:///srv/git/hello.git', allowFile: true, pollEverySeconds: 300 });
    expect(await archiveForDistro(world.db, git?.id ?? 0, 'landfall')).toMatchObject({ archive: 'main' });
    expect(await archiveForDistro(world.db, git?.id ?? 0, 'debian')).toBeUndefined();
    const signer = await findSigner(world.db, KEY.fingerprint);
    expect(signer).toMatchObject({ handle: 'alice', active: true, kind: 'openpgp', revokedAt: null });
    expect(
      await decide(world.db, {
        personId: signer?.personId ?? 0,
        action: 'release',
        archive: 'main',
        suite: 'landing',
        package: 'libfoo',
        at: new Date(),
      }),
    ).toMatchObject({ kind: 'allowed' });
  });

  test('enqueues a publication for each new suite and a first scan for each new Git repository', async () => {
    await world.applied(file(DISTRIBUTION));
    const [landing, stable] = await listSuites(world.db);
    const git = await findGitRepositoryByName(world.db, 'packages/hello');
    expect((await world.tasks()).sort()).toEqual([
      `archive.publish publish:${landing?.id ?? 0}`,
      `archive.publish publish:${stable?.id ?? 0}`,
      `tags.scan tags.scan:${git?.id ?? 0}`,
    ]);
  });

  test('shows a change as before and after, and leaves alone what the files do not mention', async () => {
    await world.applied(file(DISTRIBUTION));
    const changed = `
[archive.main]
pool = "trusted"
origin = "Example"
label = "Better"
description = "An example"
`;
    expect((await world.plan(file(changed))).lines).toEqual(['change archive main: label: "Example" → "Better"']);
    await world.applied(file(changed));
    expect(await findArchive(world.db, 'main')).toMatchObject({ label: 'Better' });
    expect((await listSuites(world.db)).length).toBe(2);
  });

  test('the rules of an archive for names and licences come and go with their lines', async () => {
    await world.applied(file(DISTRIBUTION));
    const policy =
      '[archive.main.policy]\npackages = ["lib*", "hello"]\nreserved = ["linux*"]\nlicences = ["GPL-3+"]\n';
    const first = await world.plan(file(DISTRIBUTION + policy));
    expect(first.lines).toEqual([
      'change archive main: packages: none → hello lib*; reserved: none → linux*; licences: none → GPL-3+',
    ]);
    await world.applied(file(DISTRIBUTION + policy));
    expect((await world.plan(file(DISTRIBUTION + policy))).lines).toEqual([]);
    expect(await findArchive(world.db, 'main')).toMatchObject({
      packagePatterns: ['lib*', 'hello'],
      reservedPatterns: ['linux*'],
      acceptedLicences: ['GPL-3+'],
    });
    const audit = await world.db.selectFrom('audit').selectAll().where('action', '=', 'archive.changed').execute();
    expect(audit.map(({ detail }) => detail)).toEqual([
      {
        packages: { before: '', after: 'hello lib*' },
        reserved: { before: '', after: 'linux*' },
        licences: { before: '', after: 'GPL-3+' },
      },
    ]);
    expect((await world.plan(file(DISTRIBUTION))).lines).toEqual([
      'change archive main: packages: hello lib* → none; reserved: linux* → none; licences: GPL-3+ → none',
    ]);
  });

  test('withdraws what a declared person or group does not hold in the files any more', async () => {
    await world.applied(file(DISTRIBUTION));
    const less = DISTRIBUTION.replace('packages = ["hello", "lib*"]', 'packages = "hello"').replace(
      'members = ["alice"]',
      'members = []',
    );
    expect((await world.plan(file(less))).lines).toEqual([
      'withdraw permission of alice: release lib* to suite landing of archive main',
      'withdraw group core: alice is no member any more',
    ]);
    await world.applied(file(less));
    expect((await listGroups(world.db))[0]?.members).toEqual([]);
    const alice = await findPerson(world.db, 'alice');
    expect(
      await decide(world.db, {
        personId: alice?.id ?? 0,
        action: 'release',
        archive: 'main',
        suite: 'landing',
        package: 'libfoo',
        at: new Date(),
      }),
    ).toMatchObject({ kind: 'denied', code: 'permission.withdrawn' });
    // The grant stays on record.
    expect(
      await world.db.selectFrom('grants').selectAll().where('withdrawn_at', 'is not', null).execute(),
    ).toHaveLength(1);
  });

  test('a grant with an end is one until then; another end is another row', async () => {
    const until = (day: string): string =>
      DISTRIBUTION.replace('packages = ["hello", "lib*"]', `packages = "hello"\nuntil = ${day}`);
    await world.applied(file(until('2031-01-01')));
    const alice = await findPerson(world.db, 'alice');
    const on = async (day: string) =>
      await decide(world.db, {
        personId: alice?.id ?? 0,
        action: 'release',
        archive: 'main',
        suite: 'landing',
        package: 'hello',
        at: new Date(day),
      });
    expect(await on('2030-12-31')).toMatchObject({ kind: 'allowed' });
    expect(await on('2031-01-01')).toMatchObject({ kind: 'denied', code: 'permission.expired' });
    expect((await world.plan(file(until('2031-01-01')))).lines).toEqual([]);
    expect((await world.plan(file(until('2032-01-01')))).lines).toEqual([
      'change permission of alice: release hello to suite landing of archive main, until 2032-01-01T00:00:00.000Z ' +
        '(before: until 2031-01-01T00:00:00.000Z)',
    ]);
    await world.applied(file(until('2032-01-01')));
    expect(await on('2031-06-01')).toMatchObject({ kind: 'allowed' });
    const rows = await world.db
      .selectFrom('grants')
      .selectAll()
      .where('person_id', '=', alice?.id ?? 0)
      .execute();
    expect(rows.map((row) => row.withdrawn_at !== null)).toEqual([true, false]);
  });

  test('a Git repository that moves is looked at anew, as a baseline', async () => {
    await world.applied(file(DISTRIBUTION));
    await world.db.updateTable('git_repositories').set({ baseline_at: new Date(), last_scan_at: new Date() }).execute();
    await world.applied(file(DISTRIBUTION.replace('git/hello.git', 'git/moved.git')));
    expect(await findGitRepositoryByName(world.db, 'packages/hello')).toMatchObject({
      url: 'file:///srv/git/moved.git',
      baselineAt: null,
      lastScanAt: null,
    });
  });

  test('a namespace and secrets: planned, applied and audited like the rest, and no secret is shown', async () => {
    const namespace = `
[git-namespace."team"]
url = "https://forge.example.org/team/*"
prefixes = { landfall = "main" }
hook-secret = "team.secret"
max-repositories = 50
`;
    const secrets = (text: string): DistributionFile => {
      const one = file(DISTRIBUTION + namespace);
      return { ...one, attachments: new Map([...(one.attachments ?? []), ['team.secret', Buffer.from(text)]]) };
    };
    const first = 'first-secret-of-the-team';
    const created = await world.plan(secrets(first));
    expect(created.lines.find((line) => line.startsWith('create Git namespace team'))).toContain('hook secret set');
    await world.applied(secrets(first));
    expect((await world.plan(secrets(first))).lines).toEqual([]);
    const row = await world.db.selectFrom('git_namespaces').select('id').executeTakeFirstOrThrow();
    const added = await withTransaction(world.db, async (trx) => {
      const [team] = await listNamespaces(trx);
      if (team === undefined) throw new Error('there is no namespace');
      return await registerMember(trx, { namespace: team, path: 'hello' });
    });
    expect(added.kind).toBe('added');

    const second = 'second-secret-of-the-team';
    const changed = await world.plan(secrets(second));
    expect(changed.lines).toEqual(['change Git namespace team: hook secret: set → replaced']);
    await world.applied(secrets(second));
    const stored = await findHookSecret(world.db, { gitNamespaceId: row.id });
    expect([stored?.isText(first), stored?.isText(second)]).toEqual([false, true]);
    const without = file(DISTRIBUTION + namespace.replace(/^hook-secret.*\n/m, '').replace('/team/*', '/crew/*.git'));
    const removed = await world.plan(without);
    expect(removed.lines.join()).toContain('hook secret: set → none');
    await world.applied(without);
    expect(await findHookSecret(world.db, { gitNamespaceId: row.id })).toBeUndefined();
    // What the namespace says holds for what came by it.
    expect(await findGitRepositoryByName(world.db, 'team/hello')).toMatchObject({
      url: 'https://forge.example.org/crew/hello.git',
      namespaceId: row.id,
      baselineAt: null,
    });
    const audit = await world.db.selectFrom('audit').selectAll().execute();
    const told = JSON.stringify([created, changed, removed, audit]);
    expect(told).not.toContain(first);
    expect(told).not.toContain(second);
  });

  test('H70 a namespace with an address that is none, or that leads elsewhere, is refused in words', async () => {
    const cases = [
      ['url = "https://forge.example.org/team"', 'not what lies below an address'],
      ['url = "https://*.example.org/team/*"', 'its * in another place than the end'],
      ['url = "ext::sh -c id/*"', 'holds a space'],
      ['url = "file:///srv/git/*"', 'reads from this machine'],
      ['url = "https://forge.example.org/team/*"\nplain-tags = true', 'does not say the quilt mode'],
      ['url = "https://forge.example.org/team/*"\nprefixes = { landfall = "other" }', 'which does not exist'],
      ['url = "https://forge.example.org/team/*"\nhook-secret = "short.secret"', 'no usable secret'],
      ['url = "https://forge.example.org/team/*"\nhook-secret = "nowhere"', 'was not sent along'],
    ] as const;
    for (const [text, words] of cases) {
      const one = file(`${DISTRIBUTION}\n[git-namespace."team"]\n${text}\n`);
      const attachments = new Map([...(one.attachments ?? []), ['short.secret', Buffer.from('short')] as const]);
      expect((await world.problemsOf({ ...one, attachments })).join('\n')).toContain(words);
    }
  });

  test('refuses a plan whose world has changed since it was confirmed, and shows the new one', async () => {
    const { hash } = await world.plan(file(DISTRIBUTION));
    await world.db.insertInto('worker_pools').values({ name: 'trusted' }).execute();
    const result = await applyPlan(world.db, [file(DISTRIBUTION)], hash, LANDFALL);
    expect(result.kind).toBe('out-of-date');
    expect(await findArchive(world.db, 'main')).toBeUndefined();
    expect(result.kind === 'out-of-date' && result.changes.map(({ what }) => what)).not.toContain(
      'worker pool trusted',
    );
  });

  test('two people who confirm the same plan at the same moment: one applies it, the other is told', async () => {
    const { hash } = await world.plan(file(DISTRIBUTION));
    const results = await Promise.all([
      applyPlan(world.db, [file(DISTRIBUTION)], hash, LANDFALL),
      applyPlan(world.db, [file(DISTRIBUTION)], hash, LANDFALL),
    ]);
    expect(results.map(({ kind }) => kind).sort()).toEqual(['applied', 'out-of-date']);
  });
});
