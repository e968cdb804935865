/**
 * H70–H73, H80 Servers that lie: real git on our side, and on the other an HTTPS server that speaks git's protocol with one thing
 * changed. Whatever it says, we go nowhere else, keep nothing, and what is only its fault is no verdict.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createRepository, type TestRepository } from '../../test/scenarios/git-repository.ts';
import { exec } from './exec.ts';
import { makeTemporaryDirectory, type TemporaryDirectory } from './files.ts';
import { fetchRefs, git, initBare, lsRemote, type FetchResult } from './git.ts';

const DEADLINE_MS = 60_000;
const REF = 'refs/tags/landing/1.0-1';

/** What a server changes; each default is honest. */
interface Lies {
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly request?: (body: Buffer) => Buffer;
  readonly reply?: (body: Buffer) => Buffer;
}

let folder: TemporaryDirectory;
let forge: TestRepository;
let server: Server;
let url: string;
let env: Record<string, string>;
let lies: Lies = {};
let asked: string[] = [];
let gitDir: string;
let tagId: string;
let otherId: string;

beforeAll(async () => {
  folder = await makeTemporaryDirectory('lf-liar-');
  const [key, certificate] = [join(folder.path, 'key'), join(folder.path, 'certificate')];
  await exec(
    [
      ...(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'] as const),
      ...['-keyout', key, '-out', certificate, '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ],
    { deadlineMs: DEADLINE_MS },
  );
  forge = await createRepository();
  const commitId = await forge.commit({ files: { README: 'hello\n' } });
  tagId = await forge.tag({ name: 'landing/1.0-1', commitId, message: 'a release' });
  otherId = await forge.tag({
    name: 'landing/1.0-2',
    commitId: await forge.commit({ files: { README: 'other\n' } }),
    message: 'another',
  });
  server = createServer({ key: await readFile(key), cert: await readFile(certificate) }, (request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    serve(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  url = `https://127.0.0.1:${portOf(address)}/forge.git`;
  env = { GIT_SSL_CAINFO: certificate };
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await forge.remove();
  await folder.remove();
});
beforeEach(async () => {
  lies = {};
  asked = [];
  gitDir = join(folder.path, `${randomBytes(4).toString('hex')}.git`);
  await initBare(gitDir);
});
afterEach(() => server.closeAllConnections());

function portOf(address: AddressInfo): number {
  return address.port;
}

/** git's smart protocol, version 2, by git itself. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (lies.answer?.(request, response) === true) return;
  const chunks: Buffer[] = [];
  for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  const advertise = request.method === 'GET';
  const { stdout } = await exec(
    ['git', 'upload-pack', '--stateless-rpc', ...(advertise ? ['--advertise-refs'] : []), forge.gitDir],
    {
      env: { GIT_PROTOCOL: 'version=2', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' },
      input: lies.request?.(Buffer.concat(chunks)) ?? Buffer.concat(chunks),
      deadlineMs: DEADLINE_MS,
      okCodes: 'any',
    },
  );
  const kind = advertise ? 'advertisement' : 'result';
  response.setHeader('Content-Type', `application/x-git-upload-pack-${kind}`);
  const body = advertise ? Buffer.concat([Buffer.from('001e# service=git-upload-pack\n0000'), stdout]) : stdout;
  response.end(lies.reply?.(body) ?? body);
}

async function fetch(
  limits: { readonly deadlineMs?: number; readonly maxPackBytes?: number; readonly maxMemoryBytes?: number } = {},
): Promise<FetchResult> {
  return await fetchRefs({
    gitDir,
    url,
    protocols: ['https'],
    refspecs: [`+${REF}:refs/kept`],
    depth: 1,
    deadlineMs: limits.deadlineMs ?? DEADLINE_MS,
    maxPackBytes: limits.maxPackBytes ?? 10_000_000,
    env,
    ...(limits.maxMemoryBytes === undefined ? {} : { maxMemoryBytes: limits.maxMemoryBytes }),
  });
}

async function kept(): Promise<string> {
  const { stdout } = await git(['for-each-ref', '--format=%(objectname) %(refname)'], {
    gitDir,
    deadlineMs: DEADLINE_MS,
  });
  return stdout.toString('latin1').trim();
}

async function packs(): Promise<readonly string[]> {
  return await readdir(join(gitDir, 'objects', 'pack'));
}

function pkt(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes]);
}

/** Of the channels that share a connection: 1 the pack, 2 words for the person. */
function band(channel: number, bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 60_000) {
    parts.push(pkt(Buffer.concat([Buffer.from([channel]), bytes.subarray(at, at + 60_000)])));
  }
  return Buffer.concat(parts);
}

/** Lists the one ref honestly, and answers the fetch with these packets. */
function answerFetch(request: IncomingMessage, response: ServerResponse, packets: readonly Buffer[]): void {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    response.setHeader('Content-Type', 'application/x-git-upload-pack-result');
    const flush = Buffer.from('0000');
    if (!Buffer.concat(chunks).includes('command=fetch')) {
      response.end(Buffer.concat([pkt(`${tagId} ${REF}\n`), flush]));
      return;
    }
    response.end(Buffer.concat([pkt('shallow-info\n'), Buffer.from('0001'), pkt('packfile\n'), ...packets, flush]));
  });
}

/** A blob of 8 MiB, and ten deltas of which each doubles the one before. @see gitformat-pack(5) */
function deltaBomb(): Buffer {
  const piece = 8 * 1024 ** 2;
  const levels = 10;
  const number = (value: number): number[] =>
    value < 128 ? [value] : [128 | (value % 128), ...number(Math.floor(value / 128))];
  const parts: Buffer[] = [Buffer.from('PACK\0\0\0\x02\0\0\0', 'latin1'), Buffer.from([levels + 1])];
  let length = 12;
  const add = (type: number, size: number, before: readonly number[], content: Buffer): number => {
    const first = size < 16 ? size : 128 | (size % 16);
    const rest = size < 16 ? [] : number(Math.floor(size / 16));
    const bytes = Buffer.concat([Buffer.from([(type << 4) | first, ...rest, ...before]), deflateSync(content)]);
    parts.push(bytes);
    length += bytes.length;
    return length - bytes.length;
  };
  let base = add(3, piece, [], Buffer.alloc(piece));
  for (let level = 0; level < levels; level++) {
    const size = piece * 2 ** level;
    const copies: number[] = [];
    for (let half = 0; half < 2; half++) {
      for (let at = 0; at < size; at += piece) {
        const word = Buffer.alloc(4);
        word.writeUInt32LE(at);
        copies.push(0xff, ...word, 0, 0, piece >> 16);
      }
    }
    const delta = Buffer.from([...number(size), ...number(size * 2), ...copies]);
    // The distance back to its base, most significant group first, each further one counted from one.
    const back: number[] = [];
    for (let rest = length - base, first = true; first || rest > 0; first = false) {
      if (!first) rest--;
      back.unshift((first ? 0 : 128) | (rest % 128));
      rest = Math.floor(rest / 128);
    }
    base = add(6, delta.length, back, delta);
  }
  const whole = Buffer.concat(parts);
  return Buffer.concat([whole, createHash('sha1').update(whole).digest()]);
}

function exchange(from: string, to: string): (body: Buffer) => Buffer {
  return (body) => Buffer.from(body.toString('latin1').replaceAll(from, to), 'latin1');
}

test('an honest server is fetched from, so that the others differ by their lie alone', async () => {
  expect(await lsRemote({ url, patterns: ['refs/tags/landing/*'], deadlineMs: DEADLINE_MS, env })).toMatchObject({
    refs: [
      { ref: REF, objectId: tagId },
      { ref: 'refs/tags/landing/1.0-2', objectId: otherId },
    ],
  });
  expect(await fetch()).toEqual({ kind: 'fetched' });
  expect(await kept()).toBe(`${tagId} refs/kept`);
});

describe('H74 a server that says one thing and sends another', () => {
  test('another tag under the name: what came is named by its own id, for the caller to compare', async () => {
    lies = { reply: exchange(tagId, otherId) };
    expect(await fetch()).toEqual({ kind: 'fetched' });
    expect(await kept()).toBe(`${otherId} refs/kept`);
  });

  test('a pack without the object that was asked for makes no ref', async () => {
    lies = { request: exchange(`want ${tagId}`, `want ${otherId}`) };
    expect(await fetch()).toMatchObject({ kind: 'unreachable' });
    expect(await kept()).toBe('');
  });

  test('an id that does not exist, an empty answer, an answer that is cut off, and noise', async () => {
    const nobody = '0123456789abcdef0123456789abcdef01234567';
    for (const reply of [
      exchange(tagId, nobody),
      () => Buffer.alloc(0),
      (body: Buffer) => body.subarray(0, body.length - 40),
      () => randomBytes(3_000),
    ]) {
      lies = { reply };
      expect(['missing-ref', 'unreachable', 'refused']).toContain((await fetch()).kind);
      expect(await kept()).toBe('');
      expect((await packs()).filter((name) => name.startsWith('tmp_'))).toEqual([]);
    }
  });
});

test('H71 an object that git refuses is refused over the wire too, however the connection ends', async () => {
  const blob = Buffer.from(await forge.store('blob', 'evil'), 'hex');
  const tree = await forge.store('tree', Buffer.concat([Buffer.from('100644 .git\0'), blob]));
  const who = 'A <a@example.org> 1700000000 +0000';
  const commitId = await forge.store('commit', `tree ${tree}\nauthor ${who}\ncommitter ${who}\n\nx\n`);
  const id = await forge.tag({ name: 'landing/1.0-4', commitId, message: 'evil', ref: 'refs/test/evil' });
  lies = { request: exchange(`want ${tagId}`, `want ${id}`) };
  expect(await fetch()).toMatchObject({ kind: 'refused', detail: expect.stringContaining('.git') as unknown });
  expect(await packs()).toEqual([]);
});

describe('a server that sends us elsewhere', () => {
  test('redirects are not followed', async () => {
    lies = {
      answer: (request, response) => {
        if (request.url?.startsWith('/elsewhere') === true) return false;
        response.writeHead(302, { Location: `/elsewhere${request.url ?? ''}` }).end();
        return true;
      },
    };
    expect(await lsRemote({ url, patterns: ['refs/tags/*'], deadlineMs: DEADLINE_MS, env })).toMatchObject({
      kind: 'unreachable',
    });
    expect(await fetch()).toMatchObject({ kind: 'unreachable' });
    expect(asked.filter((line) => line.includes('/elsewhere'))).toEqual([]);
  });

  test('the dumb protocol, whose objects git would not check and whose alternates name other hosts, is not spoken', async () => {
    lies = {
      answer: (request, response) => {
        if (request.url?.includes('/info/refs') === true) {
          response.setHeader('Content-Type', 'text/plain');
          response.end(`${tagId}\t${REF}\n`);
        } else if (request.url?.endsWith('/HEAD') === true) response.end('ref: refs/heads/main\n');
        else if (request.url?.includes('alternates') === true) response.end('https://169.254.169.254/x.git/objects\n');
        else response.writeHead(404).end();
        return true;
      },
    };
    expect(await fetch()).toMatchObject({ kind: 'unreachable', detail: expect.stringContaining('dumb') as unknown });
    expect(asked.filter((line) => line.includes('/objects/'))).toEqual([]);
    expect(await kept()).toBe('');
  });
});

describe('H73 a server without end', () => {
  test('refs for ever end with the memory that a listing may take', async () => {
    lies = {
      answer: (request, response) => {
        if (request.method === 'GET') return false;
        response.setHeader('Content-Type', 'application/x-git-upload-pack-result');
        const page = Buffer.concat(
          Array.from({ length: 2_000 }, (_, index) => pkt(`${tagId} refs/tags/landing/${'x'.repeat(150)}${index}\n`)),
        );
        const more = (): void => {
          while (!response.destroyed && response.write(page));
        };
        response.on('drain', more);
        more();
        return true;
      },
    };
    const listed = await lsRemote({
      url,
      patterns: ['refs/tags/landing/*'],
      deadlineMs: DEADLINE_MS,
      env,
      maxMemoryBytes: 192 * 1024 ** 2,
    });
    expect(listed).toMatchObject({ kind: 'too-large' });
  });

  test('more bytes than allowed, over the wire as from a folder', async () => {
    const commitId = await forge.commit({ files: { noise: randomBytes(600_000) } });
    const id = await forge.tag({ name: 'landing/1.0-3', commitId, message: 'large', ref: 'refs/test/large' });
    lies = { request: exchange(`want ${tagId}`, `want ${id}`) };
    expect(await fetch({ maxPackBytes: 100_000 })).toMatchObject({ kind: 'too-large' });
    expect(await packs()).toEqual([]);
  });

  test('a delta bomb: some kilobytes that stand for gigabytes', async () => {
    lies = {
      answer: (request, response) => {
        if (request.method === 'GET') return false;
        answerFetch(request, response, [band(1, deltaBomb())]);
        return true;
      },
    };
    expect(await fetch({ maxMemoryBytes: 192 * 1024 ** 2 })).toMatchObject({ kind: 'too-large' });
    expect(await packs()).toEqual([]);
  });

  test('a server that says nothing at all is a timeout', async () => {
    lies = { answer: () => true };
    expect(await fetch({ deadlineMs: 1_000 })).toMatchObject({ kind: 'timeout' });
  });
});

test('H80 words of the server are no words of our git: its full disk, its memory and its colours decide nothing', async () => {
  const words = [
    'error: object 0123456789abcdef0123456789abcdef01234567: fsck error in tag: File too large',
    'No space left on device; fatal: Out of memory, malloc failed; index-pack failed; SHA1 COLLISION',
    "fatal: couldn't find remote ref \u001b]8;;x\u0007\u202egnp",
  ];
  lies = {
    answer: (request, response) => {
      if (request.method === 'GET') return false;
      answerFetch(
        request,
        response,
        words.map((text) => band(2, Buffer.from(`${text}\n`))),
      );
      return true;
    },
  };
  const result = await fetch();
  // What our git says is that it got no pack; nothing of the words is in it, and the gate tries again.
  expect(result).toEqual({ kind: 'refused', detail: 'fatal: protocol error: bad pack header' });
});

test('the configuration of the folder that a process stands in sends nothing elsewhere', async () => {
  const clone = await makeTemporaryDirectory('lf-clone-');
  const before = process.cwd();
  try {
    await exec(['git', 'init', '-q', clone.path], { deadlineMs: DEADLINE_MS });
    await exec(['git', '-C', clone.path, 'config', 'url.https://127.0.0.1:1/.insteadOf', 'https://'], {
      deadlineMs: DEADLINE_MS,
    });
    process.chdir(clone.path);
    const listed = await lsRemote({ url, patterns: ['refs/tags/landing/*'], deadlineMs: DEADLINE_MS, env });
    expect(listed).toMatchObject({ kind: 'refs' });
  } finally {
    process.chdir(before);
    await clone.remove();
  }
});
