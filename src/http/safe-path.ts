/**
 * The path in a URL, as the plain file names it is made of, or nothing. Whatever is not simply a name (a dot file, a
 * separator or NUL in disguise, `..`, a backslash, bytes that are no UTF-8) makes the whole path void, so that no file system
 * ever sees it (H95).
 */

const MAX_DEPTH = 24;
const MAX_NAME_BYTES = 255;

/** The names of a raw, still percent-encoded path that begins with `/`; undefined when one is not allowed. */
export function namesOfPath(rawPath: string): readonly string[] | undefined {
  if (!rawPath.startsWith('/')) return undefined;
  const parts = rawPath.slice(1).split('/');
  if (parts.length > MAX_DEPTH) return undefined;
  const names: string[] = [];
  for (const part of parts) {
    const name = decode(part);
    if (name === undefined || !isPlainName(name)) return undefined;
    names.push(name);
  }
  return names;
}

function isPlainName(name: string): boolean {
  return (
    name !== '' &&
    !name.startsWith('.') &&
    Buffer.byteLength(name) <= MAX_NAME_BYTES &&
    // Letters of any script may stand in a name; controls, separators and direction marks may not.
    !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}/\\]/u.test(name)
  );
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
