/**
 * A table of tags, good and bad, through both doors: `landfall tag check` from the clone before the push, and the push itself.
 * Both must give the same code in the same words; and every rejection must say how it is mended, with a command.
 */
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readLocalTag } from '../../src/cli/git-tag.ts';
import { CHECKS, checkTag, type CheckedTag } from '../../src/tags/index.ts';
import {
  commitPackage,
  debianFiles,
  releaseMessage,
  UPSTREAM_FILES,
  type PackageFacts,
  type ReleaseText,
} from '../scenarios/git-package.ts';
import { createRepository, type Files, type NewTag, type TestRepository } from '../scenarios/git-repository.ts';
import { createTagWorld, type TagFacts, type TagWorld } from '../scenarios/git-world.ts';
import { createKeyRing, type KeyRing, type OpenPgpKey, type SshKey, type TagSigner } from '../scenarios/keys.ts';

const DAY_S = 24 * 60 * 60;
const now = (): number => Math.floor(Date.now() / 1000);

let keys: KeyRing;
let alice: OpenPgpKey;
let bob: OpenPgpKey;
let stranger: OpenPgpKey;
let late: OpenPgpKey;
let left: OpenPgpKey;
let revoked: OpenPgpKey;
let expired: OpenPgpKey;
let weak: OpenPgpKey;
let ssh: SshKey;
let world: TagWorld;
let repository: TestRepository;
let repositoryId: number;

interface Attempt {
  readonly expected: string;
  readonly facts?: PackageFacts;
  readonly files?: Files;
  readonly text?: ReleaseText;
  readonly sign?: () => TagSigner | undefined;
  readonly tag?: Partial<NewTag>;
  readonly version?: string;
  readonly lightweight?: boolean;
  /** Upstream as the tag's text names it; default: the one that is there. */
  readonly upstreamTag?: string;
  readonly pristineTar?: () => Promise<string>;
  /** What the text names as upstream's commit, and its tag leads to; default: upstream's commit. */
  readonly upstreamObject?: (commitId: string) => Promise<string>;
}

