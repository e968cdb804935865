/**
 * Which server a command talks to, and as whom: the options, then LANDFALL_URL and LANDFALL_TOKEN_FILE, then `client.json` of
 * the state folder (`landfall init` and `landfall demo` write it), then the default address. A token is only ever sent to the
 * server it was stored for.
 */
import { stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { createClient, type Client } from '../contract/client.ts';
import { LandfallError, isErrnoException } from '../platform/errors.ts';
import { readFileIfExists, writeFileDurably } from '../platform/files.ts';
import { stateDirectory } from '../platform/paths.ts';
import type { CliContext } from './context.ts';

export const DEFAULT_URL = 'http://127.0.0.1:8463';
const SYSTEM_STATE = '/var/lib/landfall';
const FILE = 'client.json';

export interface ConnectionOptions {
  readonly url?: string | undefined;
  readonly tokenFile?: string | undefined;
}

export interface Connection {
  readonly url: string;
  readonly tokenFile: string | undefined;
  /** Where the address was found, for `doctor` and for errors. */
  readonly from: string;
}

const clientFileSchema = z.strictObject({ url: z.url({ protocol: /^https?$/ }), tokenFile: z.string().optional() });
export type ClientFile = z.infer<typeof clientFileSchema>;

/** Where the client's configuration of a state folder lies. */
export function clientFilePath(stateFolder: string): string {
  return join(stateFolder, FILE);
}

/** Writes the client's configuration of a state folder, readable by all: it names the file of the token, not the token. */
export async function writeClientFile(stateFolder: string, client: ClientFile): Promise<void> {
  await writeFileDurably(clientFilePath(stateFolder), `${JSON.stringify(client, undefined, 2)}\n`);
}

/** @throws LandfallError `client.config` */
export async function findConnection(context: CliContext, options: ConnectionOptions): Promise<Connection> {
  const stored = await readClientFile(context);
  const explicit = options.url ?? notEmpty(context.environment.LANDFALL_URL);
  const url = checkUrl((explicit ?? stored?.client.url ?? DEFAULT_URL).replace(/\/+$/, ''));
  const chosenToken = options.tokenFile ?? notEmpty(context.environment.LANDFALL_TOKEN_FILE);
  const storedToken =
    stored?.client.url.replace(/\/+$/, '') === url && stored.client.tokenFile !== undefined
      ? resolve(stored.folder, stored.client.tokenFile)
      : undefined;
  return {
    url,
    tokenFile: chosenToken === undefined ? storedToken : resolve(context.directory, chosenToken),
    from:
      options.url !== undefined
        ? '--url'
        : explicit !== undefined
          ? 'LANDFALL_URL'
          : stored === undefined
            ? 'the default'
            : clientFilePath(stored.folder),
  };
}

/** A client for the server that options, environment and configuration name. */
export async function connect(context: CliContext, options: ConnectionOptions): Promise<Client> {
  const connection = await findConnection(context, options);
  const token = connection.tokenFile === undefined ? undefined : await readToken(context, connection, options);
  return createClient({
    url: connection.url,
    token,
    userAgent: `landfall/${context.version}`,
    ...(context.transport === undefined ? {} : { transport: context.transport }),
  });
}

async function readToken(
  context: CliContext,
  connection: Connection,
  options: ConnectionOptions,
): Promise<string | undefined> {
  const path = connection.tokenFile ?? '';
  const chosen = options.tokenFile !== undefined || notEmpty(context.environment.LANDFALL_TOKEN_FILE) !== undefined;
  try {
    const text = (await readFileIfExists(path))?.toString('utf8').trim();
    if (text === undefined) throw tokenProblem(path, 'there is no such file');
    if (!/^[A-Za-z0-9_-]{16,200}$/.test(text)) throw tokenProblem(path, 'it does not hold a token');
    const { mode } = await stat(path);
    if ((mode & 0o044) !== 0) {
      context.stderr.write(
        `landfall: warning: others can read the token in ${path}; mend it with: chmod 600 ${path}\n`,
      );
    }
    return text;
  } catch (error) {
    // Another user's token is not for us: what is public can be read without it.
    if (!chosen && isErrnoException(error) && error.code === 'EACCES') return undefined;
    if (isErrnoException(error)) throw tokenProblem(path, `it cannot be read (${error.code})`);
    throw error;
  }
}

function tokenProblem(path: string, reason: string): LandfallError {
  return new LandfallError({
    code: 'client.token',
    doing: `read the token from ${path}`,
    reason,
    remedy: 'give a file that holds one token with --token-file or LANDFALL_TOKEN_FILE',
  });
}

async function readClientFile(
  context: CliContext,
): Promise<{ readonly folder: string; readonly client: ClientFile } | undefined> {
  const own = stateDirectory(context.environment, context.caller);
  const chosen = notEmpty(context.environment.LANDFALL_STATE_DIR) !== undefined;
  for (const folder of chosen || own === SYSTEM_STATE ? [own] : [own, SYSTEM_STATE]) {
    const client = await readClient(folder);
    if (client !== undefined) return { folder, client };
  }
  return undefined;
}

async function readClient(folder: string): Promise<ClientFile | undefined> {
  const path = clientFilePath(folder);
  let text: string | undefined;
  try {
    text = (await readFileIfExists(path))?.toString('utf8');
  } catch (error) {
    if (isErrnoException(error) && (error.code === 'EACCES' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
  if (text === undefined) return undefined;
  const parsed = clientFileSchema.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new LandfallError({
    code: 'client.config',
    doing: `read ${path}`,
    reason: 'it is not of the form {"url": "http://…", "tokenFile": "…"}',
    remedy: 'mend it, or remove it and give --url and --token-file',
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function checkUrl(url: string): string {
  if (/^https?:\/\//.test(url) && URL.canParse(url)) return url;
  throw new LandfallError({
    code: 'client.config',
    doing: 'find the server',
    reason: `${JSON.stringify(url)} is not an http or https address`,
    remedy: `give it as --url ${DEFAULT_URL}`,
  });
}

function notEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value;
}

/** The absolute form of a name that a person gave. */
export function absolute(context: CliContext, path: string): string {
  return isAbsolute(path) ? path : resolve(context.directory, path);
}
