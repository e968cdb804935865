/**
 * Starting programs from a process that is small. To start one, the kernel copies the page tables of the process that asks, and
 * libuv waits for it: a server of 200 MB stands still for many milliseconds each time, one of 5 MB for a fraction of one. So a
 * server keeps a helper (perl, which is on every Debian system) that does nothing but start programs and tell how they ended.
 *
 * The helper gets its orders on its standard input and answers on its standard output; a program's standard streams are
 * connections to a socket in a folder that only its user can enter. When the helper ends, whatever it had started is taken for
 * killed and is killed, and programs are started without it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

/** What {@link exec} needs of a program that runs; a ChildProcess is one. */
export interface Child {
  readonly pid?: number | undefined;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly exitCode: number | null;
  readonly signalCode: NodeJS.Signals | null;
  once(event: 'exit', listener: (code: number | null, signal: NodeJS.Signals | null) => void): unknown;
}

export interface StartRequest {
  /** The program by its absolute name, and its arguments. */
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** False gives it an empty one. */
  readonly stdin: boolean;
}

export interface Spawner {
  /** Starts a program in a session of its own. Undefined when the helper is gone. @throws Error with the kernel's reason */
  start(request: StartRequest): Promise<Child | undefined>;
  isAlive(): boolean;
  /** Ends the helper, when nothing runs any more. */
  stop(): Promise<void>;
}

let current: Spawner | undefined;

/** The helper of this process, when it has one. */
export function currentSpawner(): Spawner | undefined {
  return current;
}

/** Starts the helper for this process; from now on exec uses it. */
export async function beginSpawner(): Promise<Spawner> {
  const spawner = await openSpawner(() => {
    current = undefined;
  });
  current = spawner.isAlive() ? spawner : undefined;
  return spawner;
}

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const HEADER = 12;

