/**
 * The parsers of the gate against the programs that read the same bytes after it: what we take, they read alike; what they refuse
 * to read, we do not take. A difference here would be a tag that means one thing to the gate and another to the build.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { parseTopEntry } from '../../src/debian/changelog.ts';
import { exec } from '../../src/platform/exec.ts';
import { parseTagObject } from '../../src/tags/tag-object.ts';
import { createRepository, type TestRepository } from '../scenarios/git-repository.ts';
import { perl } from './apt-lists.ts';

const RUNS = Number(process.env.LANDFALL_FUZZ_RUNS ?? 300);
const DEADLINE_MS = 60_000;

describe('debian/changelog, against dpkg’s own reader', () => {
  /** Exactly what dpkg-parsechangelog shows of the newest entry; nothing when it finds none. */
  const SCRIPT = String.raw`
    use Dpkg::Changelog::Parse; use JSON::PP;
    open(STDERR, '>', '/dev/null');
    while (<STDIN>) {
      chomp; my $e = eval { changelog_parse(file => $_, verbose => 0) }; my %h;
      if (defined $e) { $h{$_} = "" . ($e->{$_} // "") for qw(Source Version Distribution Timestamp); }
      print JSON::PP->new->canonical->encode(\%h), "\n";
    }`;
  const Entry = z.record(z.string(), z.string());
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'landfall-fuzz-'));
  });
  afterAll(async () => await rm(folder, { recursive: true, force: true }));

  const name = fc.oneof(
    { weight: 6, arbitrary: fc.constant('hello') },
    fc.constantFrom('Hello', 'h', '-x', 'hello_x', 'a+b.c', 'hello\u00a0', 'x y'),
  );
  const version = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('1.0-1', '2:1.0~rc1-1', '1.0') },
    fc.constantFrom('', 'x', '1.0-', ':1', '1.0)(2.0', '1_0', '1.0 -1', '1:2:3-1', '1.0\t'),
  );
  const distribution = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('landing', 'UNRELEASED', 'landing stable') },
    fc.constantFrom('', 'a;b', 'a,b', 'land_ing', 'a=b', 'Landing', 'x\u2003y', '..', 'a  b'),
  );
  const rest = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('; urgency=medium', '; urgency=low, binary-only=yes') },
    fc.constantFrom(
      ' ; urgency=low',
      ';',
      '; urgency',
      '; urgency=low urgency=high',
      '',
      ';urgency=low',
      '; =x',
      '; a=b=c',
    ),
  );
  const header = fc
    .tuple(name, version, distribution, rest, fc.constantFrom(' ', ' ', ' ', '  ', '\t'))
    .map(([source, number, suites, end, blank]) => `${source}${blank}(${number})${blank}${suites}${end}`);
  const body = fc.constantFrom(
    '  * Change.',
    '  * Change.',
    '',
    ' * One blank.',
    '* None.',
    '\t* Tab.',
    '# comment',
    '/* comment */',
    'vim: set x:',
    'Local variables:',
    '$Id: x $',
    ' --',
    '-- x',
    'other (6.6-6) evil; urgency=low',
    '  other (6.6-6) evil; urgency=low',
    ' -- Eve <eve@example.org>  Sun, 22 Nov 2026 12:00:00 +0000',
    '\u00a0 * no blank',
    '\f',
    '\v',
  );
  const trailer = fc.oneof(
    { weight: 8, arbitrary: fc.constant(' -- Alice <alice@example.org>  Sun, 22 Nov 2026 12:00:00 +0000') },
    fc.constantFrom(
      ' -- Alice <alice@example.org> Sun, 22 Nov 2026 12:00:00 +0000',
      ' -- Alice <a>b@example.org>  Sun, 22 Nov 2026 12:00:00 +0000',
      ' -- <alice@example.org>  Sun, 22 Nov 2026 12:00:00 +0000',
      ' --  Alice <alice@example.org>  Mon, 22 Nov 2026 12:00:00 +0000',
      ' -- Alice <alice@example.org>  22 Nov 2026 12:00:00 +0000',
      ' -- Alice <alice@example.org>  Sun, 32 Nov 2026 12:00:00 +0000',
      ' -- Alice <alice@example.org>',
      ' --',
    ),
  );
  const entry = fc
    .tuple(header, fc.array(body, { maxLength: 3 }), trailer)
    .map(([first, lines, last]) => [first, '', ...lines, '', last].join('\n'));
  const before = fc.oneof(
    { weight: 6, arbitrary: fc.constant('') },
    fc.constantFrom('\n', '# x\n', ' \n', 'x\n', '\ufeff'),
  );
  const changelog = fc.tuple(before, entry, entry).map(([start, one, two]) => `${start}${one}\n\n${two}\n`);

  test('what we take for the newest entry is what dpkg takes for it', async () => {
    let taken = 0;
    for (let at = 0; at < RUNS; at += 1_000) {
      const texts = fc.sample(changelog, { numRuns: Math.min(1_000, RUNS - at), seed: 41 + at });
      const ours = texts.map((text) => parseTopEntry(text));
      const files: string[] = [];
      const wanted = texts.flatMap((text, index) => {
        const found = ours[index];
        return found === undefined || 'kind' in found ? [] : [{ text, found }];
      });
      for (const [index, { text }] of wanted.entries()) {
        const file = join(folder, `${index}`);
        await writeFile(file, text);
        files.push(file);
      }
      if (files.length === 0) continue;
      const answers = await perl(SCRIPT, files);
      for (const [index, { text, found }] of wanted.entries()) {
        taken += 1;
        expect(Entry.parse(JSON.parse(answers[index] ?? '{}')), JSON.stringify(text)).toEqual({
          Source: found.source,
          Version: found.version,
          Distribution: found.distributions.join(' '),
          Timestamp: String(found.timestamp),
        });
      }
    }
    expect(taken).toBeGreaterThan(RUNS / 50);
  });
});

