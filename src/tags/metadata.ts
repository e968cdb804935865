/**
 * The instruction inside a tag's message: the `[dgit …]` lines that `git debpush` writes.
 *
 * A line counts when it begins with `[dgit ` and ends with `]`; within, items `keyword` or `keyword=value` stand between
 * blanks. A line whose first item begins with a double quote is reserved and skipped. Unknown keywords are skipped, except those
 * that begin with `!`: the signer declares that a tag must not be acted upon by who does not understand them. A keyword stands
 * once unless its description says otherwise.
 *
 * @see tag2upload(5)
 */
import { isVersion } from '../debian/version.ts';
import { isSourceName } from '../debian/names.ts';
import { problem, quote, type Problem } from '../debian/problem.ts';
import { isObjectId, isTagName } from './release-ref.ts';

export type MetadataProblem = Problem<'metadata-problem'>;

/** Keyword → its values in the order written; `undefined` for an item without `=`. */
export type Metadata = ReadonlyMap<string, readonly (string | undefined)[]>;

export interface UpstreamBinding {
  readonly commitId: string;
  readonly tag: string;
}

/** What a tag asks for. */
export interface ReleaseRequest {
  readonly source: string;
  readonly version: string;
  /** At least one. */
  readonly distros: readonly string[];
  readonly upstream: UpstreamBinding | undefined;
  /** The commit that `!pristine-tar=` names. */
  readonly pristineTarCommitId: string | undefined;
  /** The value of `--quilt=`, any text of `a-z+-`. */
  readonly quilt: string | undefined;
}

export type ReleaseMetadata =
  /** No `[dgit …]` line: a plain tag. */
  | { readonly form: 'plain' }
  /** `[dgit …]` lines that ask for nothing, as in the tags that dgit makes as a record of an upload. */
  | { readonly form: 'record' }
  | { readonly form: 'request'; readonly request: ReleaseRequest };

const LINE = /^\[dgit (.*)\]$/;
const ITEM = /^([!\-+.0-9a-z][^\s=]*)(?:=(\S*))?$/;
/** Items that a tag may hold; far beyond what any tag has. */
const MAX_ITEMS = 1_000;

const KNOWN_CRITICAL: ReadonlySet<string> = new Set(['!pristine-tar']);
const SINGLE: ReadonlySet<string> = new Set([
  'please-upload',
  'source',
  'version',
  'upstream',
  'upstream-tag',
  '!pristine-tar',
  '--quilt',
  'split',
]);

/** Reads all `[dgit …]` lines of a message, without interpreting them; undefined when there is none. */
export function parseMetadata(message: string): Metadata | undefined | MetadataProblem {
  const items = new Map<string, (string | undefined)[]>();
  let lines = 0;
  let count = 0;
  for (const [index, line] of message.split('\n').entries()) {
    const content = LINE.exec(line)?.[1];
    if (content === undefined) continue;
    const fail = (reason: string): MetadataProblem => problem('metadata-problem', reason, { line: index + 1 });
    lines++;
    const words = content.split(' ').filter((word) => word !== '');
    if (words[0]?.startsWith('"') === true) continue;
    for (const word of words) {
      const [, keyword, value] = ITEM.exec(word) ?? [];
      if (keyword === undefined) return fail(`${quote(word)} is not of the form KEYWORD or KEYWORD=VALUE`);
      if (++count > MAX_ITEMS) return fail(`it holds more than ${MAX_ITEMS} items`);
      const values = items.get(keyword);
      if (values === undefined) items.set(keyword, [value]);
      else values.push(value);
    }
  }
  return lines === 0 ? undefined : items;
}

