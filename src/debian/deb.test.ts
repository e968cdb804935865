import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readAr } from './ar.ts';
import { locateDeb, readDeb, readDebControl } from './deb.ts';
import { readTar, TarReader, type TarEntry } from './tar.ts';

interface Member {
  name: string;
  content?: string;
  type?: string;
  mode?: number;
  link?: string;
  size?: number | string;
  magic?: string;
  badSum?: boolean;
}

/** A tar member as raw bytes, right or wrong as the test wants it. */
function member({
  name,
  content = '',
  type = '0',
  mode = 0o644,
  link = '',
  size,
  magic = 'ustar\x0000',
  badSum,
}: Member): Buffer {
  const body = Buffer.from(content, 'latin1');
  const header = Buffer.alloc(512);
  header.write(name, 0, 100, 'latin1');
  header.write(`${mode.toString(8).padStart(7, '0')}\0`, 100, 'latin1');
  header.write('0000000\x000000000\0', 108, 'latin1');
  header.write(
    typeof size === 'string' ? size : `${(size ?? body.length).toString(8).padStart(11, '0')}\0`,
    124,
    'latin1',
  );
  header.write('00000000000\0', 136, 'latin1');
  header.write('        ', 148, 'latin1');
  header.write(type, 156, 'latin1');
  header.write(link, 157, 100, 'latin1');
  header.write(magic, 257, 'latin1');
  header.write('root', 265, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0) + (badSum === true ? 1 : 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)]);
}

const END = Buffer.alloc(1024);
const tar = (...members: Member[]): Buffer => Buffer.concat([...members.map(member), END]);
const pax = (...records: [string, string][]): Member => ({
  name: 'PaxHeaders/x',
  type: 'x',
  content: records
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      const length = rest.length + (rest.length + 2 > 99 ? 3 : 2);
      return `${length}${rest}`;
    })
    .join(''),
});

function ar(...members: [name: string, content: Buffer][]): Buffer {
  return Buffer.concat([
    Buffer.from('!<arch>\n'),
    ...members.flatMap(([name, content]) => [
      Buffer.from(
        `${name.padEnd(16)}${'0'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(content.length).padEnd(10)}\`\n`,
      ),
      content,
      Buffer.alloc(content.length % 2, '\n'),
    ]),
  ]);
}

const CONTROL =
  'Package: hello\nVersion: 1:2.10-3\nArchitecture: amd64\nMaintainer: Ann <a@example.org>\nDescription: greeting\n more\n';
const controlTar = tar(
  { name: './', type: '5', mode: 0o755 },
  { name: './control', content: CONTROL },
  { name: './postinst', content: '#!/bin/sh\n', mode: 0o755 },
);
const dataTar = tar(
  { name: './', type: '5' },
  { name: './usr/bin/hello', content: 'x'.repeat(700), mode: 0o4755 },
  { name: './usr/bin/hi', type: '2', link: 'hello' },
);
const VERSION: [string, Buffer] = ['debian-binary', Buffer.from('2.0\n')];
const deb = ar(VERSION, ['control.tar.gz', gzipSync(controlTar)], ['data.tar.gz', gzipSync(dataTar)]);
const noDecompress = (): Promise<never> => Promise.reject(new Error('not expected'));

function tarReason(bytes: Buffer): string {
  const result = readTar(bytes);
  return 'kind' in result ? result.reason : 'accepted';
}

const reasonIn = (result: object): string => ('reason' in result ? String(result.reason) : 'accepted');

