/**
 * The program that builds a sandbox from inside its new namespaces and then is its process 1, as text: it is handed to `perl -e`,
 * so that the worker stays one file. Perl because pivot_root and umount must happen before anything of the root is
 * executed (a hostile package may have replaced every program there), and perl-base is on every Debian system.
 *
 * It reads its plan from standard input: `KEY=VALUE`, each ended by NUL (see {@link encodePlan}), and then:
 * mounts the overlay, fresh /proc (what tells of the machine is covered), /dev of six devices, /dev/shm and pts; raises lo;
 * forbids further user namespaces; makes the overlay the root and detaches the old one; starts the command with limits,
 * without privileges, in a session of its own; hands on its output; reaps; ends with it. The kernel then kills whatever
 * the command left behind (H60).
 *
 * What it learned goes to descriptor 3, one line: `ended CODE CPUSECONDS`, or `setup REASON`.
 */

/** Capabilities that package installation needs inside: chown, dac_override, fowner, fsetid, kill, setgid, setuid, sys_chroot, setfcap. */
export const ROOT_CAPABILITIES: readonly number[] = [0, 1, 3, 4, 5, 6, 7, 18, 31];

/** One thing of the plan. A key may stand several times; the order counts. */
export type PlanEntry = readonly [
  key:
    | 'folder'
    | 'base'
    | 'hostname'
    | 'shm'
    | 'bind'
    | 'directory'
    | 'uid'
    | 'gid'
    | 'capability'
    | 'rlimit'
    | 'cwd'
    | 'env'
    | 'arg',
  value: string,
];

/** The plan as bytes. @throws RangeError for a NUL in a value, which no argument of a program can hold. */
export function encodePlan(entries: readonly PlanEntry[]): Buffer {
  for (const [key, value] of entries) {
    if (value.includes('\0')) throw new RangeError(`a NUL byte in ${key}`);
  }
  return Buffer.from(entries.map(([key, value]) => `${key}=${value}\0`).join(''), 'utf8');
}

