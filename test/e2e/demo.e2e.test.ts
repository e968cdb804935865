/**
 * The demo, run twice as a user would run it; the second run reuses what the first one left. What it reports is what the issue
 * promises: the facts are made by the real programs, apt among them.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DemoFacts } from '../../src/app/demo/demo.ts';
import { program, type Program } from './program.ts';

const DEADLINE_MS = 600_000;

let landfall: Program;
const runs: DemoFacts[] = [];

async function demo(...args: string[]): Promise<DemoFacts> {
  const result = await landfall.run(['demo', '--once', '--json', '--port', '0', ...args], { deadlineMs: DEADLINE_MS });
  // The demo's own promise: one object, of the shape of DemoFacts.
  return JSON.parse(result.stdout.toString('utf8')) as DemoFacts;
}

beforeAll(async () => {
  landfall = await program('demo', ['demo']);
  runs.push(await demo('--reset'));
  runs.push(await demo());
}, 2 * DEADLINE_MS);

afterAll(async () => {
  await landfall.run(['stop'], { okCodes: 'any' });
});

describe.each([
  ['first', 0],
  ['second', 1],
])('the %s run of the demo', (_which, index) => {
  const facts = (): DemoFacts => {
    const run = runs[index];
    if (run === undefined) throw new Error('the demo did not run');
    return run;
  };

  it('installs with apt the version that the signed tag released, and runs it', () => {
    expect(facts().installed.version).toBe(facts().version);
    expect(facts().installed.says).toBe('Hello, world!');
  });

  it('installs the upgrade over it', () => {
    expect(facts().upgraded.version).toBe(facts().upgrade);
    expect(facts().upgrade).not.toBe(facts().version);
  });

  it('tells the maintainer in the output of git push where to look', () => {
    expect(facts().pushOutput).toMatch(/remote: .*http:\/\/127\.0\.0\.1:\d+\/submissions\/\d+/);
  });

  it('rejects the three bad tags, each with a code of its own, a sentence and a remedy', () => {
    expect(facts().rejected.map(({ code }) => code)).toEqual([
      'signature.present',
      'signer.known',
      'signer.permission',
    ]);
    for (const { sentence, remedy, url } of facts().rejected) {
      expect(sentence.length).toBeGreaterThan(20);
      expect(remedy).toBeTruthy();
      expect(url).toMatch(/\/tags\/\d+$/);
    }
  });

  it('shows the lines of the log that say why a build failed', () => {
    expect(facts().failedBuild.excerpt.join('\n')).toMatch(/this_does_not_compile/);
  });

  it('says why the job for arm64 waits', () => {
    expect(facts().waiting.architecture).toBe('arm64');
    expect(facts().waiting.sentence).toMatch(/worker.*arm64/);
  });

  it('leads source and binary back to tag, commit and signer', () => {
    const { tag, source } = facts();
    expect(source.tagInfo).toMatch(new RegExp(`^tag=${tag.objectId} fp=[0-9A-F]{40}$`));
    expect(tag.commitId).toMatch(/^[0-9a-f]{40}$/);
    expect(tag.signer).toContain('alice');
    expect(source.files.some((name) => name.endsWith('.orig.tar.gz'))).toBe(true);
  });

  it('prints what apt needs: the lines and the fingerprint of the key', () => {
    expect(facts().apt.fingerprint).toMatch(/^[0-9A-F]{40}$/);
    expect(facts().apt.lines).toMatch(/^Types: deb/m);
  });
});

describe('running the demo again', () => {
  it('releases next versions: accepted versions never return', () => {
    const [first, second] = runs;
    const versions = [first?.version, first?.upgrade, second?.version, second?.upgrade];
    expect(new Set(versions).size).toBe(4);
  });

  it('has the same key as before', () => {
    expect(runs[0]?.apt.fingerprint).toBe(runs[1]?.apt.fingerprint);
  });
});

describe('after the demo', () => {
  it('nothing of it runs any more', async () => {
    const { stdout } = await landfall.run(['stop']);
    expect(stdout.toString('utf8')).toBe('nothing was running\n');
  });
});
