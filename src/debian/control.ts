/**
 * debian/control of a source package: one paragraph for the source, one for each binary package.
 *
 * @see deb-src-control(5), Debian Policy 5.2
 */
import { architectureMatches, isKnownArchitecture, isWildcard } from './architectures.ts';
import { parseParagraphs, type Paragraph } from './deb822.ts';
import { isBinaryName, isPriority, isSectionName, isSourceName } from './names.ts';
import { problem, quote, type Problem } from './problem.ts';

export type ControlProblem = Problem<'control-problem'>;

export interface SourceControl {
  readonly source: SourceParagraph;
  /** At least one, names unique. */
  readonly binaries: readonly BinaryParagraph[];
}

export interface SourceParagraph {
  readonly name: string;
  readonly section: string | undefined;
  readonly priority: string | undefined;
  readonly maintainer: string;
  readonly paragraph: Paragraph;
}

export interface BinaryParagraph {
  readonly name: string;
  /** Words of Architecture: `any`, `all`, architectures, wildcards. */
  readonly architectures: readonly string[];
  readonly packageType: string;
  /** Its own or the source's. */
  readonly section: string | undefined;
  readonly priority: string | undefined;
  readonly essential: boolean;
  /** Build-Profiles as written (`<!nodoc>`), or undefined. */
  readonly buildProfiles: string | undefined;
  readonly paragraph: Paragraph;
}

/** An 8 MB control file is refused (H55); the largest of Debian has some 600 kB. */
const MAX_BYTES = 2 * 1024 * 1024;

/** Reads debian/control; comments and blank lines of spaces are taken as dpkg takes them. */
export function parseControl(input: string | Uint8Array): SourceControl | ControlProblem {
  const paragraphs = parseParagraphs(input, { maxBytes: MAX_BYTES, comments: true, blankSeparators: true });
  if ('kind' in paragraphs) return problem('control-problem', paragraphs.reason, paragraphs);
  const [first, ...others] = paragraphs;
  if (first === undefined) return problem('control-problem', 'there is no paragraph in it');
  const source = readSource(first);
  if ('kind' in source) return source;
  if (others.length === 0) return problem('control-problem', 'it describes no binary package');

  const binaries: BinaryParagraph[] = [];
  const seen = new Set<string>();
  for (const paragraph of others) {
    const binary = readBinary(paragraph, source);
    if ('kind' in binary) return binary;
    if (seen.has(binary.name)) {
      return problem('control-problem', `the binary package ${binary.name} stands twice`, { line: paragraph.line });
    }
    seen.add(binary.name);
    binaries.push(binary);
  }
  return { source, binaries };
}

/** The binaries that building on `architecture` (or for `all`) makes, build profiles left aside. */
export function binariesFor(control: SourceControl, architecture: string): BinaryParagraph[] {
  return control.binaries.filter((binary) =>
    binary.architectures.some((word) => architectureMatches(architecture, word)),
  );
}

function readSource(paragraph: Paragraph): SourceParagraph | ControlProblem {
  const at = (reason: string, field: string): ControlProblem => {
    const line = paragraph.field(field)?.line ?? paragraph.line;
    return problem('control-problem', reason, { line, field });
  };
  const name = paragraph.get('Source');
  if (name === undefined) return at('the first paragraph has no Source', 'Source');
  if (!isSourceName(name)) return at(`${quote(name)} is not a name of a source package`, 'Source');
  if (paragraph.has('Package'))
    return at('the first paragraph must describe the source, not a binary package', 'Package');
  const maintainer = paragraph.get('Maintainer');
  if (maintainer === undefined || maintainer === '') return at('the source has no Maintainer', 'Maintainer');
  const section = paragraph.get('Section');
  const priority = paragraph.get('Priority');
  if (section !== undefined && !isSectionName(section)) return at(`${quote(section)} is not a section`, 'Section');
  if (priority !== undefined && !isPriority(priority)) return at(`${quote(priority)} is not a priority`, 'Priority');
  return { name, section, priority, maintainer, paragraph };
}

function readBinary(paragraph: Paragraph, source: SourceParagraph): BinaryParagraph | ControlProblem {
  const at = (reason: string, field: string): ControlProblem => {
    const line = paragraph.field(field)?.line ?? paragraph.line;
    return problem('control-problem', reason, { line, field });
  };
  const name = paragraph.get('Package');
  if (name === undefined) return at('the paragraph has no Package', 'Package');
  if (!isBinaryName(name)) return at(`${quote(name)} is not a name of a binary package`, 'Package');
  const architectures = paragraph.words('Architecture');
  if (architectures.length === 0) return at(`${name} has no Architecture`, 'Architecture');
  const unknown = architectures.find((word) => word !== 'all' && !isWildcard(word) && !isKnownArchitecture(word));
  if (unknown !== undefined) return at(`${quote(unknown)} is not an architecture`, 'Architecture');
  const section = paragraph.get('Section') ?? source.section;
  const priority = paragraph.get('Priority') ?? source.priority;
  if (section !== undefined && !isSectionName(section)) return at(`${quote(section)} is not a section`, 'Section');
  if (priority !== undefined && !isPriority(priority)) return at(`${quote(priority)} is not a priority`, 'Priority');
  return {
    name,
    architectures,
    packageType: paragraph.get('Package-Type') ?? paragraph.get('XC-Package-Type') ?? 'deb',
    section,
    priority,
    essential: paragraph.get('Essential') === 'yes',
    buildProfiles: paragraph.get('Build-Profiles'),
    paragraph,
  };
}
