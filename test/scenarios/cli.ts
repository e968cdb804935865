/** The command line in a test: what it prints, and its exit code. */
import { runCli, type CliContext, type ExitCode } from '../../src/cli/index.ts';

export interface CliResult {
  readonly code: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
}

export type CliSurroundings = Partial<Omit<CliContext, 'stdout' | 'stderr' | 'setExitCode'>> & {
  /** Both outputs are a terminal of 100 columns. */
  readonly terminal?: boolean;
  /** Called with every piece that is written to stdout. */
  readonly onOutput?: (text: string) => void;
};

const NEVER = new AbortController().signal;

export async function runCommand(
  argv: readonly string[],
  around: CliSurroundings = {},
  extend?: Parameters<typeof runCli>[2],
): Promise<CliResult> {
  const { terminal, onOutput, ...rest } = around;
  const out: string[] = [];
  const err: string[] = [];
  const screen = terminal === true ? { isTTY: true, columns: 100 } : {};
  const code = await runCli(
    {
      environment: { HOME: '/nonexistent' },
      stdin: noInput(),
      directory: '/',
      caller: { uid: 4711, user: 'tester' },
      version: '0.1.0',
      now: () => new Date(),
      signal: NEVER,
      ...rest,
      stdout: {
        ...screen,
        write: (text: string) => {
          out.push(text);
          onOutput?.(text);
        },
      },
      stderr: { ...screen, write: (text: string) => err.push(text) },
    },
    argv,
    extend,
  );
  return { code, stdout: out.join(''), stderr: err.join('') };
}

/** A context for what only looks at the program's definition. */
export function idleContext(): CliContext {
  return {
    environment: {},
    stdin: noInput(),
    stdout: { write: () => undefined },
    stderr: { write: () => undefined },
    directory: '/',
    caller: { uid: 4711, user: 'tester' },
    version: '0.1.0',
    now: () => new Date(),
    signal: NEVER,
    setExitCode: () => undefined,
  };
}

async function* noInput(): AsyncGenerator<string> {
  await Promise.resolve();
  yield* [];
}
