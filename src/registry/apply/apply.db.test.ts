import { readFile } from 'node:fs/promises';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/postgres.ts';
import {
  createAccessToken,
  createPerson,
  decide,
  findPerson,
  findSigner,
  grant,
  listGroups,
  type Actor,
  type SystemActor,
} from '../../permissions/index.ts';
import { withTransaction } from '../../platform/database.ts';
import { exportPublicKey, generateKey, withGnupgHome } from '../../platform/gpg.ts';
import { findArchive, findSuite, listSuites, suiteParents } from '../archives.ts';
import { archiveForDistro, findGitRepositoryByName } from '../git-repositories.ts';
import { findHookSecret } from '../hook-secrets.ts';
import { listNamespaces, registerMember } from '../namespaces.ts';
import { applyPlan, planApply } from './apply.ts';
import type { DistributionFile } from './declarations.ts';
import { describeApplyProblem } from './problems.ts';

const LANDFALL: SystemActor = { kind: 'system', name: 'landfall' };

const DISTRIBUTION = `
[pool.trusted]

[external.debian-stable]
uri = "https://deb.example.org/debian"
suite = "bookworm"
components = ["main"]
keyring = "stable.gpg"

[archive.main]
pool = "trusted"
origin = "Example"
label = "Example"
description = "An example"

[archive.main.suite.landing]
accepts = ["tags"]
architectures = ["amd64", "arm64"]
parents = ["external:debian-stable", "stable"]
new-policy = "accept"
newer-than = ["stable"]

[archive.main.suite.stable]
codename = "harbour"
aliases = ["current"]
accepts = ["copies"]
architectures = ["amd64", "arm64"]
architecture-for-all = "arm64"
valid-for = "14d"

[git."packages/hello"]
url = "file:///srv/git/hello.git"
prefixes = { landfall = "main" }
allow-file = true

[person.alice]
name = "Alice Example"
email = "alice@example.org"
keys = ["alice.asc"]

[person.root]
name = "Root"
email = "root@example.org"

[group.core]
members = ["alice"]

[[grant]]
to = "alice"
action = "release"
archive = "main"
suites = "landing"
packages = ["hello", "lib*"]

[[grant]]
to = "root"
action = "administer"
`;

const KEY = await withGnupgHome(async (home) => {
  const fingerprint = await generateKey({ home, userId: 'Alice Example <alice@example.org>', algorithm: 'ed25519' });
  return { fingerprint, armored: await exportPublicKey(home, fingerprint) };
});
const ATTACHMENTS = new Map<string, Uint8Array>([
  ['alice.asc', KEY.armored],
  ['stable.gpg', await readFile('/usr/share/keyrings/debian-archive-keyring.gpg')],
]);

let world: TestDatabase;
beforeEach(async () => {
  world = await createTestDatabase();
});
afterEach(async () => {
  await world.drop();
});

function file(text: string, name = 'distribution.toml'): DistributionFile {
  return { name, text, attachments: ATTACHMENTS };
}

async function plan(...files: DistributionFile[]): Promise<{ hash: string; lines: string[] }> {
  const result = await planApply(world.db, files);
  if (result.kind !== 'plan') {
    throw new Error(result.kind === 'problems' ? result.problems.map(describeApplyProblem).join('\n') : result.reason);
  }
  return {
    hash: result.hash,
    lines: result.changes.map(({ action, what, detail }) => `${action} ${what}: ${detail}`),
  };
}

async function apply(by: Actor | SystemActor, ...files: DistributionFile[]) {
  const { hash } = await plan(...files);
  return await applyPlan(world.db, files, hash, by);
}

async function applied(...files: DistributionFile[]): Promise<void> {
  expect(await apply(LANDFALL, ...files)).toMatchObject({ kind: 'applied' });
}

async function problemsOf(...files: DistributionFile[]): Promise<string[]> {
  const result = await planApply(world.db, files);
  return result.kind === 'problems' ? result.problems.map(describeApplyProblem) : [];
}

async function actorOf(handle: string, groups: string[] = []): Promise<Actor> {
  const person = await findPerson(world.db, handle);
  if (person === undefined) throw new Error(`no ${handle}`);
  return { kind: 'person', personId: person.id, handle, groups, administrator: false };
}

async function tasks(): Promise<string[]> {
  const { rows } = await sql<{ task: string; key: string | null }>`
    SELECT task_identifier AS task, key FROM graphile_worker.jobs ORDER BY id`.execute(world.db);
  return rows.map(({ task, key }) => (key === null ? task : `${task} ${key}`));
}

