/**
 * One spelling of a .dsc, whichever dpkg wrote it. dpkg-source says the same things differently from release to release, and
 * two of its versions must not give two sources for one commit: the archive compares what a worker made with what it makes
 * itself, and they need not run the same Debian. Everything else of a .dsc is the same from dpkg 1.21 to 1.23.
 *
 *   Package-List        1.23 says build profiles a second time (`profile:v1=`), which no other release knows: left out.
 *                       1.21 copies them as they are written (`profile=,!nocheck,`): tidied. Without Priority 1.21 says
 *                       `unknown` and later ones `optional`: the latter, which is what Debian Policy has
 *   Maintainer, Uploaders   1.23 drops blanks and commas that mean nothing: so here
 *   Build-*             1.21 keeps `<a><b>`, later ones write `<a> <b>`: the latter
 *   Testsuite-Triggers  1.21 forgets all packages of a test that depends on one with `:native`: made from
 *                       debian/tests/control as later ones do
 *
 * @see dsc(5), dpkg-source(1); test/e2e/real-sources.e2e.test.ts holds all releases against each other
 */
import { parseParagraphs } from '../debian/deb822.ts';

/** What a .dsc was made of, as far as it is needed here: texts of the tree, undefined for what is not a plain file. */
export interface DscInput {
  readonly control: Uint8Array | undefined;
  readonly testsControl: Uint8Array | undefined;
}

/** Gives the same text for what any dpkg wrote. Applied twice it changes nothing. */
export function inOneSpelling(dsc: string, input: DscInput): string {
  const fields = splitFields(dsc);
  for (const field of fields) field.value = respell(field.name, field.value);
  const triggers = testsuiteTriggers(input);
  return (triggers === undefined ? fields : withTriggers(fields, triggers))
    .map(({ name, value }) => `${name}:${value}\n`)
    .join('');
}

interface DscField {
  readonly name: string;
  /** All behind the colon, with further lines. */
  value: string;
}

function splitFields(dsc: string): DscField[] {
  return dsc
    .replace(/\n+$/, '')
    .split(/\n(?![ \t])/)
    .map((text) => {
      const colon = text.indexOf(':');
      return { name: text.slice(0, colon), value: text.slice(colon + 1) };
    });
}

function respell(name: string, value: string): string {
  switch (name) {
    case 'Package-List':
      return value.split('\n').map(packageListLine).join('\n');
    case 'Maintainer':
      return ` ${value.trim().replace(/\s*,$/, '')}`;
    case 'Uploaders':
      return ` ${splitAddresses(value).join(', ')}`;
    default:
      return /^Build-(?:Depends|Conflicts)(?:-Arch|-Indep)?$/.test(name) ? value.replaceAll('><', '> <') : value;
  }
}

/** ` NAME TYPE SECTION PRIORITY KEY=VALUE…` */
function packageListLine(line: string): string {
  const [, name, type, section, priority, ...properties] = line.split(' ');
  if (priority === undefined) return line;
  const told = properties
    .filter((property) => !property.startsWith('profile:v1='))
    .map((property) => (property.startsWith('profile=') ? `profile=${tidyProfiles(property.slice(8))}` : property));
  return ['', name, type, section, priority === 'unknown' ? 'optional' : priority, ...told].join(' ');
}

/** `a,b+c`: a and b, or c. */
function tidyProfiles(formula: string): string {
  return formula
    .replaceAll('><', '+')
    .split('+')
    .map((list) =>
      list
        .split(',')
        .filter((profile) => profile !== '')
        .join(','),
    )
    .join('+');
}

/** Commas between double quotes are of a name. */
function splitAddresses(value: string): string[] {
  return (value.match(/(?:"[^"]*"|[^,])+/g) ?? []).map((address) => address.trim()).filter((address) => address !== '');
}

function withTriggers(fields: readonly DscField[], triggers: readonly string[]): DscField[] {
  const others = fields.filter(({ name }) => name !== 'Testsuite-Triggers');
  if (triggers.length === 0) return others;
  const behind = others.findIndex(({ name }) => name === 'Testsuite');
  return others.toSpliced(behind + 1, 0, { name: 'Testsuite-Triggers', value: ` ${triggers.join(', ')}` });
}

/** How files in debian/ are read. */
const SOURCE_TREE = { comments: true, blankSeparators: true };

/** Undefined where the field is not made from the tests: there are none, it was written by hand, or dpkg reads what we do not. */
function testsuiteTriggers({ control, testsControl }: DscInput): readonly string[] | undefined {
  if (control === undefined || testsControl === undefined) return undefined;
  const described = parseParagraphs(control, SOURCE_TREE);
  const tests = parseParagraphs(testsControl, SOURCE_TREE);
  if ('kind' in described || 'kind' in tests) return undefined;
  const byHand = described.some(({ fields }) =>
    fields.some(({ name }) => /^(?:x[bcs]*-)?testsuite-triggers$/i.test(name)),
  );
  if (byHand) return undefined;
  const own = new Set(['@', ...described.map((paragraph) => paragraph.get('Package'))]);
  const names = tests.flatMap((test) => namesOf(test.get('Depends') ?? '')).filter((name) => !own.has(name));
  return [...new Set(names)].sort();
}

/** As Dpkg::Deps::Simple reads one relation of a test. */
const TEST_RELATION =
  /^([@a-zA-Z0-9][@a-zA-Z0-9+.-]*)(?::[a-zA-Z0-9][a-zA-Z0-9-]*)?(?:\s*\(\s*(?:<<|<=|=|>=|>>|[<>])\s*[^)\s]+\s*\))?(?:\s*\[\s*[^\]]+\s*\])?(?:\s*<\s*[^>]+\s*>)*$/;

/** The packages that one test names; none when one of its relations cannot be read, as dpkg has it. */
function namesOf(depends: string): string[] {
  const names: string[] = [];
  for (const relation of depends
    .trim()
    .replace(/,[\s,]*$/, '')
    .split(/[,|]/)) {
    const name = TEST_RELATION.exec(relation.trim())?.[1];
    if (name === undefined) return [];
    names.push(name);
  }
  return names;
}
