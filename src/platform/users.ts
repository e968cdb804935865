/**
 * System users by name, as the machine knows them (files, LDAP, …). @see getent(1)
 */
import { exec, type Credentials } from './exec.ts';

export interface SystemUser extends Credentials {
  readonly name: string;
  readonly home: string;
}

/** The user with this name or number, or undefined. */
export async function findUser(nameOrId: string | number): Promise<SystemUser | undefined> {
  const { code, stdout } = await exec(['getent', 'passwd', '--', String(nameOrId)], {
    doing: `look up the user ${nameOrId}`,
    deadlineMs: 10_000,
    okCodes: [0, 2],
  });
  if (code !== 0) return undefined;
  const [name, , uid, gid, , home] = stdout.toString('utf8').trimEnd().split(':');
  if (name === undefined || uid === undefined || gid === undefined || home === undefined) return undefined;
  return { name, uid: Number(uid), gid: Number(gid), home };
}