async function auditCount(): Promise<number> {
  const { count } = await world.db
    .selectFrom('audit')
    .select((select) => select.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count;
}

describe('applying a distribution file', () => {
  test('makes everything that it declares, and a second time changes nothing', async () => {
    const first = await plan(file(DISTRIBUTION));
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
    await applied(file(DISTRIBUTION));
    const audited = await auditCount();
    expect(audited).toBe(first.lines.length);

    expect((await plan(file(DISTRIBUTION))).lines).toEqual([]);
    await applied(file(DISTRIBUTION));
    expect(await auditCount()).toBe(audited);

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
    await applied(file(DISTRIBUTION));
    const [landing, stable] = await listSuites(world.db);
    const git = await findGitRepositoryByName(world.db, 'packages/hello');
    expect((await tasks()).sort()).toEqual([
      `archive.publish publish:${landing?.id ?? 0}`,
      `archive.publish publish:${stable?.id ?? 0}`,
      `tags.scan tags.scan:${git?.id ?? 0}`,
    ]);
  });

  test('shows a change as before and after, and leaves alone what the files do not mention', async () => {
    await applied(file(DISTRIBUTION));
    const changed = `
[archive.main]
pool = "trusted"
origin = "Example"
label = "Better"
description = "An example"
`;
    expect((await plan(file(changed))).lines).toEqual(['change archive main: label: "Example" → "Better"']);
    await applied(file(changed));
    expect(await findArchive(world.db, 'main')).toMatchObject({ label: 'Better' });
    expect((await listSuites(world.db)).length).toBe(2);
  });

  test('the rules of an archive for names and licences come and go with their lines', async () => {
    await applied(file(DISTRIBUTION));
    const policy =
      '[archive.main.policy]\npackages = ["lib*", "hello"]\nreserved = ["linux*"]\nlicences = ["GPL-3+"]\n';
    const first = await plan(file(DISTRIBUTION + policy));
    expect(first.lines).toEqual([
      'change archive main: packages: none → hello lib*; reserved: none → linux*; licences: none → GPL-3+',
    ]);
    await applied(file(DISTRIBUTION + policy));
    expect((await plan(file(DISTRIBUTION + policy))).lines).toEqual([]);
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
    expect((await plan(file(DISTRIBUTION))).lines).toEqual([
      'change archive main: packages: hello lib* → none; reserved: linux* → none; licences: GPL-3+ → none',
    ]);
  });

  test('withdraws what a declared person or group does not hold in the files any more', async () => {
    await applied(file(DISTRIBUTION));
    const less = DISTRIBUTION.replace('packages = ["hello", "lib*"]', 'packages = "hello"').replace(
      'members = ["alice"]',
      'members = []',
    );
    expect((await plan(file(less))).lines).toEqual([
      'withdraw permission of alice: release lib* to suite landing of archive main',
      'withdraw group core: alice is no member any more',
    ]);
    await applied(file(less));
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
    await applied(file(until('2031-01-01')));
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
    expect((await plan(file(until('2031-01-01')))).lines).toEqual([]);
    expect((await plan(file(until('2032-01-01')))).lines).toEqual([
      'change permission of alice: release hello to suite landing of archive main, until 2032-01-01T00:00:00.000Z ' +
        '(before: until 2031-01-01T00:00:00.000Z)',
    ]);
    await applied(file(until('2032-01-01')));
    expect(await on('2031-06-01')).toMatchObject({ kind: 'allowed' });
    const rows = await world.db
      .selectFrom('grants')
      .selectAll()
      .where('person_id', '=', alice?.id ?? 0)
      .execute();
    expect(rows.map((row) => row.withdrawn_at !== null)).toEqual([true, false]);
  });

  test('a Git repository that moves is looked at anew, as a baseline', async () => {
    await applied(file(DISTRIBUTION));
    await world.db.updateTable('git_repositories').set({ baseline_at: new Date(), last_scan_at: new Date() }).execute();
    await applied(file(DISTRIBUTION.replace('git/hello.git', 'git/moved.git')));
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
    const created = await plan(secrets(first));
    expect(created.lines.find((line) => line.startsWith('create Git namespace team'))).toContain('hook secret set');
    await applied(secrets(first));
    expect((await plan(secrets(first))).lines).toEqual([]);
    const row = await world.db.selectFrom('git_namespaces').select('id').executeTakeFirstOrThrow();
    const added = await withTransaction(world.db, async (trx) => {
      const [team] = await listNamespaces(trx);
      if (team === undefined) throw new Error('there is no namespace');
      return await registerMember(trx, { namespace: team, path: 'hello' });
    });
    expect(added.kind).toBe('added');

    const second = 'second-secret-of-the-team';
    const changed = await plan(secrets(second));
    expect(changed.lines).toEqual(['change Git namespace team: hook secret: set → replaced']);
    await applied(secrets(second));
    const stored = await findHookSecret(world.db, { gitNamespaceId: row.id });
    expect([stored?.isText(first), stored?.isText(second)]).toEqual([false, true]);
    const without = file(DISTRIBUTION + namespace.replace(/^hook-secret.*\n/m, '').replace('/team/*', '/crew/*.git'));
    const removed = await plan(without);
    expect(removed.lines.join()).toContain('hook secret: set → none');
    await applied(without);
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
      expect((await problemsOf({ ...one, attachments })).join('\n')).toContain(words);
    }
  });

  test('refuses a plan whose world has changed since it was confirmed, and shows the new one', async () => {
    const { hash } = await plan(file(DISTRIBUTION));
    await world.db.insertInto('worker_pools').values({ name: 'trusted' }).execute();
    const result = await applyPlan(world.db, [file(DISTRIBUTION)], hash, LANDFALL);
    expect(result.kind).toBe('out-of-date');
    expect(await findArchive(world.db, 'main')).toBeUndefined();
    expect(result.kind === 'out-of-date' && result.changes.map(({ what }) => what)).not.toContain(
      'worker pool trusted',
    );
  });

  test('two people who confirm the same plan at the same moment: one applies it, the other is told', async () => {
    const { hash } = await plan(file(DISTRIBUTION));
    const results = await Promise.all([
      applyPlan(world.db, [file(DISTRIBUTION)], hash, LANDFALL),
      applyPlan(world.db, [file(DISTRIBUTION)], hash, LANDFALL),
    ]);
    expect(results.map(({ kind }) => kind).sort()).toEqual(['applied', 'out-of-date']);
  });
});

