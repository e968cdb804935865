/** The command line against a real server on loopback, in a world whose packages stand at different steps. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand, type CliResult, type CliSurroundings } from '../../test/scenarios/cli.ts';
import { createKeyRing, type OpenPgpKey } from '../../test/scenarios/keys.ts';
import { SIGNER_FINGERPRINT, SIGNER_MATERIAL } from '../../test/scenarios/signed-tag.ts';
import { createHttpWorld, type HttpWorld, type PersonName } from '../../test/scenarios/http-world.ts';
import type { Release } from '../../test/scenarios/world.ts';
import { failBuild, leaseNext, planSource, publish } from '../../test/scenarios/world-builds.ts';
import { releaseSource, releaseWhole } from '../../test/scenarios/world-path.ts';
import { acceptTag, prepareSource, rejectTag, seeTag } from '../../test/scenarios/world-tags.ts';
import type { Running } from '../../test/scenarios/lighthouse.ts';
import { createClient } from '../contract/client.ts';
import { submissionTraceSchema } from '../contract/submissions.ts';
import { appendLogRoute } from '../contract/worker.ts';
import { failAttempt } from '../lighthouse/index.ts';
import { withTransaction } from '../platform/database.ts';
import { publicKeyPackets } from '../platform/gpg.ts';
import { raiseHighWaterMark } from '../registry/index.ts';

let world: HttpWorld;
let url: string;
let whole: Release;

beforeAll(async () => {
  world = await createHttpWorld();
  ({ url } = await world.serve());
  for (const [name, token] of Object.entries(world.tokens)) {
    await writeFile(join(world.folder, name), token, { mode: 0o600 });
  }
  whole = await releaseWhole(world, '2.10-3');
}, 120_000);
afterAll(async () => await world.close());

async function landfall(argv: readonly string[], as?: PersonName, around: CliSurroundings = {}): Promise<CliResult> {
  return await runCommand(argv, {
    directory: world.folder,
    environment: {
      LANDFALL_STATE_DIR: join(world.folder, 'none'),
      LANDFALL_URL: url,
      ...(as === undefined ? {} : { LANDFALL_TOKEN_FILE: as }),
    },
    ...around,
  });
}

async function writeLog(running: Running, text: string): Promise<void> {
  await createClient({ url, token: world.worker.secret }).call(appendLogRoute, {
    params: { id: running.attemptId },
    headers: { 'landfall-token': running.token },
    query: { offset: 0 },
    body: Buffer.from(text),
  });
}

describe('landfall where', () => {
  test('tells the whole way, why arm64 waits, who must act, and where everything came from', async () => {
    const { code, stdout, stderr } = await landfall(['where', 'hello']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('hello 2.10-3 -> main/landing');
    expect(stdout).toContain('no worker for arm64 has ever joined pool trusted');
    expect(stdout).toContain('let a worker for arm64 join pool trusted');
    expect(stdout).toMatch(/tag +landfall\/2\.10-3 in packages\/hello, object [0-9a-f]{40}/);
    expect(stdout).toMatch(/commit +[0-9a-f]{40}/);
    expect(stdout).toMatch(/signer +(Alice Archer|alice)/);
    expect(stdout).toMatch(/source +hello 2\.10-3 +built by worker w1/);
    expect(stdout).toMatch(/amd64 +hello 2\.10-3 +built by worker w1/);
    expect(stdout).toMatch(/In the suites now:\n +main\/landing +2\.10-3 +amd64/);
  });

  test('--json is what the API says', async () => {
    const { stdout } = await landfall(['where', 'hello', '--json']);
    const answer = (await (await world.request('/api/v1/where/hello')).json()) as { submissions: { id: number }[] };
    expect((JSON.parse(stdout) as typeof answer).submissions.map((one) => one.id)).toEqual(
      answer.submissions.map((one) => one.id),
    );
  });

  test('a package that nobody knows is 5', async () => {
    expect(await landfall(['where', 'nothing'])).toMatchObject({ code: 5, stdout: '' });
  });

  test('a rejected tag is 1, with the sentence and the remedy', async () => {
    const release = await seeTag(world, { version: '3-1', source: 'other' });
    await rejectTag(world, release, {
      code: 'signer.permission',
      sentence: 'bob may not release other',
      remedy: 'ask carol',
    });
    const { code, stdout } = await landfall(['tag', 'show', String(release.tagId)]);
    expect(code).toBe(1);
    expect(stdout).toContain('bob may not release other');
    expect(stdout).toContain('-> ask carol');
    expect(stdout).toMatch(/x +signer\.permission/);
    const list = await landfall(['tag', 'list', '--state', 'rejected']);
    expect(list.stdout).toContain('landfall/3-1');
    expect(list.stdout).toContain('signer.permission');
  });
});

describe('landfall status', () => {
  test('shows workers, suites, queues', async () => {
    const { code, stdout } = await landfall(['status']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Suites\n.*main\/landing/);
    expect(stdout).toMatch(/w1 +amd64/);
    expect(stdout).toMatch(/trusted arm64 +1 waiting/);
  });
});

describe('builds', () => {
  test('logs, why, give-back: what failed is explained and tried again by those who may', async () => {
    const release = await releaseSource(world, '4-1', { source: 'broken' });
    const running = await leaseNext(world);
    await writeLog(running, 'dpkg-source: building\nmake: *** [all] \u001b[31mError 2\u001b[0m\u001b]0;x\u0007\n');
    await failBuild(world, running);
    const build = await world.db
      .selectFrom('builds')
      .select('id')
      .where('submission_id', '=', release.submissionId)
      .executeTakeFirstOrThrow();
    const id = String(build.id);

    const piped = await landfall(['logs', id]);
    expect(piped.stdout).toContain('\u001b[31mError 2');
    const shown = await landfall(['logs', id], undefined, { terminal: true });
    expect(shown.stdout).toBe('dpkg-source: building\nmake: *** [all] Error 2\n');

    const why = await landfall(['why', id]);
    expect([why.code, why.stdout.includes('make: *** [all] Error 2')]).toEqual([1, true]);

    expect((await landfall(['job', 'give-back', id])).code).toBe(4);
    expect((await landfall(['job', 'give-back', id], 'bob')).code).toBe(4);
    const given = await landfall(['job', 'give-back', id], 'carol');
    expect([given.code, given.stdout]).toEqual([0, expect.stringContaining(`build ${id}:`) as string]);
    const cancelled = await landfall(['job', 'cancel', id, '--reason', 'not wanted'], 'carol');
    expect([cancelled.code, cancelled.stdout]).toEqual([0, expect.stringContaining('not wanted') as string]);
    expect((await landfall(['job', 'give-back', id], 'carol')).code).toBe(1);
  });

  test('logs -f goes on through a lost attempt and ends with the build', async () => {
    const release = await releaseSource(world, '5-1', { source: 'followed' });
    const first = await leaseNext(world);
    await writeLog(first, 'first attempt\n');
    const build = await world.db
      .selectFrom('builds')
      .select(['id', 'job_id'])
      .where('submission_id', '=', release.submissionId)
      .executeTakeFirstOrThrow();
    let step = 0;
    const next = async (): Promise<void> => {
      await withTransaction(world.db, async (trx) => {
        await failAttempt(trx, world.worker, first.attemptId, first.token, {
          kind: 'infrastructure',
          code: 'worker.disk',
          reason: 'the disk broke',
        });
      });
      await world.db
        .updateTable('jobs')
        .set({ not_before: new Date(0) })
        .where('id', '=', build.job_id)
        .execute();
      const second = await leaseNext(world);
      await writeLog(second, 'second attempt\n');
      await failBuild(world, second);
    };
    let pending: Promise<void> | undefined;
    const result = await landfall(['logs', '-f', String(build.id)], undefined, {
      onOutput: () => {
        step += 1;
        if (step === 1) pending = next();
      },
    });
    await pending;
    expect(result.stdout).toBe('first attempt\nsecond attempt\n');
    expect(result.stderr).toContain('--- attempt 2 on w1');
    expect(result.code).toBe(1);
  });
});

describe('landfall watch', () => {
  test('prints steps as they happen and ends with the result', async () => {
    const release = await seeTag(world, { version: '6-1', source: 'watched' });
    let pending: Promise<void> | undefined;
    const result = await landfall(['watch', String(release.submissionId)], undefined, {
      onOutput: () => {
        pending ??= (async () => {
          await acceptTag(world, release);
          await prepareSource(world, release);
          await planSource(world, release);
          await failBuild(world, await leaseNext(world));
        })();
      },
    });
    await pending;
    expect(result.code).toBe(1);
    expect(result.stdout).toMatch(/watched 6-1 -> main\/landing: (failed|waits for somebody)/);
  });

  test('--no-wait tells how it stands and ends', async () => {
    const result = await landfall(['watch', '--no-wait', String(whole.submissionId)]);
    expect(result.code).toBe(0);
    expect(result.stdout).toContain('hello 2.10-3');
  });

  test('--json prints the trace once, at the end', async () => {
    const result = await landfall(['watch', '--no-wait', '--json', 'hello']);
    expect(submissionTraceSchema.parse(JSON.parse(result.stdout)).id).toBe(whole.submissionId);
  });
});

describe('landfall worker', () => {
  test('lists, invites, revokes', async () => {
    expect((await landfall(['worker', 'list'])).stdout).toMatch(/NAME +STATE +POOL/);
    expect(
      (await landfall(['worker', 'token', 'w2', '--pool', 'trusted', '--architectures', 'arm64'], 'bob')).code,
    ).toBe(4);
    const made = await landfall(['worker', 'token', 'w2', '--pool', 'trusted', '--architectures', 'arm64'], 'carol');
    expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^lfj_[\w-]{43}\n$/) as string]);
    const unknown = await landfall(['worker', 'token', 'w2', '--pool', 'odd', '--architectures', 'arm64'], 'carol');
    expect([unknown.code, unknown.stderr.includes('there is: trusted')]).toEqual([1, true]);
    expect((await landfall(['worker', 'revoke', 'nobody', '--reason', 'x'], 'carol')).code).toBe(5);
  });
});

describe('landfall people', () => {
  test('lists everybody, and one with keys, permissions in force and over, and releases', async () => {
    const list = await landfall(['people'], 'carol');
    expect([list.code, list.stderr]).toEqual([0, '']);
    expect(list.stdout).toMatch(/alice +Alice Archer/);
    expect(list.stdout).toMatch(/sue +Sue Stone .*security/);
    expect((await landfall(['people'], 'bob')).stdout).not.toContain('security');
    const one = await landfall(['people', 'alice'], 'bob');
    expect(one.stdout).toContain('release any package to any suite of any archive  without end');
    expect(one.stdout).toMatch(/Released lately\n(.*\n)* .*hello 2\.10-3 +main\/landing +tag \d+/);
    expect((await landfall(['people', 'nobody'], 'bob')).code).toBe(5);
    expect((await landfall(['people'])).code).toBe(4);
  });

  test('enrol makes a code, redeem turns it into a token that landfall then finds', async () => {
    const made = await landfall(['people', 'enrol', 'bob'], 'carol');
    expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^lfe_[\w-]{43}\n$/) as string]);
    const state = join(world.folder, 'bobs-state');
    const around = { environment: { LANDFALL_STATE_DIR: state, LANDFALL_URL: url } };
    const redeemed = await landfall(['people', 'redeem'], undefined, {
      ...around,
      stdin: Readable.from([made.stdout]),
    });
    expect([redeemed.code, redeemed.stderr]).toEqual([0, '']);
    expect(redeemed.stdout).toContain('you are bob');
    const found = await landfall(['people', 'bob'], undefined, { environment: { LANDFALL_STATE_DIR: state } });
    expect([found.code, found.stdout.startsWith('bob')]).toEqual([0, true]);
    const again = { ...around, stdin: Readable.from([made.stdout]) };
    expect((await landfall(['people', 'redeem', '--output', 'other'], undefined, again)).code).toBe(4);
  });
});

describe('landfall tag verify', () => {
  test('looks again at all that was stored, writes the evidence, and verifies it without a server', async () => {
    await storePack(whole);
    const id = String(whole.tagId);
    const asked = await landfall(['tag', 'verify', id, '--export', 'evidence.json'], 'bob');
    expect([asked.code, asked.stdout]).toEqual([0, expect.stringContaining('verified') as string]);
    expect(asked.stdout).toMatch(/decision\.signature +good as of .* by SHA256:/);
    expect(asked.stdout).toMatch(/decision\.frozen +pack of \d+ bytes/);
    const offline = { environment: { LANDFALL_URL: 'http://127.0.0.1:9' } };
    const here = await landfall(['tag', 'verify', '--bundle', 'evidence.json'], undefined, offline);
    expect([here.code, here.stderr]).toEqual([0, '']);
    const file = join(world.folder, 'evidence.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace('"version": "2.10-3"', '"version": "2.10-4"'));
    const changed = await landfall(['tag', 'verify', '--bundle', 'evidence.json'], undefined, offline);
    expect(changed.code).toBe(1);
    expect(changed.stdout).toContain('not verified: decision.tag-name');
    await writeFile(file, '{}');
    expect((await landfall(['tag', 'verify', '--bundle', 'evidence.json'], undefined, offline)).code).toBe(2);
    expect((await landfall(['tag', 'verify'])).code).toBe(2);
  });
});

describe('landfall mark', () => {
  test('shows how a mark came about, and lowers it for those who may', async () => {
    await withTransaction(world.db, async (trx) => {
      const mark = { suiteId: world.main.suiteId, source: 'slip', actor: 'landfall', reason: 'upload 1' };
      await raiseHighWaterMark(trx, { ...mark, version: '20300101-1' });
    });
    const lower = ['mark', 'lower', 'main/landing', 'slip', '1.0-1', '--reason', 'a slip'];
    expect((await landfall(lower, 'bob')).code).toBe(4);
    const done = await landfall(lower, 'carol');
    expect([done.code, done.stdout]).toEqual([0, expect.stringContaining('must be newer than 1.0-1') as string]);
    expect((await landfall(['mark', 'show', 'main/landing', 'slip'])).stdout).toMatch(/20300101-1 +landfall +upload 1/);
    const higher = await landfall(['mark', 'lower', 'main/landing', 'slip', '2.0-1', '--reason', 'x'], 'carol');
    expect([higher.code, higher.stderr]).toEqual([1, expect.stringContaining('2.0-1 is not older') as string]);
    const audit = await world.db.selectFrom('audit').selectAll().where('action', '=', 'high-water-mark.set').execute();
    expect(audit).toMatchObject([{ actor: 'person:carol', detail: { before: '20300101-1', after: '1.0-1' } }]);
  });
});

describe('landfall key', () => {
  test('import says whose each key is; a newer export brings expiry and revocation; strangers are left alone', async () => {
    const keys = await createKeyRing();
    try {
      const bobs = await keys.openPgp({ userId: 'Bob <bob@example.org>', expire: '30d' });
      const stranger = await keys.openPgp({ userId: 'Eve <eve@example.org>' });
      const both = Buffer.concat([await raw(bobs), await raw(stranger)]);
      await writeFile(join(world.folder, 'ring.pgp'), both);
      const unknown = await landfall(['key', 'import', 'ring.pgp'], 'carol');
      expect(unknown.code).toBe(1);
      expect(unknown.stdout).toContain('it names the address of bob');
      await writeFile(join(world.folder, 'bob.asc'), await bobs.publicKey());
      expect((await landfall(['key', 'import', '--yes', 'bob.asc', '--person', 'bob'], 'bob')).code).toBe(1);
      const added = await landfall(['key', 'import', '--yes', 'bob.asc', '--person', 'bob'], 'carol');
      expect([added.code, added.stdout]).toEqual([0, expect.stringContaining('1 key imported') as string]);
      await keys.setExpiry(bobs, '90d');
      await writeFile(join(world.folder, 'ring.pgp'), Buffer.concat([await raw(bobs), await raw(stranger)]));
      const refreshed = await landfall(['key', 'import', '--yes', 'ring.pgp'], 'bob');
      expect(refreshed.code).toBe(1);
      expect(refreshed.stdout).toMatch(/~ [0-9A-F]{40} of bob .*\n +expires /);
      expect(refreshed.stdout).toMatch(/x [0-9A-F]{40} .*\n +it is registered for nobody/);
      await keys.revoke(bobs);
      await writeFile(join(world.folder, 'bob.asc'), await bobs.publicKey());
      const revoked = await landfall(['key', 'import', '--yes', 'bob.asc'], 'bob');
      expect(revoked.stdout).toContain('is revoked by its owner');
      expect(revoked.stdout).toContain('landfall key revoke');
      expect((await landfall(['key', 'list', '--person', 'bob'], 'bob')).stdout).toContain('revoked');
    } finally {
      await keys.remove();
    }
  });

  test('revoke lists what the key let in, suspends what is not published, and leaves the rest with advice', async () => {
    await world.db
      .insertInto('keys')
      .values({ person_id: world.alice, kind: 'ssh', fingerprint: SIGNER_FINGERPRINT, material: SIGNER_MATERIAL })
      .execute();
    const open = await releaseSource(world, '7-1', { source: 'underway' });
    const tail = SIGNER_FINGERPRINT.slice(-10);
    const shown = await landfall(['key', 'show', tail], 'bob');
    expect(shown.stdout).toMatch(/underway 7-1 +main\/landing +under-way/);
    expect((await landfall(['key', 'revoke', tail, '--yes', '--reason', 'x'], 'bob')).code).toBe(4);
    expect((await landfall(['key', 'revoke', tail, '--reason', 'x'], 'carol')).code).toBe(2);
    const done = await landfall(['key', 'revoke', tail, '--yes', '--suspend', '--reason', 'stolen'], 'carol');
    expect([done.code, done.stderr]).toEqual([0, '']);
    expect(done.stdout).toMatch(/suspended underway 7-1 +1 job cancelled, version freed/);
    const where = await landfall(['where', 'underway']);
    expect(where.stdout).toContain('suspended');
    expect(where.stdout).toContain('was revoked (stolen)');
    const trace = await landfall(['watch', '--no-wait', '--json', String(open.submissionId)]);
    expect(submissionTraceSchema.parse(JSON.parse(trace.stdout))).toMatchObject({ state: 'suspended', settled: true });
    const verified = await landfall(['tag', 'verify', String(whole.tagId)], 'bob');
    expect([verified.code, verified.stdout]).toEqual([1, expect.stringContaining('decision.key-revoked') as string]);
    const again = await landfall(['key', 'revoke', tail, '--yes', '--suspend', '--reason', 'again'], 'alice');
    expect(again.stdout).toContain('was revoked before');
  });
});

/** The frozen pack of a told release has to be there to be looked at. */
async function storePack(release: Release): Promise<void> {
  const stored = await world.blobs.put(Buffer.from(`pack of ${release.source}`));
  if (stored.kind !== 'stored') throw new Error('the pack could not be stored');
  await sql`ALTER TABLE frozen_inputs DISABLE TRIGGER frozen_inputs_only_added`.execute(world.db);
  await world.db
    .updateTable('frozen_inputs')
    .set({ sha256: stored.sha256, size: stored.size })
    .where('submission_id', '=', release.submissionId)
    .execute();
  await sql`ALTER TABLE frozen_inputs ENABLE TRIGGER frozen_inputs_only_added`.execute(world.db);
}

