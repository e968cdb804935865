import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { MAX_TAG_BYTES, parseTagObject, splitSignature } from './tag-object.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const OPENPGP = '-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n';
const SSH = '-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n';

function tagBytes(changes: { headers?: readonly string[]; message?: string; signature?: string } = {}): Buffer {
  const headers = changes.headers ?? [
    `object ${COMMIT}`,
    'type commit',
    'tag landing/1.0-1',
    'tagger Zoë Example <zoe@example.org> 1700000000 +0100',
  ];
  return Buffer.from(`${headers.join('\n')}\n\n${changes.message ?? 'hello\n'}${changes.signature ?? OPENPGP}`);
}

function reasonOf(bytes: Uint8Array, format: 'sha1' | 'sha256' = 'sha1'): string {
  const result = parseTagObject(bytes, format);
  if (!('reason' in result)) throw new Error('it was parsed');
  return result.reason;
}

test('a signed tag is read from its payload alone', () => {
  const bytes = tagBytes();
  const tag = parseTagObject(bytes, 'sha1');
  expect(tag).toMatchObject({
    commitId: COMMIT,
    name: 'landing/1.0-1',
    tagger: { name: 'Zoë Example', email: 'zoe@example.org', time: 1_700_000_000, zone: '+0100' },
    message: 'hello\n',
    signature: { kind: 'one', format: 'openpgp' },
  });
  if ('reason' in tag || tag.signature.kind !== 'one') throw new Error('it was not parsed');
  expect(Buffer.concat([tag.payload, tag.signature.bytes])).toEqual(bytes);
});

test('a tag of a repository with SHA-256 is read, and ids of the other hash are not', () => {
  const bytes = tagBytes({
    headers: [`object ${'ab'.repeat(32)}`, 'type commit', 'tag x', 'tagger A <a@b> 1 +0000'],
    signature: SSH,
  });
  expect(parseTagObject(bytes, 'sha256')).toMatchObject({ commitId: 'ab'.repeat(32), signature: { format: 'ssh' } });
  expect(reasonOf(bytes, 'sha1')).toContain('not an object id of this repository');
});

describe('H77 malformed tag objects are refused by name', () => {
  const headers = [`object ${COMMIT}`, 'type commit', 'tag landing/1.0-1', 'tagger A <a@example.org> 1 +0000'];
  test.each([
    ['a missing object', headers.slice(1), 'the header object was expected'],
    ['a missing tagger', headers.slice(0, 3), 'the header tagger is missing'],
    ['a second object', [headers[0], ...headers], 'the header type was expected here'],
    [
      'a second tag name',
      [...headers.slice(0, 3), 'tag landing/2.0-1', headers[3]],
      'the header tagger was expected here',
    ],
    ['a second tagger', [...headers, headers[3]], 'and nothing else'],
    ['another order', [headers[1], headers[0], headers[2], headers[3]], 'the header object was expected here'],
    ['an unknown header', [...headers, 'x-trust me'], 'and nothing else'],
    ['a signature in a header', [...headers, 'gpgsig-sha256 x'], 'second signature in a header'],
    ['a tag of a tree', [headers[0], 'type tree', ...headers.slice(2)], 'a tag of a "tree"'],
    ['a tag of a tag', [headers[0], 'type tag', ...headers.slice(2)], 'a tag of a "tag"'],
    ['a short object id', ['object 0123456', ...headers.slice(1)], 'not an object id'],
    ['an object id in capitals', [`object ${COMMIT.toUpperCase()}`, ...headers.slice(1)], 'not an object id'],
    ['a name with a blank', [...headers.slice(0, 2), 'tag landing/1.0 -1', headers[3]], 'not a name of a tag'],
    ['a tagger without time', [...headers.slice(0, 3), 'tagger A <a@example.org>'], 'not of the form'],
    ['a tagger with two addresses', [...headers.slice(0, 3), 'tagger A <a@b> <c@d> 1 +0000'], 'not of the form'],
    ['a tagger before 1970', [...headers.slice(0, 3), 'tagger A <a@b> -1 +0000'], 'not of the form'],
  ])('%s', (_name, lines, reason) => {
    expect(reasonOf(tagBytes({ headers: lines.map((line) => line ?? '') }))).toContain(reason);
  });

  test('a NUL, a carriage return, an escape, bytes that are not UTF-8', () => {
    for (const [message, reason] of [
      ['a\0b', 'a NUL'],
      ['a\rb', 'a carriage return'],
      ['a\u001b[31mb', 'control character U+001B'],
      ['a\u009bb', 'control character U+009B'],
    ] as const) {
      expect(reasonOf(tagBytes({ message }))).toContain(reason);
    }
    expect(reasonOf(Buffer.concat([tagBytes({ signature: '' }), Buffer.from([0xc3, 0x28])]))).toContain(
      'not valid UTF-8',
    );
  });

  test('no empty line after the headers, and a tag that is too large', () => {
    expect(reasonOf(Buffer.from(`${headers.join('\n')}\n`))).toContain('no empty line');
    expect(reasonOf(Buffer.alloc(MAX_TAG_BYTES + 1, 97))).toContain('larger than');
  });

  test('headers inside the signature are no headers', () => {
    const bytes = Buffer.from(`${OPENPGP}${tagBytes({ signature: '' }).toString()}`);
    expect(reasonOf(bytes)).toContain('no empty line after its headers');
  });
});

