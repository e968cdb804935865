/** Each check fails once, with its code, its words and the checks before it passed; and passes otherwise. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAliceWorld, type AliceWorld } from '../../test/scenarios/alice.ts';
import {
  commitPackage,
  debianFiles,
  releaseMessage,
  tagRelease,
  UPSTREAM_FILES,
  type PackageFacts,
  type ReleaseText,
} from '../../test/scenarios/git-package.ts';
import { createRepository, type Files, type NewTag } from '../../test/scenarios/git-repository.ts';
import type { TagFacts } from '../../test/scenarios/git-world.ts';
import type { TagSigner } from '../../test/scenarios/keys.ts';
import { CHECKS, type CheckCode } from './index.ts';

const DAY_S = 24 * 60 * 60;

let alices: AliceWorld;
let keys: AliceWorld['keys'];
let alice: AliceWorld['alice'];
let world: AliceWorld['world'];
let repository: AliceWorld['repository'];
let repositoryId: AliceWorld['repositoryId'];
let nextVersion: AliceWorld['nextVersion'];

beforeAll(async () => {
  alices = await createAliceWorld();
  ({ keys, alice, world, repository, repositoryId, nextVersion } = alices);
});

afterAll(async () => await alices.remove());

interface Attempt {
  readonly files?: Files;
  readonly facts?: PackageFacts;
  readonly text?: ReleaseText;
  readonly sign?: TagSigner | undefined;
  readonly time?: number;
  readonly tag?: Partial<NewTag>;
  readonly version?: string;
}

/** Releases a version of hello, changed as the test says, and gives what became of it. */
async function release(attempt: Attempt = {}): Promise<TagFacts> {
  const version = attempt.version ?? nextVersion();
  const commits = await commitPackage(repository, {
    version,
    ...attempt.facts,
    ...(attempt.files === undefined ? {} : { files: attempt.files }),
  });
  const name = attempt.tag?.name ?? `landing/${version.replaceAll(':', '%').replaceAll('~', '_')}`;
  await repository.tag({
    name,
    commitId: commits.commitId,
    message: releaseMessage({
      version,
      upstream: { commitId: commits.upstreamCommitId, tag: commits.upstreamTag },
      ...attempt.text,
    }),
    sign: 'sign' in attempt ? attempt.sign : alice.sign,
    ...(attempt.time === undefined ? {} : { time: attempt.time }),
    ...attempt.tag,
  });
  return await world.push(repositoryId, attempt.tag?.ref ?? `refs/tags/${name}`);
}

/** Holds the decision to one failed check, with all checks before it made and none after. */
function expectRejected(tag: TagFacts, code: CheckCode, words: string | RegExp): void {
  const decision = tag.decisions.at(-1);
  expect(`${decision?.code ?? 'none'}: ${decision?.sentence ?? ''}`).toMatch(words);
  expect(decision?.code).toBe(code);
  expect(tag.state).toBe('rejected');
  const position = CHECKS.findIndex((check) => check.code === code);
  expect(decision?.checks.map((check) => check.code)).toEqual(CHECKS.slice(0, position + 1).map((check) => check.code));
  expect(decision?.checks.at(-1)?.outcome).toBe('failed');
  expect(
    decision?.checks.slice(0, -1).every(({ outcome }) => outcome === 'passed' || outcome === 'not-applicable'),
  ).toBe(true);
  expect(decision?.sentence).toMatch(/\.$/);
  expect(decision?.remedy).toBeTruthy();
}

test('a right tag passes all checks', async () => {
  const tag = await release();
  expect(tag.decisions.map(({ code }) => code)).toEqual(['accepted']);
  expect(tag.decisions[0]?.checks.map(({ outcome }) => outcome)).toEqual(CHECKS.map(() => 'passed'));
});

test('1 notice.known: the prefix leads to no archive any more', async () => {
  const version = nextVersion();
  const commits = await commitPackage(repository, { version });
  await tagRelease(repository, commits, alice.sign, { version });
  await world.notify(repositoryId, `refs/tags/landing/${version}`);
  const prefixes = await world.db.deleteFrom('git_repository_archives').returningAll().execute();
  const seen = await world.tag(`refs/tags/landing/${version}`);
  await world.decide(seen.id);
  await world.db.insertInto('git_repository_archives').values(prefixes).execute();
  expectRejected(await world.tag(`refs/tags/landing/${version}`), 'notice.known', 'landing/ of packages/hello');
});

