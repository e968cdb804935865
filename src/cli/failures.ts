/** An error as a person reads it, in one line and a remedy, and as the exit code that a script reads. */
import { CommanderError } from 'commander';
import { ApiProblem, ServerUnreachable } from '../contract/client.ts';
import { LandfallError, describeError } from '../platform/errors.ts';
import { redactSecrets } from '../platform/log.ts';
import type { CliContext } from './context.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { inert, inertLine } from './output/inert.ts';
import { styleOf } from './output/style.ts';

/** A command line that commander takes and that still makes no sense. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

interface Failure {
  readonly exit: ExitCode;
  readonly code: string;
  readonly words: string;
  readonly remedy: string | null;
}

/** Tells the person what went wrong, on stderr, and gives the exit code. */
export function reportFailure(context: CliContext, error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (context.signal.aborted) return EXIT.interrupted;
  const failure = explainFailure(error);
  const style = styleOf(context.stderr, context.environment);
  context.stderr.write(`${style.paint('bad', 'landfall:')} ${inert(redactSecrets(failure.words))}\n`);
  if (failure.remedy !== null) {
    context.stderr.write(`  ${style.symbols.arrow} ${inertLine(redactSecrets(failure.remedy))}\n`);
  }
  return failure.exit;
}

/** As {@link reportFailure}, on stdout and for a program: a command that was asked for JSON always answers with JSON. */
export function failureJson(error: unknown): { readonly exit: ExitCode; readonly text: string } {
  const { exit, code, words, remedy } = explainFailure(error);
  return { exit, text: `${redactSecrets(JSON.stringify({ error: { code, detail: words, remedy } }, undefined, 2))}\n` };
}

function explainFailure(error: unknown): Failure {
  if (error instanceof ServerUnreachable) {
    return {
      exit: EXIT.unreachable,
      code: 'server.unreachable',
      words: error.message,
      remedy: 'start it with `landfall serve`, or say where it is with --url or LANDFALL_URL',
    };
  }
  if (error instanceof ApiProblem) {
    return { exit: exitOf(error.status), code: error.code, words: error.detail, remedy: error.remedy };
  }
  if (error instanceof UsageError) return { exit: EXIT.usage, code: 'usage', words: error.message, remedy: null };
  if (error instanceof LandfallError) {
    const configured = error.code.startsWith('client.') || error.code.startsWith('config.');
    return {
      exit: configured ? EXIT.usage : EXIT.fault,
      code: error.code,
      words: error.message,
      remedy: error.remedy ?? null,
    };
  }
  return { exit: EXIT.fault, code: 'fault', words: describeError(error), remedy: null };
}

function exitOf(status: number): ExitCode {
  if (status === 401 || status === 403) return EXIT.denied;
  if (status === 404) return EXIT.notFound;
  if (status === 400 || status === 426) return EXIT.usage;
  return status >= 500 ? EXIT.fault : EXIT.failed;
}
