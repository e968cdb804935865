/**
 * What a process and all its descendants use, read from /proc: the way to hold limits where no control group can be had.
 * @see proc(5)
 */
import { readFile, readdir } from 'node:fs/promises';

export interface TreeUse {
  /** Processes and threads. */
  readonly tasks: number;
  /** Resident memory; pages that processes share are counted for each. */
  readonly residentBytes: number;
  /** Of processor time, with that of children that ended; what a parent disowned is not known. */
  readonly cpuTicks: number;
}

export interface ProcessFacts {
  readonly parent: number;
  readonly threads: number;
  readonly residentPages: number;
  /** Its own and that of the children it has waited for, in clock ticks. */
  readonly cpuTicks: number;
}

/** Reads a line of /proc/PID/stat; undefined when it is none. The name in brackets may hold anything, brackets too. */
export function parseStat(line: string): ProcessFacts | undefined {
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const [parent, threads, residentPages] = [fields[1], fields[17], fields[21]].map(Number);
  // utime, stime, cutime, cstime
  const cpuTicks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  if (parent === undefined || threads === undefined || residentPages === undefined) return undefined;
  if (![parent, threads, residentPages, cpuTicks].every(Number.isSafeInteger) || !line.includes(')')) return undefined;
  return { parent, threads, residentPages, cpuTicks };
}

/** Sums up `root` and what descends from it. */
export function sumTree(root: number, processes: ReadonlyMap<number, ProcessFacts>, pageSize: number): TreeUse {
  const children = new Map<number, number[]>();
  for (const [pid, { parent }] of processes) {
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  let tasks = 0;
  let pages = 0;
  let cpuTicks = 0;
  const waiting = [root];
  for (let pid = waiting.pop(); pid !== undefined; pid = waiting.pop()) {
    const facts = processes.get(pid);
    if (facts === undefined) continue;
    tasks += facts.threads;
    pages += facts.residentPages;
    cpuTicks += facts.cpuTicks;
    for (const child of children.get(pid) ?? []) waiting.push(child);
  }
  return { tasks, residentBytes: pages * pageSize, cpuTicks };
}

const AT_PAGESZ = 6n;
const AT_CLKTCK = 17n;

/** Bytes of a page of memory. */
export async function pageSize(): Promise<number> {
  return (await auxiliary(AT_PAGESZ)) ?? 4096;
}

/** Ticks of /proc's clock in a second. */
export async function clockTicks(): Promise<number> {
  return (await auxiliary(AT_CLKTCK)) ?? 100;
}

/** A value that the kernel told this process at its start. @see getauxval(3) */
async function auxiliary(key: bigint): Promise<number | undefined> {
  const vector = await readFile('/proc/self/auxv');
  const word = vector.length % 16 === 0 ? 8 : 4;
  for (let at = 0; at + 2 * word <= vector.length; at += 2 * word) {
    const read = (from: number): bigint =>
      word === 8 ? vector.readBigUInt64LE(from) : BigInt(vector.readUInt32LE(from));
    if (read(at) === key) return Number(read(at + word));
  }
  return undefined;
}

/** What the tree uses now. Processes that end meanwhile are not counted. */
export async function measureTree(root: number, bytesOfPage: number): Promise<TreeUse> {
  const processes = new Map<number, ProcessFacts>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const line = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '');
    const facts = parseStat(line);
    if (facts !== undefined) processes.set(Number(name), facts);
  }
  return sumTree(root, processes, bytesOfPage);
}
