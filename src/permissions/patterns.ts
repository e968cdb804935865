/**
 * The patterns of grants. `*` stands for any run of characters, also an empty one; `?` for exactly one; everything else for
 * itself. A pattern always speaks of the whole name. There is no way to quote: names of packages and suites hold neither `*`
 * nor `?`. All functions are pure and cost at most (length of pattern) × (length of name) steps, whatever they are given.
 */

/** Longest pattern that a grant may hold. */
export const MAX_PATTERN_LENGTH = 128;

/** So many pairs of states are looked at before two patterns count as not comparable. */
const MAX_COVER_STATES = 20_000;

/** True for a pattern made of what names are made of (lower-case letters, digits, `+`, `.`, `-`), `*` and `?`. */
export function isPattern(text: string): boolean {
  return text.length <= MAX_PATTERN_LENGTH && /^[a-z0-9+.*?-]+$/.test(text);
}

/** True when `pattern` stands for the whole of `name`. */
export function matchesPattern(pattern: string, name: string): boolean {
  let at = 0;
  let position = 0;
  let star = -1;
  let resume = 0;
  while (position < name.length) {
    const wanted = pattern[at];
    // A star first: a name that itself holds one must not be taken for a literal match.
    if (wanted === '*') {
      star = at;
      resume = position;
      at += 1;
    } else if (wanted !== undefined && (wanted === '?' || wanted === name[position])) {
      at += 1;
      position += 1;
    } else if (star >= 0) {
      // Let the last star take one character more; earlier stars never need to be tried again.
      resume += 1;
      position = resume;
      at = star + 1;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}

/**
 * True when every name that `inner` stands for is also one that `outer` stands for: who may grant within `outer` may grant
 * `inner`. Exact, except that patterns made to be expensive to compare count as not covered.
 */
export function coversPattern(outer: string, inner: string): boolean {
  // What is not a letter of `outer` is all the same to it: one stand-in is enough.
  const OTHER = '\u0000';
  const letters = [...new Set(outer.replace(/[*?]/g, ''))];
  const alphabet = [...letters, OTHER];
  const seen = new Set<string>();
  const pending: { readonly at: number; readonly states: readonly number[] }[] = [
    { at: 0, states: afterStars(outer, [0]) },
  ];
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    const { at, states } = current;
    // From here some name of `inner` goes on, and `outer` has nothing left for it.
    if (states.length === 0) return false;
    const key = `${at}:${states.join(',')}`;
    if (seen.has(key)) continue;
    if (seen.size >= MAX_COVER_STATES) return false;
    seen.add(key);
    const symbol = inner[at];
    if (symbol === undefined) {
      if (!states.includes(outer.length)) return false;
    } else if (symbol === '*') {
      pending.push({ at: at + 1, states });
      for (const letter of alphabet) pending.push({ at, states: step(outer, states, letter) });
    } else if (symbol === '?') {
      for (const letter of alphabet) pending.push({ at: at + 1, states: step(outer, states, letter) });
    } else {
      pending.push({ at: at + 1, states: step(outer, states, letters.includes(symbol) ? symbol : OTHER) });
    }
  }
  return true;
}

/** The positions in `outer` that can be reached from `states` by one letter. */
function step(outer: string, states: readonly number[], letter: string): number[] {
  const next: number[] = [];
  for (const state of states) {
    const symbol = outer[state];
    if (symbol === '*') next.push(state);
    else if (symbol !== undefined && (symbol === '?' || symbol === letter)) next.push(state + 1);
  }
  return afterStars(outer, next);
}

/** Adds the positions behind stars, which may stand for nothing. Sorted, each once. */
function afterStars(outer: string, states: readonly number[]): number[] {
  const all = new Set<number>();
  for (const state of states) {
    let at = state;
    all.add(at);
    while (outer[at] === '*') {
      at += 1;
      all.add(at);
    }
  }
  return [...all].sort((one, other) => one - other);
}