describe('readTar', () => {
  it('reads files, directories and links', () => {
    expect(readTar(dataTar)).toMatchObject([
      { name: '.', type: 'directory' },
      { name: 'usr/bin/hello', type: 'file', size: 700, mode: 0o4755, owner: 'root', uid: 0 },
      { name: 'usr/bin/hi', type: 'symlink', target: 'hello', size: 0 },
    ]);
  });

  it('reads GNU long names and pax headers', () => {
    const long = `./${'d/'.repeat(100)}file`;
    const bytes = tar(
      { name: '././@LongLink', type: 'L', content: `${long}\0`, magic: 'ustar  \0' },
      { name: long.slice(0, 100), content: 'x', magic: 'ustar  \0' },
      { name: '././@LongLink', type: 'K', content: `/${'t'.repeat(150)}\0`, magic: 'ustar  \0' },
      { name: 'l', type: '2', link: '/t', magic: 'ustar  \0' },
      pax(['path', 'gr\xc3\xbcn'], ['mtime', '1.5'], ['size', '3']),
      { name: 'gr', content: 'abc' },
    );
    expect(readTar(bytes)).toMatchObject([
      { name: `${'d/'.repeat(100)}file` },
      { target: `/${'t'.repeat(150)}` },
      { name: 'grün', size: 3 },
    ]);
  });

  it.each([
    ['`..` at the start', { name: '../x' }, 'leads outside'],
    ['`..` inside', { name: 'a/../../x' }, 'leads outside'],
    ['an absolute name', { name: '/etc/passwd' }, 'absolute'],
    ['a hard link to the outside', { name: 'x', type: '1', link: '../../etc/shadow' }, 'leads outside'],
    ['an absolute hard link', { name: 'x', type: '1', link: '/etc/shadow' }, 'absolute'],
    ['a hard link with content', { name: 'x', type: '1', link: 'y', content: 'z' }, 'content'],
    ['a symlink without target', { name: 'x', type: '2' }, 'no target'],
    ['a directory with content', { name: 'x/', type: '5', content: 'z' }, 'content'],
    ['no name', { name: '' }, 'no name'],
    ['a newline in a name', { name: 'a\nb' }, 'newline'],
    ['an escape sequence in a name', { name: 'a\x1b[0m' }, 'control character'],
    ['a name that is not UTF-8', { name: 'a\xff' }, 'UTF-8'],
    ['an unknown type', { name: 'x', type: 'S' }, 'unknown type'],
    ['a global pax header', { name: 'x', type: 'g' }, 'global'],
    ['a wrong checksum', { name: 'x', badSum: true }, 'checksum'],
    ['a size that is no number', { name: 'x', size: '9999999999z\0' }, 'size'],
    ['a negative size', { name: 'x', size: '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff' }, 'size'],
    ['another magic', { name: 'x', magic: 'nustar\0' }, 'neither ustar'],
  ] satisfies [string, Member, string][])('H50 refuses %s', (_, bad, word) => {
    expect(tarReason(tar(bad))).toContain(word);
  });

  it('H50 a pax header or long name cannot bring in what the header may not', () => {
    expect(tarReason(tar(pax(['path', '../../etc/x']), { name: 'x' }))).toContain('leads outside');
    expect(tarReason(tar({ name: 'L', type: 'L', content: '/etc/passwd\0' }, { name: 'x' }))).toContain('absolute');
    expect(tarReason(tar(pax(['path', 'a'], ['path', 'b']), pax(['path', 'c']), { name: 'x' }))).toContain('same');
    expect(tarReason(tar(pax(['GNU.sparse.major', '1']), { name: 'x' }))).toContain('sparse');
    expect(tarReason(tar({ name: 'x', type: 'x', content: '99 path=a\n' }, { name: 'x' }))).toContain('malformed');
    expect(tarReason(tar(pax(['path', 'a'])))).toContain('no member behind');
  });

  it('H51 refuses to go through a link that the archive itself made', () => {
    expect(tarReason(tar({ name: 'a', type: '2', link: '/etc' }, { name: 'a/passwd' }))).toContain('through the link');
    expect(tarReason(tar({ name: 'd/a', type: '2', link: '..' }, { name: 'd/a/b/c' }))).toContain('through the link');
    expect(
      tarReason(tar({ name: 'a', type: '2', link: '/etc' }, { name: 'x', type: '1', link: 'a/shadow' })),
    ).toContain('through the link');
    expect(tarReason(tar({ name: 'a', type: '2', link: 'b' }, { name: 'ab/c' }, { name: 'b/a' }))).toBe('accepted');
  });

  it('refuses what is cut off or goes on after its end', () => {
    expect(tarReason(dataTar.subarray(0, 700))).toContain('cut off');
    expect(tarReason(dataTar.subarray(0, 512 * 2 + 100))).toContain('cut off');
    expect(tarReason(dataTar.subarray(0, dataTar.length - 1024))).toContain('no end mark');
    expect(tarReason(Buffer.concat([dataTar, member({ name: 'x' })]))).toContain('follows the end');
    expect(tarReason(Buffer.alloc(0))).toContain('no end mark');
  });

  it('H53 refuses ten million inodes and over-long headers', () => {
    const reader = new TarReader(() => undefined, { maxEntries: 10 });
    const block = member({ name: 'x' });
    let found;
    for (let index = 0; index < 11; index++) found = reader.push(block);
    expect(found?.reason).toContain('more than 10 members');
    expect(tarReason(tar({ name: 'L', type: 'L', size: 100_000_000 }))).toContain('too long');
  });

  it('gives the same, however the bytes are cut', () => {
    const wanted = readTar(dataTar);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 30 }), (sizes) => {
        const entries: TarEntry[] = [];
        const contents: string[] = [];
        const reader = new TarReader((entry) => entries.push(entry), {
          wanted: (entry) => entry.size > 0,
          onContent: (entry, content) => contents.push(`${entry.name} ${content.length}`),
        });
        let at = 0;
        for (let turn = 0; at < dataTar.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          expect(reader.push(dataTar.subarray(at, at + size))).toBeUndefined();
          at += size;
        }
        expect(reader.end()).toBeUndefined();
        expect(entries).toEqual(wanted);
        expect(contents).toEqual(['usr/bin/hello 700']);
      }),
      { numRuns: 40 },
    );
  });

  it('never throws, whichever byte is changed', () => {
    fc.assert(
      fc.property(fc.nat({ max: dataTar.length - 1 }), fc.nat({ max: 255 }), (at, value) => {
        const changed = Buffer.from(dataTar);
        changed[at] = value;
        readTar(changed);
      }),
      { numRuns: 500 },
    );
  });
});