describe('3 tag.object', () => {
  test('a lightweight tag is refused as one', async () => {
    const version = nextVersion();
    const { commitId } = await commitPackage(repository, { version });
    await repository.point(`refs/tags/landing/${version}`, commitId);
    expectRejected(await world.push(repositoryId, `refs/tags/landing/${version}`), 'tag.object', 'lightweight tag');
  });

  test('H77 a tag of a tree and a tag of a tag are refused', async () => {
    const version = nextVersion();
    const { commitId } = await commitPackage(repository, { version });
    const tree = (await repository.git(['rev-parse', `${commitId}^{tree}`])).trim();
    for (const [type, objectId] of [
      ['tree', tree],
      ['tag', await repository.tag({ name: 'inner', commitId, message: 'x' })],
    ] as const) {
      const tag = await repository.tag({
        name: `landing/${version}`,
        commitId: objectId,
        message: releaseMessage({ version }),
        headers: [`object {object}`, `type ${type}`, 'tag {tag}', 'tagger {tagger}'],
        sign: alice.sign,
      });
      await world.notify(repositoryId, `refs/tags/landing/${version}`);
      const seen = await world.tag(`refs/tags/landing/${version}`, tag);
      await world.decide(seen.id);
      expectRejected(await world.tag(`refs/tags/landing/${version}`, tag), 'tag.object', `a tag of a "${type}"`);
    }
  });

  test('H77 a second tag header, which git itself does not look at', async () => {
    const tag = await release({
      tag: { headers: ['object {object}', 'type commit', 'tag {tag}', 'tagger {tagger}', 'tag landing/9.9-9'] },
    });
    // git's own check of objects may stop it first; either way it goes no further.
    expect(['tag.object', 'fetch.ok']).toContain(tag.decisions.at(-1)?.code);
  });
});

describe('4 tag.name', () => {
  test('H76 a tag that was signed under another name', async () => {
    const version = nextVersion();
    const tag = await release({ version, tag: { name: 'landing/0.1-1', ref: `refs/tags/landing/${version}` } });
    expectRejected(tag, 'tag.name', 'The name that was signed is "landing/0.1-1"');
  });

  test('a name that is no version', async () => {
    expectRejected(await release({ tag: { name: 'landing/next' } }), 'tag.name', 'A version as DEP-14 writes it');
  });
});

describe('5 tag.metadata', () => {
  test('a plain tag where plain tags were not declared', async () => {
    expectRejected(
      await release({ tag: { message: 'hello release\n' } }),
      'tag.metadata',
      'plain tags of packages/hello',
    );
  });

  test('a record of dgit', async () => {
    const message = 'x\n\n[dgit distro=landing no-split --quilt=gbp]\n';
    expectRejected(await release({ tag: { message } }), 'tag.metadata', 'no please-upload');
  });

  test('H76 a tag for another distro', async () => {
    expectRejected(await release({ text: { distro: 'debian' } }), 'tag.metadata', 'distro=landing was expected');
  });

  test('another version than the name says', async () => {
    expectRejected(await release({ text: { version: '8.0-1' } }), 'tag.metadata', 'version="8.0-1"');
  });

  test('an item that must be understood', async () => {
    expectRejected(await release({ text: { extra: '!rules=none' } }), 'tag.metadata', '"!rules"');
  });
});

describe('6 signature.present', () => {
  test('an unsigned tag', async () => {
    expectRejected(await release({ sign: undefined }), 'signature.present', 'carries no signature');
  });

  test('two signatures', async () => {
    const twice: TagSigner = async (payload) => Buffer.concat([await alice.sign(payload), await alice.sign(payload)]);
    expectRejected(await release({ sign: twice }), 'signature.present', 'the tag has 2 lines');
  });

  test('text behind the signature', async () => {
    expectRejected(
      await release({ tag: { trailer: 'and more\n' } }),
      'signature.present',
      'something follows the signature',
    );
  });
});

