/**
 * Arguments: a folder of this program's own, and one for what may be kept between runs (bases, packages). Builds hostile and
 * harmless packages in real sandboxes and prints what came of each as one JSON object. Run as the user that runs workers.
 *
 * With a third argument `hang` it prints `hanging` when a build that never ends has begun, and stays; with `sweep` it only removes
 * what a killed one left.
 */
import { createServer } from 'node:net';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findMirror } from '../../src/app/demo/mirror.ts';
import { isErrnoException } from '../../src/platform/errors.ts';
import { findCgroups } from '../../src/worker/cgroups.ts';
import { measureDisk } from '../../src/worker/watch.ts';
import { sweepRoots } from '../../src/worker/sandbox.ts';
import { openBench, type Bench, type BuildOutcome } from '../scenarios/build-bench.ts';

const MIB = 1024 ** 2;

/** A process that shows this in its arguments is one of ours. */
const MARK = `landfall-test-${process.pid}`;

/** What every case tells, so that the test can be written without running it again. */
export interface CaseFacts {
  readonly kind: string;
  readonly code: string | null;
  readonly reason: string | null;
  readonly log: string;
  readonly limit: string | null;
  readonly excerpt: readonly string[];
  /** sha256 by name of what was made. */
  readonly made: Readonly<Record<string, string>>;
  /** The .changes. */
  readonly changes: string;
  readonly seconds: number;
}

export interface WorkerFacts {
  readonly cgroups: 1 | 2 | null;
  readonly cases: Readonly<Record<string, CaseFacts>>;
  /** Processes of the builds that were found after them. */
  readonly leftProcesses: readonly string[];
  /** Roots and what else lay in the folders afterwards. */
  readonly leftRoots: readonly string[];
  /** The base's tree before and after: bytes and files. */
  readonly base: { readonly before: string; readonly after: string };
  /** Connections that a listener on the machine's loopback saw while builds tried. */
  readonly connections: number;
}

const [folder = '', cache = '', mode] = process.argv.slice(2);
const mirror = await findMirror();
const cgroups = await findCgroups();
await sweepRoots(join(cache, 'roots'), cgroups);
const bench = await openBench({
  folder: join(folder, `bench-${process.pid}`),
  cache,
  mirror: { uri: mirror.uri, suite: mirror.codename, component: mirror.component, keyring: mirror.keyring },
  architecture: mirror.architecture,
  cgroups,
});
try {
  if (mode === 'hang') await hang(bench);
  else if (mode !== 'sweep') process.stdout.write(JSON.stringify(await runCases(bench)));
} finally {
  await bench.close();
}

async function hang(open: Bench): Promise<void> {
  await open.build(
    { name: 'hanger', script: `echo begun; setsid sh -c 'sleep 1000; : ${MARK}' & sleep 1001` },
    { onPhase: (phase) => phase === 'build' && setTimeout(() => process.stdout.write(`hanging ${MARK}\n`), 1_500) },
  );
}