describe('readDeb', () => {
  it('gives control paragraph, maintainer scripts and members', async () => {
    const file = await readDeb(deb, noDecompress);
    if ('kind' in file) throw new Error(file.reason);
    expect(file.control).toMatchObject({
      name: 'hello',
      version: '1:2.10-3',
      source: 'hello',
      sourceVersion: '1:2.10-3',
      essential: false,
    });
    expect([...file.controlFiles.keys()]).toEqual(['postinst']);
    expect(file.controlMembers.map((entry) => entry.name)).toEqual(['.', 'control', 'postinst']);
    expect(file.members.map((entry) => entry.name)).toEqual(['.', 'usr/bin/hello', 'usr/bin/hi']);
  });

  it('hands xz and zstd to the given function, with a limit, and reports what it says', async () => {
    const packed = ar(VERSION, ['control.tar.zst', Buffer.from('c')], ['data.tar.xz', Buffer.from('d')]);
    const asked: string[] = [];
    const file = await readDeb(
      packed,
      (kind, bytes, max) => {
        asked.push(`${kind} ${Buffer.from(bytes).toString()} ${max}`);
        return Promise.resolve(kind === 'zst' ? controlTar : dataTar);
      },
      { maxControlBytes: 9_000, maxDataBytes: 10_000 },
    );
    expect(file).toMatchObject({ control: { name: 'hello' } });
    expect(asked).toEqual(['zst c 9000', 'xz d 10000']);
    expect(reasonIn(await readDeb(packed, () => Promise.reject(new Error('it is a bomb'))))).toContain('bomb');
    expect(reasonIn(await readDeb(packed, () => Promise.resolve(controlTar), { maxControlBytes: 10 }))).toContain(
      'larger',
    );
  });

  it('H53 bounds what gzip gives', async () => {
    const bomb = ar(VERSION, ['control.tar.gz', gzipSync(Buffer.alloc(20_000_000))], ['data.tar', dataTar]);
    expect(reasonIn(await readDeb(bomb, noDecompress, { maxControlBytes: 1_000_000 }))).toContain('decompressed');
  });

  const control = (text: string): Buffer =>
    ar(VERSION, ['control.tar', tar({ name: './control', content: text })], ['data.tar', dataTar]);
  it.each([
    ['no ar file', Buffer.from('PK\x03\x04'), 'not an ar file'],
    [
      'another format version',
      ar(['debian-binary', Buffer.from('3.0\n')], ['control.tar', controlTar], ['data.tar', dataTar]),
      'not 2.x',
    ],
    ['data before control', ar(VERSION, ['data.tar', dataTar], ['control.tar', controlTar]), 'second member'],
    ['no data', ar(VERSION, ['control.tar', controlTar]), 'third member'],
    [
      'a second control.tar',
      ar(VERSION, ['control.tar', controlTar], ['data.tar', dataTar], ['control.tar.gz', gzipSync(controlTar)]),
      'behind data.tar',
    ],
    ['no version member', ar(['control.tar', controlTar], ['data.tar', dataTar]), 'first member'],
    ['an unknown compression', ar(VERSION, ['control.tar.rar', controlTar], ['data.tar', dataTar]), 'second member'],
    [
      'no control file',
      ar(VERSION, ['control.tar', tar({ name: './postinst' })], ['data.tar', dataTar]),
      'no control file',
    ],
    [
      'two control files',
      ar(
        VERSION,
        ['control.tar', tar({ name: './control', content: CONTROL }, { name: 'control', content: 'x' })],
        ['data.tar', dataTar],
      ),
      'twice',
    ],
    [
      'a link in control.tar',
      ar(VERSION, ['control.tar', tar({ name: './control', type: '2', link: '/etc/passwd' })], ['data.tar', dataTar]),
      'not a plain file',
    ],
    [
      'a broken gzip',
      ar(VERSION, ['control.tar.gz', Buffer.from('xx')], ['data.tar', dataTar]),
      'cannot be decompressed',
    ],
    ['an unsafe package name', control(CONTROL.replace('hello', '../x')), 'binary package'],
    ['a wildcard as architecture', control(CONTROL.replace('amd64', 'any')), 'not an architecture'],
    ['a malformed version', control(CONTROL.replace('2.10', 'x')), 'digit'],
    ['a malformed source', control(`${CONTROL}Source: a b\n`), 'source package'],
    ['two paragraphs', control(`${CONTROL}\nPackage: evil\n`), 'more than one paragraph'],
    ['no maintainer', control(CONTROL.replace(/Maintainer.*\n/, '')), 'missing'],
    ['no description', control(CONTROL.replace(/Description.*\n more\n/, '')), 'missing'],
    [
      'a hostile data.tar',
      ar(VERSION, ['control.tar', controlTar], ['data.tar', tar({ name: '../x' })]),
      'leads outside',
    ],
  ])('refuses %s', async (_, bytes, word) => {
    expect(reasonIn(await readDeb(bytes, noDecompress))).toContain(word);
  });

  it('H35 refuses a file that is cut off anywhere, and never rejects', async () => {
    for (let length = 0; length < deb.length; length += 13) {
      expect(await readDeb(deb.subarray(0, length), noDecompress)).toMatchObject({ kind: 'deb-problem' });
    }
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: deb.length - 1 }), fc.nat({ max: 255 }), async (at, value) => {
        const changed = Buffer.from(deb);
        changed[at] = value;
        await readDeb(changed, noDecompress);
        await readDebControl(changed, noDecompress);
      }),
      { numRuns: 300 },
    );
  });

  it('says where the parts lie', () => {
    const layout = locateDeb(deb);
    expect(layout).toMatchObject({ control: { compression: 'gz', offset: 132 }, data: { compression: 'gz' } });
    expect(readAr(deb)).toMatchObject([
      { name: 'debian-binary', size: 4 },
      { name: 'control.tar.gz' },
      { name: 'data.tar.gz' },
    ]);
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void readAr(Buffer.concat([Buffer.from('!<arch>\n'), bytes]))));
  });
});
