/**
 * Random requests to the hooks, through the whole HTTP application with a real database: bodies, headers, query strings, content
 * types, signatures, some of them right and most of them not. Never a fault, never a decision, and what they leave behind in
 * tables, files and memory does not grow with their number.
 *
 * A few hundred in each run; `LANDFALL_FUZZ_RUNS=100000` for more.
 */
import { createHmac } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { exec } from '../../src/platform/exec.ts';
import { FORGES, asForm, forgeRequest } from '../scenarios/forge-payloads.ts';
import { createHttpWorld, type AskInit, type HttpWorld } from '../scenarios/http-world.ts';

const RUNS = Number(process.env.LANDFALL_FUZZ_RUNS ?? 400);
const SECRET = 'correct-horse-battery-staple';
const HOST = 'forge.example';
const PATHS = ['packages/hello', 'security/hello', 'group/known', 'group/new', 'nobody/nothing'];

let world: HttpWorld;

beforeAll(async () => {
  world = await createHttpWorld();
  const { db, main } = world;
  // One that anybody may tell of, one of a closed archive, and a namespace with a secret and one without.
  for (const [name, secret] of [
    ['group', SECRET],
    ['open', undefined],
  ] as const) {
    const { id } = await db
      .insertInto('git_namespaces')
      .values({ name, url: `https://${HOST}/${name}/*`, notices_per_minute: 6000 })
      .returning('id')
      .executeTakeFirstOrThrow();
    await db
      .insertInto('git_namespace_archives')
      .values({ git_namespace_id: id, distro: 'landfall', archive_id: main.id })
      .execute();
    if (secret !== undefined)
      await db
        .insertInto('hook_secrets')
        .values({ git_namespace_id: id, secret: Buffer.from(secret) })
        .execute();
  }
  await db.updateTable('git_repositories').set({ notices_per_minute: 6000 }).execute();
});
afterAll(async () => {
  await world.close();
});

/** A lone half of a surrogate pair is in no URL. */
const wellFormed = (value: string): string => value.replace(/\p{Surrogate}/gu, '\ufffd');

interface Draw {
  readonly path: string;
  readonly init: AskInit;
}

/** Text with what databases, parsers and terminals stumble over. */
const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    ...['\0', 'a\0b', '\ud800', '\u202e', "'; DROP TABLE tags; --", '../../etc/passwd', '%00', '{{7*7}}', '__proto__'],
  ),
  fc.constantFrom(
    'refs/tags/landfall/1.0-1',
    'refs/tags/landfall/2%1.0_rc1-1',
    'refs/heads/main',
    'refs/tags/',
    'refs/tags/x\ny',
  ),
  fc.constantFrom(...PATHS, ...PATHS.map((path) => `https://${HOST}/${path}.git`), `git@${HOST}:group/new.git`),
  fc.constantFrom('0'.repeat(40), 'a'.repeat(40), 'f'.repeat(64), '-1', '9'.repeat(400), 'ext::sh -c id'),
);

const KEYS = [
  ...[
    'ref',
    'object',
    'repository',
    'url',
    'clone_url',
    'ssh_url',
    'git_http_url',
    'git_ssh_url',
    'project',
    'http_url',
  ],
  ...[
    'object_kind',
    'event_name',
    'after',
    'before',
    'deleted',
    'ref_type',
    'payload',
    'commits',
    '__proto__',
    'constructor',
  ],
];

/** JSON with the fields that forges use, holding anything. */
const json = fc.letrec<{ value: unknown; object: unknown }>((tie) => ({
  object: fc.dictionary(fc.oneof(fc.constantFrom(...KEYS), text), tie('value'), { maxKeys: 6 }),
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    text,
    fc.constantFrom('tag_push', 'push', 'tag', true, null, -0, 1e308),
    fc.array(tie('value'), { maxLength: 3 }),
    tie('object'),
  ),
})).object;

const forge = fc.record({
  forge: fc.constantFrom(...FORGES),
  path: fc.constantFrom(...PATHS),
  tag: fc.constantFrom('landfall/1.0-1', 'landfall/1.0-2', 'v1', 'other/1', 'landfall/\u0000', '-x'),
  secret: fc.constantFrom(undefined, SECRET, 'wrong', ''),
  removed: fc.boolean(),
  form: fc.boolean(),
  /** A byte that is changed after it was signed. */
  flip: fc.option(fc.tuple(fc.nat(2000), fc.nat(255)), { freq: 2 }),
});