async function raw(key: OpenPgpKey): Promise<Buffer> {
  const read = publicKeyPackets(await key.publicKey());
  if (read.kind === 'invalid-key') throw new Error(read.reason);
  return read.bytes;
}

describe('landfall apply', () => {
  test('plans, refuses what is wrong with its line, applies, and changes nothing the second time', async () => {
    await writeFile(join(world.folder, 'main.toml'), '[archive.third]\npool = "trustd"\n');
    const wrong = await landfall(['apply', 'main.toml'], 'carol');
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toContain('main.toml:2:');
    await writeFile(join(world.folder, 'main.toml'), '[pool.second]\n[archive.third]\npool = "second"\n');
    expect((await landfall(['apply', '--yes', 'main.toml'], 'bob')).code).toBe(4);
    const applied = await landfall(['apply', '--yes', 'main.toml'], 'carol');
    expect([applied.code, applied.stderr]).toEqual([0, '']);
    expect(applied.stdout).toContain('+ archive third');
    const again = await landfall(['apply', '--yes', 'main.toml'], 'carol');
    expect([again.code, again.stdout]).toEqual([0, 'Nothing to change: everything is as the files say.\n']);
  });
});

describe('landfall doctor', () => {
  test('finds server, clock and token', async () => {
    const { stdout } = await landfall(['doctor', '--json'], 'carol');
    const { findings } = JSON.parse(stdout) as { findings: { name: string; outcome: string; says: string }[] };
    expect(findings.find((one) => one.name === 'server')).toMatchObject({ outcome: 'ok' });
    expect(findings.find((one) => one.name === 'token')).toMatchObject({
      outcome: 'ok',
      says: 'you are carol, an administrator',
    });
    expect(findings.find((one) => one.name === 'clock')).toMatchObject({ outcome: 'ok' });
  });
});