describe('7 signature.good', () => {
  test('a signature over another text', async () => {
    const sign: TagSigner = async (payload) => await alice.sign(Buffer.concat([payload, Buffer.from('x')]));
    expectRejected(await release({ sign }), 'signature.good', 'does not fit the signed text');
  });

  test('two signatures in one block', async () => {
    const bert = await keys.openPgp({ userId: 'Bert <bert@example.org>' });
    const sign = alice.signWith({ alsoBy: bert });
    expectRejected(await release({ sign }), 'signature.good', 'there are 2 signatures');
  });

  test('a signature over text instead of bytes', async () => {
    expectRejected(await release({ sign: alice.signWith({ textMode: true }) }), 'signature.good', 'class 01');
  });

  test('what stands in its armor is no signature', async () => {
    const sign: TagSigner = () =>
      Promise.resolve(Buffer.from('-----BEGIN PGP SIGNATURE-----\n\nAAAA\n=AAAA\n-----END PGP SIGNATURE-----\n'));
    expectRejected(await release({ sign }), 'signature.good', 'A good OpenPGP signature was expected');
  });
});

describe('8 signer.known', () => {
  test('H78 a stranger', async () => {
    const stranger = await keys.openPgp({ userId: 'Stranger <stranger@example.org>' });
    const tag = await release({ sign: stranger.sign });
    expectRejected(tag, 'signer.known', 'which nobody registered');
    expect(tag.decisions[0]?.checks.at(-2)).toMatchObject({ code: 'signature.good', outcome: 'not-applicable' });
  });

  test('somebody who left', async () => {
    const key = await keys.openPgp({ userId: 'Lena <lena@example.org>' });
    await world.addPerson({ handle: 'lena', name: 'Lena', keys: [key], active: false });
    expectRejected(await release({ sign: key.sign }), 'signer.known', 'not active any more');
  });

  test('H78 a key that was revoked here', async () => {
    const key = await keys.openPgp({ userId: 'Rob <rob@example.org>' });
    await world.addPerson({ handle: 'rob', name: 'Rob', keys: [key] });
    await world.db
      .updateTable('keys')
      .set({ revoked_at: new Date(), revocation_reason: 'the laptop was stolen' })
      .where('fingerprint', '=', key.fingerprint)
      .execute();
    expectRejected(await release({ sign: key.sign }), 'signer.known', 'the laptop was stolen');
  });
});

describe('9 commit.bound', () => {
  test.each<[string, Files, string]>([
    ['no changelog', { 'debian/changelog': { mode: '120000', content: '../README' } }, 'is not a regular file'],
    ['control is a folder', { 'debian/control/x': 'x' }, 'is not a regular file'],
  ])('%s', async (_name, files, words) => {
    const version = nextVersion();
    const all = Object.entries({ ...UPSTREAM_FILES, ...debianFiles({ version }), ...files }).filter(
      ([path]) => !(path === 'debian/control' && 'debian/control/x' in files),
    );
    const commitId = await repository.commit({ files: Object.fromEntries(all) });
    const commits = await commitPackage(repository, { version });
    await tagRelease(repository, { ...commits, commitId }, alice.sign, { version });
    expectRejected(await world.push(repositoryId, `refs/tags/landing/${version}`), 'commit.bound', words);
  });

  test('no debian folder at all', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    await tagRelease(repository, { ...commits, commitId: commits.upstreamCommitId }, alice.sign, { version });
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    expectRejected(tag, 'commit.bound', 'debian/changelog was expected');
  });

  test('debian is a link to a folder of the tree', async () => {
    const version = nextVersion();
    const files: Record<string, Files[string]> = { debian: { mode: '120000', content: 'packaging' } };
    for (const [path, file] of Object.entries(debianFiles({ version }))) {
      files[path.replace('debian/', 'packaging/')] = file;
    }
    const commitId = await repository.commit({ files });
    const commits = await commitPackage(repository, { version });
    await tagRelease(repository, { ...commits, commitId }, alice.sign, { version });
    expectRejected(await world.push(repositoryId, `refs/tags/landing/${version}`), 'commit.bound', 'changelog');
  });

  test('a control file that is too large', async () => {
    const files = { 'debian/control': `${'#'.repeat(3 * 1024 * 1024)}\n` };
    expectRejected(await release({ files }), 'commit.bound', 'at most 2.1 MB are read');
  });
});

