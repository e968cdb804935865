/**
 * The built program, run as its users run it. Whoever runs the tests, it never runs as root: root steps down to the user
 * `landfall`, as the launcher does.
 */
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { exec, type ExecResult } from '../../src/platform/exec.ts';
import { findUser, type SystemUser } from '../../src/platform/users.ts';

export interface Program {
  /** Where this test's state lies; chroots and package caches in it are kept between runs. */
  readonly stateDir: string;
  run(
    args: readonly string[],
    options?: { deadlineMs?: number; okCodes?: readonly number[] | 'any' },
  ): Promise<ExecResult>;
}

/** @param name of the folder of state; tests that share one must run one after another. */
export async function program(name: string): Promise<Program> {
  const app = process.env.LANDFALL_APP;
  const root = process.env.LANDFALL_STATE_DIR;
  if (app === undefined || root === undefined) {
    throw new Error('the program is not built: run these tests by `./landfall test e2e`');
  }
  const user = process.getuid?.() === 0 ? await serviceUser() : undefined;
  const stateDir = join(root, 'test', name);
  await mkdir(stateDir, { recursive: true });
  if (user !== undefined) for (const folder of [join(root, 'test'), stateDir]) await chown(folder, user.uid, user.gid);
  return {
    stateDir,
    run: async (args, options = {}) =>
      await exec([process.execPath, app, ...args], {
        doing: `run landfall ${args.join(' ')}`,
        cwd: '/',
        env: { LANDFALL_STATE_DIR: stateDir, HOME: stateDir },
        deadlineMs: options.deadlineMs ?? 60_000,
        ...(user === undefined ? {} : { user: { uid: user.uid, gid: user.gid } }),
        ...(options.okCodes === undefined ? {} : { okCodes: options.okCodes }),
      }),
  };
}

async function serviceUser(): Promise<SystemUser> {
  const user = await findUser('landfall');
  if (user === undefined) throw new Error('there is no user landfall: run these tests by `./landfall test e2e`');
  return user;
}