describe('a distribution file that cannot be applied', () => {
  test('names every reference that leads nowhere, with the name that was probably meant', async () => {
    const wrong = DISTRIBUTION.replace('pool = "trusted"', 'pool = "trustde"')
      .replace('newer-than = ["stable"]', 'newer-than = ["stabel"]')
      .replace('prefixes = { landfall = "main" }', 'prefixes = { landfall = "mian" }')
      .replace('members = ["alice"]', 'members = ["alcie"]')
      .replace('to = "root"', 'to = "group:cor"')
      .replace('suites = "landing"', 'suites = "landig"');
    const problems = await problemsOf(file(wrong));
    for (const hint of ['trusted', 'main/stable', 'main', 'alice', 'core', 'landing']) {
      expect(problems.some((problem) => problem.endsWith(`did you mean ${hint}?`))).toBe(true);
    }
    expect(problems[0]).toMatch(/^distribution\.toml:\d+: /);
  });

  test('tells a circle of suites, by order and by parents', async () => {
    const circle = DISTRIBUTION.replace('codename = "harbour"', 'codename = "harbour"\nnewer-than = ["landing"]');
    expect((await problemsOf(file(circle)))[0]).toContain(
      'leads back to itself: main/landing → main/stable → main/landing',
    );
    const parents = DISTRIBUTION.replace('codename = "harbour"', 'codename = "harbour"\nparents = ["landing"]');
    expect((await problemsOf(file(parents)))[0]).toContain('parents leads back to itself');
  });

  test('H76 a prefix never leads to two archives', async () => {
    await applied(file(DISTRIBUTION));
    const other = `
[archive.outside]
pool = "trusted"
[git."other"]
url = "https://forge.example.org/other.git"
prefixes = { landfall = "outside" }
`;
    expect((await problemsOf(file(other)))[0]).toContain(
      'the prefix is taken: it leads to main (Git repository packages/hello)',
    );
  });

  test('refuses another codename for a suite that was published, and to take away an architecture in use', async () => {
    await applied(file(DISTRIBUTION));
    const stable = (await listSuites(world.db)).find(({ name }) => name === 'stable');
    const renamed = DISTRIBUTION.replace('codename = "harbour"', 'codename = "port"');
    expect((await plan(file(renamed))).lines).toEqual(['change suite main/stable: codename: harbour → port']);
    await world.db
      .insertInto('publications')
      .values({ suite_id: stable?.id ?? 0, serial: 1, date: new Date('2026-01-01T00:00:00Z'), reason: 'first' })
      .execute();
    expect((await problemsOf(file(renamed)))[0]).toContain('this suite was published as "harbour"');
  });

  test('refuses files that would leave no administrator', async () => {
    await applied(file(DISTRIBUTION));
    const lost = DISTRIBUTION.replace(/\[\[grant\]\]\s+to = "root"\s+action = "administer"/, '');
    expect((await problemsOf(file(lost)))[0]).toContain('leaves nobody who administers everything');
  });

  test('what only a group may see never comes into what others see', async () => {
    const quiet = `${DISTRIBUTION}
[group.security]
members = ["alice"]
[archive.quiet]
pool = "trusted"
audience = "group:security"
[archive.quiet.suite.embargo]
architectures = ["amd64"]
parents = ["main/stable"]
`;
    expect(await problemsOf(file(quiet))).toEqual([]);
    const leaking = quiet.replace('parents = ["external:debian-stable", "stable"]', 'parents = ["quiet/embargo"]');
    expect((await problemsOf(file(leaking.replace('parents = ["main/stable"]', ''))))[0]).toContain(
      'names quiet/embargo, which only group:security may see, while this suite is for public',
    );
    await applied(file(quiet));
    const archive = await findArchive(world.db, 'quiet');
    expect(archive).toMatchObject({ audience: 'group:security' });
    expect(await findSuite(world.db, archive?.id ?? 0, 'embargo')).toMatchObject({ audience: 'group:security' });
    await world.db
      .insertInto('submissions')
      .values({ origin: 'tag', archive_id: archive?.id ?? 0, audience: 'group:security' })
      .execute();
    expect((await problemsOf(file(quiet.replace('audience = "group:security"', 'audience = "public"'))))[0]).toContain(
      'something has asked to enter this archive already',
    );
    expect((await problemsOf(file(quiet.replace('"group:security"', '"group:secruity"'))))[0]).toContain(
      'did you mean security?',
    );
  });

  test('asks for a file that was not sent along, by its name', async () => {
    const result = await planApply(world.db, [{ name: 'd.toml', text: DISTRIBUTION }]);
    expect(result.kind === 'problems' && result.problems.map(({ needs }) => needs)).toEqual([
      'stable.gpg',
      'alice.asc',
    ]);
  });

  test('the key of one person is not another one’s', async () => {
    await applied(file(DISTRIBUTION));
    const thief = '[person.mallory]\nname = "M"\nemail = "m@example.org"\nkeys = ["alice.asc"]\n';
    expect((await problemsOf(file(thief)))[0]).toContain(`the key ${KEY.fingerprint}, which belongs to alice`);
  });

  test('the same thing in two files is refused', async () => {
    const problems = await problemsOf(file(DISTRIBUTION), file('[pool.trusted]\n', 'pools.toml'));
    expect(problems).toEqual([
      'pools.toml:1: pool.trusted is declared in distribution.toml already; expected: each thing in one place; remove one of the two',
    ]);
  });
});