async function openSpawner(onEnd: () => void): Promise<Spawner> {
  const folder = await mkdtemp(join(tmpdir(), 'lf-spawn-'));
  const socket = join(folder, 's');
  const running = new Map<number, Started>();
  let nextId = 1;
  let ended = false;

  const server = createServer({ allowHalfOpen: true }, (connection) => {
    const read = (): void => {
      const header: unknown = connection.read(HEADER);
      if (!Buffer.isBuffer(header)) return;
      connection.off('readable', read);
      const id = Number(header.toString('latin1', 0, 10));
      const started = running.get(id);
      if (started === undefined) connection.destroy();
      else started.attach(Number(header.toString('latin1', 10, 11)), connection);
    };
    connection.on('readable', read);
    connection.on('error', () => connection.destroy());
  });
  server.listen(socket);
  await once(server, 'listening');
  server.unref();

  const helper = spawn('/usr/bin/perl', ['-e', HELPER, socket], {
    cwd: '/',
    env: { PATH: '/usr/bin:/bin', LANG: 'C' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(helper, 'spawn');
  let announceReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    announceReady = resolve;
  });
  const end = (): void => {
    if (ended) return;
    ended = true;
    onEnd();
    server.close();
    rmSync(folder, { recursive: true, force: true });
    for (const started of running.values()) started.lost();
    running.clear();
  };
  helper.once('exit', end);
  helper.stdin.on('error', end);
  onLines(helper, (line) => {
    const [what, idText, value] = line.split(' ');
    if (what === 'ready') announceReady();
    const id = Number(idText);
    const started = running.get(id);
    if (what === 'started') started?.begun(Number(value));
    if (what === 'failed') {
      running.delete(id);
      started?.failed(line.split(' ').slice(2).join(' '));
    }
    if (what !== 'exit' || started === undefined) return;
    started.ended(Number(value));
    // The news of its end may be here before its streams are.
    started.ready.then(
      () => running.delete(id),
      () => running.delete(id),
    );
  });

  // One that cannot begin ends; then programs are started as if there were none.
  await Promise.race([ready, once(helper, 'exit')]);
  return {
    isAlive: () => !ended,
    start: async ({ argv, cwd, env, stdin }) => {
      if (ended) return undefined;
      const id = nextId;
      nextId += 1;
      const started = new Started(stdin);
      running.set(id, started);
      const variables = Object.entries(env).flat();
      const fields = [String(id), cwd, stdin ? '1' : '0', String(variables.length), ...variables, ...argv];
      if (fields.some((field) => field.includes('\0'))) throw new TypeError('an argument of a program holds NUL');
      const order = Buffer.from(fields.join('\0'));
      const length = Buffer.alloc(4);
      length.writeUInt32BE(order.length);
      helper.stdin.write(Buffer.concat([length, order]));
      return await started.ready;
    },
    stop: async () => {
      onEnd();
      if (ended) return;
      const gone = once(helper, 'exit');
      helper.stdin.end();
      await gone;
    },
  };
}

/** A program that was asked for; it is a {@link Child} once its streams and its number are there. */
class Started extends EventEmitter implements Child {
  pid: number | undefined;
  stdin: Writable | null = null;
  stdout: Readable | null = null;
  stderr: Readable | null = null;
  exitCode: number | null = null;
  signalCode: NodeJS.Signals | null = null;
  readonly ready: Promise<Started>;
  readonly #wantsStdin: boolean;
  #announce: (started: Started) => void = () => undefined;
  #giveUp: (error: Error) => void = () => undefined;
  #status: number | undefined;
  #isReady = false;

  constructor(wantsStdin: boolean) {
    super();
    this.#wantsStdin = wantsStdin;
    this.ready = new Promise((resolve, reject) => {
      this.#announce = resolve;
      this.#giveUp = reject;
    });
  }

  begun(pid: number): void {
    this.pid = pid;
    this.#look();
  }

  attach(stream: number, connection: Socket): void {
    if (stream === STDIN) {
      this.stdin = connection;
      connection.resume();
    } else {
      connection.end();
      if (stream === STDOUT) this.stdout = connection;
      if (stream === STDERR) this.stderr = connection;
    }
    this.#look();
  }

  failed(reason: string): void {
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream?.destroy();
    this.#giveUp(new Error(reason));
  }

  /** With the status that wait(2) gives. */
  ended(status: number): void {
    this.#status = status;
    this.#look();
  }

  /** The helper is gone, and with it the news of this program. */
  lost(): void {
    if (this.pid !== undefined) {
      try {
        process.kill(-this.pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
    this.ended(constants.signals.SIGKILL);
    this.#ready();
  }

  #look(): void {
    const connected = this.stdout !== null && this.stderr !== null && (!this.#wantsStdin || this.stdin !== null);
    if (this.pid !== undefined && connected) this.#ready();
    if (this.#isReady) this.#tellEnd();
    // A program whose streams never came has ended before its first instruction.
    else if (this.#status !== undefined) setTimeout(() => this.#ready(), CONNECTION_MS).unref();
  }

  #ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#announce(this);
    // Whoever waits for it hears of its end after it heard of its beginning.
    setImmediate(() => this.#tellEnd());
  }

  #tellEnd(): void {
    const status = this.#status;
    if (status === undefined || this.exitCode !== null || this.signalCode !== null) return;
    const signal = status & 127;
    if (signal === 0) this.exitCode = status >> 8;
    else this.signalCode = signalName(signal);
    setImmediate(() => this.emit('exit', this.exitCode, this.signalCode));
  }
}

const CONNECTION_MS = 1_000;

function signalName(number: number): NodeJS.Signals {
  for (const [name, value] of Object.entries(constants.signals)) {
    if (value === number && isSignal(name)) return name;
  }
  return 'SIGKILL';
}

function isSignal(name: string): name is NodeJS.Signals {
  return name in constants.signals;
}

function onLines(helper: ChildProcess, take: (line: string) => void): void {
  let rest = '';
  helper.stdout?.setEncoding('latin1').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
}

/** The helper. It looks for programs that ended 50 times a second only in case that a signal came between two instructions. */
const HELPER = String.raw`
use strict;
use Socket;
use POSIX ();
my $path = sockaddr_un($ARGV[0]);
my %id;
my $in = '';
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = sub { };
sub tell_all {
    my $text = shift;
    while (length $text) {
        my $done = syswrite(STDOUT, $text);
        if (defined $done) { substr($text, 0, $done) = '' } elsif (!$!{EINTR}) { exit 1 }
    }
}
sub stream {
    my ($id, $number) = @_;
    my $socket;
    socket($socket, PF_UNIX, SOCK_STREAM, 0) && connect($socket, $path) or return;
    syswrite($socket, sprintf("%010d%d\n", $id, $number)) == 12 or return;
    return $socket;
}
sub run {
    my ($id, $cwd, $stdin, $count, @rest) = @_;
    my %env = splice(@rest, 0, $count);
    POSIX::setsid();
    my @streams;
    for my $number (0 .. 2) {
        if ($number || $stdin) { $streams[$number] = stream($id, $number) or return "no connection: $!" }
        else { open($streams[0], '<', '/dev/null') or return "/dev/null: $!" }
    }
    for my $number (0 .. 2) { POSIX::dup2(fileno($streams[$number]), $number) // return "$!" }
    $SIG{PIPE} = $SIG{CHLD} = 'DEFAULT';
    chdir($cwd) or return "$cwd: $!";
    %ENV = %env;
    exec { $rest[0] } @rest;
    return "$!";
}
sub order {
    my @fields = split(/\0/, shift, -1);
    my ($read, $write);
    my $pid = pipe($read, $write) ? fork : undef;
    if (!defined $pid) { tell_all("failed $fields[0] $!\n"); return }
    if ($pid == 0) {
        my $reason = run(@fields);
        syswrite($write, $reason);
        POSIX::_exit(126);
    }
    close($write);
    # It closes by itself when the program takes the place of its beginning.
    my $reason = '';
    while (1) {
        my $got = sysread($read, $reason, 1024, length $reason);
        last if defined $got ? !$got : !$!{EINTR};
    }
    if (length $reason) { tell_all("failed $fields[0] $reason\n"); return }
    $id{$pid} = $fields[0];
    tell_all("started $fields[0] $pid\n");
}
tell_all("ready\n");
while (1) {
    while ((my $pid = waitpid(-1, POSIX::WNOHANG())) > 0) {
        my $known = delete $id{$pid};
        tell_all("exit $known $?\n") if defined $known;
    }
    my $ready = '';
    vec($ready, fileno(STDIN), 1) = 1;
    my $found = select($ready, undef, undef, %id ? 0.02 : undef);
    next if $found <= 0;
    my $got = sysread(STDIN, $in, 65536, length $in);
    next if !defined $got;
    last if !$got;
    while (length $in >= 4) {
        my $length = unpack('N', $in);
        last if length $in < 4 + $length;
        my $order = substr($in, 4, $length);
        substr($in, 0, 4 + $length) = '';
        order($order);
    }
}
`;
