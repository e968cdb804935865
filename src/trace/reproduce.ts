/** The commands with which somebody makes the same build at home, from the payload of its job. */
import type { JsonObject, JsonValue } from '../platform/database.ts';
import { isObject, listOf } from './json.ts';

export interface ReproduceFacts {
  readonly archiveUrl: string;
  readonly keyUrl: string;
  readonly payload: JsonValue;
  readonly repositoryUrl: string | null;
  readonly ref: string | null;
}

/** Empty when the payload is not one that is known here. Every word is quoted for a POSIX shell. */
export function reproduceCommands(facts: ReproduceFacts): readonly string[] {
  const payload = facts.payload;
  if (!isObject(payload)) return [];
  return payload.kind === 'source'
    ? sourceCommands(facts, payload)
    : payload.kind === 'binary'
      ? binaryCommands(facts, payload)
      : [];
}

function sourceCommands(facts: ReproduceFacts, payload: JsonObject): readonly string[] {
  const commit = text(payload.commitId);
  const source = text(payload.source);
  if (facts.repositoryUrl === null || facts.ref === null || commit === undefined || source === undefined) return [];
  return [
    command('git', 'clone', '--no-checkout', facts.repositoryUrl, source),
    `cd ${quote(source)}`,
    command('git', 'fetch', 'origin', facts.ref),
    command('git', 'checkout', '--detach', commit),
    command('dpkg-buildpackage', '--build=source', '--no-sign', '--no-check-builddeps'),
  ];
}

function binaryCommands(facts: ReproduceFacts, payload: JsonObject): readonly string[] {
  const [archive, suite, source, version, dsc, architecture] = [
    text(payload.archive),
    text(payload.suite),
    text(payload.source),
    text(payload.version),
    text(payload.dsc),
    text(payload.architecture),
  ];
  const chroot = isObject(payload.chroot) ? payload.chroot : {};
  const base = text(chroot.suite);
  if (archive === undefined || suite === undefined || source === undefined || version === undefined) return [];
  if (dsc === undefined || architecture === undefined || base === undefined) return [];
  const key = `/etc/apt/keyrings/${archive}.asc`;
  const components = listOf(payload.aptSources)
    .filter(isObject)
    .filter((one) => one.uri === facts.archiveUrl && one.suite === suite)
    .flatMap((one) => listOf(one.components))
    .filter((one) => typeof one === 'string');
  const line = `[signed-by=${key}] ${facts.archiveUrl} ${suite} ${components.join(' ') || 'main'}`;
  return [
    command('sudo', 'curl', '--fail', '--output', key, facts.keyUrl),
    `${command('echo', `deb-src ${line}`)} | ${command('sudo', 'tee', `/etc/apt/sources.list.d/${archive}-source.list`)}`,
    command('sudo', 'apt-get', 'update'),
    command('apt-get', 'source', '--download-only', `${source}=${version}`),
    command(
      'sbuild',
      '--chroot-mode=unshare',
      `--dist=${base}`,
      `--arch=${architecture}`,
      payload.withAll === true ? '--arch-all' : '--no-arch-all',
      `--extra-repository=deb ${line}`,
      `--extra-repository-key=${key}`,
      dsc,
    ),
  ];
}

function command(...words: readonly string[]): string {
  return words.map(quote).join(' ');
}

function quote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./~^-]+$/.test(word) && !word.startsWith('~') ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