const link = { mode: '120000', content: '../README' };
const FORMAT = 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n';
const underLicence = (synopsis: string, files = '*'): Files => ({
  'debian/copyright': `${FORMAT}\nFiles: ${files}\nCopyright: 2026 Alice\nLicense: ${synopsis}\n`,
});
/** debian/control with one more binary package. */
const withPackage = (name: string, section = 'utils'): Files => {
  const { 'debian/control': control } = debianFiles();
  if (typeof control !== 'string') throw new Error('debian/control is text');
  return {
    'debian/control': `${control}\nPackage: ${name}\nSection: ${section}\nArchitecture: all\nDescription: more\n`,
  };
};
const TABLE: Readonly<Record<string, Attempt>> = {
  'a right tag': { expected: 'accepted', files: { ...underLicence('GPL-3+ or Secret'), ...withPackage('hello-doc') } },
  'a right tag by SSH': {
    expected: 'accepted',
    sign: () => ssh.sign,
    files: underLicence('GPL-3.0-or-later with OpenSSL exception, and Expat'),
  },
  'a lightweight tag': { expected: 'tag.object', lightweight: true },
  'H77 a tag with a header of its own': {
    expected: 'tag.object',
    tag: { headers: ['object {object}', 'type commit', 'tag {tag}', 'tagger {tagger}', 'gpgsig x'] },
  },
  'H47 a message that is shown in another order': {
    expected: 'tag.object',
    tag: { message: 'release \u202egnp.exe\n' },
  },
  'H76 signed under another name': { expected: 'tag.name', tag: { name: 'landing/0.1-1' } },
  'a name that is no version': { expected: 'tag.name', version: 'next' },
  'a plain tag': { expected: 'tag.metadata', tag: { message: 'hello\n' } },
  'a record of dgit': { expected: 'tag.metadata', tag: { message: '[dgit distro=landing --quilt=gbp]\n' } },
  'another distro': { expected: 'tag.metadata', text: { distro: 'debian' } },
  'another version in the text': { expected: 'tag.metadata', text: { version: '8.0-1' } },
  'an item that must be understood': { expected: 'tag.metadata', text: { extra: '!rules=none' } },
  'no signature': { expected: 'signature.present', sign: () => undefined },
  'two signatures': {
    expected: 'signature.present',
    sign: () => async (payload) => Buffer.concat([await alice.sign(payload), await alice.sign(payload)]),
  },
  'text behind the signature': { expected: 'signature.present', tag: { trailer: 'and more\n' } },
  'a signature over another text': {
    expected: 'signature.good',
    sign: () => async (payload) => await alice.sign(Buffer.concat([payload, Buffer.from('x')])),
  },
  'H78 SHA-1': { expected: 'signature.good', sign: () => weak.signWith({ digest: 'SHA1' }) },
  'H78 an expired key': {
    expected: 'signature.good',
    sign: () => expired.signWith({ at: new Date((now() - 19 * DAY_S) * 1000) }),
  },
  'a signature over text': { expected: 'signature.good', sign: () => alice.signWith({ textMode: true }) },
  'H79 another namespace': { expected: 'signature.good', sign: () => ssh.signWith({ namespace: 'file' }) },
  'H78 a stranger': { expected: 'signer.known', sign: () => stranger.sign },
  'somebody who left': { expected: 'signer.known', sign: () => left.sign },
  'H78 revoked here': { expected: 'signer.known', sign: () => revoked.sign },
  'H78 a key added later': {
    expected: 'signer.known',
    sign: () => late.signWith({ at: new Date((now() - 3600) * 1000) }),
  },
  'a changelog that is a link': { expected: 'commit.bound', files: { 'debian/changelog': link } },
  'a changelog that is a submodule': {
    expected: 'commit.bound',
    files: { 'debian/changelog': { mode: '160000', content: '0123456789abcdef0123456789abcdef01234567' } },
  },
  'H55 a huge control file': {
    expected: 'commit.bound',
    files: { 'debian/control': `${'#'.repeat(3 * 1024 * 1024)}\n` },
  },
  'another source': { expected: 'changelog.agrees', facts: { source: 'goodbye' } },
  'another version in the changelog': { expected: 'changelog.agrees', facts: { version: '7.0-1' } },
  UNRELEASED: { expected: 'changelog.agrees', facts: { distribution: 'UNRELEASED' } },
  'a suite that is none': { expected: 'changelog.agrees', facts: { distribution: 'unstable' } },
  'a suite that takes no tags': { expected: 'changelog.agrees', facts: { distribution: 'stable' } },
  'two suites': { expected: 'changelog.agrees', facts: { distribution: 'landing stable' } },
  'a control of another source': { expected: 'changelog.agrees', facts: { controlSource: 'hallo' } },
  'a control that cannot be read': { expected: 'changelog.agrees', files: { 'debian/control': 'no field\n' } },
  'a changelog that cannot be read': { expected: 'changelog.agrees', files: { 'debian/changelog': 'no\n' } },
  'somebody without the permission': { expected: 'signer.permission', sign: () => bob.sign },
  'an old tag': { expected: 'tag.fresh', tag: { time: now() - 31 * DAY_S } },
  'a tag from the future': { expected: 'tag.fresh', tag: { time: now() + DAY_S } },
  'a version that is being released': { expected: 'version.unused', version: '0.9-taken' },
  'a version below the mark': { expected: 'version.newer', version: '0.1-1' },
  'an upstream tag that leads elsewhere': { expected: 'upstream.bound', upstreamTag: 'upstream/moved' },
  'baredebian without upstream': { expected: 'upstream.bound', text: { quilt: 'baredebian', upstream: undefined } },
  'a pristine-tar commit of another package': {
    expected: 'upstream.bound',
    pristineTar: async () => await repository.commit({ files: { x: 'x' }, branch: 'pristine-tar' }),
  },
  'a pristine-tar commit that is a tree': {
    expected: 'upstream.bound',
    pristineTar: async () => (await repository.git(['rev-parse', 'refs/heads/main^{tree}'])).trim(),
  },
  'an upstream that is a tree': {
    expected: 'upstream.bound',
    upstreamObject: async (commitId) => (await repository.git(['rev-parse', `${commitId}^{tree}`])).trim(),
  },
  'an upstream that is a file': {
    expected: 'upstream.bound',
    upstreamObject: async (commitId) => (await repository.git(['rev-parse', `${commitId}:README`])).trim(),
  },
  'H113 a package of another name': { expected: 'policy.names', files: withPackage('goodbye') },
  'H113 a reserved name': { expected: 'policy.names', files: withPackage('hello-kernel') },
  'a section of another component': { expected: 'policy.components', files: withPackage('hello-doc', 'contrib/doc') },
  'no word of licences': { expected: 'policy.licences' },
  'licences in prose': { expected: 'policy.licences', files: { 'debian/copyright': 'This is free software.\n' } },
  'licences behind a link': { expected: 'policy.licences', files: { 'debian/copyright': link } },
  'H55 a huge copyright file': {
    expected: 'policy.licences',
    files: { 'debian/copyright': `${FORMAT}${'#'.repeat(9 * 1024 * 1024)}\n` },
  },
  'a licence for some files': { expected: 'policy.licences', files: underLicence('GPL-3+', 'src/*') },
  'a licence that nobody can look up': { expected: 'policy.licences', files: underLicence('GPL version 3') },
  'a licence that the archive does not take': {
    expected: 'policy.licences',
    files: underLicence('GPL-3+ and JSON, or Secret'),
  },
  'H47 a licence in letters that look alike': { expected: 'policy.licences', files: underLicence('GРL-3+') },
  'format 1.0': { expected: 'policy.source-format', facts: { format: '1.0' } },
  'git-dpm': { expected: 'policy.quilt-mode', text: { quilt: 'dpm' } },
  'patches in a native package': { expected: 'policy.quilt-mode', facts: { format: '3.0 (native)' } },
  'a revision in a native package': {
    expected: 'policy.native-version',
    facts: { format: '3.0 (native)' },
    text: { quilt: undefined, upstream: undefined },
  },
  'no revision': { expected: 'policy.native-version', version: '77' },
  'H71 a submodule': {
    expected: 'policy.submodules',
    files: { vendor: { mode: '160000', content: '0123456789abcdef0123456789abcdef01234567' } },
  },
};

