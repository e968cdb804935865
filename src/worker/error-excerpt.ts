/**
 * The lines of a build log that say why the build failed, for a person who does not want to read ten thousand others: compiler
 * errors, failed tests, debhelper's and dpkg's own, missing programs and dependencies.
 *
 * Each known way to fail is a rule with a weight: a cause weighs more than its consequences (make's `Error 1`, the last words
 * of dpkg-buildpackage). The heaviest lines are shown with a little around them, in the order of the log.
 */

export interface Excerpt {
  /** At most {@link MAX_LINES}, without escape sequences and control characters. `…` stands where lines are left out. */
  readonly lines: readonly string[];
  /** The one line that says most, for a sentence; empty when there is none. */
  readonly headline: string;
  /** What kind of failure it looks like: a stable word. */
  readonly kind: FailureKind;
}

export type FailureKind =
  | 'compiler'
  | 'linker'
  | 'test'
  | 'missing-file'
  | 'missing-program'
  | 'make'
  | 'configure'
  | 'debhelper'
  | 'patch'
  | 'source'
  | 'dependencies'
  | 'network'
  | 'resources'
  | 'script'
  | 'unknown';

const MAX_LINES = 40;
const MAX_LINE = 400;
/** What is kept of a log while it is read: its beginning seldom says why it failed. */
const WINDOW = 20_000;

interface Rule {
  readonly kind: FailureKind;
  readonly weight: number;
  readonly pattern: RegExp;
  /** Lines that belong to it. */
  readonly before?: number;
  readonly after?: number;
}

