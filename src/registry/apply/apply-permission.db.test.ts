/** Who may apply what. */
import {
  DISTRIBUTION,
  LANDFALL,
  file,
  createApplyWorld,
  type ApplyWorld,
} from '../../../test/scenarios/distribution.ts';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAccessToken, createPerson, findPerson, grant } from '../../permissions/index.ts';
import { planApply } from './apply.ts';

let world: ApplyWorld;
beforeEach(async () => {
  world = await createApplyWorld();
});
afterEach(async () => await world.drop());

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
    await world.applied(file(PEOPLE));
    const person = await world.db.transaction().execute(async (trx) => {
      return await createPerson(trx, { handle: 'nobody', name: 'N', email: 'n@example.org' }, LANDFALL);
    });
    expect(person.id).toBeGreaterThan(0);
    const before = await world.auditCount();
    const refused = await world.apply(await world.actorOf('nobody'), file('[pool.mine]\n'));
    expect(refused).toMatchObject({ kind: 'refused', code: 'permission.no-grant' });
    expect(await world.apply({ kind: 'anonymous' }, file('[pool.mine]\n'))).toMatchObject({
      kind: 'refused',
      code: 'permission.anonymous',
    });
    expect(await world.auditCount()).toBe(before);
    // Not even a plan, which would tell what exists.
    expect(await planApply(world.db, [file('[pool.mine]\n')], await world.actorOf('nobody'))).toMatchObject({
      kind: 'refused',
      code: 'permission.no-grant',
    });
  });

  test('who administers one archive changes that one and its suites, and nothing else', async () => {
    await world.applied(file(DISTRIBUTION), file('[archive.other]\npool = "trusted"\n', 'other.toml'));
    await world.db.transaction().execute(async (trx) => {
      await createPerson(trx, { handle: 'warden', name: 'W', email: 'w@example.org' }, LANDFALL);
      await grant(trx, { to: 'warden', action: 'administer', archive: 'other' }, LANDFALL);
    });
    const warden = await world.actorOf('warden');
    const own = '[archive.other]\npool = "trusted"\n[archive.other.suite.new]\narchitectures = ["amd64"]\n';
    expect(await world.apply(warden, file(own))).toMatchObject({ kind: 'applied' });
    const foreign = own.replaceAll('archive.other', 'archive.main');
    expect(await world.apply(warden, file(foreign))).toMatchObject({ kind: 'refused', code: 'permission.no-grant' });
    expect(await world.apply(warden, file('[archive.third]\npool = "trusted"\n'))).toMatchObject({ kind: 'refused' });
    expect(await world.apply(warden, file('[group.mine]\n'))).toMatchObject({ kind: 'refused' });
  });

  test('nobody widens their own rights: not by a grant, not through a group', async () => {
    await world.applied(file(PEOPLE));
    const root = await world.actorOf('root');
    const own = `${PEOPLE}\n[[grant]]\nto = "root"\naction = "release"\n`;
    expect(await world.apply(root, file(own))).toMatchObject({ kind: 'refused', code: 'permission.own-rights' });
    const joined = PEOPLE.replace('members = []', 'members = ["root"]');
    expect(await world.apply(root, file(joined))).toMatchObject({ kind: 'refused', code: 'permission.own-rights' });
    // In one plan with the other administrator sent away: judged by what was there before.
    const coup = own.replace('[person.second]', '[person.second]\nactive = false');
    expect(await world.apply(root, file(coup))).toMatchObject({ kind: 'refused', code: 'permission.own-rights' });
    expect(await world.apply(await world.actorOf('second'), file(own))).toMatchObject({ kind: 'applied' });
  });

  test('the only administrator of a small team may give himself what nobody else could', async () => {
    const alone =
      '[person.root]\nname = "Root"\nemail = "r@example.org"\n[[grant]]\nto = "root"\naction = "administer"\n';
    await world.applied(file(alone));
    const own = `${alone}[[grant]]\nto = "root"\naction = "release"\n`;
    expect(await world.apply(await world.actorOf('root'), file(own))).toMatchObject({ kind: 'applied' });
  });

  test('a deputy gives permissions within his own patterns, and changes nothing else', async () => {
    await world.applied(file(PEOPLE));
    const deputy = await world.actorOf('deputy');
    expect(
      await world.apply(deputy, file('[[grant]]\nto = "second"\naction = "release"\npackages = "libfoo*"\n')),
    ).toMatchObject({
      kind: 'applied',
    });
    expect(
      await world.apply(deputy, file('[[grant]]\nto = "second"\naction = "release"\npackages = "*foo"\n')),
    ).toMatchObject({
      kind: 'refused',
      code: 'permission.may-not-grant',
    });
    expect(
      await world.apply(deputy, file('[[grant]]\nto = "deputy"\naction = "release"\npackages = "libfoo"\n')),
    ).toMatchObject({
      kind: 'refused',
      code: 'permission.own-rights',
    });
    expect(await world.apply(deputy, file('[pool.mine]\n'))).toMatchObject({ kind: 'refused' });
  });

  test('H99 a secret never reaches the audit', async () => {
    await world.applied(file(PEOPLE));
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