export const SANDBOX_INIT = String.raw`
use strict; use warnings; use Config; use Fcntl; use POSIX ();
open(my $facts, '>&=', 3) or die;
fcntl($facts, F_SETFD, FD_CLOEXEC);
sub report { my $line = join(' ', @_); $line =~ s/\n/ /g; syswrite($facts, "$line\n"); }
sub fail { report('setup', @_); POSIX::_exit(125); }

# Numbers of the system calls that perl has no word for: mount, pivot_root, umount2, prctl, prlimit64, sethostname.
my %numbers = (
  'x86_64' => [165, 155, 166, 157, 302, 170], 'aarch64' => [40, 41, 39, 167, 261, 161],
  'riscv64' => [40, 41, 39, 167, 261, 161], 'loongarch64' => [40, 41, 39, 167, 261, 161],
  'i.86' => [21, 217, 52, 172, 340, 74], 'arm' => [21, 218, 52, 172, 369, 74],
  'powerpc64le' => [21, 203, 52, 171, 325, 74], 's390x' => [21, 217, 52, 172, 334, 74],
);
my ($known) = grep { $Config{archname} =~ /^$_-/ } keys %numbers;
fail("no system call numbers are known for $Config{archname}") unless defined $known;
my ($MOUNT, $PIVOT_ROOT, $UMOUNT, $PRCTL, $PRLIMIT, $SETHOSTNAME) = @{$numbers{$known}};
my $MOUNT_SETATTR = 442;
my ($NOSUID, $NODEV, $NOEXEC, $BIND) = (2, 4, 8, 4096);

sub mount_at {
  my ($source, $target, $type, $flags, $data) = @_;
  return if syscall($MOUNT, $source, $target, $type, $flags + 0, $data) == 0;
  fail("mount of $type at $target: $!");
}
sub bind_at { my ($source, $target) = @_; mount_at($source, $target, 'none', $BIND, ''); }
# Only adds a property: what the machine's administrator has set on the mount stays locked.
sub read_only {
  my ($target) = @_;
  my $attributes = pack('Q4', 1, 0, 0, 0);
  syscall($MOUNT_SETATTR, -100, $target, 0, $attributes, 32) == 0 or fail("make $target read-only: $!");
}
# Makes the folder below the current one, and refuses symbolic links on the way: an earlier phase may have laid them.
sub folder {
  my ($path) = @_;
  my $at = '.';
  for my $part (grep { length } split(m{/}, $path)) {
    fail("folder $path") if $part eq '..';
    $at .= "/$part";
    if (!lstat($at)) { mkdir($at, 0755) or fail("make $path: $!"); next; }
    fail("/$path is not a folder") unless -d _;
  }
  return $at;
}
sub empty_file { my ($path) = @_; sysopen(my $handle, $path, O_CREAT | O_EXCL | O_WRONLY, 0644) or fail("make $path: $!"); }

my (%one, %many);
{
  local $/; my $plan = <STDIN>;
  for my $entry (split(/\0/, defined $plan ? $plan : '')) {
    my ($key, $value) = split(/=/, $entry, 2);
    $one{$key} = $value; push @{$many{$key}}, $value;
  }
}
fail('the plan is empty') unless defined $one{folder} && $many{arg};
open(STDIN, '<', '/dev/null') or fail("open /dev/null: $!");
umask(022);

$SIG{PIPE} = 'IGNORE';
POSIX::setsid();
my $name = $one{hostname};
syscall($SETHOSTNAME, $name, length($name)) == 0 or fail("set the host name: $!");
{
  # lo, up and running: the only interface, with nobody else on it.
  socket(my $socket, 2, 2, 0) or fail("socket: $!");
  my $request = pack('a16 s x22', 'lo', 0x41);
  ioctl($socket, 0x8914, $request) or fail("raise lo: $!");
}
open(my $namespaces, '>', '/proc/sys/user/max_user_namespaces') or fail("forbid user namespaces: $!");
syswrite($namespaces, "0\n") or fail("forbid user namespaces: $!");
close($namespaces);

chdir($one{folder}) or fail("enter $one{folder}: $!");
# A volatile upper layer refuses to be mounted again, since a crash may have lost writes; nothing of ours outlives a crash.
unlink('work/work/incompat/volatile/dirty');
rmdir('work/work/incompat/volatile'); rmdir('work/work/incompat');
bind_at($one{base}, 'lower');
read_only('lower');
mount_at('overlay', 'merged', 'overlay', 0, 'lowerdir=lower,upperdir=upper,workdir=work,userxattr,volatile');
chdir('merged') or fail("enter the root: $!");

for my $spec (@{$many{directory} || []}) {
  my ($path, $uid, $gid, $mode) = split(/:/, $spec);
  my $at = folder($path);
  chown($uid, $gid, $at) && chmod(oct($mode), $at) or fail("make $path: $!");
}
for my $spec (@{$many{bind} || []}) {
  my ($from, $to) = split(/\t/, $spec);
  my $at = folder($to);
  bind_at($from, $at);
  read_only($at);
}

folder('proc');
mount_at('proc', 'proc', 'proc', $NOSUID | $NODEV | $NOEXEC, '');
for my $file (qw(kcore keys key-users kmsg timer_list sched_debug kallsyms sysrq-trigger config.gz kpagecount kpageflags kpagecgroup modules slabinfo)) {
  bind_at('/dev/null', "proc/$file") if -e "proc/$file";
}
for my $covered (qw(acpi asound scsi driver)) {
  next unless -d "proc/$covered";
  mount_at('none', "proc/$covered", 'tmpfs', $NOSUID | $NODEV | $NOEXEC, 'mode=555,size=4k');
  read_only("proc/$covered");
}
for my $fixed (qw(sys bus fs irq)) {
  next unless -d "proc/$fixed";
  bind_at("proc/$fixed", "proc/$fixed");
  read_only("proc/$fixed");
}
mount_at('none', folder('sys'), 'tmpfs', $NOSUID | $NODEV | $NOEXEC, 'mode=555,size=4k');
read_only('sys');

mount_at('dev', folder('dev'), 'tmpfs', $NOSUID | $NOEXEC, 'mode=755,size=64k');
for my $device (qw(null zero full random urandom tty)) {
  empty_file("dev/$device");
  bind_at("/dev/$device", "dev/$device");
}
mkdir("dev/$_", 0755) for qw(pts shm);
mount_at('devpts', 'dev/pts', 'devpts', $NOSUID | $NOEXEC, 'newinstance,ptmxmode=0666,mode=0620,gid=5');
mount_at('shm', 'dev/shm', 'tmpfs', $NOSUID | $NODEV, "mode=1777,size=$one{shm}");
my %links = ('ptmx' => 'pts/ptmx', 'fd' => '/proc/self/fd', 'stdin' => 'fd/0', 'stdout' => 'fd/1', 'stderr' => 'fd/2');
symlink($links{$_}, "dev/$_") or fail("make dev/$_: $!") for keys %links;

my ($here, $there) = ('.', '.');
syscall($PIVOT_ROOT, $here, $there) == 0 or fail("pivot_root: $!");
syscall($UMOUNT, $there, 2) == 0 or fail("detach the old root: $!");
chdir('/') or fail("enter the root: $!");
# Process 1 keeps its privileges in here; nobody else may look into it.
syscall($PRCTL, 4, 0, 0, 0, 0);

pipe(my $output, my $input) or fail("pipe: $!");
# A program may open its /dev/stdout anew, by name.
chown($one{uid}, $one{gid}, $input);
$SIG{CHLD} = sub { };
my $child = fork();
fail("fork: $!") unless defined $child;
if ($child == 0) {
  $SIG{PIPE} = 'DEFAULT'; $SIG{CHLD} = 'DEFAULT';
  POSIX::setsid();
  my $give_up = sub { report('setup', @_); POSIX::_exit(125) };
  my %kept = map { $_ => 1 } @{$many{capability} || []};
  for my $capability (0 .. 63) {
    next if $kept{$capability};
    last if syscall($PRCTL, 24, $capability, 0, 0, 0) != 0 && $capability > 40;
  }
  for my $limit (@{$many{rlimit} || []}) {
    my ($resource, $value) = split(/:/, $limit);
    my $pair = pack('QQ', $value, $value);
    my $nothing = 0;
    syscall($PRLIMIT, 0, $resource + 0, $pair, $nothing) == 0 or $give_up->("limit $limit: $!");
  }
  chdir($one{cwd}) or $give_up->("enter $one{cwd}: $!");
  my ($uid, $gid) = ($one{uid} + 0, $one{gid} + 0);
  $) = "$gid $gid";
  # POSIX's calls change the saved ids too.
  POSIX::setgid($gid) && POSIX::setuid($uid) or $give_up->("become user $uid: $!");
  $give_up->('become the user') if $< != $uid || $> != $uid || $( != $gid || $) != $gid;
  syscall($PRCTL, 38, 1, 0, 0, 0) == 0 or $give_up->("forbid new privileges: $!");
  POSIX::dup2(fileno($input), 1); POSIX::dup2(fileno($input), 2);
  %ENV = map { split(/=/, $_, 2) } @{$many{env} || []};
  my @command = @{$many{arg}};
  { no warnings; exec { $command[0] } @command; }
  syswrite(STDERR, "$command[0]: $!\n");
  POSIX::_exit(127);
}
close($input);
sub hand_on {
  my ($bytes) = @_;
  while (length $bytes) {
    my $written = syswrite(STDOUT, $bytes);
    next if !defined $written && $!{EINTR};
    POSIX::_exit(125) unless defined $written;
    substr($bytes, 0, $written, '');
  }
}
my $status;
my $open = 1;
until (defined $status) {
  if ($open) {
    my $ready = '';
    vec($ready, fileno($output), 1) = 1;
    if ((select($ready, undef, undef, 0.1) || 0) > 0) {
      my $got = sysread($output, my $bytes, 65536);
      if ($got) { hand_on($bytes) } elsif (defined $got) { $open = 0 }
    }
  }
  while ((my $ended = waitpid(-1, $open ? POSIX::WNOHANG() : 0)) > 0) {
    next if $ended != $child;
    $status = $?;
    last;
  }
}
# What it wrote before it ended is in the pipe; what a daemon writes after it is not waited for.
if ($open) {
  fcntl($output, F_SETFL, O_NONBLOCK);
  my $room = 1 << 20;
  while ($room > 0 && (my $got = sysread($output, my $bytes, 65536))) { hand_on($bytes); $room -= $got }
}
my (undef, undef, $user, $system) = times;
my $code = $status & 127 ? 128 + ($status & 127) : $status >> 8;
report('ended', $code, sprintf('%.2f', $user + $system));
POSIX::_exit($code);
`;