describe('the signature', () => {
  test('none', () => {
    expect(splitSignature(tagBytes({ signature: '' })).signature).toEqual({ kind: 'none' });
  });

  test.each([
    ['two blocks', `${OPENPGP}${OPENPGP}`, { kind: 'several', count: 2 }],
    ['one quoted in the message', `-----BEGIN PGP SIGNATURE----- says git\n${OPENPGP}`, { kind: 'several', count: 2 }],
    ['one of each kind', `${SSH}${OPENPGP}`, { kind: 'several', count: 2 }],
    ['an OpenPGP message', '-----BEGIN PGP MESSAGE-----\nx\n', { kind: 'unsupported', format: 'OpenPGP message' }],
    ['an X.509 signature', '-----BEGIN SIGNED MESSAGE-----\nx\n', { kind: 'unsupported', format: 'X.509 signature' }],
    ['text behind it', `${OPENPGP}trust me\n`, { kind: 'malformed' }],
    ['an empty line behind it', `${OPENPGP}\n`, { kind: 'malformed' }],
    ['text on its first line', OPENPGP.replace('-----\n', '----- x\n'), { kind: 'malformed' }],
    ['no end', '-----BEGIN PGP SIGNATURE-----\niQ==\n', { kind: 'malformed' }],
    ['the other kind’s end', OPENPGP.replace('END PGP', 'END SSH'), { kind: 'malformed' }],
  ])('%s is not exactly one signature', (_name, signature, expected) => {
    expect(splitSignature(tagBytes({ signature })).signature).toMatchObject(expected);
  });

  test('an indented line is no signature', () => {
    expect(splitSignature(Buffer.from(' -----BEGIN PGP SIGNATURE-----\n')).signature).toEqual({ kind: 'none' });
  });
});

test('whatever the bytes, the parser answers, and what it takes is covered by payload and signature', () => {
  const line = fc.oneof(
    fc.constantFrom(
      `object ${COMMIT}`,
      'type commit',
      'tag landing/1.0-1',
      'tagger A <a@example.org> 1 +0000',
      '',
      '-----BEGIN PGP SIGNATURE-----',
      '-----END PGP SIGNATURE-----',
      '-----BEGIN SSH SIGNATURE-----',
      'gpgsig x',
    ),
    fc.string(),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(line, { maxLength: 12 }).map((lines) => Buffer.from(lines.join('\n'))),
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      ),
      (bytes) => {
        const tag = parseTagObject(bytes, 'sha1');
        if ('reason' in tag) return;
        const signature = tag.signature.kind === 'one' ? tag.signature.bytes : new Uint8Array();
        const rest = bytes.length - tag.payload.length - signature.length;
        expect(tag.signature.kind === 'one' || tag.signature.kind === 'none' ? rest : 0).toBe(0);
        expect(Buffer.from(tag.payload).toString()).toBe(
          `object ${tag.commitId}\ntype commit\ntag ${tag.name}\n${/^tagger .*$/m.exec(bytes.toString())?.[0] ?? ''}\n\n${tag.message}`,
        );
      },
    ),
    { numRuns: Number(process.env.LANDFALL_FUZZ_RUNS ?? 300) },
  );
});

describe('held against git', () => {
  let repository: TestRepository;
  beforeAll(async () => {
    repository = await createRepository();
  });
  afterAll(async () => await repository.remove());

  test('the bytes are split where git splits them', async () => {
    const lines = fc.constantFrom(
      'text',
      '',
      ' -----BEGIN PGP SIGNATURE-----',
      '-----BEGIN PGP SIGNATURE-----',
      '-----BEGIN PGP SIGNATURE-----x',
      '-----BEGIN PGP MESSAGE-----',
      '-----BEGIN SSH SIGNATURE-----',
      '-----BEGIN SIGNED MESSAGE-----',
      '-----BEGIN PGP SIGNATURE----',
      '-----END PGP SIGNATURE-----',
    );
    const messages = fc.sample(fc.array(lines, { maxLength: 6 }), { numRuns: 60, seed: 1 });
    const commit = await repository.commit({ files: { a: 'a' } });
    const expected = new Map<string, string>();
    let commands = '';
    for (const [index, message] of messages.entries()) {
      const bytes = `object ${commit}\ntype commit\ntag t${index}\ntagger A <a@b> 1 +0000\n\n${message.join('\n')}\n`;
      const { payload } = splitSignature(Buffer.from(bytes));
      expected.set(`t${index}`, bytes.slice(payload.length));
      commands += `create refs/tags/t${index} ${await repository.store('tag', bytes)}\n`;
    }
    await repository.git(['update-ref', '--stdin'], commands);
    const listed = await repository.git([
      'for-each-ref',
      '--format=%(refname:short)%00%(contents:signature)%00%00',
      'refs/tags',
    ]);
    const found = new Map<string, string>();
    for (const record of listed.split('\0\0\n')) {
      const [name, signature] = record.split('\0');
      if (name !== undefined && name !== '') found.set(name, signature ?? '');
    }
    expect(Object.fromEntries([...found].sort())).toEqual(Object.fromEntries([...expected].sort()));
  });
});
