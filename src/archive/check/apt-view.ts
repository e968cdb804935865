/**
 * What a real apt says of a suite: a fresh one, with the archive's key, strict about signatures and validity whatever the
 * machine's configuration is; it updates, must see what the suite holds, and downloads some packages. @see apt.conf(5)
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exec, type ExecResult } from '../../platform/exec.ts';
import { withTemporaryDirectory } from '../../platform/files.ts';

export interface AptView {
  /** Of the archive. */
  readonly url: string;
  readonly suite: string;
  readonly components: readonly string[];
  readonly architecture: string;
  /** Armored. */
  readonly key: string;
  /** `NAME VERSION` of what it must see, no more and no less. */
  readonly expected: readonly string[];
  /** `NAME VERSION` of what it must be able to fetch. */
  readonly sample: readonly string[];
}

const DEADLINE_MS = 10 * 60_000;

/** What apt finds wrong, as sentences; none when all is well. */
export async function askApt(view: AptView): Promise<string[]> {
  return await withTemporaryDirectory(
    async (folder) => {
      const apt = await setUp(folder, view);
      const updated = await apt('apt-get', ['update']);
      if (updated.code !== 0) return [`apt-get update fails: ${lastWords(updated)}`];
      const problems: string[] = [];
      const seen = await apt('apt-cache', ['dumpavail']);
      const wanted = new Set(view.expected);
      const found = new Set(packagesOf(seen.stdout.toString('utf8')));
      const less = [...wanted].filter((one) => !found.has(one));
      const more = [...found].filter((one) => !wanted.has(one));
      if (less.length > 0) problems.push(`apt does not see ${few(less)}`);
      if (more.length > 0) problems.push(`apt sees ${few(more)}, which the suite does not hold`);
      for (const one of view.sample) {
        const fetched = await apt('apt-get', ['download', one.replace(' ', '=')]);
        if (fetched.code !== 0) problems.push(`apt-get download of ${one} fails: ${lastWords(fetched)}`);
      }
      return problems;
    },
    { prefix: 'lf-apt-' },
  );
}

async function setUp(
  folder: string,
  view: AptView,
): Promise<(program: string, args: readonly string[]) => Promise<ExecResult>> {
  for (const part of ['lists/partial', 'cache/archives/partial', 'etc', 'work']) {
    await mkdir(join(folder, part), { recursive: true });
  }
  await writeFile(join(folder, 'etc', 'key.asc'), view.key);
  await writeFile(join(folder, 'etc', 'status'), '');
  await writeFile(
    join(folder, 'etc', 'sources.list'),
    `deb [signed-by=${folder}/etc/key.asc] ${view.url} ${view.suite} ${view.components.join(' ')}\n`,
  );
  const options = [
    `Dir::Etc::sourcelist=${folder}/etc/sources.list`,
    'Dir::Etc::sourceparts=-',
    'Dir::Etc::parts=-',
    'Dir::Etc::main=-',
    'Dir::Etc::preferences=-',
    'Dir::Etc::preferencesparts=-',
    `Dir::State::Lists=${folder}/lists`,
    `Dir::State::status=${folder}/etc/status`,
    `Dir::Cache=${folder}/cache`,
    `APT::Architecture=${view.architecture}`,
    `APT::Architectures::=${view.architecture}`,
    'APT::Update::Error-Mode=any',
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'Acquire::Check-Valid-Until=true',
    'Acquire::Check-Date=true',
    'Acquire::Retries=0',
  ].flatMap((option) => ['-o', option]);
  return async (program, args) =>
    await exec([program, ...options, ...args], {
      doing: 'look at the suite with apt',
      deadlineMs: DEADLINE_MS,
      cwd: join(folder, 'work'),
      okCodes: 'any',
      maxOutput: 1024 ** 3,
    });
}

function packagesOf(available: string): string[] {
  return available
    .split('\n\n')
    .filter((stanza) => stanza.trim() !== '')
    .map((stanza) => `${fieldOf(stanza, 'Package')} ${fieldOf(stanza, 'Version')}`);
}

function fieldOf(stanza: string, name: string): string {
  return new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1] ?? '';
}

function lastWords(result: ExecResult): string {
  return result.stderr
    .split('\n')
    .filter((line) => /^[EW]:/.test(line))
    .slice(-3)
    .join(' ')
    .slice(0, 500);
}

function few(items: readonly string[]): string {
  return items.slice(0, 5).join(', ') + (items.length > 5 ? ` and ${items.length - 5} more` : '');
}