/** What a tag with this message asks for. */
export function readReleaseMetadata(message: string): ReleaseMetadata | MetadataProblem {
  const metadata = parseMetadata(message);
  if (metadata === undefined) return { form: 'plain' };
  if (isMetadataProblem(metadata)) return metadata;
  const fail = (reason: string, field?: string): MetadataProblem => problem('metadata-problem', reason, { field });

  for (const [keyword, values] of metadata) {
    if (keyword.startsWith('!') && !KNOWN_CRITICAL.has(keyword)) {
      return fail(
        `the item ${quote(keyword)} must be understood to act upon this tag, and it is not known here`,
        keyword,
      );
    }
    if (SINGLE.has(keyword) && values.length > 1) return fail(`the item ${keyword} stands more than once`, keyword);
  }
  if (!metadata.has('please-upload')) return { form: 'record' };
  for (const keyword of ['please-upload', 'split']) {
    if (metadata.get(keyword)?.[0] !== undefined) return fail(`the item ${keyword} takes no value`, keyword);
  }
  if (!metadata.has('split')) return fail('the item split is missing', 'split');

  const distros = metadata.get('distro') ?? [];
  if (distros.length === 0) return fail('the item distro= is missing', 'distro');
  if (distros.some((distro) => distro === undefined || distro === ''))
    return fail('the item distro takes a value', 'distro');
  const source = metadata.get('source')?.[0];
  if (source === undefined || !isSourceName(source)) {
    return fail(found('source', source, 'a name of a source package'), 'source');
  }
  const version = metadata.get('version')?.[0];
  if (version === undefined || !isVersion(version)) return fail(found('version', version, 'a version'), 'version');

  const upstream = readUpstream(metadata);
  if (upstream !== undefined && 'kind' in upstream) return upstream;
  let pristineTarCommitId: string | undefined;
  if (metadata.has('!pristine-tar')) {
    pristineTarCommitId = metadata.get('!pristine-tar')?.[0];
    if (pristineTarCommitId === undefined || !isObjectId(pristineTarCommitId)) {
      return fail(found('!pristine-tar', pristineTarCommitId, 'a whole commit id'), '!pristine-tar');
    }
    if (upstream === undefined) return fail('the item !pristine-tar= needs upstream=', '!pristine-tar');
  }
  let quilt: string | undefined;
  if (metadata.has('--quilt')) {
    quilt = metadata.get('--quilt')?.[0];
    if (quilt === undefined || !/^[a-z][a-z+-]{0,31}$/.test(quilt)) {
      return fail(found('--quilt', quilt, 'a quilt mode'), '--quilt');
    }
  }
  return {
    form: 'request',
    request: {
      source,
      version,
      distros: distros.filter((distro) => distro !== undefined),
      upstream,
      pristineTarCommitId,
      quilt,
    },
  };
}

function readUpstream(metadata: Metadata): UpstreamBinding | undefined | MetadataProblem {
  const fail = (reason: string, field: string): MetadataProblem => problem('metadata-problem', reason, { field });
  const hasCommit = metadata.has('upstream');
  const hasTag = metadata.has('upstream-tag');
  if (!hasCommit && !hasTag) return undefined;
  if (!hasCommit || !hasTag) {
    const [there, missing] = hasCommit ? ['upstream=', 'upstream-tag='] : ['upstream-tag=', 'upstream='];
    return fail(`${there} stands without ${missing}; both belong together`, hasCommit ? 'upstream-tag' : 'upstream');
  }
  const commitId = metadata.get('upstream')?.[0];
  if (commitId === undefined || !isObjectId(commitId)) {
    return fail(found('upstream', commitId, 'a whole commit id'), 'upstream');
  }
  const tag = metadata.get('upstream-tag')?.[0];
  if (tag === undefined || !isTagName(tag)) return fail(found('upstream-tag', tag, 'a name of a tag'), 'upstream-tag');
  return { commitId, tag };
}

function found(keyword: string, value: string | undefined, expected: string): string {
  if (value === undefined) return `the item ${keyword}= is missing; ${expected} was expected`;
  return `${keyword}=${quote(value)} is not ${expected}`;
}

/** True for a problem that one of this file's functions returned. */
export function isMetadataProblem(
  result: Metadata | ReleaseMetadata | UpstreamBinding | MetadataProblem | undefined,
): result is MetadataProblem {
  return result !== undefined && 'kind' in result;
}