async function runCases(open: Bench): Promise<WorkerFacts> {
  let connections = 0;
  const listener = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;

  const cases: Record<string, CaseFacts> = {};
  const run = async (name: string, build: () => Promise<BuildOutcome>): Promise<void> => {
    const started = performance.now();
    const { result, log, facts, made } = await build();
    const text = async (): Promise<string> =>
      result.kind === 'made' ? await readFile(join(made, result.changes), 'utf8') : '';
    cases[name] = {
      kind: result.kind,
      code: result.kind === 'made' ? null : result.code,
      reason: result.kind === 'made' ? null : result.reason,
      log: log.slice(-200_000),
      limit: typeof facts.limit === 'string' ? facts.limit : null,
      excerpt: Array.isArray(facts.excerpt) ? facts.excerpt.map(String) : [],
      made: Object.fromEntries(result.kind === 'made' ? result.files.map((file) => [file.name, file.sha256]) : []),
      changes: await text(),
      seconds: (performance.now() - started) / 1000,
    };
  };
  const connect = (to: string): string =>
    `perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(PeerAddr => "${to}", Timeout => 3) ? "reached ${to}\\n" : "not reached ${to}\\n"'`;
  const probes = [
    'echo "env: $(env | cut -d= -f1 | sort | tr "\\n" " ")"',
    'echo "processes: $(ls /proc | grep -c "^[0-9]")"',
    'echo "mounts: $(cut -d" " -f2 /proc/mounts | sort | tr "\\n" " ")"',
    'echo "overlay: $(grep " / " /proc/mounts)"',
    'echo "sys: $(ls /sys | wc -l)"',
    'echo "devices: $(ls /dev | sort | tr "\\n" " ")"',
    'echo "sockets: $(find / -xdev -type s 2>/dev/null | wc -l)"',
    `echo "host: $(ls -d /var/lib/landfall /home/* ${folder} ${cache} /.old* 2>/dev/null | wc -l)"`,
    'echo "first: $(ls /proc/1/root 2>&1 | tail -1)"',
    'echo "users: $(cat /proc/sys/user/max_user_namespaces)"',
    'unshare --user true 2>&1 | sed "s/^/unshare: /"',
    'mount -t tmpfs none /mnt 2>&1 | sed "s/^/mount: /" || true',
    'echo "capabilities: $(grep -h ^Cap /proc/self/status | tr -d "\\t" | tr "\\n" " ")"',
    'echo "id: $(id -u) $(grep NoNewPrivs /proc/self/status | tr "\\t" " ")"',
    'echo "write: $( (echo x >/usr/bin/poison) 2>&1 | tail -1)"',
    'echo "interfaces: $(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " " | tr "\\n" " ")"',
    connect(`127.0.0.1:${port}`),
    connect(new URL(mirror.uri).host.replace(/(?<!:\d+)$/, ':80')),
  ].join('\n');

  await run('harmless', () =>
    open.build({ name: 'harmless', script: 'date -u -d @$SOURCE_DATE_EPOCH >made; pwd >>made' }),
  );
  const before = await describeBase();
  await run('probes', () => open.build({ name: 'probes', script: `${probes}\necho to a name >/dev/stderr` }));
  await run('fork-bomb', () =>
    open.build({ name: 'forks', script: 'b() { b | b & b; }; b' }, { limits: { processes: 250, seconds: 40 } }),
  );
  const hog = `perl -e 'my @kept; push @kept, "x" x ${MIB} while 1'`;
  await run('memory-hog', () =>
    open.build({ name: 'memory', script: hog }, { limits: { memoryBytes: 400 * MIB, seconds: 40 } }),
  );
  if (cgroups !== undefined) {
    // Also as it is held where no control groups can be had.
    await run('fork-bomb-watched', () =>
      open.build(
        { name: 'forks', script: 'b() { b | b & b; }; b' },
        { limits: { processes: 250, seconds: 40 }, cgroups: 'none' },
      ),
    );
    await run('memory-hog-watched', () =>
      open.build({ name: 'memory', script: hog }, { limits: { memoryBytes: 400 * MIB, seconds: 40 }, cgroups: 'none' }),
    );
  }
  await run('disk-hog', () =>
    open.build(
      { name: 'disk', script: 'i=0; while :; do head -c 50000000 /dev/zero >big$i || exit 1; i=$((i+1)); done' },
      { limits: { diskBytes: 400 * MIB, seconds: 60 } },
    ),
  );
  await run('big-file', () =>
    open.build({ name: 'bigfile', script: 'head -c 900000000 /dev/zero >big' }, { limits: { diskBytes: 300 * MIB } }),
  );
  await run('time-hog', () =>
    open.build({ name: 'slow', script: 'while :; do echo still; sleep 0.2; done' }, { limits: { seconds: 3 } }),
  );
  await run('cpu-hog', () =>
    open.build(
      { name: 'busy', script: '(while :; do :; done) & while :; do :; done' },
      { limits: { cpuSeconds: 6, seconds: 120 } },
    ),
  );
  await run('silent', () => open.build({ name: 'silent', script: 'sleep 100' }, { limits: { silentSeconds: 2 } }));
  await run('loud', () => open.build({ name: 'loud', script: 'yes' }, { limits: { logBytes: 4 * MIB, seconds: 40 } }));
  await run('daemon', () =>
    open.build({
      name: 'daemon',
      script: `setsid sh -c 'sleep 500; : ${MARK}' >/dev/null 2>&1 & (setsid sh -c 'sleep 501; : ${MARK}' &) ; echo started`,
    }),
  );
  const hostile = await open.repository(
    'hostile',
    `exec >/usr/share/hostile.txt 2>&1
${probes}
for file in /usr/bin/sh /usr/bin/gcc /usr/bin/dpkg-deb /usr/bin/setpriv /usr/bin/umount; do printf '#!/bin/false\\n' >$file.new; done
cp /usr/share/hostile.txt /var/lib/dpkg/poison
ln -sfn / /srv/escape
(setsid sh -c 'sleep 502; : ${MARK}' &)`,
  );
  await run('hostile-dependency', () =>
    open.build(
      { name: 'victim', script: 'cat /usr/share/hostile.txt', buildDepends: 'hostile' },
      { sources: [open.debian, hostile] },
    ),
  );
  await run('missing-dependency', () =>
    open.build(
      { name: 'lonely', script: 'true', buildDepends: 'no-such-package-anywhere (>= 2)' },
      { sources: [hostile] },
    ),
  );
  await run('untrusted-repository', () =>
    open.build(
      { name: 'fooled', script: 'true', buildDepends: 'hostile' },
      { sources: [{ ...hostile, keyring: open.debian.keyring }] },
    ),
  );
  await run('mirror-away', () =>
    open.build({ name: 'cutoff', script: 'true' }, { sources: [{ ...hostile, uri: 'http://127.0.0.1:9' }] }),
  );
  await run('compile-error', () =>
    open.build({
      name: 'broken',
      script: `printf 'int main(void) { return this_does_not_compile; }\\n' >a.c; gcc -o a a.c`,
    }),
  );
  const giveUp = new AbortController();
  await run('given-up', () =>
    open.build(
      { name: 'unwanted', script: 'sleep 500' },
      { signal: giveUp.signal, onPhase: (phase) => phase === 'build' && setTimeout(() => giveUp.abort(), 1_000) },
    ),
  );
  await run('harmless-again', () =>
    open.build({ name: 'harmless', script: 'date -u -d @$SOURCE_DATE_EPOCH >made; pwd >>made' }),
  );
  listener.close();
  return {
    cgroups: cgroups?.version ?? null,
    cases,
    leftProcesses: await processesWithMark(),
    leftRoots: await readdir(join(cache, 'roots')),
    base: { before, after: await describeBase() },
    connections,
  };
}

async function describeBase(): Promise<string> {
  const { bytes, files } = await measureDisk(join(cache, 'bases'));
  return `${bytes} bytes, ${files} files`;
}

async function processesWithMark(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8');
      if (command.includes(MARK)) found.push(command.replaceAll('\0', ' '));
    } catch (error) {
      // It ended meanwhile.
      if (!isErrnoException(error)) throw error;
    }
  }
  return found;
}
