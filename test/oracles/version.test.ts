/** Our order of versions against dpkg's own, over every version in the machine's apt lists and over made-up ones. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { fieldOf, splitStanzas } from '../../src/debian/deb822.ts';
import { compareVersionTexts, isVersion } from '../../src/debian/version.ts';
import { exec } from '../../src/platform/exec.ts';
import { perl, readPackagesIndex, sample } from './apt-lists.ts';

const COMPARE =
  'use Dpkg::Version; while (<STDIN>) { chomp; my ($a, $b) = split /\\t/; print version_compare($a, $b), "\\n" }';
const CHECK = 'use Dpkg::Version; while (<STDIN>) { chomp; my ($ok) = version_check($_); print $ok ? 1 : 0, "\\n" }';

let versions: string[] = [];
beforeAll(async () => {
  const index = await readPackagesIndex();
  versions = [...new Set([...splitStanzas(index)].map((stanza) => fieldOf(stanza, 'Version') ?? ''))];
  expect(versions.length).toBeGreaterThan(1_000);
});

/** Made of the characters that matter, so that ties and near ties are frequent. */
const madeUp = fc
  .tuple(
    fc.constantFrom('', '0:', '1:', '2:'),
    fc.constantFrom('0', '1', '10', '01'),
    fc.string({ unit: fc.constantFrom('0', '1', '9', 'a', 'Z', '.', '+', '~', '-', '00'), maxLength: 8 }),
  )
  .map((parts) => parts.join('').replace(/-+$/, ''));

async function disagreements(pairs: readonly (readonly [string, string])[]): Promise<string[]> {
  const answers = await perl(
    COMPARE,
    pairs.map((pair) => pair.join('\t')),
  );
  return pairs.flatMap(([a, b], index) => {
    const ours = Math.sign(compareVersionTexts(a, b));
    return String(ours) === answers[index] ? [] : [`${a} ${b}: ours ${ours}, dpkg ${answers[index] ?? ''}`];
  });
}

describe('versions, against Dpkg::Version', () => {
  it('accepts every version in the apt lists', () => {
    expect(versions.filter((text) => !isVersion(text))).toEqual([]);
  });

  it('orders 12,000 neighbours of the sorted list as dpkg does', async () => {
    const sorted = versions.toSorted(compareVersionTexts);
    const pairs = sorted.slice(1).map((text, index) => [sorted[index] ?? '', text] as const);
    expect(await disagreements(sample(pairs, 12_000))).toEqual([]);
  });

  it('orders 6,000 made-up pairs as dpkg does', async () => {
    expect(await disagreements(fc.sample(fc.tuple(madeUp, madeUp), { numRuns: 6_000, seed: 1 }))).toEqual([]);
  });

  it('accepts nothing that dpkg refuses, and refuses only colons in an upstream version besides', async () => {
    // A version that ends in its first colon is left out: the library takes it, dpkg itself does not.
    const text = fc.string({
      unit: fc.constantFrom('0', '1', 'a', ':', '-', '.', '~', '+', '_', ' ', '/', 'é'),
      minLength: 1,
      maxLength: 7,
    });
    const texts = fc
      .sample(text, { numRuns: 6_000, seed: 2 })
      .filter((one) => one.trim() === one && !one.endsWith(':'));
    const answers = await perl(CHECK, texts);
    const wrong = texts.filter((one, index) => {
      const colonUpstream = /:.*:/.test(one);
      return colonUpstream ? isVersion(one) : isVersion(one) !== (answers[index] === '1');
    });
    expect(wrong).toEqual([]);
  });

  it('agrees with dpkg --compare-versions itself on 300 pairs', async () => {
    const pairs = [
      ...sample(versions, 151).map((text, index, all) => [text, all[(index + 1) % all.length] ?? text] as const),
      ...fc.sample(fc.tuple(madeUp, madeUp), { numRuns: 150, seed: 3 }),
    ].slice(0, 300);
    const wrong: string[] = [];
    for (const [a, b] of pairs) {
      const { code } = await exec(['dpkg', '--compare-versions', a, 'lt', b], { deadlineMs: 10_000, okCodes: [0, 1] });
      if ((code === 0) !== compareVersionTexts(a, b) < 0) wrong.push(`${a} ${b}`);
    }
    expect(wrong).toEqual([]);
  });
});