const RULES: readonly Rule[] = [
  {
    kind: 'resources',
    weight: 95,
    pattern:
      /(?:virtual memory exhausted|Cannot allocate memory|[Oo]ut of memory|std::bad_alloc|No space left on device|Disk quota exceeded|File size limit exceeded|fork: (?:retry: )?Resource temporarily unavailable|internal compiler error: Killed)/,
    before: 1,
  },
  { kind: 'source', weight: 92, pattern: /^dpkg-source: (?:error|unrepresentable changes)/i, before: 6 },
  {
    kind: 'patch',
    weight: 91,
    pattern:
      /^(?:\d+ out of \d+ hunks? (?:FAILED|ignored)|Hunk #\d+ FAILED|patch: \*\*\*\*|.*LOCAL CHANGES? .*patch|can't find file to patch)/,
    before: 3,
  },
  {
    kind: 'dependencies',
    weight: 90,
    pattern:
      /^(?:dpkg-checkbuilddeps: error|E: Unable to (?:correct problems|satisfy)|.* : (?:Pre-)?Depends: .*(?:but|is not))/,
    before: 2,
  },
  {
    kind: 'compiler',
    weight: 88,
    pattern: /^(?:\.{0,2}\/?[^\s:]+|<[^>]+>):\d+(?::\d+)?: (?:fatal )?error: /,
    before: 1,
    after: 4,
  },
  { kind: 'compiler', weight: 88, pattern: /^error(?:\[E\d+\])?: (?!aborting due to|could not compile).+/, after: 6 },
  {
    kind: 'compiler',
    weight: 86,
    pattern:
      /^(?:[^\s:]+\.go:\d+:\d+: .+|[^\s:]+\.(?:java|scala|kt):\d+: error: .+|[^\s:]+\.hs:\d+:\d+: error|File "[^"]+", line \d+, characters|[^\s(]+\(\d+(?:,\d+)?\): error [A-Z]+\d+)/,
    after: 4,
  },
  {
    kind: 'compiler',
    weight: 80,
    pattern: /(?:^|\s)(?:cc1(?:plus|obj)?|g?cc|g\+\+|clang(?:\+\+)?): (?:fatal )?error: /,
    after: 2,
  },
  {
    kind: 'linker',
    weight: 87,
    pattern:
      /(?:undefined reference to |cannot find -l|multiple definition of |collect2: error|ld returned \d+ exit status|ld\.(?:gold|lld|bfd): error)/,
    before: 1,
  },
  {
    kind: 'network',
    weight: 84,
    pattern:
      /(?:Could not resolve host|Temporary failure (?:in name resolution|resolving)|Network is unreachable|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)|dial tcp: lookup|Name or service not known)/,
    before: 1,
  },
  { kind: 'test', weight: 74, pattern: /^FAILED \((?:failures|errors)=/ },
  {
    kind: 'test',
    weight: 78,
    pattern:
      /^(?:FAIL(?:ED)?[: ]|#\s+Failed test |not ok \d+|={3,} FAILURES ={3,}|-{3} FAIL: |\[  FAILED  \]|✗ |✖ |\s*\d+\/\d+ .* (?:FAIL|TIMEOUT|ERROR)\b|# (?:FAIL|ERROR|XPASS): +[1-9]|The following tests FAILED|Failed Test|ERROR: test |FAIL: |test .* \.\.\. FAILED|failures:$)/,
    after: 6,
  },
  {
    kind: 'test',
    weight: 76,
    pattern:
      /^(?:E {3,}\S|AssertionError|.*\bassertion\b.* failed|thread '[^']*' panicked at |panic: |Traceback \(most recent call last\):)/i,
    before: 1,
    after: 10,
  },
  {
    kind: 'test',
    weight: 74,
    pattern:
      /(?:[1-9]\d* (?:tests?|specs?|examples?|checks?) failed|[1-9]\d* failed,|Failures: [1-9]|tests? failed out of|Failed \d+\/\d+ (?:tests|subtests)|Result: FAIL)/,
  },
  {
    kind: 'missing-file',
    weight: 82,
    pattern:
      /(?:No rule to make target|fatal error: .*: No such file or directory|dh_(?:install|missing|installdocs|installman|installexamples|movefiles|link)[a-z]*: (?:error|warning: Cannot find))/,
    before: 1,
    after: 2,
  },
  {
    kind: 'configure',
    weight: 81,
    pattern:
      /^(?:configure: error: |CMake Error|ERROR: Dependency |meson\.build:\d+:\d+: ERROR|.*Package requirements \(|No package '.+' found|Package \S+ was not found in the pkg-config search path|checking .*\.\.\. configure: error)/,
    before: 2,
    after: 6,
  },
  {
    kind: 'missing-program',
    weight: 79,
    pattern:
      /(?:: command not found$|: not found$|^make\[?\d*\]?: \S+: No such file or directory|Can't locate \S+\.pm in @INC|ModuleNotFoundError|ImportError: |cannot find package|Can't exec )/,
    before: 1,
  },
  {
    kind: 'debhelper',
    weight: 72,
    pattern:
      /^(?:dh(?:_[a-z_]+)?|debian\/rules|dpkg-(?:shlibdeps|gencontrol|gensymbols|deb|genchanges|genbuildinfo)): (?:error|fatal|failure)/,
    before: 3,
    after: 2,
  },
  {
    kind: 'debhelper',
    weight: 60,
    pattern: /^dh(?:_[a-z_]+)?: .*(?:aborting|returned exit code|missing files|failed)/,
    before: 3,
  },
  {
    kind: 'script',
    weight: 55,
    pattern:
      /^(?:\S+: (?:line )?\d+: .*(?:[Ss]yntax error|not found|Permission denied)|sh: \d+: |.*\bSegmentation fault\b|.*\bAborted\b|.*\(core dumped\)|.*: Permission denied$)/,
    before: 1,
  },
  {
    kind: 'make',
    weight: 40,
    pattern: /^(?:g?make|ninja|cargo|scons)(?:\[\d+\])?: (?:\*\*\* .*(?:Error \d+|Stop\.)|build stopped|.*failed)/,
    before: 4,
  },
  { kind: 'make', weight: 10, pattern: /^dpkg-buildpackage: error: / },
];

/** Takes a log as it comes, whole or in pieces, in bounded memory. */
export class ExcerptReader {
  #lines: string[] = [];
  #rest = '';
  #dropped = 0;

  /** Adds bytes that were decoded. */
  push(text: string): void {
    const parts = (this.#rest + text).split('\n');
    this.#rest = (parts.pop() ?? '').slice(-MAX_LINE * 8);
    for (const part of parts) this.#lines.push(cleanLine(part));
    if (this.#lines.length > WINDOW * 2) {
      this.#dropped += this.#lines.length - WINDOW;
      this.#lines = this.#lines.slice(-WINDOW);
    }
  }

  excerpt(): Excerpt {
    return excerptOf([...this.#lines, ...(this.#rest === '' ? [] : [cleanLine(this.#rest)])]);
  }
}

/** The excerpt of a whole log. */
export function errorExcerpt(log: string): Excerpt {
  const reader = new ExcerptReader();
  reader.push(log);
  return reader.excerpt();
}

function excerptOf(lines: readonly string[]): Excerpt {
  // A message that comes again and again says no more than once, and is seldom the cause.
  const byText = new Map<string, { index: number; rule: Rule }>();
  for (const [index, line] of lines.entries()) {
    const rule = ruleOf(line);
    if (rule !== undefined) byText.set(line, { index, rule });
  }
  const hits = [...byText.values()];
  if (hits.length === 0) {
    const tail = lines.filter((line) => line.trim() !== '').slice(-12);
    return { kind: 'unknown', headline: tail.at(-1)?.trim() ?? '', lines: tail };
  }
  // The heaviest first; of equals the later: what comes last ended the build, except in a compiler and its like, whose first error
  // it is, and in make, which passes on what the innermost one said.
  const heaviest = Math.max(...hits.map(({ rule }) => rule.weight));
  const first = new Set<FailureKind>(['compiler', 'configure', 'linker', 'patch', 'make']);
  const ranked = hits.toSorted((a, b) => {
    if (a.rule.weight !== b.rule.weight) return b.rule.weight - a.rule.weight;
    return first.has(a.rule.kind) ? a.index - b.index : b.index - a.index;
  });
  const chosen = new Set<number>();
  for (const { index, rule } of ranked) {
    if (rule.weight < heaviest - 15 && chosen.size >= 6) break;
    const from = Math.max(0, index - (rule.before ?? 0));
    const to = Math.min(lines.length - 1, index + (rule.after ?? 0));
    const block: number[] = [];
    for (let at = from; at <= to; at += 1) if (!chosen.has(at)) block.push(at);
    if (chosen.size + block.length > MAX_LINES - 4) break;
    for (const at of block) chosen.add(at);
  }
  const [best] = ranked;
  const headline = best === undefined ? '' : (lines[best.index] ?? '').trim();
  const shown: string[] = [];
  let last: number | undefined;
  for (const index of [...chosen].sort((a, b) => a - b)) {
    if (last !== undefined && index > last + 1 && shown.at(-1) !== '…') shown.push('…');
    if (lines[index] !== shown.at(-1)) shown.push(lines[index] ?? '');
    last = index;
  }
  return { kind: best?.rule.kind ?? 'unknown', headline, lines: trimEmpty(shown).slice(0, MAX_LINES) };
}

function ruleOf(line: string): Rule | undefined {
  // Long lines are data or commands; the patterns are for messages.
  if (line.length > MAX_LINE) return undefined;
  return RULES.find(({ pattern }) => pattern.test(line));
}

/** A line as it can be shown: no escape sequences, no control characters, the last state of one that was written over. */
export function cleanLine(line: string): string {
  return (
    line
      .slice(0, MAX_LINE * 8)
      // OSC (also hyperlinks, OSC 8), then CSI, then the short ones. @see ECMA-48
      .replace(/\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?/g, '')
      .replace(/\u001b\[[0-?]*[ -/]*[@-~]?/g, '')
      .replace(/\u001b[ -/]*[0-~]?/g, '')
      .replace(/\r+$/, '')
      .replace(/^[^]*\r/, '')
      .replace(/\t/g, '    ')
      .replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
      .slice(0, MAX_LINE)
      .trimEnd()
  );
}

function trimEmpty(lines: readonly string[]): string[] {
  const from = lines.findIndex((line) => line !== '');
  const to = lines.findLastIndex((line) => line !== '');
  return from < 0 ? [] : lines.slice(from, to + 1);
}
