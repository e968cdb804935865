/**
 * Logging: one JSON object per line for machines, one readable line when stderr is a terminal. Secrets are removed before a
 * line is written, by field name and by shape, so that no caller has to think of it.
 */
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { describeError } from './errors.ts';

export type Logger = PinoLogger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

export interface LoggerOptions {
  /** Which part of Landfall speaks: `serve`, `signer`, `worker` … */
  readonly role: string;
  readonly level?: LogLevel;
  /** Where lines go; default stderr. */
  readonly destination?: DestinationStream;
  /** Readable lines in place of JSON; default: when stderr is a terminal and no destination was given. */
  readonly human?: boolean;
}

const SECRET_FIELDS = [
  'password',
  'passphrase',
  'token',
  'secret',
  'authorization',
  'cookie',
  'privateKey',
  'connectionString',
];

export function createLogger(options: LoggerOptions): Logger {
  const human = options.human ?? (options.destination === undefined && process.stderr.isTTY);
  const target: DestinationStream = options.destination ?? { write: (line) => void process.stderr.write(line) };
  const destination: DestinationStream = {
    write: (line) => {
      const clean = redactSecrets(line);
      target.write(human ? humanLine(clean) : clean);
    },
  };
  return pino(
    {
      level: options.level ?? 'info',
      base: { role: options.role },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: serializeError, err: serializeError },
      redact: {
        paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: '[removed]',
      },
    },
    destination,
  );
}

/** A logger that says nothing, for tests. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' }, { write: () => undefined });
}

/** Removes what has the shape of a credential: tokens of ours, HTTP credentials, passwords in URLs, private keys. */
export function redactSecrets(text: string): string {
  return text
    .replace(/\blf[a-z]?_[A-Za-z0-9_-]{16,}/g, '[removed]')
    .replace(/\b(Bearer|Basic)\s+[A-Za-z0-9+/._~=-]{8,}/gi, '$1 [removed]')
    .replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/@:"]*:[^\s/@"]+@/gi, '$1[removed]@')
    .replace(
      /-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY( BLOCK)?-----|$)/g,
      '[removed]',
    );
}

function serializeError(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown;
  const code = 'code' in thrown && typeof thrown.code === 'string' ? { code: thrown.code } : {};
  return { ...code, message: describeError(thrown), stack: thrown.stack };
}

const HIDDEN = new Set(['time', 'level', 'role', 'msg', 'error', 'err']);

/** Turns one JSON line into one for people; control characters are shown, not obeyed. */
function humanLine(json: string): string {
  let fields: Record<string, unknown>;
  try {
    const parsed: unknown = JSON.parse(json);
    if (typeof parsed !== 'object' || parsed === null) return json;
    fields = { ...parsed };
  } catch {
    return json;
  }
  const text = (name: string): string => {
    const value = fields[name];
    return typeof value === 'string' ? value : '';
  };
  const level = text('level');
  const rest = Object.entries(fields)
    .filter(([name]) => !HIDDEN.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const error = fields.error ?? fields.err;
  const problem =
    typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
      ? [error.message]
      : [];
  const parts = [
    text('time').slice(11, 19),
    text('role').padEnd(6),
    ...(level === 'info' ? [] : [`${level}:`]),
    text('msg'),
    ...problem,
    ...rest,
  ];
  return `${escapeControls(parts.join(' '))}\n`;
}

function escapeControls(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