describe('tag objects, against git mktag --strict', () => {
  let repository: TestRepository;
  let commit = '';
  beforeAll(async () => {
    repository = await createRepository();
    commit = await repository.commit({ files: { a: 'a' } });
  });
  afterAll(async () => await repository.remove());

  test('whatever we take, git takes for a tag of that commit and that name', async () => {
    const lines = fc.tuple(
      fc.constantFrom(`object ${commit}`, `object ${commit}`, `object ${commit.toUpperCase()}`, 'object 0', ''),
      fc.constantFrom('type commit', 'type commit', 'type tree', 'type commit ', 'Type commit'),
      fc.constantFrom(
        'tag landing/1.0-1',
        'tag landing/1.0-1',
        'tag a b',
        'tag ',
        'tag .x',
        'tag a..b',
        'tag -x',
        'tag x.lock',
      ),
      fc.constantFrom(
        'tagger A <a@example.org> 1700000000 +0000',
        'tagger A <a@example.org> 1700000000 +0000',
        'tagger  <> 0 +0000',
        'tagger A <a@example.org> 01 +0000',
        'tagger A <a@example.org> 1 0000',
        'tagger A <a@example.org> 99999999999999999999 +0000',
        'tagger A<a@example.org> 1 +0000',
        'tagger A <a@example.org>  1 +0000',
      ),
      fc.constantFrom('', '', '', 'gpgsig x\n', 'tag other\n', 'x y\n', ' z\n'),
      fc.constantFrom('\n', '\n', '', '\n\n'),
    );
    const bytes = lines.map(([object, type, name, tagger, more, gap]) =>
      Buffer.from(`${[object, type, name, tagger].join('\n')}\n${more}${gap}a release\n`),
    );
    // A process for each: a share of the runs, over the cases that differ.
    const seen = new Set<string>();
    for (const one of fc.sample(bytes, { numRuns: Math.min(RUNS, 2_000), seed: 5 })) {
      const ours = parseTagObject(one, 'sha1');
      const text = one.toString();
      if ('reason' in ours || seen.has(text)) continue;
      seen.add(text);
      const { code, stderr } = await exec(['git', `--git-dir=${repository.gitDir}`, 'mktag', '--strict'], {
        input: one,
        deadlineMs: DEADLINE_MS,
        okCodes: 'any',
      });
      // mktag looks at the form of a name as little as we do here: that it is the name of the ref is the next check.
      const named = /badTagName/.test(stderr);
      expect(code === 0 || named, `${text}\n${stderr}`).toBe(true);
      expect([ours.commitId, text.includes(`\ntag ${ours.name}\n`)]).toEqual([commit, true]);
    }
    expect(seen.size).toBeGreaterThan(0);
  });
});
