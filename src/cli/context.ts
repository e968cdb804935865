/** What a command sees of the world: everything that a test wants to give it. */
import type { Transport } from '../contract/client.ts';
import type { Caller } from '../platform/paths.ts';
import type { ExitCode } from './exit-codes.ts';

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export interface Input extends AsyncIterable<unknown> {
  readonly isTTY?: boolean | undefined;
}

export interface CliContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Results. */
  readonly stdout: Output;
  /** Progress, questions, warnings and errors. */
  readonly stderr: Output;
  readonly stdin: Input;
  /** Where relative names begin. */
  readonly directory: string;
  readonly caller: Caller;
  /** The release of Landfall. */
  readonly version: string;
  readonly now: () => Date;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** In place of fetch. */
  readonly transport?: Transport;
  /** The exit code so far; the highest that any part of a command set counts. */
  setExitCode(code: ExitCode): void;
}
