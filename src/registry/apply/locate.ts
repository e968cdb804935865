/**
 * Where in a TOML text a value is set, for pointing at it in a message. It follows table headers, dotted and quoted keys and
 * arrays of tables; it does not look into values, so for what stands in an inline table or a list it gives the line where
 * that begins.
 * @see TOML 1.0, "Keys" and "Table"
 */

/** The line (counted from 1) that sets `path`, or that opens the closest table around it. */
export function lineOfPath(text: string, path: readonly (string | number)[]): number | undefined {
  const wanted = path.map(String);
  let best: { readonly line: number; readonly depth: number } | undefined;
  let table: readonly string[] = [];
  const counts = new Map<string, number>();
  const consider = (at: readonly string[], line: number): void => {
    const onTheWay = at.length <= wanted.length && at.every((part, index) => part === wanted[index]);
    if (onTheWay && at.length > (best?.depth ?? 0)) best = { line, depth: at.length };
  };
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line.startsWith('[')) {
      const isArray = line.startsWith('[[');
      const keys = readKeys(line.slice(isArray ? 2 : 1), ']');
      if (keys === undefined) continue;
      table = isArray ? openElement(keys, counts) : withIndices(keys, counts);
      // A header opens the tables on the way to it, too.
      for (let length = 1; length <= table.length; length += 1) consider(table.slice(0, length), index + 1);
    } else {
      const keys = readKeys(line, '=');
      if (keys === undefined) continue;
      // Each part of a dotted key opens a table of its own.
      for (let length = 1; length <= keys.length; length += 1) {
        consider([...table, ...keys.slice(0, length)], index + 1);
      }
    }
  }
  return best?.line;
}

/** The path of a new element of an array of tables. */
function openElement(keys: readonly string[], counts: Map<string, number>): readonly string[] {
  const name = keys.join('\n');
  const index = counts.get(name) ?? 0;
  counts.set(name, index + 1);
  return [...withIndices(keys.slice(0, -1), counts), ...keys.slice(-1), String(index)];
}

/** Puts behind each array of tables on the way the element that is open now. */
function withIndices(keys: readonly string[], counts: ReadonlyMap<string, number>): readonly string[] {
  return keys.flatMap((key, index) => {
    const count = counts.get(keys.slice(0, index + 1).join('\n'));
    return count === undefined ? [key] : [key, String(count - 1)];
  });
}

/** The parts of a dotted key that is followed by `end`, or undefined when there is none. */
function readKeys(text: string, end: ']' | '='): readonly string[] | undefined {
  const keys: string[] = [];
  let rest = text;
  for (;;) {
    const match = /^\s*(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')\s*([.\]=])/.exec(rest);
    if (match === null) return undefined;
    const [all, bare, quoted, literal, next] = match;
    keys.push(bare ?? literal ?? unescape(quoted ?? ''));
    if (next === end) return keys;
    if (next !== '.') return undefined;
    rest = rest.slice(all.length);
  }
}

function unescape(text: string): string {
  return text.replace(/\\(["\\])/g, '$1');
}