describe('10 changelog.agrees', () => {
  test.each<[string, Attempt, string]>([
    ['another source', { facts: { source: 'goodbye' } }, 'is that of "goodbye"'],
    ['another version', { facts: { version: '7.0-1' } }, 'of version "7.0-1"'],
    ['UNRELEASED', { facts: { distribution: 'UNRELEASED' } }, 'is UNRELEASED'],
    [
      'a suite that does not exist',
      { facts: { distribution: 'unstable' } },
      'is "unstable", which is no suite of it; landing',
    ],
    ['a suite that takes no tags', { facts: { distribution: 'stable' } }, 'is "stable", which does not take tags'],
    ['two suites', { facts: { distribution: 'landing stable' } }, 'One distribution was expected'],
    ['a control of another source', { facts: { controlSource: 'hallo' } }, 'describes the source "hallo"'],
    ['a malformed changelog', { files: { 'debian/changelog': 'no changelog\n' } }, 'cannot be read'],
  ])('%s', async (_name, attempt, words) => {
    expectRejected(await release(attempt), 'changelog.agrees', words);
  });

  test('a codename is a name of the suite too', async () => {
    expect((await release({ facts: { distribution: 'anchor' } })).state).toBe('accepted');
  });
});

describe('11 signer.permission', () => {
  test('somebody known who may not release this package', async () => {
    const bob = await keys.openPgp({ userId: 'Bob <bob@example.org>' });
    await world.addPerson({ handle: 'bob', name: 'Bob', keys: [bob], mayRelease: false });
    expectRejected(await release({ sign: bob.sign }), 'signer.permission', 'bob has no permission to release hello');
  });
});

describe('12 tag.fresh', () => {
  test('H76 an old tag', async () => {
    const time = Math.floor(Date.now() / 1000) - 31 * DAY_S;
    expectRejected(await release({ time }), 'tag.fresh', 'more than 30 days before');
  });

  test('a tag from the future', async () => {
    const time = Math.floor(Date.now() / 1000) + DAY_S;
    expectRejected(await release({ time }), 'tag.fresh', 'more than 10 minutes after');
  });

  test('a tagger time that no calendar holds', async () => {
    expectRejected(await release({ time: 999_999_999_999 }), 'tag.fresh', 'more than 10 minutes after');
  });
});

