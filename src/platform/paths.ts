/**
 * The one place that knows what lies where in the state folder, and where the state folder is.
 */
import { isAbsolute, join } from 'node:path';
import { LandfallError } from './errors.ts';

/** The system user that Landfall steps down to when root starts it. */
export const SERVICE_USER = 'landfall';
const SYSTEM_STATE = '/var/lib/landfall';
/** `sun_path` of a unix socket, without its final NUL. */
const MAX_SOCKET_PATH = 107;

export interface Caller {
  readonly uid: number;
  readonly user: string;
}

/**
 * Where the state lies: `LANDFALL_STATE_DIR`; for root and for the service user /var/lib/landfall; for anybody else
 * `$XDG_STATE_HOME/landfall`, by default ~/.local/state/landfall.
 */
export function stateDirectory(env: Readonly<Record<string, string | undefined>>, caller: Caller): string {
  const chosen = env.LANDFALL_STATE_DIR;
  if (chosen !== undefined && chosen !== '') return requireAbsolute('LANDFALL_STATE_DIR', chosen);
  if (caller.uid === 0 || caller.user === SERVICE_USER) return SYSTEM_STATE;
  const xdg = env.XDG_STATE_HOME;
  // A relative value must be ignored, says the XDG base directory specification.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'landfall');
  const home = env.HOME;
  if (home === undefined || home === '') {
    throw new LandfallError({
      code: 'config.no-home',
      doing: 'find the state folder',
      reason: 'HOME is not set',
      remedy: 'set LANDFALL_STATE_DIR to a folder of your own',
    });
  }
  return join(requireAbsolute('HOME', home), '.local', 'state', 'landfall');
}

/** Everything below a state folder. Functions, where a name is part of the path. */
export interface Paths {
  readonly root: string;
  readonly config: string;
  /** The private PostgreSQL cluster. */
  readonly postgresData: string;
  /** Sockets: PostgreSQL's, the signer's. Mode 0700. */
  readonly run: string;
  readonly signerSocket: string;
  /** Content-addressed files: pool, uploads, frozen packs, logs. */
  readonly blobs: string;
  /** The published trees, one folder per archive. */
  readonly archives: string;
  readonly logs: string;
  /** Bare mirrors of registered Git repositories. */
  readonly git: string;
  /** The key and the known hosts with which repositories are read over ssh. */
  readonly ssh: string;
  readonly signer: string;
  readonly chroots: string;
  readonly tokens: string;
  readonly demo: string;
  readonly temporary: string;
  worker(name: string): string;
  archive(name: string): string;
  log(role: string): string;
}

export function statePaths(root: string): Paths {
  const below = (...parts: string[]): string => join(root, ...parts);
  return {
    root,
    config: below('landfall.toml'),
    postgresData: below('pg'),
    run: below('run'),
    signerSocket: below('run', 'signer.sock'),
    blobs: below('blobs'),
    archives: below('archives'),
    logs: below('logs'),
    git: below('git'),
    ssh: below('ssh'),
    signer: below('signer'),
    chroots: below('chroots'),
    tokens: below('tokens'),
    demo: below('demo'),
    temporary: below('tmp'),
    worker: (name) => below('worker', requireName(name)),
    archive: (name) => below('archives', requireName(name)),
    log: (role) => below('logs', `${requireName(role)}.log`),
  };
}

/** The path, when a unix socket can lie there. @throws LandfallError `paths.socket-too-long` */
export function requireSocketPath(path: string): string {
  const length = Buffer.byteLength(path);
  if (length <= MAX_SOCKET_PATH) return path;
  throw new LandfallError({
    code: 'paths.socket-too-long',
    doing: `make the socket ${path}`,
    reason: `its path has ${length} bytes and the kernel takes ${MAX_SOCKET_PATH}`,
    remedy: 'choose a state folder with a shorter path (LANDFALL_STATE_DIR)',
  });
}

function requireAbsolute(variable: string, path: string): string {
  if (isAbsolute(path)) return path;
  throw new LandfallError({
    code: 'config.relative-path',
    doing: 'find the state folder',
    reason: `${variable} is the relative path ${path}`,
    remedy: 'give an absolute path',
  });
}

/** A name that becomes part of a path stays one part of it. */
function requireName(name: string): string {
  if (/^[a-z0-9][a-z0-9._-]{0,99}$/i.test(name)) return name;
  throw new LandfallError({
    code: 'paths.invalid-name',
    doing: 'find a folder',
    reason: `${JSON.stringify(name)} cannot be part of a path`,
    remedy: 'use letters, digits, dot, hyphen and underscore',
  });
}
