/** What a result was measured on: without it the figures say nothing. */
import { readFile } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { exec } from '../src/platform/exec.ts';

export interface MachineFacts {
  readonly system: string;
  readonly kernel: string;
  readonly processor: string;
  readonly cores: number;
  readonly memory_gb: number;
  /** Of the minute before the run: a busy machine is good for ratios only. */
  readonly load: number;
}

export async function describeMachine(): Promise<MachineFacts> {
  const systems = await readFile('/etc/os-release', 'utf8');
  return {
    system: /^PRETTY_NAME="?([^"\n]+)/m.exec(systems)?.[1] ?? 'unknown',
    kernel: release(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 1024 ** 3),
    load: Number((loadavg()[0] ?? 0).toFixed(1)),
  };
}

/** The first line of what each program says of its version. */
export async function describeVersions(
  programs: Readonly<Record<string, readonly [string, ...string[]]>>,
): Promise<Readonly<Record<string, string>>> {
  const versions: Record<string, string> = { node: process.version };
  for (const [name, argv] of Object.entries(programs)) {
    const { stdout } = await exec(argv, { deadlineMs: 30_000, mergeStderr: true, okCodes: 'any' });
    versions[name] = stdout.toString('utf8').split('\n')[0]?.trim() ?? 'unknown';
  }
  return versions;
}
