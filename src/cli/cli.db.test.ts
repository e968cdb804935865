/** The command line against a real server on loopback, in a world whose packages stand at different steps. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCommand, type CliResult, type CliSurroundings } from '../../test/scenarios/cli.ts';
import { createHttpWorld, type HttpWorld, type PersonName } from '../../test/scenarios/http-world.ts';
import {
  acceptTag,
  failBuild,
  leaseNext,
  prepareSource,
  planSource,
  publish,
  rejectTag,
  releaseSource,
  releaseWhole,
  seeTag,
  type Release,
} from '../../test/scenarios/world.ts';
import type { Running } from '../../test/scenarios/lighthouse.ts';
import { createClient } from '../contract/client.ts';
import { submissionTraceSchema } from '../contract/submissions.ts';
import { appendLogRoute } from '../contract/worker.ts';
import { failAttempt } from '../lighthouse/index.ts';
import { withTransaction } from '../platform/database.ts';

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

describe('landfall tag notify', () => {
  test('makes the server look, and prints what a push would', async () => {
    const { code, stdout } = await landfall([
      'tag',
      'notify',
      'packages/hello',
      '--tag',
      'landfall/2.10-3',
      '--wait',
      '1',
    ]);
    expect(code).toBe(0);
    expect(stdout).toContain('landfall: landfall/2.10-3: accepted.');
    expect((await landfall(['tag', 'notify', 'packages/unknown'])).code).toBe(5);
    await publish(world);
  });
});
