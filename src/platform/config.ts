/**
 * The configuration file `landfall.toml`: TOML, every key checked, unknown keys refused with the line and what is expected
 * there. A missing file is the same as an empty one.
 */
import { parse, TomlError } from 'smol-toml';
import { z } from 'zod';
import { LandfallError } from './errors.ts';
import { readFileIfExists } from './files.ts';

const address = z
  .string()
  .regex(/^(\[[0-9a-f:.]+\]|[a-z0-9.-]+):\d{1,5}$/i, 'expected HOST:PORT, for example "127.0.0.1:8463"')
  .refine((text) => !(Number(text.slice(text.lastIndexOf(':') + 1)) > 65_535), 'the port is larger than 65535');
const absolutePath = z.string().startsWith('/', 'expected an absolute path');
const httpUrl = z.url({ protocol: /^https?$/, error: 'expected an http or https URL' });
const bytes = z.int().positive();

const schema = z.strictObject({
  /** How people and hooks reach this server; default: the address it listens on. */
  public_url: httpUrl.optional(),
  database: z
    .strictObject({
      /** A server of one's own in place of the private cluster. */
      url: z
        .string()
        .regex(/^postgres(ql)?:\/\//, 'expected a postgresql:// URL')
        .optional(),
      pool_size: z.int().min(2).max(500).default(10),
    })
    .prefault({}),
  server: z.strictObject({ listen: address.default('127.0.0.1:8463') }).prefault({}),
  signer: z.strictObject({ socket: absolutePath.optional() }).prefault({}),
  worker: z
    .strictObject({
      name: z
        .string()
        .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'expected a name of lower-case letters, digits, dots and hyphens')
        .optional(),
      /** The Lighthouse it works for. */
      url: httpUrl.optional(),
      /** Jobs at the same time. */
      slots: z.int().min(1).max(256).default(1),
    })
    .prefault({}),
  storage: z
    .strictObject({
      /** When less is free, no work is handed out and no upload begins; default: 2 GiB, or a twentieth of a small file system. */
      low_bytes: bytes.optional(),
      /** Set apart so that suites can be renewed on a full disk; default: 256 MiB, at most half of low_bytes. */
      reserve_bytes: z.int().min(0).optional(),
    })
    .prefault({}),
  tasks: z.strictObject({ concurrency: z.int().min(1).max(64).default(4) }).prefault({}),
  limits: z
    .strictObject({
      /** Bytes of one uploaded file. */
      upload_file: bytes.default(4 * 1024 ** 3),
    })
    .prefault({}),
  log: z.strictObject({ level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info') }).prefault({}),
});

/** The checked configuration with its defaults. Keys are written as in the file. */
export type Config = z.infer<typeof schema>;

export interface ConfigProblem {
  /** Counted from 1; undefined when the place is not known, for a missing key. */
  readonly line: number | undefined;
  /** Dotted, `server.listen`; empty for the file as a whole. */
  readonly field: string;
  readonly reason: string;
}

export type ParsedConfig =
  | { readonly kind: 'config'; readonly config: Config }
  | { readonly kind: 'invalid-config'; readonly problems: readonly ConfigProblem[] };

/** Reads TOML text. All problems are returned, not only the first. */
export function parseConfig(text: string): ParsedConfig {
  return parseToml(text, schema);
}

/** Reads the file; nothing there is an empty one. @throws LandfallError `config.invalid` that lists every problem. */
export async function loadConfig(path: string): Promise<Config> {
  const file = await readFileIfExists(path);
  const parsed = parseConfig(file === undefined ? '' : file.toString('utf8'));
  if (parsed.kind === 'config') return parsed.config;
  throw new LandfallError({
    code: 'config.invalid',
    doing: `read ${path}`,
    reason: parsed.problems.map(describeProblem).join('; '),
    remedy: 'landfall.toml(5) describes every key: man -l man/landfall.toml.5',
  });
}

export function describeProblem(problem: ConfigProblem): string {
  const place = problem.line === undefined ? '' : `line ${problem.line}: `;
  return `${place}${problem.field === '' ? '' : `${problem.field}: `}${problem.reason}`;
}

/** Reads TOML text by any Zod schema, with problems that name line and field; also for distribution files. */
export function parseToml<S extends z.ZodType>(
  text: string,
  by: S,
):
  | { readonly kind: 'config'; readonly config: z.infer<S> }
  | { readonly kind: 'invalid-config'; readonly problems: readonly ConfigProblem[] } {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = (error.message.split('\n')[0] ?? '').replace(/^Invalid TOML document: /, 'not valid TOML: ');
    return { kind: 'invalid-config', problems: [{ line: error.line, field: '', reason }] };
  }
  const checked = by.safeParse(value);
  if (checked.success) return { kind: 'config', config: checked.data };
  const problems = checked.error.issues.flatMap((issue) => problemsOf(issue, text));
  return { kind: 'invalid-config', problems: problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)) };
}

function problemsOf(issue: z.core.$ZodIssue, text: string): ConfigProblem[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const full = [...path, key];
      return { line: lineOf(text, full), field: full.join('.'), reason: 'there is no such key' };
    });
  }
  return [{ line: lineOf(text, path), field: path.join('.'), reason: issue.message }];
}

/**
 * The line that sets `path`, or that opens the table it is in. Good for a pointer in a message: it follows table headers and
 * counts arrays of tables, and does not parse values.
 */
function lineOf(text: string, path: readonly string[]): number | undefined {
  let best: { line: number; depth: number } | undefined;
  let table: string[] = [];
  const counts = new Map<string, number>();
  const consider = (at: readonly string[], line: number): void => {
    const matches = at.length <= path.length && at.every((part, index) => part === path[index]);
    if (matches && (best === undefined || at.length > best.depth)) best = { line, depth: at.length };
  };
  for (const [index, raw] of text.split('\n').entries()) {
    const header = /^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?/.exec(raw);
    if (header !== null) {
      const names = keysOf(header[2] ?? '');
      if (header[1] === '[[') {
        const name = names.join('.');
        const count = counts.get(name) ?? 0;
        counts.set(name, count + 1);
        table = [...names, String(count)];
      } else {
        const parent = counts.get(names.slice(0, -1).join('.'));
        table = parent === undefined ? names : [...names.slice(0, -1), String(parent - 1), ...names.slice(-1)];
      }
      consider(table, index + 1);
      continue;
    }
    const assignment = /^\s*([A-Za-z0-9_."'-]+(?:\s*\.\s*[A-Za-z0-9_"'-]+)*)\s*=/.exec(raw);
    if (assignment !== null) consider([...table, ...keysOf(assignment[1] ?? '')], index + 1);
  }
  return best?.line;
}

function keysOf(text: string): string[] {
  return text.split('.').map((part) => part.trim().replace(/^["'](.*)["']$/, '$1'));
}