/** As HTTP carries it: no control characters, one byte each. */
const headerValue = fc.oneof(
  fc.stringMatching(/^[!-~]{0,60}$/),
  fc.constantFrom(
    'application/json',
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    '*/*',
  ),
  fc.constantFrom('Tag Push Hook', 'System Hook', 'push', 'create', 'ping', 'sha256=', `sha256=${'0'.repeat(64)}`),
  fc.constantFrom('Bearer x', 'Bearer ', 'Basic Og==', 'Basic !!', 'Digest', `Bearer ${'a'.repeat(3000)}`, '\u00e9'),
);
const HEADERS = [
  ...[
    'content-type',
    'content-length',
    'content-encoding',
    'transfer-encoding',
    'accept',
    'authorization',
    'cookie',
    'host',
  ],
  ...[
    'x-gitlab-event',
    'x-gitlab-token',
    'x-gitea-event',
    'x-gitea-signature',
    'x-forgejo-event',
    'x-forgejo-signature',
  ],
  ...[
    'x-github-event',
    'x-hub-signature',
    'x-hub-signature-256',
    'x-forwarded-for',
    'forwarded',
    'x-request-id',
    'range',
  ],
];

const draw: fc.Arbitrary<Draw> = fc
  .record({
    method: fc.constantFrom('POST', 'POST', 'POST', 'POST', 'POST', 'POST', 'POST', 'PUT', 'PATCH', 'DELETE'),
    place: fc.oneof(
      fc.constantFrom(
        '',
        '/',
        '/packages/hello',
        '/group',
        '/group/new',
        '/security/hello',
        '/open',
        '/%00',
        '/%ff',
        '/..%2f..%2fx',
      ),
      text.map((name) => `/${encodeURI(wellFormed(name))}`),
      text.map((name) => `/open/${encodeURIComponent(wellFormed(name))}`),
    ),
    query: fc.oneof(
      fc.constant(''),
      fc.dictionary(fc.constantFrom('ref', 'object', 'token', 'x'), text, { maxKeys: 3 }).map(
        (given) =>
          `?${Object.entries(given)
            .map(([key, value]) => `${key}=${encodeURIComponent(wellFormed(value))}`)
            .join('&')}`,
      ),
      // Not a wait that is granted: it would be one.
      fc.constantFrom(
        '?wait=0',
        '?wait=-1',
        '?wait=1e9',
        '?wait=0&wait=x',
        '?wait=%00',
        '?ref=%ff%fe',
        '?%',
        '?ref',
        '?=&&=',
      ),
    ),
    headers: fc.dictionary(fc.constantFrom(...HEADERS), headerValue, { maxKeys: 4 }),
    sign: fc.boolean(),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      text.map((value) => Buffer.from(value)),
      json.map((value) => Buffer.from(JSON.stringify(value))),
      fc
        .array(fc.tuple(text, text, text), { maxLength: 5 })
        .map((lines) => Buffer.from(lines.map((line) => `${line.join(' ')}\n`).join(''))),
      fc
        .constantFrom('['.repeat(20_000), '{"a":'.repeat(5_000), 'payload=%7B%7D', 'payload=%', '\ufeff{}')
        .map((value) => Buffer.from(value)),
      fc.nat(60).map((some) => Buffer.alloc(some === 0 ? 2 * 1024 * 1024 + 1 : some, 0x20)),
    ),
    as: fc.constantFrom(undefined, undefined, undefined, 'alice', 'bob', 'worker'),
    told: fc.option(forge, { freq: 2 }),
  })
  .map(({ method, place, query, headers, sign, body, as, told }): Draw => {
    const init = { method, ...(as === undefined ? {} : { as: as as AskInit['as'] }) };
    if (told === null) {
      const hmac = createHmac('sha256', SECRET).update(body).digest('hex');
      const proof = sign ? { 'x-hub-signature-256': `sha256=${hmac}`, 'x-gitea-signature': hmac } : {};
      return { path: `/hooks/git${place}${query}`, init: { ...init, body, headers: { ...headers, ...proof } } };
    }
    const right = forgeRequest(told.forge, { host: HOST, ...told });
    const sent = told.form ? asForm(right, told.secret) : right;
    const bytes = Buffer.from(sent.body);
    if (told.flip !== null && bytes.length > 0) bytes[told.flip[0] % bytes.length] = told.flip[1];
    return {
      path: `/hooks/git${place}${query}`,
      init: { ...init, body: bytes, headers: { ...headers, ...sent.headers } },
    };
  });