interface Made {
  readonly ref: string;
  readonly checked: CheckedTag;
  decided?: TagFacts;
}
const made = new Map<string, Made>();

beforeAll(async () => {
  keys = await createKeyRing();
  const past = new Date((now() - 20 * DAY_S) * 1000);
  alice = await keys.openPgp({ userId: 'Alice Example <alice@example.org>' });
  bob = await keys.openPgp({ userId: 'Bob <bob@example.org>' });
  stranger = await keys.openPgp({ userId: 'Stranger <stranger@example.org>' });
  late = await keys.openPgp({ userId: 'Late <late@example.org>', at: past });
  left = await keys.openPgp({ userId: 'Lena <lena@example.org>' });
  revoked = await keys.openPgp({ userId: 'Rob <rob@example.org>' });
  weak = await keys.openPgp({ userId: 'Wes <wes@example.org>', algorithm: 'rsa4096' });
  expired = await keys.openPgp({ userId: 'Exa <exa@example.org>', at: past, expire: '10d' });
  ssh = await keys.ssh('sam');
  repository = await createRepository();
  world = await createTagWorld();
  await world.addPerson({ handle: 'alice', name: 'Alice Example', keys: [alice] });
  await world.addPerson({ handle: 'bob', name: 'Bob', keys: [bob], mayRelease: false });
  await world.addPerson({ handle: 'lena', name: 'Lena', keys: [left], active: false });
  await world.addPerson({ handle: 'others', name: 'Others', keys: [late, revoked, weak, expired, ssh] });
  await world.db
    .updateTable('keys')
    .set({ revoked_at: new Date(), revocation_reason: 'the laptop was stolen' })
    .where('fingerprint', '=', revoked.fingerprint)
    .execute();
  repositoryId = await world.register(repository);
  await world.db
    .insertInto('high_water_marks')
    .values({ suite_id: world.landingId, source: 'hello', version: '0.5-1', actor: 'landfall', reason: 'accepted' })
    .execute();

  // The version of one tag is already being released from another Git repository.
  const other = await createRepository();
  const otherId = await world.register(other, { name: 'packages/other' });
  const taken = await commitPackage(other, { version: '0.9-taken' });
  await other.tag({
    name: 'landing/0.9-taken',
    commitId: taken.commitId,
    message: releaseMessage({
      version: '0.9-taken',
      upstream: { commitId: taken.upstreamCommitId, tag: taken.upstreamTag },
    }),
    sign: alice.sign,
  });
  await world.push(otherId, 'refs/tags/landing/0.9-taken');
  await other.remove();
  await world.db
    .updateTable('archives')
    .set({
      package_patterns: ['hello', 'hello-*'],
      reserved_patterns: ['*-kernel'],
      accepted_licences: ['GPL-3+', 'Expat'],
    })
    .execute();

  for (const [index, [name, attempt]] of Object.entries(TABLE).entries()) made.set(name, await prepare(index, attempt));
  await world.notify(repositoryId);
  for (const one of made.values()) {
    const { id } = await tagOf(one.ref);
    await world.decide(id);
    one.decided = await tagOf(one.ref);
  }
}, 180_000);

