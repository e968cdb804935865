import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ACTIONS,
  decideFor,
  grantProblem,
  isAdministrator,
  mayGive,
  mayWithdraw,
  type Decision,
  type Grant,
  type Holder,
  type ProposedGrant,
} from './model.ts';
import { matchesPattern } from './patterns.ts';

const NOW = new Date('2026-05-01T12:00:00Z');
const LATER = new Date('2026-06-01T12:00:00Z');
const EARLIER = new Date('2026-04-01T12:00:00Z');

function holder(...grants: Partial<Grant>[]): Holder {
  return {
    personId: 7,
    handle: 'alice',
    active: true,
    grants: grants.map((grant, index) => ({
      id: index + 1,
      action: 'release',
      archive: '*',
      suites: '*',
      packages: '*',
      validUntil: null,
      withdrawnAt: null,
      group: null,
      ...grant,
    })),
  };
}

function reasonOf(decision: Decision): string {
  return decision.kind === 'denied' ? decision.reason : '';
}

const RELEASE_HELLO = { action: 'release', archive: 'main', suite: 'landing', package: 'hello' } as const;

describe('a decision', () => {
  test('is no, unless a grant says yes', () => {
    expect(decideFor(holder(), RELEASE_HELLO, NOW)).toEqual({
      kind: 'denied',
      code: 'permission.no-grant',
      reason:
        'alice has no permission to release hello to suite landing of archive main. alice holds no permission at all.',
    });
    expect(decideFor(undefined, RELEASE_HELLO, NOW)).toMatchObject({ code: 'permission.unknown-person' });
    expect(decideFor({ ...holder({}), active: false }, RELEASE_HELLO, NOW)).toMatchObject({
      code: 'permission.inactive-person',
    });
  });

  test('names the grant that allows it, the oldest one', () => {
    const alice = holder({ packages: 'other' }, { packages: 'hel*' }, {});
    expect(decideFor(alice, RELEASE_HELLO, NOW)).toEqual({ kind: 'allowed', grantId: 2 });
  });

  test('tells what the person may do instead', () => {
    const alice = holder({ packages: 'lib*', suites: 'landing', archive: 'main', group: 'core' }, { action: 'hint' });
    expect(decideFor(alice, RELEASE_HELLO, NOW)).toMatchObject({
      reason:
        'alice has no permission to release hello to suite landing of archive main. ' +
        'alice may release lib* to suite landing of archive main (through group core).',
    });
    expect(reasonOf(decideFor(holder({ action: 'hint' }, { action: 'operate' }), RELEASE_HELLO, NOW))).toMatch(
      /alice holds permissions for other actions only: hint, operate\.$/,
    );
    const many = holder(...Array.from({ length: 8 }, (_, index) => ({ packages: `p${index}` })));
    expect(reasonOf(decideFor(many, RELEASE_HELLO, NOW))).toContain('and 3 more');
  });

  test('an end is the first moment at which a grant does not count', () => {
    const alice = holder({ validUntil: NOW });
    expect(decideFor(alice, RELEASE_HELLO, EARLIER)).toMatchObject({ kind: 'allowed' });
    expect(decideFor(alice, RELEASE_HELLO, new Date(NOW.getTime() - 1))).toMatchObject({ kind: 'allowed' });
    expect(decideFor(alice, RELEASE_HELLO, NOW)).toEqual({
      kind: 'denied',
      code: 'permission.expired',
      reason:
        'The permission of alice to release hello to suite landing of archive main ended at 2026-05-01T12:00:00.000Z.',
    });
  });

  test('a withdrawn grant counts at no time, and its withdrawal is told', () => {
    const alice = holder({ withdrawnAt: NOW, validUntil: LATER });
    expect(decideFor(alice, RELEASE_HELLO, EARLIER)).toMatchObject({ code: 'permission.withdrawn' });
  });

  test('to administer includes the rest, but not what a signature promises', () => {
    const admin = holder({ action: 'administer' });
    expect(isAdministrator(admin, NOW)).toBe(true);
    for (const action of ACTIONS) {
      const expected = action === 'release' || action === 'upload-binary' ? 'denied' : 'allowed';
      expect(decideFor(admin, { ...RELEASE_HELLO, action }, NOW).kind).toBe(expected);
    }
    expect(isAdministrator(holder({ action: 'administer', archive: 'main' }), NOW)).toBe(false);
  });

  test('who asks for all needs a grant for all', () => {
    expect(decideFor(holder({ action: 'operate', archive: 'main' }), { action: 'operate' }, NOW).kind).toBe('denied');
    expect(decideFor(holder({ action: 'operate' }), { action: 'operate' }, NOW).kind).toBe('allowed');
    expect(decideFor(holder({ action: 'operate', packages: '?*' }), { action: 'operate' }, NOW).kind).toBe('denied');
  });

  test('allows exactly when one grant matches in every part and in time', () => {
    const part = fc.constantFrom('*', 'a', 'a*', '?', 'b');
    const name = fc.constantFrom('a', 'b', 'ab');
    const grant = fc.record({
      action: fc.constantFrom('release' as const, 'rebuild' as const, 'hint' as const),
      archive: fc.constantFrom('*', 'a', 'b'),
      suites: part,
      packages: part,
      validUntil: fc.constantFrom(null, EARLIER, NOW, LATER),
      withdrawnAt: fc.constantFrom(null, EARLIER),
    });
    fc.assert(
      fc.property(fc.array(grant, { maxLength: 4 }), name, name, name, (grants, archive, suite, pack) => {
        const request = { action: 'release', archive, suite, package: pack } as const;
        const expected = grants.some(
          (one) =>
            one.action === 'release' &&
            matchesPattern(one.archive, archive) &&
            matchesPattern(one.suites, suite) &&
            matchesPattern(one.packages, pack) &&
            one.withdrawnAt === null &&
            (one.validUntil === null || one.validUntil > NOW),
        );
        expect(decideFor(holder(...grants), request, NOW).kind === 'allowed').toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('giving a permission', () => {
  const proposed: ProposedGrant = {
    action: 'release',
    archive: 'main',
    suites: 'landing',
    packages: 'libfoo',
    validUntil: null,
  };
  const others = { name: 'bob', personIds: [8] };
  const own = { name: 'alice', personIds: [7] };

  test('goes as far as the own patterns and the own time', () => {
    const deputy = holder({ action: 'grant', archive: 'main', packages: 'lib*' });
    expect(mayGive(deputy, proposed, others, NOW, false)).toEqual({ kind: 'allowed' });
    for (const wider of [
      { packages: '*' },
      { packages: 'li*' },
      { archive: '*' },
      { archive: 'other' },
      { action: 'grant' as const },
      { action: 'administer' as const },
    ]) {
      expect(mayGive(deputy, { ...proposed, ...wider }, others, NOW, false)).toMatchObject({
        code: 'permission.may-not-grant',
      });
    }
    const limited = holder({ action: 'grant', validUntil: LATER });
    expect(mayGive(limited, proposed, others, NOW, false)).toMatchObject({ kind: 'denied' });
    expect(mayGive(limited, { ...proposed, validUntil: LATER }, others, NOW, false)).toEqual({ kind: 'allowed' });
    expect(mayGive(limited, { ...proposed, validUntil: LATER }, others, LATER, false)).toMatchObject({
      kind: 'denied',
    });
  });

  test('nobody widens their own rights, neither directly nor through a group', () => {
    for (const giver of [holder({ action: 'grant' }), holder({ action: 'administer' })]) {
      for (const receiver of [own, { name: 'group:core', personIds: [8, 7] }]) {
        expect(mayGive(giver, proposed, receiver, NOW, false)).toMatchObject({ code: 'permission.own-rights' });
      }
    }
    // What he holds anyway widens nothing.
    expect(mayGive(holder({ action: 'grant' }, { action: 'release' }), proposed, own, NOW, false)).toEqual({
      kind: 'allowed',
    });
  });

  test('where there is one administrator and nobody else could, he may; a deputy may not', () => {
    expect(mayGive(holder({ action: 'administer' }), proposed, own, NOW, true)).toEqual({ kind: 'allowed' });
    expect(mayGive(holder({ action: 'grant' }), proposed, own, NOW, true)).toMatchObject({
      code: 'permission.own-rights',
    });
  });

  test('needs more than the permission itself', () => {
    expect(mayGive(holder({}), proposed, others, NOW, true)).toMatchObject({ code: 'permission.may-not-grant' });
    expect(mayGive({ ...holder({ action: 'administer' }), active: false }, proposed, others, NOW, true)).toMatchObject({
      code: 'permission.inactive-person',
    });
  });

  test('refuses what is no pattern', () => {
    expect(grantProblem({ archive: 'main*', suites: '*', packages: '*' })).toContain('archive');
    expect(grantProblem({ archive: '*', suites: 'a b', packages: '*' })).toContain('suites');
    expect(grantProblem({ archive: '*', suites: '*', packages: '../x' })).toContain('packages');
    expect(
      mayGive(holder({ action: 'administer' }), { ...proposed, packages: '[a-z]' }, others, NOW, true),
    ).toMatchObject({ code: 'permission.malformed-grant' });
  });

  test('what one could give, one can take away, also one’s own', () => {
    const deputy = holder({ action: 'grant', packages: 'lib*' });
    expect(mayWithdraw(deputy, proposed, NOW)).toBe(true);
    expect(mayWithdraw(deputy, { ...proposed, packages: 'hello' }, NOW)).toBe(false);
    expect(mayWithdraw(deputy, { ...proposed, action: 'administer' }, NOW)).toBe(false);
    expect(mayWithdraw(holder({ action: 'administer' }), { ...proposed, action: 'administer' }, NOW)).toBe(true);
  });
});
