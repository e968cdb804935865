/**
 * Private configurations of apt: complete by themselves, so that nothing of the machine's own is read, except how it reaches
 * the network (proxies, certificates) and, for the mirrors it uses itself, whether it judges a Release file's age.
 *
 * @see apt.conf(5), sources.list(5)
 */
import { LandfallError } from '../platform/errors.ts';
import { exec } from '../platform/exec.ts';

export interface AptSourceLine {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Where the keyring lies; undefined inside a sandbox, where nothing is fetched and all was verified before. */
  readonly keyring: string | undefined;
  readonly architecture: string;
  /** Whether the age of the Release file counts. */
  readonly judgeAge: boolean;
}

/** A line of sources.list. @throws LandfallError `apt.source` for a value that would mean something else there */
export function sourceLine(source: AptSourceLine): string {
  const refuse = (what: string, value: string): never => {
    throw new LandfallError({
      code: 'apt.source',
      doing: 'write a source for apt',
      reason: `${JSON.stringify(value)} cannot be ${what}`,
      remedy: 'mend it in the distribution file',
    });
  };
  if (!/^https?:\/\/[!-Z\\^-~]+$/.test(source.uri)) refuse('the URI of a source (http or https)', source.uri);
  if (!/^[A-Za-z0-9][A-Za-z0-9+._/-]*$/.test(source.suite)) refuse('a suite', source.suite);
  if (source.components.length === 0) refuse('a list of components', '');
  for (const component of source.components) {
    if (!/^[A-Za-z0-9][A-Za-z0-9+._/-]*$/.test(component)) refuse('a component', component);
  }
  if (!/^[a-z0-9][a-z0-9-]*$/.test(source.architecture)) refuse('an architecture', source.architecture);
  if (source.keyring !== undefined && !/^\/[!-Z\\^-~]+$/.test(source.keyring)) refuse('a keyring', source.keyring);
  const options = [
    `arch=${source.architecture}`,
    source.keyring === undefined ? 'trusted=yes' : `signed-by=${source.keyring}`,
    `check-valid-until=${source.judgeAge ? 'yes' : 'no'}`,
    `check-date=${source.judgeAge ? 'yes' : 'no'}`,
  ];
  return `deb [${options.join(' ')}] ${source.uri} ${source.suite} ${source.components.join(' ')}\n`;
}

/** Text of an apt.conf. A list is written as one; text that apt would read otherwise is refused. */
export function formatAptConf(options: ReadonlyMap<string, string | readonly string[]>): string {
  let text = '';
  for (const [name, value] of options) {
    if (typeof value === 'string') {
      text += `${name} ${quoteValue(value)};\n`;
      continue;
    }
    text += `#clear ${name};\n`;
    for (const one of value) text += `${name}:: ${quoteValue(one)};\n`;
  }
  return text;
}

function quoteValue(value: string): string {
  if (/["\n]/.test(value)) throw new RangeError(`apt.conf cannot hold ${JSON.stringify(value)}`);
  return `"${value}"`;
}

/** What the machine's own configuration says that matters for reaching mirrors. */
export interface MachineApt {
  /** Options to take over as they stand. */
  readonly network: ReadonlyMap<string, string>;
  /** Repositories that the machine itself is set up with, each ending in a slash. */
  readonly repositories: ReadonlySet<string>;
  /** What it does with the age of their Release files. */
  readonly judgesAge: boolean;
}

const NETWORK = /^Acquire::(?:https?::(?:[^:]+::)?(?:Proxy|CaInfo|Timeout)|Retries|https?::Proxy-Auto-Detect)$/;

/** Reads `apt-config dump`. Pure; see {@link readMachineApt}. */
export function parseAptConfig(dump: string): { network: Map<string, string>; judgesAge: boolean } {
  const network = new Map<string, string>();
  let judgesAge = true;
  for (const line of dump.split('\n')) {
    const [, name, value] = /^([A-Za-z0-9:._/-]+) "([^"]*)";$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    if (NETWORK.test(name) && value !== '') network.set(name, value);
    const off = ['0', 'false', 'no', 'off', 'without', 'disable'].includes(value.toLowerCase());
    if (off && (name === 'Acquire::Check-Valid-Until' || name === 'Acquire::Check-Date')) judgesAge = false;
  }
  return { network, judgesAge };
}

export async function readMachineApt(): Promise<MachineApt> {
  const dump = await exec(['apt-config', 'dump'], {
    doing: "read the machine's apt configuration",
    deadlineMs: 60_000,
  });
  const targets = await exec(['apt-get', 'indextargets', '--format', '$(REPO_URI)'], {
    doing: "read the machine's apt sources",
    deadlineMs: 60_000,
    // A broken sources.list of the machine is not ours to judge.
    okCodes: 'any',
  });
  const repositories = targets.stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
  return { ...parseAptConfig(dump.stdout.toString('utf8')), repositories: new Set(repositories) };
}

/** Whether the age of this source's Release counts: always, except where the machine's administrator says otherwise. */
export function judgesAgeOf(uri: string, machine: MachineApt): boolean {
  return machine.judgesAge || !machine.repositories.has(uri.endsWith('/') ? uri : `${uri}/`);
}