describe('13 version', () => {
  test('H76 a version that was accepted before, also when it was removed since', async () => {
    const version = nextVersion();
    const first = await release({ version });
    await world.db
      .updateTable('versions')
      .set({ state: 'accepted' })
      .where('submission_id', '=', first.submissionId)
      .execute();
    const other = await createRepository();
    try {
      const otherId = await world.register(other, { name: `packages/other-${version}` });
      const commits = await commitPackage(other, { version });
      await tagRelease(other, commits, alice.sign, { version });
      const tag = await world.push(otherId, `refs/tags/landing/${version}`);
      expectRejected(tag, 'version.unused', 'was accepted into archive main before');
    } finally {
      await other.remove();
    }
  });

  test('a version that another tag is releasing', async () => {
    const version = nextVersion();
    await release({ version });
    const other = await createRepository();
    try {
      const otherId = await world.register(other, { name: `packages/other-${version}` });
      const commits = await commitPackage(other, { version });
      await tagRelease(other, commits, alice.sign, { version });
      const tag = await world.push(otherId, `refs/tags/landing/${version}`);
      expectRejected(tag, 'version.unused', 'is being released to archive main by another submission');
    } finally {
      await other.remove();
    }
  });

  test('another tag object under a name that was accepted', async () => {
    const version = nextVersion();
    await release({ version });
    const tag = await release({ version, text: { extra: 'x-second-try' } });
    expectRejected(tag, 'version.unused', 'another one under the same name');
  });

  test('a version below the high-water mark', async () => {
    await world.db
      .insertInto('high_water_marks')
      .values({
        suite_id: world.landingId,
        source: 'hello',
        version: '0:1.0-50',
        actor: 'landfall',
        reason: 'accepted',
      })
      .execute();
    expectRejected(await release({ version: '1.0-49' }), 'version.newer', 'has held hello 0:1.0-50');
    // An administrator lowers the mark by a row of its own.
    await world.db
      .insertInto('high_water_marks')
      .values({
        suite_id: world.landingId,
        source: 'hello',
        version: '1.0-0',
        actor: 'person:root',
        reason: 'typing error',
      })
      .execute();
  });

  test('a version that is not newer than what the suite holds', async () => {
    const held = await putIntoSuite(world.landingId, '1.0-900');
    expectRejected(await release({ version: '1.0-899' }), 'version.newer', 'main/landing holds hello 1.0-900');
    expectRejected(await release({ version: '1.0-900' }), 'version.newer', '1.0-900 is not newer');
    await held.remove();
  });

  test('a version older than in a suite that this one must not be older than', async () => {
    const order = { newer_suite_id: world.landingId, older_suite_id: world.stableId };
    await world.db.insertInto('suite_order').values(order).execute();
    const held = await putIntoSuite(world.stableId, '1.0-901');
    expectRejected(await release(), 'version.newer', 'must not be older than main/stable, which holds hello 1.0-901');
    await held.remove();
    await world.db.deleteFrom('suite_order').execute();
  });

  test('a version newer than in a suite that must not be older than this one', async () => {
    const order = { newer_suite_id: world.stableId, older_suite_id: world.landingId };
    await world.db.insertInto('suite_order').values(order).execute();
    const held = await putIntoSuite(world.stableId, '0.9-1');
    expectRejected(
      await release(),
      'version.newer',
      'main/stable must not be older than main/landing; it holds hello 0.9-1',
    );
    await held.remove();
    expect((await release()).state).toBe('accepted');
    await world.db.deleteFrom('suite_order').execute();
  });

  /** The rows that the archive writes when it takes a source into a suite. */
  async function putIntoSuite(suiteId: number, version: string): Promise<{ remove(): Promise<void> }> {
    const { db, archiveId } = world;
    const submission = await db
      .insertInto('submissions')
      .values({ origin: 'import', archive_id: archiveId, audience: 'public' })
      .returning('id')
      .executeTakeFirstOrThrow();
    const upload = await db
      .insertInto('uploads')
      .values({
        submission_id: submission.id,
        archive_id: archiveId,
        suite_id: suiteId,
        kind: 'source',
        changes_name: `hello_${version}_source.changes`,
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const source = await db
      .insertInto('source_packages')
      .values({
        archive_id: archiveId,
        upload_id: upload.id,
        submission_id: submission.id,
        name: 'hello',
        version,
        component: 'main',
        stanza: '',
        dsc_sha256: '',
      })
      .returning('id')
      .executeTakeFirstOrThrow();
    const held = await db
      .insertInto('suite_sources')
      .values({ suite_id: suiteId, source_package_id: source.id, added_serial: 1 })
      .returning('id')
      .executeTakeFirstOrThrow();
    return {
      remove: async () => {
        await db.updateTable('suite_sources').set({ removed_serial: 2 }).where('id', '=', held.id).execute();
      },
    };
  }
});

describe('14 upstream.bound', () => {
  test('the upstream tag leads elsewhere', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    const elsewhere = await repository.commit({ files: { other: version } });
    await repository.point('refs/tags/upstream/moved', elsewhere);
    await tagRelease(repository, { ...commits, upstreamTag: 'upstream/moved' }, alice.sign, { version });
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    expectRejected(tag, 'upstream.bound', 'was expected to lead to');
  });

  test('there is no such upstream tag', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    await tagRelease(repository, { ...commits, upstreamTag: 'upstream/9.9' }, alice.sign, { version });
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    expectRejected(tag, 'upstream.bound', 'The upstream tag "upstream/9.9" was expected');
  });

  test('an annotated upstream tag is followed to its commit', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    await repository.tag({ name: 'upstream/annotated', commitId: commits.upstreamCommitId, message: 'upstream' });
    await tagRelease(repository, { ...commits, upstreamTag: 'upstream/annotated' }, alice.sign, { version });
    expect((await world.push(repositoryId, `refs/tags/landing/${version}`)).state).toBe('accepted');
  });

  test('a baredebian branch that binds no upstream', async () => {
    const text = { quilt: 'baredebian', upstream: undefined };
    expectRejected(await release({ text }), 'upstream.bound', 'baredebian branch has no upstream files');
  });

  test('a pristine-tar commit is bound when it describes the upstream tree, and refused when it describes another', async () => {
    for (const right of [true, false]) {
      const version = nextVersion();
      const commits = await commitPackage(repository, { version });
      const tree = (await repository.git(['rev-parse', `${commits.upstreamCommitId}^{tree}`])).trim();
      const pristineTar = await repository.commit({
        files: {
          'hello_1.0.orig.tar.gz.id': `${right ? tree : commits.commitId}\n`,
          'hello_1.0.orig.tar.gz.delta': 'binary',
          [`other_${version}.orig.tar.gz.id`]: 'x',
        },
        branch: 'pristine-tar',
      });
      await tagRelease(repository, commits, alice.sign, { version, extra: `!pristine-tar=${pristineTar}` });
      const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
      if (right) {
        expect(tag.decisions[0]?.sentence).toContain('All 22 checks passed');
        const frozen = await world.db
          .selectFrom('frozen_inputs')
          .select('pristine_tar_commit_id')
          .where('submission_id', '=', tag.submissionId)
          .executeTakeFirstOrThrow();
        expect(frozen.pristine_tar_commit_id).toBe(pristineTar);
      } else {
        expectRejected(tag, 'upstream.bound', 'was expected to name the upstream tree');
      }
    }
  });

  test('a pristine-tar commit without data for this version', async () => {
    const version = nextVersion();
    const commits = await commitPackage(repository, { version });
    const pristineTar = await repository.commit({ files: { 'hello_0.9.orig.tar.gz.id': 'x' }, branch: 'pristine-tar' });
    await tagRelease(repository, commits, alice.sign, { version, extra: `!pristine-tar=${pristineTar}` });
    const tag = await world.push(repositoryId, `refs/tags/landing/${version}`);
    expectRejected(tag, 'upstream.bound', 'Exactly one file hello_1.0.orig.tar.*.id');
  });
});

