/**
 * What a build was made from (.buildinfo), without its signature.
 *
 * @see deb-buildinfo(5)
 */
import { parseSourceField } from './changes.ts';
import { parseParagraph, type Paragraph } from './deb822.ts';
import { readFileLists, type FileEntry } from './file-lists.ts';
import { isArchitectureName, isBinaryName } from './names.ts';
import { problem, quote, type Problem } from './problem.ts';
import { parseRelations, type Relation } from './relations.ts';
import { parseVersion } from './version.ts';

export type BuildinfoProblem = Problem<'buildinfo-problem'>;

export interface Buildinfo {
  readonly source: string;
  readonly sourceVersion: string;
  readonly version: string;
  readonly binaries: readonly string[];
  readonly architectures: readonly string[];
  readonly buildArchitecture: string;
  readonly buildOrigin: string | undefined;
  readonly buildDate: string | undefined;
  readonly buildPath: string | undefined;
  readonly files: readonly FileEntry[];
  /** Each with `=` and a version. */
  readonly installedBuildDepends: readonly Relation[];
  /** Variables in the order in which they stand. */
  readonly environment: ReadonlyMap<string, string>;
  readonly paragraph: Paragraph;
}

/** Reads the signed text of a .buildinfo. */
export function parseBuildinfo(input: string | Uint8Array): Buildinfo | BuildinfoProblem {
  const paragraph = parseParagraph(input);
  if ('kind' in paragraph) return problem('buildinfo-problem', paragraph.reason, paragraph);
  const at = (field: string, reason: string): BuildinfoProblem =>
    problem('buildinfo-problem', reason, { field, line: paragraph.field(field)?.line ?? paragraph.line });

  const format = paragraph.get('Format') ?? '';
  if (!/^(?:0\.[0-9]|1\.[0-9])$/.test(format))
    return at('Format', `${quote(format)} is not a format of .buildinfo that is known`);
  const named = parseSourceField(paragraph.get('Source') ?? '');
  if (named === undefined) return at('Source', 'it is not a name of a source package');
  const version = paragraph.get('Version') ?? '';
  const parsed = parseVersion(version);
  if ('kind' in parsed) return at('Version', parsed.reason);
  const binaries = paragraph.words('Binary');
  const strangeName = binaries.find((name) => !isBinaryName(name));
  if (strangeName !== undefined) return at('Binary', `${quote(strangeName)} is not a name of a binary package`);
  const architectures = paragraph.words('Architecture');
  const strangeArchitecture = architectures.find((name) => !isArchitectureName(name));
  if (strangeArchitecture !== undefined)
    return at('Architecture', `${quote(strangeArchitecture)} is not an architecture`);
  const buildArchitecture = paragraph.get('Build-Architecture') ?? '';
  if (!isArchitectureName(buildArchitecture))
    return at('Build-Architecture', `${quote(buildArchitecture)} is not an architecture`);

  const lists = readFileLists(paragraph, { filesRequired: false });
  if ('kind' in lists) return problem('buildinfo-problem', lists.reason, lists);
  const installed = parseRelations(paragraph.get('Installed-Build-Depends') ?? '', { restrictions: false });
  if ('kind' in installed) return at('Installed-Build-Depends', installed.reason);
  const installedBuildDepends: Relation[] = [];
  for (const [relation, alternative] of installed) {
    if (relation?.version?.operator !== '=' || alternative !== undefined) {
      return at('Installed-Build-Depends', 'an entry is not of the form NAME (= VERSION)');
    }
    installedBuildDepends.push(relation);
  }
  const environment = readEnvironment(paragraph.lines('Environment'));
  if (typeof environment === 'string') return at('Environment', environment);
  return {
    source: named.source,
    sourceVersion: named.version ?? version,
    version,
    binaries,
    architectures,
    buildArchitecture,
    buildOrigin: paragraph.get('Build-Origin'),
    buildDate: paragraph.get('Build-Date'),
    buildPath: paragraph.get('Build-Path'),
    files: lists.files,
    installedBuildDepends,
    environment,
    paragraph,
  };
}

/** Lines of the form `NAME="value"`, with `\\`, `\"` and `\n` escaped; a text is the reason why they are not. */
function readEnvironment(lines: readonly string[]): ReadonlyMap<string, string> | string {
  const environment = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)"$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return `${quote(line)} is not of the form NAME="value"`;
    if (environment.has(name)) return `the variable ${name} stands twice`;
    environment.set(
      name,
      value.replace(/\\(.)/gs, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    );
  }
  return environment;
}