/** Files of the server's folder, with sizes. */
async function files(): Promise<string> {
  const { stdout } = await exec(['find', world.folder, '-type', 'f', '-printf', '%P %s\n'], { deadlineMs: 60_000 });
  return stdout.toString('utf8').split('\n').sort().join('\n');
}

interface Left {
  readonly decisions: number;
  readonly tags: number;
  readonly submissions: number;
  readonly repositories: number;
  readonly notices: number;
  readonly tasks: number;
}

async function left(): Promise<Left> {
  const { rows } = await sql<Left>`
    SELECT (SELECT count(*) FROM tag_decisions) AS decisions, (SELECT count(*) FROM tags) AS tags,
           (SELECT count(*) FROM submissions) AS submissions, (SELECT count(*) FROM git_repositories) AS repositories,
           (SELECT count(*) FROM notices) AS notices,
           (SELECT count(*) FROM graphile_worker._private_jobs) AS tasks`.execute(world.db);
  const [row] = rows;
  if (row === undefined) throw new Error('no counts');
  return row;
}

/** Bytes of the heap that are in use, after the garbage is gone. */
function heap(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') Reflect.apply(collect, undefined, []);
  return process.memoryUsage().heapUsed;
}

test(
  `${RUNS} random requests to the hooks: no fault, no decision, nothing that grows`,
  async () => {
    const before = { files: await files(), left: await left() };
    const statuses = new Map<number, number>();
    let heapAfterSome = 0;
    let count = 0;
    await fc.assert(
      fc.asyncProperty(draw, async ({ path, init }) => {
        const response = await world.request(path, init);
        const answer = await response.text();
        const label = `${path} ${JSON.stringify(init.headers)} → ${response.status} ${answer.slice(0, 500)}`;
        expect(response.status, label).toBeLessThan(500);
        expect(answer.length, label).toBeLessThan(10_000);
        expect(answer, label).not.toContain(SECRET);
        // What a closed archive has is nobody's to know.
        expect(init.as === undefined && /"security\/hello"|^landfall: security/.test(answer), label).toBe(false);
        statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
        if (++count === 300) heapAfterSome = heap();
      }),
      // The same ones each time, unless somebody asks for many.
      { numRuns: RUNS, ...(RUNS > 1_000 ? { endOnFailure: true } : { seed: 2026 }) },
    );
    // Many were taken, and many refused for several reasons: the requests reached what they were to try.
    expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 400, 403, 404]));

    const after = { files: await files(), left: await left() };
    expect(after.files).toBe(before.files);
    const { decisions, tags, submissions } = before.left;
    expect(after.left).toMatchObject({ decisions, tags, submissions });
    // A namespace's secret makes its members known; those that the requests name, and no more.
    expect(after.left.repositories - before.left.repositories).toBeLessThanOrEqual(PATHS.length * 2);
    const { rows: tasks } = await sql<{ task: string; count: number }>`
    SELECT t.identifier AS task, count(*) AS count FROM graphile_worker._private_jobs j
    JOIN graphile_worker._private_tasks t ON t.id = j.task_id GROUP BY 1`.execute(world.db);
    const looks = tasks.filter(({ task }) => task.startsWith('tags.scan') || task.startsWith('tags.named'));
    for (const { task, count: waiting } of looks)
      expect([task, waiting <= 2 * after.left.repositories]).toEqual([task, true]);
    if (heapAfterSome > 0) expect(heap() - heapAfterSome).toBeLessThan(64 * 1024 ** 2);
    if (RUNS !== 400) console.info(Object.fromEntries(statuses), after.left, tasks);
  },
  Math.max(60_000, RUNS * 60),
);
