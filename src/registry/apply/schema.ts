/** The keys of a distribution file, their forms and defaults. The message of each check says what is expected there. */
import { TomlDate } from 'smol-toml';
import { z } from 'zod';
import { isLicence } from '../../debian/copyright.ts';
import { isArchitectureName, isComponentName, isSourceName, isSuiteName } from '../../debian/names.ts';
import { ACTIONS, isPattern } from '../../permissions/index.ts';
import { parseDuration } from './durations.ts';
import { parseSize } from './sizes.ts';
import { oneOf } from './problems.ts';

const NAME = /^[a-z0-9][a-z0-9.-]{0,63}$/;
export const NAME_WORDS = 'a name of lower-case letters, digits, dots and hyphens';

const name = z.string({ error: NAME_WORDS }).regex(NAME, NAME_WORDS);
const line = (words: string) => z.string({ error: words }).regex(/^[^\p{C}]{1,200}$/u, words);
const flag = z.boolean({ error: 'true or false' });
const listOf = (words: string, accepts: (text: string) => boolean) =>
  z
    .array(z.string({ error: words }).refine(accepts, words), { error: `a list, each ${words}` })
    .max(200, 'at most 200 entries')
    .refine((list) => new Set(list).size === list.length, 'each entry once');
const duration = (least: number, words: string) =>
  z.string({ error: words }).transform((text, context): number => {
    const seconds = parseDuration(text);
    if (seconds !== undefined && seconds >= least) return seconds;
    context.issues.push({ code: 'custom', message: words, input: text });
    return z.NEVER;
  });
const audience = z
  .string({ error: '"public" or "group:NAME"' })
  .regex(/^(public|group:[a-z0-9][a-z0-9.-]{0,63})$/, '"public" or "group:NAME"');
const suiteWord = 'the name of a suite';
const suiteName = z.string({ error: suiteWord }).refine(isSuiteName, suiteWord);
const components = listOf('the name of a component such as "main"', isComponentName).min(1, 'at least one component');