afterAll(async () => {
  await world.remove();
  await repository.remove();
  await keys.remove();
});

/** The tag of our repository under a ref; another has one of the same name. */
async function tagOf(ref: string): Promise<TagFacts> {
  const row = await world.db
    .selectFrom('tags')
    .select('object_id')
    .where('ref', '=', ref)
    .where('git_repository_id', '=', repositoryId)
    .executeTakeFirstOrThrow();
  return await world.tag(ref, row.object_id);
}

/** Makes the tag in the clone and asks for the verdict on it. */
async function prepare(index: number, attempt: Attempt): Promise<Made> {
  const version = attempt.version ?? `1.0-${index}`;
  const commits = await commitPackage(repository, { version, ...attempt.facts });
  const all: Files = { ...UPSTREAM_FILES, ...debianFiles({ version, ...attempt.facts }), ...attempt.files };
  const commitId =
    attempt.files === undefined
      ? commits.commitId
      : await repository.commit({ files: all, parents: [commits.upstreamCommitId] });
  if (attempt.upstreamTag !== undefined) {
    const elsewhere = await repository.commit({ files: { other: version } });
    await repository.point(`refs/tags/${attempt.upstreamTag}`, elsewhere);
  }
  const ref = `refs/tags/landing/${version}`;
  if (attempt.lightweight === true) await repository.point(ref, commitId);
  else {
    const pristineTar = await attempt.pristineTar?.();
    const upstreamId = (await attempt.upstreamObject?.(commits.upstreamCommitId)) ?? commits.upstreamCommitId;
    const upstreamTag =
      attempt.upstreamObject === undefined ? (attempt.upstreamTag ?? commits.upstreamTag) : `upstream/object-${index}`;
    if (attempt.upstreamObject !== undefined) await repository.point(`refs/tags/${upstreamTag}`, upstreamId);
    await repository.tag({
      name: `landing/${version}`,
      commitId,
      message: releaseMessage({
        version,
        upstream: { commitId: upstreamId, tag: upstreamTag },
        ...(pristineTar === undefined ? {} : { extra: `!pristine-tar=${pristineTar}` }),
        ...attempt.text,
      }),
      sign: attempt.sign === undefined ? alice.sign : attempt.sign(),
      ref,
      ...attempt.tag,
    });
  }
  const local = await readLocalTag(repository.gitDir, ref);
  const checked = await checkTag(world.deps, {
    repository: { id: repositoryId },
    ref,
    objectId: local.objectId,
    pack: Readable.from([local.pack]),
    signal: new AbortController().signal,
    upstreamCommitId: local.upstreamCommitId,
  });
  return { ref, checked };
}

/** A check has no tag to name yet, and looks at another moment. */
function comparable(text: string | null | undefined): string {
  return (text ?? '').replace(/redecide \d+/, 'redecide ID').replace(/first \([^)]*\)/, 'first (THEN)');
}

/** What a person can paste: a program's name, and something behind it. */
const COMMAND = /\b(?:git|gpg|landfall|dch|dpkg|echo) (?:-{0,2}[a-z])/;

