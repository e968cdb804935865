/**
 * Which binary packages a source says it builds: Package-List of its .dsc, or the bare names of Binary where it lacks.
 * @see deb-src-control(5), dsc(5) "Package-List"
 */
import { isBinaryName, isPriority, isSectionName } from '../debian/names.ts';

export interface DeclaredBinary {
  readonly name: string;
  readonly type: 'deb' | 'udeb';
  /** Absent where the source does not say. */
  readonly section: string | undefined;
  readonly priority: string | undefined;
}

/** The suffix of the packages of debug symbols that debhelper makes beside each binary package. */
const DEBUG_SUFFIX = '-dbgsym';

/** By name; lines that cannot be read are left out, so what they name is not declared. */
export function declaredBinaries(
  packageList: readonly string[],
  binary: readonly string[],
): ReadonlyMap<string, DeclaredBinary> {
  const declared = new Map<string, DeclaredBinary>();
  for (const line of packageList) {
    const [name = '', type = '', section = '', priority = ''] = line.split(/[ \t]+/);
    if (!isBinaryName(name) || (type !== 'deb' && type !== 'udeb')) continue;
    declared.set(name, {
      name,
      type,
      section: isSectionName(section) ? section : undefined,
      priority: isPriority(priority) ? priority : undefined,
    });
  }
  if (declared.size > 0) return declared;
  for (const name of binary) {
    if (isBinaryName(name)) declared.set(name, { name, type: 'deb', section: undefined, priority: undefined });
  }
  return declared;
}

/** The package whose debug symbols this one holds, or undefined when it is no such package. */
export function debugSymbolsOf(name: string): string | undefined {
  return name.endsWith(DEBUG_SUFFIX) ? name.slice(0, -DEBUG_SUFFIX.length) : undefined;
}