const poolShape = {};
const externalShape = {
  uri: z.string({ error: 'the URI of an apt repository' }),
  suite: z
    .string({ error: 'a suite of that repository, such as "bookworm"' })
    .regex(/^[A-Za-z0-9][A-Za-z0-9+.~-]*(\/[A-Za-z0-9+.~-]+)*$/, 'a suite of that repository, such as "bookworm"'),
  components: components.default(['main']),
  keyring: line('the name of a file with the public keys that sign this repository'),
};
const suiteShape = {
  codename: suiteName.optional(),
  aliases: listOf(suiteWord, isSuiteName).default([]),
  description: line('a line of text').optional(),
  accepts: z
    .array(z.enum(['tags', 'dput', 'sync', 'copies'], { error: '"tags", "dput", "sync" or "copies"' }), {
      error: 'a list of "tags", "dput", "sync" and "copies"',
    })
    .refine((list) => new Set(list).size === list.length, 'each entry once')
    .default([]),
  components: components.default(['main']),
  architectures: listOf(
    'the name of an architecture such as "amd64"',
    (text) => isArchitectureName(text) && text !== 'all' && text !== 'source' && !text.split('-').includes('any'),
  ).min(1, 'at least one architecture'),
  'architecture-for-all': z
    .string({ error: 'one of the architectures of this suite' })
    .refine(isArchitectureName, 'one of the architectures of this suite')
    .optional(),
  parents: listOf('"external:NAME", "SUITE" or "ARCHIVE/SUITE"', (text) =>
    /^(external:[a-z0-9][a-z0-9.-]*|([a-z0-9][a-z0-9.-]*\/)?[a-z0-9][a-z0-9+.-]*)$/.test(text),
  ).default([]),
  'newer-than': listOf('"SUITE" or "ARCHIVE/SUITE"', (text) =>
    /^([a-z0-9][a-z0-9.-]*\/)?[a-z0-9][a-z0-9+.-]*$/.test(text),
  ).default([]),
  'not-automatic': flag.default(false),
  'but-automatic-upgrades': flag.default(false),
  'debug-suite': suiteName.optional(),
  'new-policy': z.enum(['hold', 'accept'], { error: '"hold" or "accept"' }).default('hold'),
  'build-in-new': flag.default(false),
  'valid-for': duration(60, 'a span of time of at least a minute, such as "7d"').prefault('7d'),
  retention: duration(0, 'a span of time such as "30d"').prefault('30d'),
  audience: audience.optional(),
};
const patternWords = 'the name of a package, in which * and ? are wildcards, such as "foo-*"';
const policyShape = {
  packages: listOf(patternWords, isPattern)
    .min(1, 'at least one pattern, or no such line: then every name is taken')
    .optional(),
  reserved: listOf(patternWords, isPattern).default([]),
  licences: listOf('the short name of one licence, such as "GPL-3+"', isLicence)
    .min(1, 'at least one licence, or no such line: then every licence is taken')
    .optional(),
};
const archiveShape = {
  pool: name,
  audience: audience.default('public'),
  origin: line('a line of text, as it stands in Release').optional(),
  label: line('a line of text, as it stands in Release').optional(),
  description: line('a line of text').optional(),
  quota: z
    .string({ error: 'a size such as "50GB"' })
    .transform((text, context): number => {
      const bytes = parseSize(text);
      if (bytes !== undefined && bytes > 0) return bytes;
      context.issues.push({ code: 'custom', message: 'a size such as "50GB"', input: text });
      return z.NEVER;
    })
    .optional(),
  'accepted-formats': z
    .array(z.enum(['3.0 (native)', '3.0 (quilt)'], { error: '"3.0 (native)" or "3.0 (quilt)"' }), {
      error: 'a list of "3.0 (native)" and "3.0 (quilt)"',
    })
    .min(1, 'at least one source format')
    .default(['3.0 (native)', '3.0 (quilt)']),
  policy: z.strictObject(policyShape, { error: 'a table [archive.NAME.policy]' }).prefault({}),
  suite: z.record(suiteName, z.strictObject(suiteShape), { error: 'tables [archive.NAME.suite.SUITE]' }).default({}),
};
const count = (least: number, most: number) => {
  const words = `a number from ${least} to ${most}`;
  return z.int({ error: words }).min(least, words).max(most, words);
};
/** What a single Git repository and a namespace have in common. */
const remoteShape = {
  'max-pack-bytes': z
    .int({ error: 'a number of bytes' })
    .min(1024, 'at least 1024 bytes')
    .default(4 * 1024 ** 3),
  'fetch-deadline': duration(1, 'a span of time such as "10min"').prefault('10min'),
  'poll-every': duration(10, 'a span of time of at least ten seconds, such as "5min"').prefault('5min'),
  'notices-per-minute': count(1, 6000).default(60),
  'hook-secret': line('the name of a file with the secret that the forge proves its notices with').optional(),
  enabled: flag.default(true),
};
const gitName = 'a name of lower-case letters, digits and + . / _ -';
const gitShape = {
  url: z.string({ error: 'the URL of a Git repository' }),
  prefixes: z
    .record(name, name, { error: 'a table that maps DISTRO prefixes to archives, such as { landfall = "main" }' })
    .default({}),
  'allow-file': flag.default(false),
  'plain-tags': flag.default(false),
  'plain-source': z
    .string({ error: 'the name of a source package' })
    .refine(isSourceName, 'the name of a source package')
    .optional(),
  'plain-quilt': z
    .enum(['gbp', 'unapplied', 'linear', 'baredebian', 'native'], {
      error: '"gbp", "unapplied", "linear", "baredebian" or "native"',
    })
    .optional(),
  ...remoteShape,
};
const namespaceName = 'a name of lower-case letters, digits and + . _ -';
const namespaceShape = {
  url: z.string({ error: 'an address that ends with /* or /*.git, such as "https://forge.example.org/group/*"' }),
  prefixes: gitShape.prefixes,
  'max-depth': count(1, 8).default(1),
  'max-repositories': count(1, 100_000).default(1000),
  'allow-file': flag.default(false),
  'plain-tags': flag.default(false),
  'plain-quilt': gitShape['plain-quilt'],
  ...remoteShape,
};
const personShape = {
  name: line('the name of the person'),
  email: z
    .string({ error: 'an address such as "alice@example.org"' })
    .regex(/^[^\s@<>\p{C}]{1,64}@[^\s@<>\p{C}]{1,190}$/u, 'an address such as "alice@example.org"'),
  keys: z
    .array(z.string({ error: 'the name of a file with a public key, or the key itself' }), {
      error: 'a list of files with public keys, or of keys',
    })
    .max(100, 'at most 100 entries')
    .default([]),
  active: flag.default(true),
};
const groupShape = { members: listOf('the handle of a person', (text) => NAME.test(text)).default([]) };
const patterns = z
  .union([z.string(), z.array(z.string()).min(1).max(500)], {
    error: 'a pattern such as "lib*", or a list of patterns',
  })
  .default('*');
