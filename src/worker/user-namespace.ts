/**
 * Running a program as root of a user namespace of our own, without any namespace besides: the way to touch files that
 * belong to our subordinate ids. The worker's own user is root there and the subordinate ids are everybody else, which is
 * how bases and roots lie on the disk.
 */
import { LandfallError } from '../platform/errors.ts';
import { ProgramFailed, exec, findProgram, type ExecOptions, type ExecResult } from '../platform/exec.ts';

/** The beginning of every `unshare` of ours. */
export const UNSHARE_USER = ['unshare', '--user', '--map-auto', '--map-root-user'] as const;

/** Dies with us, also when we are killed: for programs whose work is worth nothing without the worker. */
export const DIE_WITH_PARENT = ['setpriv', '--pdeathsig', 'KILL'] as const;

/** As {@link exec}, as root of a user namespace. */
export async function execInUserNamespace(
  argv: readonly [string, ...string[]],
  options: ExecOptions,
): Promise<ExecResult> {
  return await exec([...DIE_WITH_PARENT, ...UNSHARE_USER, '--', ...argv], options);
}

/** Removes a tree whose files belong to subordinate ids. Nothing there is fine. */
export async function removeForeignTree(path: string): Promise<void> {
  await execInUserNamespace(['rm', '-rf', '--one-file-system', '--', path], {
    doing: `remove ${path}`,
    deadlineMs: 1_800_000,
  });
}

/**
 * What keeps this user from making sandboxes, or undefined when nothing does.
 * Codes: `sandbox.no-uidmap`, `sandbox.no-subordinate-ids`, `sandbox.no-user-namespaces`.
 */
export async function userNamespaceProblem(): Promise<LandfallError | undefined> {
  const doing = 'make a user namespace for a sandbox';
  if (findProgram('newuidmap') === undefined) {
    return new LandfallError({
      code: 'sandbox.no-uidmap',
      doing,
      reason: 'the program newuidmap is not installed',
      remedy: 'install it with: apt-get install uidmap',
    });
  }
  try {
    await exec([...UNSHARE_USER, '--', 'true'], { doing, deadlineMs: 30_000 });
    return undefined;
  } catch (error) {
    if (!(error instanceof ProgramFailed)) throw error;
    if (/sub[ug]id/.test(error.result.stderr)) {
      return new LandfallError({
        code: 'sandbox.no-subordinate-ids',
        doing,
        reason: 'this user has no subordinate ids in /etc/subuid and /etc/subgid',
        remedy: 'give it some, as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER',
        cause: error,
      });
    }
    return new LandfallError({
      code: 'sandbox.no-user-namespaces',
      doing,
      reason: 'the kernel does not allow it to this user',
      remedy:
        'look at sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone and the container that this runs in',
      cause: error,
    });
  }
}
