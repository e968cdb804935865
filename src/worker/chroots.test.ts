import { describe, expect, test } from 'vitest';
import { ProgramFailed } from '../platform/exec.ts';
import { baseKey, explainBootstrap, type BaseSpec } from './chroots.ts';

const SPEC: BaseSpec = {
  uri: 'http://mirror.example/debian',
  suite: 'bookworm',
  components: ['main'],
  keyring: Buffer.from('keys'),
  architecture: 'amd64',
};

test('the key of a base depends on everything that it is made from, and is a plain name', () => {
  const others: Partial<BaseSpec>[] = [
    { uri: 'http://other.example/debian' },
    { suite: 'trixie' },
    { components: ['main', 'contrib'] },
    { keyring: Buffer.from('other keys') },
    { architecture: 'arm64' },
  ];
  const keys = [SPEC, ...others.map((change) => ({ ...SPEC, ...change }))].map(baseKey);
  expect(new Set(keys).size).toBe(keys.length);
  expect(baseKey({ ...SPEC })).toBe(keys[0]);
  expect(baseKey({ ...SPEC, suite: '../../etc' })).toMatch(/^[A-Za-z0-9.-]+$/);
});

describe('why a base could not be made', () => {
  test.each([
    ['chroot.no-room', 'E: cannot write: No space left on device'],
    [
      'chroot.untrusted',
      'Err:1 http://m.example bookworm InRelease\nW: GPG error: … NO_PUBKEY 0E98404D386FA1D9\nE: apt-get update failed',
    ],
    [
      'chroot.mirror-away',
      'Err:1 http://m.example bookworm InRelease\n  Could not connect to m.example:80\nE: apt-get update failed',
    ],
    ['chroot.mirror-away', "E: The repository 'http://m.example nosuch Release' does not have a Release file."],
    ['chroot.failed', 'E: run_chroot failed: E: something else'],
  ])('%s', (code, stderr) => {
    const result = { code: 25, signal: null, stdout: Buffer.alloc(0), stderr, durationMs: 1 };
    const failed = new ProgramFailed('make a base', 'mmdebstrap', result);
    const error = explainBootstrap('make a base', failed, SPEC);
    expect(error).toMatchObject({ code, doing: 'make a base' });
    expect(error.remedy).toBeTruthy();
    expect(error.reason).toContain('E');
  });
});
