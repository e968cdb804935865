/** What the exit code of every command means. The manual pages print this table. */
export const EXIT = {
  done: 0,
  /** What was asked about came to a bad end: a tag was rejected, a build failed, a check of doctor failed. */
  failed: 1,
  usage: 2,
  unreachable: 3,
  /** No valid token, or not the right that it takes. */
  denied: 4,
  notFound: 5,
  /** A fault of Landfall or of the machine, not of what was asked. */
  fault: 70,
  /** Ended by Ctrl-C. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANINGS: readonly (readonly [ExitCode, string])[] = [
  [EXIT.done, 'Done; for commands that wait, what they waited for came to a good end.'],
  [EXIT.failed, 'The result is a failure: rejected, failed to build, refused in its state, or a check that failed.'],
  [EXIT.usage, 'The command line is wrong; nothing was done.'],
  [EXIT.unreachable, 'The server did not answer.'],
  [EXIT.denied, 'The token is missing or not valid, or it does not have the right.'],
  [EXIT.notFound, 'What was named does not exist, or is not for the caller to see.'],
  [EXIT.fault, 'A fault of Landfall or of the machine.'],
  [EXIT.interrupted, 'Interrupted.'],
];