describe('landfall git list', () => {
  test('says when each was looked at, and what stands in the way with what to do', async () => {
    const hello = world.db.updateTable('git_repositories').where('name', '=', 'packages/hello');
    await hello
      .set({
        failed_looks: 3,
        obstacle_code: 'repository.gone',
        obstacle_sentence: 'packages/hello is not there, or not for us: not found.',
        obstacle_remedy: 'correct its url: landfall apply',
        obstacle_since: new Date(),
        next_look_at: new Date(Date.now() + 3_600_000),
      })
      .execute();
    const { code, stdout } = await landfall(['git', 'list']);
    expect(code).toBe(0);
    expect(stdout).toContain('packages/hello: packages/hello is not there, or not for us: not found.');
    expect(stdout).toContain('correct its url: landfall apply');
    expect(stdout).toMatch(/packages\/hello +\S+ +landfall\/ to main +never looked at, next in (59|60) min|1 h 0/);
    await hello
      .set({
        failed_looks: 0,
        obstacle_code: null,
        obstacle_sentence: null,
        obstacle_remedy: null,
        obstacle_since: null,
      })
      .execute();
    expect((await landfall(['git', 'list', '--obstructed'])).stdout).toContain('No Git repository');
  });
});

describe('landfall tag notify', () => {
  test('makes the server look, and prints what was decided', async () => {
    const asked = ['tag', 'notify', 'packages/hello', 'landfall/2.10-3', '--wait', '1'];
    const { code, stdout } = await landfall(asked);
    expect(code).toBe(0);
    expect(stdout).toContain('landfall/2.10-3 in packages/hello: accepted\n');
    const { tags } = JSON.parse((await landfall([...asked, '--json'])).stdout) as { tags: unknown[] };
    expect(tags).toMatchObject([{ name: 'landfall/2.10-3', state: 'accepted' }]);
    expect((await landfall(['tag', 'notify', 'packages/hello'])).stdout).toBe(
      'noted, packages/hello is looked at now\n',
    );
    expect((await landfall(['tag', 'notify', 'packages/unknown'])).code).toBe(5);
    await publish(world);
  });
});
