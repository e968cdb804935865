/** The command line without a server: usage, exit codes, where it looks for server and token. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommand, type CliSurroundings } from '../../test/scenarios/cli.ts';
import type { Transport } from '../contract/client.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from '../platform/files.ts';

let folder: TemporaryDirectory;
beforeEach(async () => {
  folder = await makeTemporaryDirectory();
});
afterEach(async () => await folder.remove());

/** Answers every request with an empty list of tags, and keeps what was asked. */
function listener(): {
  readonly asked: { url: string; authorization: string | undefined }[];
  readonly transport: Transport;
} {
  const asked: { url: string; authorization: string | undefined }[] = [];
  return {
    asked,
    transport: (url, request) => {
      asked.push({ url, authorization: request.headers.authorization });
      return Promise.resolve(
        new Response('{"tags":[],"next":null}', { headers: { 'content-type': 'application/json' } }),
      );
    },
  };
}

async function asking(argv: readonly string[], around: CliSurroundings = {}) {
  const { asked, transport } = listener();
  const result = await runCommand(['tag', 'list', ...argv], {
    environment: { LANDFALL_STATE_DIR: folder.path },
    directory: folder.path,
    transport,
    ...around,
  });
  return { ...result, asked };
}

async function writeClient(url: string, secret: string): Promise<void> {
  await mkdir(join(folder.path, 'tokens'));
  await writeFile(join(folder.path, 'tokens', 'me'), `${secret}\n`, { mode: 0o600 });
  await writeFile(join(folder.path, 'client.json'), JSON.stringify({ url, tokenFile: 'tokens/me' }));
}

const SECRET = `lf_${'s'.repeat(43)}`;

describe('which server, and as whom', () => {
  test('client.json of the state folder', async () => {
    await writeClient('http://one.example:1/', SECRET);
    expect((await asking([])).asked).toEqual([
      { url: 'http://one.example:1/api/v1/tags', authorization: `Bearer ${SECRET}` },
    ]);
  });

  test('nothing configured: the default address, as nobody', async () => {
    expect((await asking([])).asked).toEqual([{ url: 'http://127.0.0.1:8463/api/v1/tags', authorization: undefined }]);
  });

  test('a token never goes to another server than the one it was stored for', async () => {
    await writeClient('http://one.example', SECRET);
    expect((await asking(['--url', 'http://two.example'])).asked[0]?.authorization).toBeUndefined();
    const around = { environment: { LANDFALL_STATE_DIR: folder.path, LANDFALL_URL: 'http://three.example' } };
    expect((await asking([], around)).asked[0]).toEqual({
      url: 'http://three.example/api/v1/tags',
      authorization: undefined,
    });
  });

  test('options win over the environment, which wins over the file', async () => {
    await writeClient('http://one.example', SECRET);
    await writeFile(join(folder.path, 'other'), `lf_${'o'.repeat(43)}`, { mode: 0o600 });
    const around = {
      environment: {
        LANDFALL_STATE_DIR: folder.path,
        LANDFALL_URL: 'http://two.example',
        LANDFALL_TOKEN_FILE: 'other',
      },
    };
    expect((await asking([], around)).asked[0]?.authorization).toBe(`Bearer lf_${'o'.repeat(43)}`);
    expect((await asking(['--url', 'http://four.example'], around)).asked[0]?.url).toMatch(/^http:\/\/four\.example\//);
  });

  test('a token that others can read is used, with a warning that says how to mend it', async () => {
    await writeClient('http://one.example', SECRET);
    await chmod(join(folder.path, 'tokens', 'me'), 0o644);
    const { stderr, asked } = await asking([]);
    expect(stderr).toContain('chmod 600');
    expect(asked).toHaveLength(1);
  });

  test('a token file that is not there, or holds no token, is an error of usage', async () => {
    expect(await asking(['--token-file', 'nothing'])).toMatchObject({ code: 2, asked: [] });
    await writeFile(join(folder.path, 'empty'), 'not a token');
    const { code, stderr } = await asking(['--token-file', 'empty']);
    expect([code, stderr.includes('does not hold a token')]).toEqual([2, true]);
  });

  test('a client.json that cannot be read is said with its form', async () => {
    await writeFile(join(folder.path, 'client.json'), '{"url": 3}');
    const { code, stderr } = await asking([]);
    expect(code).toBe(2);
    expect(stderr).toContain('client.json');
    expect(stderr).toContain('--url');
  });
});

test('an option behind a subcommand is its own, also where the command above has one of that name', async () => {
  const { asked, transport } = listener();
  const around = { environment: { LANDFALL_STATE_DIR: folder.path }, transport };
  await runCommand(['tag', 'list', '--url', 'http://sub.example'], around, (program) => {
    program.commands.find((command) => command.name() === 'tag')?.option('--url <url>', 'of the parent');
  });
  expect(asked[0]?.url).toBe('http://sub.example/api/v1/tags');
});

describe('exit codes', () => {
  test.each([
    [['where'], 2, "landfall where: missing required argument 'package'\n  see: landfall help where\n"],
    [['tag', 'show', 'x'], 2, "landfall tag show: 'x' is no tag: expected a number.\n  see: landfall help tag show\n"],
    [['whre', 'hello'], 2, 'Did you mean where?'],
    [['logs', 'abc'], 2, 'expected a number'],
    [['job', 'cancel', '3'], 2, "required option '--reason <text>'"],
    [['tag', 'list', '--state', 'odd'], 2, 'Allowed choices are'],
    [['where', 'hello', '--url', 'ftp://x'], 2, 'is not an http or https address'],
  ])('%j is %i', async (argv, code, words) => {
    const result = await runCommand(argv, { environment: { LANDFALL_STATE_DIR: folder.path } });
    expect([result.code, result.stdout]).toEqual([code, '']);
    expect(result.stderr).toContain(words);
  });

  test('a server that is not there is 3, one line and a remedy; with --json the same as JSON', async () => {
    const transport: Transport = () =>
      Promise.reject(new TypeError('fetch failed', { cause: Object.assign(new Error('x'), { code: 'ECONNREFUSED' }) }));
    const around = { environment: { LANDFALL_STATE_DIR: folder.path }, transport };
    const plain = await runCommand(['where', 'hello'], around);
    expect(plain.code).toBe(3);
    expect(plain.stdout).toBe('');
    expect(plain.stderr.split('\n')).toHaveLength(3);
    expect(plain.stderr).toContain('landfall serve');
    const json = await runCommand(['where', 'hello', '--json'], around);
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stdout)).toMatchObject({ error: { code: 'server.unreachable' } });
  });

  test.each([
    [401, 4],
    [403, 4],
    [404, 5],
    [409, 1],
    [422, 1],
    [500, 70],
    [503, 70],
  ])('a refusal of %i is %i', async (status, code) => {
    const transport: Transport = () =>
      Promise.resolve(
        new Response(
          JSON.stringify({
            type: 'x',
            title: 'x',
            status,
            code: 'a.b',
            detail: 'no\u001b[2J',
            remedy: 'do this',
            requestId: null,
          }),
          { status, headers: { 'content-type': 'application/problem+json' } },
        ),
      );
    const result = await runCommand(['tag', 'list'], { environment: { LANDFALL_STATE_DIR: folder.path }, transport });
    expect(result.code).toBe(code);
    expect(result.stderr).toBe('landfall: no\\x1b[2J\n  -> do this\n');
  });

  test('help and version are 0, on stdout', async () => {
    const help = await runCommand(['help', 'tag', 'check']);
    expect([help.code, help.stderr]).toEqual([0, '']);
    expect(help.stdout).toContain('Examples:');
    expect(await runCommand(['--version'])).toMatchObject({ code: 0, stdout: '0.1.0\n' });
  });
});