test.each(Object.entries(TABLE))('%s: the same verdict before the push and after it', (name, { expected }) => {
  const { checked, decided } = made.get(name) ?? {};
  if (checked?.kind !== 'verdict') throw new Error(`no verdict: ${JSON.stringify(checked)}`);
  const decision = decided?.decisions[0];
  expect(`${decision?.code ?? 'none'}: ${decision?.sentence ?? ''}`).toMatch(new RegExp(`^${expected}: `));
  expect(checked.code).toBe(expected);
  expect(decided?.decisions).toHaveLength(1);
  if (expected === 'accepted') return;
  expect(comparable(checked.sentence)).toBe(comparable(decision?.sentence));
  expect(comparable(checked.remedy)).toBe(comparable(decision?.remedy));
  expect(checked.checks.map(({ code }) => code)).toEqual(decision?.checks.map(({ code }) => code));
  expect(decision?.sentence).toMatch(/\.$/);
  expect(decision?.remedy).toMatch(COMMAND);
});

test('every check that can reject a fetched tag is in the table', () => {
  const shown = new Set(Object.values(TABLE).map(({ expected }) => expected));
  // The first two are about the way to the tag, see below.
  expect(CHECKS.map(({ code }) => code).filter((code) => !shown.has(code))).toEqual(['notice.known', 'fetch.ok']);
});

test('what keeps a tag from being fetched says how it is mended too', async () => {
  const gone = await createRepository();
  const goneId = await world.register(gone, { name: 'packages/gone' });
  const words: string[] = [];
  const push = async (version: string, before: () => Promise<void>): Promise<void> => {
    const commits = await commitPackage(gone, { version });
    await gone.tag({ name: `landing/${version}`, commitId: commits.commitId, message: 'x\n', sign: alice.sign });
    await world.notify(goneId, `refs/tags/landing/${version}`);
    await before();
    const { object_id: objectId, id } = await world.db
      .selectFrom('tags')
      .select(['id', 'object_id'])
      .where('git_repository_id', '=', goneId)
      .where('ref', '=', `refs/tags/landing/${version}`)
      .executeTakeFirstOrThrow();
    await world.decide(id);
    const { decisions, obstacles } = await world.tag(`refs/tags/landing/${version}`, objectId);
    const said = decisions[0] ?? obstacles.at(-1);
    words.push(said?.code ?? 'none');
    expect(said?.sentence).toMatch(/\.$/);
    expect(said?.remedy).toMatch(COMMAND);
  };
  const set = async (values: { enabled?: boolean; max_pack_bytes?: number }): Promise<void> => {
    await world.db.updateTable('git_repositories').set(values).where('id', '=', goneId).execute();
  };
  try {
    await push('3.0-1', async () => {
      await gone.git(['update-ref', '-d', 'refs/tags/landing/3.0-1']);
    });
    await push('3.0-2', async () => {
      const commits = await commitPackage(gone, { version: '3.0-2', files: { more: 'x' } });
      await gone.git(['update-ref', '-d', 'refs/tags/landing/3.0-2']);
      await gone.tag({ name: 'landing/3.0-2', commitId: commits.commitId, message: 'y\n', sign: alice.sign });
    });
    await push('3.0-3', async () => {
      await set({ max_pack_bytes: 20 });
    });
    await set({ max_pack_bytes: 1024 ** 3 });
    await push('3.0-4', async () => {
      await set({ enabled: false });
    });
    await set({ enabled: true });
    await push('3.0-5', async () => {
      await world.db.deleteFrom('git_repository_archives').where('git_repository_id', '=', goneId).execute();
    });
    expect(words).toEqual(['tag.gone', 'fetch.ok', 'fetch.ok', 'repository.disabled', 'notice.known']);
  } finally {
    await gone.remove();
  }
});

test('the words of all rejections, to be read', () => {
  const words = [...made.values()].flatMap(({ decided }) => {
    const decision = decided?.decisions[0];
    return decision === undefined || decision.outcome === 'accepted' ? [] : [decision];
  });
  if (process.env.LANDFALL_SHOW_WORDS !== undefined) {
    process.stdout.write(
      `${words.map((one) => `${one.code}\n  ${one.sentence}\n  → ${one.remedy ?? ''}`).join('\n')}\n`,
    );
  }
  expect(words.every(({ sentence }) => sentence.length < 500 && !/undefined|\[object/.test(sentence))).toBe(true);
});
