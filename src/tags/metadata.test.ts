import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isMetadataProblem, parseMetadata, readReleaseMetadata } from './metadata.ts';

const COMMIT = '2b6276f0123456789abcdef0123456789abcdef0';

function reasonOf(message: string): string {
  const result = readReleaseMetadata(message);
  if (!isMetadataProblem(result)) throw new Error(`it was read: ${JSON.stringify(result)}`);
  return result.reason;
}

test('what git debpush of Debian 12 and 13 writes is read', () => {
  expect(
    readReleaseMetadata(
      [
        'hello release 2.10-3land1 for landing',
        '',
        '[dgit distro=landing split --quilt=gbp]',
        `[dgit please-upload source=hello version=2.10-3land1 upstream-tag=upstream/2.10 upstream=${COMMIT}]`,
        '',
      ].join('\n'),
    ),
  ).toEqual({
    form: 'request',
    request: {
      source: 'hello',
      version: '2.10-3land1',
      distros: ['landing'],
      upstream: { commitId: COMMIT, tag: 'upstream/2.10' },
      pristineTarCommitId: undefined,
      quilt: 'gbp',
    },
  });
});

test('what git debpush 17 writes is read, with its !pristine-tar', () => {
  expect(
    readReleaseMetadata(
      [
        'hello release 2.10-3 for landing',
        '',
        '[dgit please-upload source=hello version=2.10-3]',
        '[dgit distro=landing split --quilt=linear --deliberately-not-fast-forward]',
        `[dgit upstream-tag=upstream/2.10 upstream=${COMMIT} !pristine-tar=${COMMIT}]`,
        '[dgit x-extra=1]',
        '',
      ].join('\n'),
    ),
  ).toMatchObject({ form: 'request', request: { pristineTarCommitId: COMMIT, quilt: 'linear' } });
});

test('a plain message asks for nothing, a record of dgit neither', () => {
  expect(readReleaseMetadata('hello Debian release 2.10-3\n')).toEqual({ form: 'plain' });
  expect(readReleaseMetadata('hello release 2.10-3\n\n[dgit distro=debian no-split --quilt=linear]\n')).toEqual({
    form: 'record',
  });
});

const LINE = '[dgit distro=landing split please-upload source=hello version=1.0-1]';

describe('the grammar of tag2upload(5)', () => {
  test.each([
    ['an unknown keyword is skipped', LINE.replace('split', 'split x-new=1 x-new other')],
    ['a line for the future is skipped', `${LINE}\n[dgit "!whatever" in here]`],
    ['lines that only look alike are text', `${LINE}\n [dgit !x=1]\n[dgit !y=1] \n[dgitx !z]\n[dgit!q]\n[dgit !v`],
    ['several blanks are one', LINE.replaceAll(' split ', '   split  ')],
    ['distro may stand several times', LINE.replace('split', 'split distro=debian')],
  ])('%s', (_name, message) => {
    expect(readReleaseMetadata(message)).toMatchObject({ form: 'request' });
  });

  test.each([
    ['an unknown !keyword', LINE.replace('split', 'split !sandbox=no'), 'must be understood'],
    ['an unknown !keyword without please-upload', '[dgit !sandbox]', 'must be understood'],
    ['a keyword that begins otherwise', LINE.replace('split', 'Split'), 'KEYWORD'],
    ['a tab', LINE.replace(' split', '\tsplit'), 'KEYWORD'],
    ['a second source', LINE.replace('split', 'split source=other'), 'source stands more than once'],
    ['a second version in another line', `${LINE}\n[dgit version=2.0-1]`, 'version stands more than once'],
    ['no split', LINE.replace('split ', ''), 'split is missing'],
    ['split with a value', LINE.replace('split', 'split=1'), 'split takes no value'],
    ['please-upload with a value', LINE.replace('please-upload', 'please-upload=now'), 'please-upload takes no value'],
    ['no distro', LINE.replace('distro=landing ', ''), 'distro= is missing'],
    ['distro without value', LINE.replace('distro=landing', 'distro'), 'distro takes a value'],
    ['no source', LINE.replace('source=hello ', ''), 'source= is missing'],
    ['a source that is no name', LINE.replace('source=hello', 'source=../hello'), 'not a name of a source package'],
    ['a version that is none', LINE.replace('1.0-1', 'v1'), 'not a version'],
    [
      'upstream without its tag',
      LINE.replace('split', `split upstream=${COMMIT}`),
      'upstream= stands without upstream-tag=',
    ],
    ['an upstream tag alone', LINE.replace('split', 'split upstream-tag=upstream/1.0'), 'stands without upstream='],
    [
      'a short upstream commit',
      LINE.replace('split', 'split upstream-tag=u upstream=2b6276f'),
      'not a whole commit id',
    ],
    [
      'H70 an upstream tag that is an option',
      LINE.replace('split', `split upstream-tag=--upload-pack=x upstream=${COMMIT}`),
      'not a name of a tag',
    ],
    [
      'an upstream tag that climbs',
      LINE.replace('split', `split upstream-tag=../heads/main upstream=${COMMIT}`),
      'not a name of a tag',
    ],
    [
      'an upstream tag that is a revision expression',
      LINE.replace('split', `split upstream-tag=main^{commit} upstream=${COMMIT}`),
      'not a name of a tag',
    ],
    ['pristine-tar without upstream', LINE.replace('split', `split !pristine-tar=${COMMIT}`), 'needs upstream='],
    ['a quilt mode with a path', LINE.replace('split', 'split --quilt=../x'), 'not a quilt mode'],
  ])('%s is refused', (_name, message, reason) => {
    expect(reasonOf(message)).toContain(reason);
  });
});

const runs = { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 300) };

test('whatever the message, the reader answers', () => {
  const item = fc.oneof(
    fc.constantFrom('please-upload', 'split', 'distro=landing', 'source=hello', 'version=1.0-1', '!x', '"', '=', '!'),
    fc.string(),
  );
  const line = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(item).map((items) => `[dgit ${items.join(' ')}]`),
  );
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const result = readReleaseMetadata(lines.join('\n'));
      if (isMetadataProblem(result) || result.form !== 'request') return;
      expect(result.request.source).toMatch(/^[a-z0-9][a-z0-9+.-]+$/);
    }),
    runs,
  );
});

test('items come out as they went in, in order, whatever lines they stand on', () => {
  const keyword = fc.stringMatching(/^[a-z0-9+.-][a-z0-9+._-]{0,8}$/);
  const value = fc.option(fc.stringMatching(/^[!-~]{0,12}$/), { nil: undefined });
  fc.assert(
    fc.property(fc.array(fc.array(fc.tuple(keyword, value), { minLength: 1 }), { minLength: 1 }), (lines) => {
      const message = lines
        .map((items) => `[dgit ${items.map(([key, text]) => (text === undefined ? key : `${key}=${text}`)).join(' ')}]`)
        .join('\nsome text\n');
      const expected = new Map<string, (string | undefined)[]>();
      for (const [key, text] of lines.flat()) expected.set(key, [...(expected.get(key) ?? []), text]);
      expect(parseMetadata(message)).toEqual(expected);
    }),
    runs,
  );
});