describe('15 policy', () => {
  test.each<[string, Attempt, CheckCode, string]>([
    ['format 1.0', { facts: { format: '1.0' } }, 'policy.source-format', '"1.0" was found'],
    ['no format file, which means 1.0', { facts: { format: undefined } }, 'policy.source-format', '"1.0" was found'],
    ['an exotic format', { facts: { format: '3.0 (git)' } }, 'policy.source-format', '"3.0 (git)" was found'],
    ['git-dpm', { text: { quilt: 'dpm' } }, 'policy.quilt-mode', '--quilt=dpm, which is not supported'],
    [
      'a native package with patches',
      { facts: { format: '3.0 (native)' } },
      'policy.quilt-mode',
      'the tag says --quilt=gbp',
    ],
    [
      'a native package with a revision',
      { facts: { format: '3.0 (native)' }, text: { quilt: undefined, upstream: undefined } },
      'policy.native-version',
      'has one',
    ],
    ['a version without revision', { version: '77' }, 'policy.native-version', 'has none'],
    [
      'H71 a submodule',
      { files: { vendor: { mode: '160000', content: '0123456789abcdef0123456789abcdef01234567' } } },
      'policy.submodules',
      'the tagged commit has "vendor"',
    ],
  ])('%s is refused by name', async (_name, attempt, code, words) => {
    expectRejected(await release(attempt), code, words);
  });

  test.each<[string, Attempt, string]>([
    ['--quilt=dpm', { text: { quilt: 'dpm' } }, 'git-dpm update-patches'],
    ['--quilt=nofix', { text: { quilt: 'nofix' } }, 'make it again with --quilt=linear'],
    ['--quilt=single', { text: { quilt: 'single' } }, 'dpkg-source --commit'],
    ['format 1.0', { facts: { format: '1.0' } }, 'echo "3.0 (quilt)" > debian/source/format; dpkg-source --commit'],
    [
      'format 1.0 without upstream',
      { version: '76', facts: { format: '1.0' }, text: { quilt: undefined, upstream: undefined } },
      'echo "3.0 (native)" > debian/source/format.',
    ],
  ])('%s: the refusal says what to do instead', async (_name, attempt, way) => {
    expect((await release(attempt)).decisions[0]?.remedy).toContain(way);
  });

  test('a native package, a patches-applied branch, and one that says nothing, are taken', async () => {
    const native = await release({
      version: '78',
      facts: { format: '3.0 (native)' },
      text: { quilt: undefined, upstream: undefined },
    });
    const linear = await release({ version: '79-1', text: { quilt: 'linear' } });
    const silent = await release({ version: '79-2', text: { quilt: undefined } });
    const rows = await world.db
      .selectFrom('tag_decisions')
      .select(['quilt', 'outcome'])
      .where('tag_id', 'in', [native.id, linear.id, silent.id])
      .orderBy('id')
      .execute();
    expect(rows).toEqual([
      { quilt: 'native', outcome: 'accepted' },
      { quilt: 'linear', outcome: 'accepted' },
      { quilt: 'linear', outcome: 'accepted' },
    ]);
  });
});
