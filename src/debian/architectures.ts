/**
 * Debian's architectures and wildcards: does `linux-any` cover `arm64`?
 *
 * The tables are dpkg's own (tupletable, cputable), carried here since this folder reads no files: those of dpkg 1.21, which know
 * all that later ones kept. An architecture
 * is a tuple of ABI, C library, kernel and processor.
 *
 * @see dpkg-architecture(1), Debian Policy 11.1. Tested against `dpkg-architecture -i` and Dpkg::Arch.
 */
import type { Restriction } from './relations.ts';

type Tuple = readonly [abi: string, libc: string, os: string, cpu: string];

const CPUS = (
  'alpha amd64 arc armeb arm arm64 avr32 hppa loong64 i386 ia64 m32r m68k mips mipsel mipsr6 mipsr6el mips64 mips64el ' +
  'mips64r6 mips64r6el nios2 or1k powerpc powerpcel ppc64 ppc64el riscv64 s390 s390x sh3 sh3eb sh4 sh4eb sparc sparc64 tilegx'
).split(' ');

// The order matters: an earlier line wins over the <cpu> pattern of a later one.
const TUPLES: readonly (readonly [tuple: string, name: string])[] = [
  ['eabi-uclibc-linux-arm', 'uclibc-linux-armel'],
  ['base-uclibc-linux-<cpu>', 'uclibc-linux-<cpu>'],
  ['eabihf-musl-linux-arm', 'musl-linux-armhf'],
  ['base-musl-linux-<cpu>', 'musl-linux-<cpu>'],
  ['ilp32-gnu-linux-arm64', 'arm64ilp32'],
  ['eabihf-gnu-linux-arm', 'armhf'],
  ['eabi-gnu-linux-arm', 'armel'],
  ['abin32-gnu-linux-mips64r6el', 'mipsn32r6el'],
  ['abin32-gnu-linux-mips64r6', 'mipsn32r6'],
  ['abin32-gnu-linux-mips64el', 'mipsn32el'],
  ['abin32-gnu-linux-mips64', 'mipsn32'],
  ['abi64-gnu-linux-mips64r6el', 'mips64r6el'],
  ['abi64-gnu-linux-mips64r6', 'mips64r6'],
  ['abi64-gnu-linux-mips64el', 'mips64el'],
  ['abi64-gnu-linux-mips64', 'mips64'],
  ['spe-gnu-linux-powerpc', 'powerpcspe'],
  ['x32-gnu-linux-amd64', 'x32'],
  ['base-gnu-linux-<cpu>', '<cpu>'],
  ['eabihf-gnu-kfreebsd-arm', 'kfreebsd-armhf'],
  ['base-gnu-kfreebsd-<cpu>', 'kfreebsd-<cpu>'],
  ['base-gnu-knetbsd-<cpu>', 'knetbsd-<cpu>'],
  ['base-gnu-kopensolaris-<cpu>', 'kopensolaris-<cpu>'],
  ['base-gnu-hurd-<cpu>', 'hurd-<cpu>'],
  ['base-bsd-dragonflybsd-<cpu>', 'dragonflybsd-<cpu>'],
  ['base-bsd-freebsd-<cpu>', 'freebsd-<cpu>'],
  ['base-bsd-openbsd-<cpu>', 'openbsd-<cpu>'],
  ['base-bsd-netbsd-<cpu>', 'netbsd-<cpu>'],
  ['base-bsd-darwin-<cpu>', 'darwin-<cpu>'],
  ['base-sysv-aix-<cpu>', 'aix-<cpu>'],
  ['base-sysv-solaris-<cpu>', 'solaris-<cpu>'],
  ['eabi-uclibc-uclinux-arm', 'uclinux-armel'],
  ['base-uclibc-uclinux-<cpu>', 'uclinux-<cpu>'],
  ['base-tos-mint-m68k', 'mint-m68k'],
];

const TABLE: ReadonlyMap<string, Tuple> = readTable();

/** Every architecture that dpkg knows, `all` and wildcards not among them. */
export function knownArchitectures(): readonly string[] {
  return [...TABLE.keys()];
}

/** True for an architecture that a machine can have: not `all`, `source`, nor a wildcard. */
export function isKnownArchitecture(name: string): boolean {
  return TABLE.has(name);
}

/** True for `any` and everything that has `any` as one of its parts. */
export function isWildcard(name: string): boolean {
  return name.split('-').includes('any');
}

/**
 * True when `wildcard` (an architecture or a wildcard) covers `architecture`. `all` is covered by `all` alone: what is built
 * for all architectures is not built once more for `any`.
 */
export function architectureMatches(architecture: string, wildcard: string): boolean {
  if (architecture === wildcard) return true;
  if (architecture === 'all' || architecture === 'source' || wildcard === 'all') return false;
  if (wildcard === 'any') return true;
  const real = tupleOf(architecture);
  const wanted = wildcardTuple(wildcard);
  if (real === undefined || wanted === undefined) return false;
  return wanted.every((part, index) => part === 'any' || part === real[index]);
}

/** Those of `available` that a package's Architecture field (`any`, `linux-any arm64`, `all`) asks for; `all` only where it stands. */
export function architecturesFor(field: readonly string[], available: readonly string[]): string[] {
  return available.filter((name) => field.some((wildcard) => architectureMatches(name, wildcard)));
}

/** True when a relation's `[…]` list holds on `architecture`; an empty list always does. */
export function restrictionsMatch(restrictions: readonly Restriction[], architecture: string): boolean {
  const [first] = restrictions;
  if (first === undefined) return true;
  const named = restrictions.some(({ name }) => architectureMatches(architecture, name));
  return first.negated ? !named : named;
}

function readTable(): Map<string, Tuple> {
  const table = new Map<string, Tuple>();
  const taken = new Set<string>();
  const add = (tuple: string, name: string): void => {
    const [abi, libc, os, cpu] = tuple.split('-');
    if (abi === undefined || libc === undefined || os === undefined || cpu === undefined) return;
    table.set(name, [abi, libc, os, cpu]);
    taken.add(tuple);
  };
  for (const [tuple, name] of TUPLES) {
    if (!tuple.includes('<cpu>')) {
      add(tuple, name);
      continue;
    }
    for (const cpu of CPUS) {
      const [full, short] = [tuple.replace('<cpu>', cpu), name.replace('<cpu>', cpu)];
      if (!table.has(short) && !taken.has(full)) add(full, short);
    }
  }
  return table;
}

function tupleOf(name: string): Tuple | undefined {
  return TABLE.get(name.startsWith('linux-') ? (name.split('-')[1] ?? name) : name);
}

function wildcardTuple(name: string): readonly string[] | undefined {
  if (!isWildcard(name)) return tupleOf(name);
  const parts = name.split('-');
  return parts.length > 4 ? undefined : [...Array<string>(4 - parts.length).fill('any'), ...parts];
}
