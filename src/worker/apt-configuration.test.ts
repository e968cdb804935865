import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { exec } from '../platform/exec.ts';
import { withTemporaryDirectory } from '../platform/files.ts';
import { formatAptConf, judgesAgeOf, parseAptConfig, readMachineApt, sourceLine } from './apt-configuration.ts';

const SOURCE = {
  uri: 'https://archive.example/debian',
  suite: 'bookworm',
  components: ['main', 'contrib'],
  keyring: '/tmp/k.gpg',
  architecture: 'amd64',
  judgeAge: true,
};

describe('a line of sources.list', () => {
  test('has its keyring and says whether age counts', () => {
    expect(sourceLine(SOURCE)).toBe(
      'deb [arch=amd64 signed-by=/tmp/k.gpg check-valid-until=yes check-date=yes] https://archive.example/debian bookworm main contrib\n',
    );
    expect(sourceLine({ ...SOURCE, keyring: undefined, judgeAge: false })).toBe(
      'deb [arch=amd64 trusted=yes check-valid-until=no check-date=no] https://archive.example/debian bookworm main contrib\n',
    );
  });

  test.each([
    ['a second line', { uri: 'http://a.example/\ndeb http://b.example/' }],
    ['a blank in the URI', { uri: 'http://a.example/ x' }],
    ['a file', { uri: 'file:///etc' }],
    ['a program', { uri: 'ssh://x' }],
    ['options in the suite', { suite: '[trusted=yes] sid' }],
    ['a component that is an option', { components: ['[x]'] }],
    ['no component', { components: [] }],
    ['an architecture that ends the options', { architecture: 'amd64] http://b' }],
  ])('cannot hold %s', (_what, change) => {
    expect(() => sourceLine({ ...SOURCE, ...change })).toThrow('could not write a source for apt');
  });

  test('whatever the values are, it is one line with one URI', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (uri, suite, component) => {
        let line: string;
        try {
          line = sourceLine({ ...SOURCE, uri: `http://${uri}`, suite, components: [component] });
        } catch {
          return;
        }
        expect(line.trimEnd().split(/\s+/)).toHaveLength(8);
        expect(line.indexOf('\n')).toBe(line.length - 1);
      }),
    );
  });
});

test('an apt.conf says to apt-config what was written', async () => {
  await withTemporaryDirectory(async (folder) => {
    const file = join(folder, 'apt.conf');
    const text = formatAptConf(
      new Map<string, string | readonly string[]>([
        ['Dir::Etc::main', '/dev/null'],
        ['Dir::Etc::parts', '/dev/null'],
        ['APT::Architectures', ['amd64', 'arm64']],
        ['Test::Blank', 'a b; c'],
      ]),
    );
    await writeFile(file, text);
    const { stdout } = await exec(['apt-config', 'dump'], { env: { APT_CONFIG: file }, deadlineMs: 30_000 });
    const lines = stdout.toString('utf8').split('\n');
    expect(lines).toContain('Test::Blank "a b; c";');
    expect(lines.filter((line) => line.startsWith('APT::Architectures::'))).toEqual([
      'APT::Architectures:: "amd64";',
      'APT::Architectures:: "arm64";',
    ]);
  });
  expect(() => formatAptConf(new Map([['A', 'x";\nB "y']]))).toThrow(RangeError);
});

test("takes over how the machine reaches the network, and nothing else of its apt's configuration", () => {
  const { network, judgesAge } = parseAptConfig(
    [
      'Acquire::http::Proxy "http://proxy.example:3128";',
      'Acquire::http::Proxy::inside.example "DIRECT";',
      'Acquire::https::CaInfo "/etc/ca.pem";',
      'Acquire::AllowInsecureRepositories "1";',
      'APT::Get::AllowUnauthenticated "1";',
      'Acquire::Check-Valid-Until "false";',
      'DPkg::Pre-Invoke:: "rm -rf /";',
    ].join('\n'),
  );
  expect([...network.keys()].sort()).toEqual(['Acquire::http::Proxy', 'Acquire::https::CaInfo']);
  expect(judgesAge).toBe(false);
});

test('only for mirrors that the machine itself uses may its administrator switch the judging of age off', async () => {
  const machine = { network: new Map(), repositories: new Set(['http://a.example/debian/']), judgesAge: false };
  expect(judgesAgeOf('http://a.example/debian', machine)).toBe(false);
  expect(judgesAgeOf('http://ours.example/archive/main', machine)).toBe(true);
  expect(judgesAgeOf('http://a.example/debian', { ...machine, judgesAge: true })).toBe(true);
  // The real machine's configuration can be read.
  expect((await readMachineApt()).repositories).toBeInstanceOf(Set);
});
