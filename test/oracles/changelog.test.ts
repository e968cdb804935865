/** Our reading of changelogs against dpkg-parsechangelog's own library, over every changelog that is installed or in a fetched package. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseChangelog, parseTopEntry, type ChangelogEntry } from '../../src/debian/changelog.ts';
import { locateDeb } from '../../src/debian/deb.ts';
import { TarReader } from '../../src/debian/tar.ts';
import { exec } from '../../src/platform/exec.ts';
import { xzDecompress } from '../../src/platform/xz.ts';
import { binaryPackages, perl, sample } from './apt-lists.ts';

const TOP = String.raw`
  use Dpkg::Changelog::Parse; use JSON::PP;
  while (<STDIN>) {
    chomp; my $e = changelog_parse(file => $_, verbose => 0); my %h;
    $h{$_} = "" . ($e->{$_} // "") for qw(Source Version Distribution Urgency Maintainer Timestamp Date Closes Changes);
    print JSON::PP->new->canonical->encode(\%h), "\n";
  }`;
const ALL = String.raw`
  use Dpkg::Changelog::Debian;
  while (<STDIN>) {
    chomp; my $c = Dpkg::Changelog::Debian->new(verbose => 0); $c->load($_);
    print join(" ", map { $_->get_version() // "none" } @$c), "\n";
  }`;

const Entry = z.record(z.string(), z.string());

let folder = '';
const files: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'landfall-changelogs-'));
  const texts = [...(await fromPackages()), ...(await fromDocs())];
  for (const [index, text] of texts.entries()) {
    const file = join(folder, `${index}`);
    await writeFile(file, text);
    files.push(file);
  }
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Those of installed packages; a machine that keeps no documentation has few or none. */
async function fromDocs(): Promise<Buffer[]> {
  const docs = await readdir('/usr/share/doc').catch(() => []);
  const files = docs.map((name) => `/usr/share/doc/${name}/changelog.Debian.gz`).filter((file) => existsSync(file));
  const found: Buffer[] = [];
  for (const file of sample(files, 400)) found.push(gunzipSync(await readFile(file)));
  return found;
}

async function fromPackages(): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for (const path of await binaryPackages()) {
    const bytes = await readFile(path);
    const layout = locateDeb(bytes);
    if ('kind' in layout) throw new Error(`${path}: ${layout.reason}`);
    const { offset, size } = layout.data;
    const data = await xzDecompress(bytes.subarray(offset, offset + size), 1 << 30);
    if (data.kind !== 'decompressed') continue;
    const reader = new TarReader(() => undefined, {
      wanted: (entry) => /^usr\/share\/doc\/[^/]+\/changelog(?:\.Debian)?\.gz$/.test(entry.name) && entry.size > 0,
      onContent: (_, content) => found.push(gunzipSync(content)),
    });
    reader.push(data.bytes);
  }
  return found.filter((text) => / \(.*\) .*;.*urgency/.test(text.toString('latin1').split('\n', 1)[0] ?? ''));
}

function asDpkg(entry: ChangelogEntry): Record<string, string> {
  return {
    Source: entry.source,
    Version: entry.version,
    Distribution: entry.distributions.join(' '),
    Urgency: entry.urgency,
    Maintainer: `${entry.maintainer.name} <${entry.maintainer.email}>`,
    Timestamp: String(entry.timestamp),
    Date: entry.date,
    Closes: entry.closes.join(' '),
  };
}

describe('changelogs, against Dpkg::Changelog', () => {
  it('reads the first entry of hundreds of real changelogs as dpkg-parsechangelog does', async () => {
    expect(files.length).toBeGreaterThanOrEqual(6);
    const answers = await perl(TOP, files);
    for (const [index, file] of files.entries()) {
      const entry = parseTopEntry(await readFile(file));
      if ('kind' in entry) throw new Error(`${entry.reason}\n${(await readFile(file, 'utf8')).slice(0, 500)}`);
      const { Changes: changes = '', ...theirs } = Entry.parse(JSON.parse(answers[index] ?? ''));
      expect(asDpkg(entry)).toEqual(theirs);
      // Its first line is the entry's; blanks at the end of a line are not kept by us.
      const body = changes
        .replace(/^\n/, '')
        .replace(/^.*\n/, '')
        .replace(/[ \t]+$/gm, '')
        .trim();
      expect(entry.changes.trim()).toBe(body);
    }
  });

  it('finds the same versions in whole changelogs, where it accepts them', async () => {
    const answers = await perl(ALL, files);
    let accepted = 0;
    for (const [index, file] of files.entries()) {
      const entries = parseChangelog(await readFile(file));
      if ('kind' in entries) continue;
      accepted++;
      expect(entries.map((entry) => entry.version).join(' ')).toBe(answers[index]);
    }
    expect(accepted / files.length).toBeGreaterThan(0.7);
  });

  it('agrees with the program itself', async () => {
    const [file = ''] = files;
    const { stdout } = await exec(['dpkg-parsechangelog', '-l', file, '-S', 'Version'], { deadlineMs: 20_000 });
    const entry = parseTopEntry(await readFile(file));
    expect('kind' in entry ? entry : `${entry.version}\n`).toBe(stdout.toString('utf8'));
  });
});
