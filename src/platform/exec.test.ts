import { closeSync, openSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { isFault } from './errors.ts';
import { ProgramFailed, Tail, exec, findProgram } from './exec.ts';
import { withTemporaryDirectory } from './files.ts';

const deadlineMs = 20_000;

async function thrownBy(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('a program gets its arguments untouched and only the small environment', async () => {
  process.env.LANDFALL_TEST_SECRET = 'not for children';
  const { stdout, code } = await exec(['env'], { deadlineMs, env: { ADDED: '1' } });
  delete process.env.LANDFALL_TEST_SECRET;
  expect(code).toBe(0);
  const variables = stdout.toString().trim().split('\n').sort();
  expect(variables).toEqual(['ADDED=1', 'HOME=/nonexistent', 'LANG=C.UTF-8', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin']);
  const echoed = await exec(['printf', '%s|', '$HOME', '; rm -rf x', '-e', 'a b'], { deadlineMs });
  expect(echoed.stdout.toString()).toBe('$HOME|; rm -rf x|-e|a b|');
});

test('text, bytes and streams are given as input', async () => {
  expect((await exec(['cat'], { deadlineMs, input: 'text' })).stdout.toString()).toBe('text');
  expect((await exec(['cat'], { deadlineMs, input: Buffer.from([0, 255]) })).stdout).toEqual(Buffer.from([0, 255]));
  const big = Readable.from(Array.from({ length: 200 }, () => Buffer.alloc(16_384, 'x')));
  const { stdout } = await exec(['wc', '-c'], { deadlineMs, input: big });
  expect(stdout.toString().trim()).toBe(String(200 * 16_384));
});

test('a program that does not read its input to the end is no error', async () => {
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(65_536);
    })(),
  );
  expect((await exec(['head', '-c', '3'], { deadlineMs, input: endless })).stdout.length).toBe(3);
  expect((await exec(['true'], { deadlineMs, input: 'x'.repeat(1_000_000) })).code).toBe(0);
});

test('an input stream that fails ends the program and is the error', async () => {
  const failing = Readable.from(
    (async function* () {
      yield Buffer.from('a');
      await Promise.resolve();
      throw new Error('the source broke');
    })(),
  );
  expect(await thrownBy(exec(['cat'], { deadlineMs, input: failing }))).toMatchObject({ message: 'the source broke' });
});

test('an input stream that is cut off without an error is one all the same', async () => {
  const source = new PassThrough();
  source.write('half');
  setTimeout(() => source.destroy(), 50);
  expect(await thrownBy(exec(['cat'], { deadlineMs, input: source }))).toMatchObject({
    code: 'ERR_STREAM_PREMATURE_CLOSE',
  });
});

test('an exit code that was not allowed is a fault with the end of stderr', async () => {
  const error = await thrownBy(
    exec(['sh', '-c', 'echo out; for i in $(seq 3000); do echo "line $i" >&2; done; exit 3'], {
      deadlineMs,
      doing: 'count',
    }),
  );
  expect(error).toBeInstanceOf(ProgramFailed);
  expect(error).toMatchObject({ code: 'exec.failed', doing: 'count' });
  if (!(error instanceof ProgramFailed)) return;
  expect(error.message).toMatch(/^could not count: sh exited with 3: line 2989\n[^]*line 3000$/);
  expect(error.result.code).toBe(3);
  expect(error.result.stdout.toString()).toBe('out\n');
  expect(error.result.stderr.length).toBe(8192);
  expect((await exec(['false'], { deadlineMs, okCodes: [0, 1] })).code).toBe(1);
  expect((await exec(['sh', '-c', 'kill -9 $$'], { deadlineMs, okCodes: 'any' })).signal).toBe('SIGKILL');
});

test('a deadline kills the whole process group, also what ignores SIGTERM', async () => {
  await withTemporaryDirectory(async (folder) => {
    const script = 'trap "" TERM; sleep 600 & echo $! > pids; echo $$ >> pids; wait; sleep 600';
    const error = await thrownBy(exec(['sh', '-c', script], { deadlineMs: 300, graceMs: 100, cwd: folder }));
    expect(isFault(error, 'exec.deadline')).toBe(true);
    expect(error).toMatchObject({ message: 'could not run sh: sh was still running after 0.3 s' });
    const pids = readFileSync(join(folder, 'pids'), 'utf8').trim().split('\n').map(Number);
    expect(pids).toHaveLength(2);
    await expect.poll(() => pids.filter(isAlive)).toEqual([]);
  });
});

test('what the program leaves behind in its group ends with it', async () => {
  const { stdout } = await exec(['sh', '-c', 'sleep 600 & echo $!'], { deadlineMs });
  const pid = Number(stdout.toString());
  expect(pid).toBeGreaterThan(1);
  await expect.poll(() => isAlive(pid)).toBe(false);
});

test('cancelling ends the program, before and during its run', async () => {
  const cancel = new AbortController();
  const running = exec(['sleep', '600'], { deadlineMs, signal: cancel.signal });
  setTimeout(() => cancel.abort(), 50);
  expect(isFault(await thrownBy(running), 'exec.aborted')).toBe(true);
  expect(isFault(await thrownBy(exec(['true'], { deadlineMs, signal: cancel.signal })), 'exec.aborted')).toBe(true);
});

test('more output than allowed ends the program', async () => {
  const error = await thrownBy(exec(['yes'], { deadlineMs, maxOutput: 100_000 }));
  expect(isFault(error, 'exec.output-limit')).toBe(true);
  const exact = await exec(['head', '-c', '1000', '/dev/zero'], { deadlineMs, maxOutput: 1000 });
  expect(exact.stdout.length).toBe(1000);
});

test('a handler gets output as it comes, slows the program down, and ends it by throwing', async () => {
  let active = 0;
  let most = 0;
  let size = 0;
  const { stdout } = await exec(['head', '-c', '1000000', '/dev/zero'], {
    deadlineMs,
    stdout: async (chunk) => {
      active += 1;
      most = Math.max(most, active);
      size += chunk.length;
      await new Promise((resolve) => setImmediate(resolve));
      active -= 1;
    },
  });
  expect({ most, size, kept: stdout.length }).toEqual({ most: 1, size: 1_000_000, kept: 0 });
  const error = await thrownBy(
    exec(['yes'], {
      deadlineMs,
      stdout: () => {
        throw new Error('enough');
      },
    }),
  );
  expect(error).toMatchObject({ message: 'enough' });
});

test('both outputs can be merged in the order of writing', async () => {
  const { stdout, stderr } = await exec(['sh', '-c', 'echo 1; echo 2 >&2; echo 3; echo 4 >&2'], {
    deadlineMs,
    mergeStderr: true,
  });
  expect(stdout.toString()).toBe('1\n2\n3\n4\n');
  expect(stderr).toBe('');
});

test('a missing program is named with the Debian package that brings it', async () => {
  expect(await thrownBy(exec(['git-debpush'], { deadlineMs, env: { PATH: '/nowhere' } }))).toMatchObject({
    code: 'exec.missing-program',
    message: 'could not run git-debpush: the program git-debpush is not installed',
    remedy: 'install it with: apt-get install git-debpush',
  });
  expect(await thrownBy(exec(['no-such-program-here'], { deadlineMs }))).toMatchObject({
    code: 'exec.missing-program',
  });
  expect(findProgram('sh')).toMatch(/\/sh$/);
  expect(findProgram('passwd', '/etc')).toBeUndefined();
});

test('a missing working folder is not mistaken for a missing program', async () => {
  expect(await thrownBy(exec(['true'], { deadlineMs, cwd: '/no/such/folder' }))).toMatchObject({
    code: 'exec.missing-directory',
  });
});

test('a script whose interpreter is missing is a fault that says so', async () => {
  await withTemporaryDirectory(async (folder) => {
    const path = join(folder, 'tool');
    await writeFile(path, '#!/no/such/interpreter\n', { mode: 0o755 });
    expect(await thrownBy(exec([path], { deadlineMs }))).toMatchObject({ code: 'exec.not-started' });
  });
});

test('open files are handed on as descriptors 3 and up', async () => {
  const file = openSync('/etc/hostname', 'r');
  const { stdout } = await exec(['sh', '-c', 'cat <&3'], { deadlineMs, extraFiles: [file] });
  closeSync(file);
  expect(stdout).toEqual(readFileSync('/etc/hostname'));
});

test.skipIf(process.getuid?.() !== 0)('root can run a program as another user, without root groups', async () => {
  const { stdout } = await exec(['id'], { deadlineMs, user: { uid: 65534, gid: 65534 } });
  expect(stdout.toString()).toMatch(/^uid=65534\(\S+\) gid=65534\(\S+\) groups=65534\(\S+\)\n$/);
});

test('a tail keeps the last bytes, whatever the pieces', () => {
  const tail = new Tail(10);
  for (let index = 0; index < 1000; index += 1) tail.push(Buffer.from(String(index % 10)));
  expect(tail.text()).toBe('0123456789');
});