describe('who may apply', () => {
  const PEOPLE = `
[person.root]
name = "Root"
email = "root@example.org"
[person.second]
name = "Second"
email = "second@example.org"
[person.deputy]
name = "Deputy"
email = "deputy@example.org"
[group.releasers]
members = []
[[grant]]
to = "root"
action = "administer"
[[grant]]
to = "second"
action = "administer"
[[grant]]
to = "deputy"
action = "grant"
packages = "lib*"
[[grant]]
to = "group:releasers"
action = "release"
`;

  test('somebody without permissions may change nothing', async () => {
    await applied(file(PEOPLE));
    const person = await world.db.transaction().execute(async (trx) => {
      return await createPerson(trx, { handle: 'nobody', name: 'N', email: 'n@example.org' }, LANDFALL);
    });
    expect(person.id).toBeGreaterThan(0);
    const before = await auditCount();
    const refused = await apply(await actorOf('nobody'), file('[pool.mine]\n'));
    expect(refused).toMatchObject({ kind: 'refused', code: 'permission.no-grant' });
    expect(await apply({ kind: 'anonymous' }, file('[pool.mine]\n'))).toMatchObject({
      kind: 'refused',
      code: 'permission.anonymous',
    });
    expect(await auditCount()).toBe(before);
    // Not even a plan, which would tell what exists.
    expect(await planApply(world.db, [file('[pool.mine]\n')], await actorOf('nobody'))).toMatchObject({
      kind: 'refused',
      code: 'permission.no-grant',
    });
  });

  test('who administers one archive changes that one and its suites, and nothing else', async () => {
    await applied(file(DISTRIBUTION), file('[archive.other]\npool = "trusted"\n', 'other.toml'));
    await world.db.transaction().execute(async (trx) => {
      await createPerson(trx, { handle: 'warden', name: 'W', email: 'w@example.org' }, LANDFALL);
      await grant(trx, { to: 'warden', action: 'administer', archive: 'other' }, LANDFALL);
    });
    const warden = await actorOf('warden');
    const own = '[archive.other]\npool = "trusted"\n[archive.other.suite.new]\narchitectures = ["amd64"]\n';
    expect(await apply(warden, file(own))).toMatchObject({ kind: 'applied' });
    const foreign = own.replaceAll('archive.other', 'archive.main');
    expect(await apply(warden, file(foreign))).toMatchObject({ kind: 'refused', code: 'permission.no-grant' });
    expect(await apply(warden, file('[archive.third]\npool = "trusted"\n'))).toMatchObject({ kind: 'refused' });
    expect(await apply(warden, file('[group.mine]\n'))).toMatchObject({ kind: 'refused' });
  });

  test('nobody widens their own rights: not by a grant, not through a group', async () => {
    await applied(file(PEOPLE));
    const root = await actorOf('root');
    const own = `${PEOPLE}\n[[grant]]\nto = "root"\naction = "release"\n`;
    expect(await apply(root, file(own))).toMatchObject({ kind: 'refused', code: 'permission.own-rights' });
    const joined = PEOPLE.replace('members = []', 'members = ["root"]');
    expect(await apply(root, file(joined))).toMatchObject({ kind: 'refused', code: 'permission.own-rights' });
    // In one plan with the other administrator sent away: judged by what was there before.
    const coup = own.replace('[person.second]', '[person.second]\nactive = false');
    expect(await apply(root, file(coup))).toMatchObject({ kind: 'refused', code: 'permission.own-rights' });
    expect(await apply(await actorOf('second'), file(own))).toMatchObject({ kind: 'applied' });
  });

  test('the only administrator of a small team may give himself what nobody else could', async () => {
    const alone =
      '[person.root]\nname = "Root"\nemail = "r@example.org"\n[[grant]]\nto = "root"\naction = "administer"\n';
    await applied(file(alone));
    const own = `${alone}[[grant]]\nto = "root"\naction = "release"\n`;
    expect(await apply(await actorOf('root'), file(own))).toMatchObject({ kind: 'applied' });
  });

  test('a deputy gives permissions within his own patterns, and changes nothing else', async () => {
    await applied(file(PEOPLE));
    const deputy = await actorOf('deputy');
    expect(
      await apply(deputy, file('[[grant]]\nto = "second"\naction = "release"\npackages = "libfoo*"\n')),
    ).toMatchObject({
      kind: 'applied',
    });
    expect(
      await apply(deputy, file('[[grant]]\nto = "second"\naction = "release"\npackages = "*foo"\n')),
    ).toMatchObject({
      kind: 'refused',
      code: 'permission.may-not-grant',
    });
    expect(
      await apply(deputy, file('[[grant]]\nto = "deputy"\naction = "release"\npackages = "libfoo"\n')),
    ).toMatchObject({
      kind: 'refused',
      code: 'permission.own-rights',
    });
    expect(await apply(deputy, file('[pool.mine]\n'))).toMatchObject({ kind: 'refused' });
  });

  test('H99 a secret never reaches the audit', async () => {
    await applied(file(PEOPLE));
    const root = await findPerson(world.db, 'root');
    const { secret } = await world.db.transaction().execute(async (trx) => {
      await grant(trx, { to: 'second', action: 'operate' }, LANDFALL);
      return await createAccessToken(trx, { personId: root?.id ?? 0, name: 'laptop' });
    });
    const { rows } = await sql<{ text: string }>`
      SELECT coalesce(string_agg(audit::text, ' '), '') AS text FROM audit`.execute(world.db);
    expect(rows[0]?.text).not.toContain(secret);
    expect(rows[0]?.text).toContain('access-token.created');
  });
});