describe('apply', () => {
  test('sends the files that a distribution file names, and no other, whatever the server asks for', async () => {
    await writeFile(join(folder.path, 'main.toml'), '[person.alice]\nkeys = ["alice.asc"]\n');
    await writeFile(join(folder.path, 'alice.asc'), 'the key');
    await writeFile(join(folder.path, 'secret'), 'the secret');
    const bodies: string[] = [];
    const problem = (needs: string) => ({
      file: 'main.toml',
      line: 2,
      column: null,
      path: 'person.alice.keys',
      problem: 'is not there',
      expected: 'a key',
      remedy: 'send it',
      needs,
    });
    const transport: Transport = (_url, request) => {
      bodies.push(typeof request.body === 'string' ? request.body : '');
      const plan = {
        kind: 'problems',
        problems: [problem('alice.asc'), problem('secret'), problem('../../etc/passwd')],
      };
      return Promise.resolve(new Response(JSON.stringify(plan), { headers: { 'content-type': 'application/json' } }));
    };
    const result = await runCommand(['apply', 'main.toml'], {
      environment: { LANDFALL_STATE_DIR: folder.path },
      directory: folder.path,
      transport,
    });
    expect(result.code).toBe(1);
    expect(result.stdout).toContain('main.toml:2: person.alice.keys is not there\n    expected: a key\n');
    const sent = bodies.map((body) =>
      (JSON.parse(body) as { files: { attachments: { name: string }[] }[] }).files[0]?.attachments.map(
        (one) => one.name,
      ),
    );
    expect(sent).toEqual([[], ['alice.asc']]);
    expect(bodies.join('')).not.toContain(Buffer.from('the secret').toString('base64'));
  });

  test('asks before it does anything, and does nothing when there is nobody to ask', async () => {
    await writeFile(join(folder.path, 'main.toml'), '[pool.x]\n');
    const urls: string[] = [];
    const transport: Transport = (url) => {
      urls.push(url);
      const plan = { kind: 'plan', changes: [{ action: 'create', what: 'pool x', detail: '' }], hash: 'h' };
      const answer = url.endsWith('/confirm') ? { applied: plan.changes } : plan;
      return Promise.resolve(new Response(JSON.stringify(answer), { headers: { 'content-type': 'application/json' } }));
    };
    const around = { environment: { LANDFALL_STATE_DIR: folder.path }, directory: folder.path, transport };
    const silent = await runCommand(['apply', 'main.toml'], around);
    expect([silent.code, silent.stderr.includes('--yes')]).toEqual([2, true]);
    const say = (text: string) =>
      Object.assign(
        (async function* () {
          await Promise.resolve();
          yield text;
        })(),
        { isTTY: true },
      );
    expect(await runCommand(['apply', 'main.toml'], { ...around, stdin: say('no\n') })).toMatchObject({ code: 1 });
    expect(urls.filter((url) => url.endsWith('/confirm'))).toEqual([]);
    const done = await runCommand(['apply', 'main.toml'], { ...around, stdin: say('y\n') });
    expect([done.code, done.stdout]).toEqual([
      0,
      '+ pool x\n\n1 to create, 0 to change, 0 to withdraw\n1 change applied\n',
    ]);
    expect(await runCommand(['apply', '--dry-run', 'main.toml'], around)).toMatchObject({ code: 1 });
    expect(await runCommand(['apply', 'nothing.toml'], around)).toMatchObject({ code: 2 });
  });
});