const receiver = 'the handle of a person, or "group:NAME"';
const grantShape = {
  to: z.string({ error: receiver }).regex(/^(group:)?[a-z0-9][a-z0-9.-]{0,63}$/, receiver),
  action: z.enum(ACTIONS, { error: oneOf(ACTIONS.map((action) => `"${action}"`)) }),
  archive: z.string({ error: 'the name of an archive, or "*"' }).default('*'),
  suites: patterns,
  packages: patterns,
  until: z
    .custom<TomlDate | string>((value) => value instanceof TomlDate || typeof value === 'string')
    .transform((value, context): Date => {
      const until = readUntil(value);
      if (until !== undefined) return until;
      context.issues.push({ code: 'custom', message: UNTIL, input: value });
      return z.NEVER;
    })
    .optional(),
};
const UNTIL = 'a day (2027-01-01) or a time with its zone (2027-01-01T12:00:00Z)';

const fileShape = {
  pool: z.record(name, z.strictObject(poolShape), { error: 'tables [pool.NAME]' }).default({}),
  external: z.record(name, z.strictObject(externalShape), { error: 'tables [external.NAME]' }).default({}),
  archive: z.record(name, z.strictObject(archiveShape), { error: 'tables [archive.NAME]' }).default({}),
  git: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9+./_-]{0,199}$/, gitName), z.strictObject(gitShape), {
      error: 'tables [git."NAME"]',
    })
    .default({}),
  'git-namespace': z
    .record(z.string().regex(/^[a-z0-9][a-z0-9+._-]{0,63}$/, namespaceName), z.strictObject(namespaceShape), {
      error: 'tables [git-namespace."NAME"]',
    })
    .default({}),
  person: z.record(name, z.strictObject(personShape), { error: 'tables [person.HANDLE]' }).default({}),
  group: z.record(name, z.strictObject(groupShape), { error: 'tables [group.NAME]' }).default({}),
  grant: z.array(z.strictObject(grantShape), { error: 'tables [[grant]]' }).default([]),
};
export const fileSchema = z.strictObject(fileShape);

export type FileValue = z.infer<typeof fileSchema>;

/** The keys that may stand in the table at `path`. */
export function knownKeys(path: readonly (string | number)[]): readonly string[] {
  const [section] = path;
  if (section === undefined) return Object.keys(fileShape);
  switch (section) {
    case 'external':
      return Object.keys(externalShape);
    case 'archive':
      if (path[2] === 'policy') return Object.keys(policyShape);
      return Object.keys(path[2] === 'suite' ? suiteShape : archiveShape);
    case 'git':
      return Object.keys(gitShape);
    case 'git-namespace':
      return Object.keys(namespaceShape);
    case 'person':
      return Object.keys(personShape);
    case 'group':
      return Object.keys(groupShape);
    case 'grant':
      return Object.keys(grantShape);
    default:
      return Object.keys(poolShape);
  }
}

/** The end of a grant: a day is its beginning in UTC; a local time, which says nothing here, is undefined. */
function readUntil(value: TomlDate | string): Date | undefined {
  if (typeof value !== 'string') {
    if (value.isTime() || (value.isLocal() && !value.isDate())) return undefined;
    return checkedDate(value.toISOString());
  }
  return /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$/.test(value) ? checkedDate(value) : undefined;
}

function checkedDate(text: string): Date | undefined {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date;
}
