/**
 * A person of the demo with a home folder of their own: an OpenPGP key, a Git identity, and the programs that they would
 * type: dch, git, git debpush.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LandfallError } from '../../platform/errors.ts';
import { exec, type ExecResult } from '../../platform/exec.ts';
import { exists } from '../../platform/files.ts';
import { exportPublicKey, generateKey } from '../../platform/gpg.ts';

export interface Maintainer {
  readonly handle: string;
  readonly name: string;
  readonly email: string;
  readonly fingerprint: string;
  /** Armored public key. */
  readonly publicKey: string;
  readonly gnupgHome: string;
  /** The environment of their shell. */
  readonly env: Readonly<Record<string, string>>;
}

/** Makes the person below `folder`, or finds the one made by an earlier run. */
export async function maintainer(
  folder: string,
  person: { handle: string; name: string; email: string },
): Promise<Maintainer> {
  const home = join(folder, person.handle);
  const gnupg = join(home, 'gnupg');
  const stamp = join(home, 'fingerprint');
  await mkdir(gnupg, { recursive: true, mode: 0o700 });
  if (!(await exists(stamp))) {
    const fingerprint = await generateKey({
      home: gnupg,
      userId: `${person.name} <${person.email}>`,
      algorithm: 'ed25519',
    });
    await writeFile(
      join(home, '.gitconfig'),
      `[user]\n\tname = ${person.name}\n\temail = ${person.email}\n\tsigningkey = ${fingerprint}\n[advice]\n\tdetachedHead = false\n[init]\n\tdefaultBranch = main\n`,
    );
    await writeFile(stamp, fingerprint);
  }
  const fingerprint = await readFile(stamp, 'utf8');
  return {
    ...person,
    fingerprint,
    publicKey: (await exportPublicKey(gnupg, fingerprint, { armor: true })).toString('utf8'),
    gnupgHome: gnupg,
    env: {
      HOME: home,
      GNUPGHOME: gnupg,
      DEBFULLNAME: person.name,
      DEBEMAIL: person.email,
      GIT_CONFIG_NOSYSTEM: '1',
      TZ: 'UTC',
    },
  };
}

/** Runs a program as the person would, in `cwd`. What it says on stderr is part of the output, as on a terminal. */
export async function types(
  person: Maintainer,
  cwd: string,
  argv: readonly [string, ...string[]],
  options: { deadlineMs?: number } = {},
): Promise<ExecResult> {
  const result = await exec(argv, {
    cwd,
    env: person.env,
    deadlineMs: options.deadlineMs ?? 120_000,
    mergeStderr: true,
    okCodes: 'any',
  });
  if (result.code === 0) return result;
  const said = result.stdout.toString('utf8').trimEnd().split('\n').slice(-8).join('\n');
  throw new LandfallError({
    code: 'demo.program-failed',
    doing: `run ${argv.join(' ')}`,
    reason: `it exited with ${String(result.code)} and said:\n${said}`,
  });
}
