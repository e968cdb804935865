/** Distribution files that cannot be applied, and what each is told. */
import { DISTRIBUTION, KEY, file, createApplyWorld, type ApplyWorld } from '../../../test/scenarios/distribution.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findArchive, findSuite, listSuites } from '../archives.ts';
import { planApply } from './apply.ts';

let world: ApplyWorld;
beforeEach(async () => {
  world = await createApplyWorld();
});
afterEach(async () => await world.drop());

describe('a distribution file that cannot be applied', () => {
  test('names every reference that leads nowhere, with the name that was probably meant', async () => {
    const wrong = DISTRIBUTION.replace('pool = "trusted"', 'pool = "trustde"')
      .replace('newer-than = ["stable"]', 'newer-than = ["stabel"]')
      .replace('prefixes = { landfall = "main" }', 'prefixes = { landfall = "mian" }')
      .replace('members = ["alice"]', 'members = ["alcie"]')
      .replace('to = "root"', 'to = "group:cor"')
      .replace('suites = "landing"', 'suites = "landig"');
    const problems = await world.problemsOf(file(wrong));
    for (const hint of ['trusted', 'main/stable', 'main', 'alice', 'core', 'landing']) {
      expect(problems.some((problem) => problem.endsWith(`did you mean ${hint}?`))).toBe(true);
    }
    expect(problems[0]).toMatch(/^distribution\.toml:\d+: /);
  });

  test('tells a circle of suites, by order and by parents', async () => {
    const circle = DISTRIBUTION.replace('codename = "harbour"', 'codename = "harbour"\nnewer-than = ["landing"]');
    expect((await world.problemsOf(file(circle)))[0]).toContain(
      'leads back to itself: main/landing → main/stable → main/landing',
    );
    const parents = DISTRIBUTION.replace('codename = "harbour"', 'codename = "harbour"\nparents = ["landing"]');
    expect((await world.problemsOf(file(parents)))[0]).toContain('parents leads back to itself');
  });

  test('H76 a prefix never leads to two archives', async () => {
    await world.applied(file(DISTRIBUTION));
    const other = `
[archive.outside]
pool = "trusted"
[git."other"]
url = "https://forge.example.org/other.git"
prefixes = { landfall = "outside" }
`;
    expect((await world.problemsOf(file(other)))[0]).toContain(
      'the prefix is taken: it leads to main (Git repository packages/hello)',
    );
  });

  test('refuses another codename for a suite that was published, and to take away an architecture in use', async () => {
    await world.applied(file(DISTRIBUTION));
    const stable = (await listSuites(world.db)).find(({ name }) => name === 'stable');
    const renamed = DISTRIBUTION.replace('codename = "harbour"', 'codename = "port"');
    expect((await world.plan(file(renamed))).lines).toEqual(['change suite main/stable: codename: harbour → port']);
    await world.db
      .insertInto('publications')
      .values({ suite_id: stable?.id ?? 0, serial: 1, date: new Date('2026-01-01T00:00:00Z'), reason: 'first' })
      .execute();
    expect((await world.problemsOf(file(renamed)))[0]).toContain('this suite was published as "harbour"');
  });

  test('refuses files that would leave no administrator', async () => {
    await world.applied(file(DISTRIBUTION));
    const lost = DISTRIBUTION.replace(/\[\[grant\]\]\s+to = "root"\s+action = "administer"/, '');
    expect((await world.problemsOf(file(lost)))[0]).toContain('leaves nobody who administers everything');
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
    expect(await world.problemsOf(file(quiet))).toEqual([]);
    const leaking = quiet.replace('parents = ["external:debian-stable", "stable"]', 'parents = ["quiet/embargo"]');
    expect((await world.problemsOf(file(leaking.replace('parents = ["main/stable"]', ''))))[0]).toContain(
      'names quiet/embargo, which only group:security may see, while this suite is for public',
    );
    await world.applied(file(quiet));
    const archive = await findArchive(world.db, 'quiet');
    expect(archive).toMatchObject({ audience: 'group:security' });
    expect(await findSuite(world.db, archive?.id ?? 0, 'embargo')).toMatchObject({ audience: 'group:security' });
    await world.db
      .insertInto('submissions')
      .values({ origin: 'tag', archive_id: archive?.id ?? 0, audience: 'group:security' })
      .execute();
    expect(
      (await world.problemsOf(file(quiet.replace('audience = "group:security"', 'audience = "public"'))))[0],
    ).toContain('something has asked to enter this archive already');
    expect((await world.problemsOf(file(quiet.replace('"group:security"', '"group:secruity"'))))[0]).toContain(
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
    await world.applied(file(DISTRIBUTION));
    const thief = '[person.mallory]\nname = "M"\nemail = "m@example.org"\nkeys = ["alice.asc"]\n';
    expect((await world.problemsOf(file(thief)))[0]).toContain(`the key ${KEY.fingerprint}, which belongs to alice`);
  });

  test('the same thing in two files is refused', async () => {
    const problems = await world.problemsOf(file(DISTRIBUTION), file('[pool.trusted]\n', 'pools.toml'));
    expect(problems).toEqual([
      'pools.toml:1: pool.trusted is declared in distribution.toml already; expected: each thing in one place; remove one of the two',
    ]);
  });
});
