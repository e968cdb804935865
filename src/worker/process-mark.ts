/**
 * A text that names this process and no later one with the same number, to be left in files that belong to it: number and
 * start time. Whoever finds such a file can tell whether its owner lives.
 */
import { readFile } from 'node:fs/promises';

export async function ownMark(): Promise<string> {
  return `${process.pid} ${(await startTime(process.pid)) ?? 'unknown'}\n`;
}

export async function isAlive(mark: string): Promise<boolean> {
  const [pid, start] = mark.trim().split(' ');
  if (pid === undefined || start === undefined || !/^\d+$/.test(pid)) return false;
  return (await startTime(Number(pid))) === start;
}

/** Field 22 of /proc/PID/stat with the machine's boot, because the count begins anew with it. @see proc(5) */
async function startTime(pid: number): Promise<string | undefined> {
  const line = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  if (line === undefined) return undefined;
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
  return `${line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? ''}@${boot}`;
}
