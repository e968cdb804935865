/**
 * How Landfall goes to Git repositories over ssh: with a key of its own and the host keys that an administrator has confirmed, both
 * in the folder `ssh` of the state folder. Nothing else of the machine or of a person has a say: no configuration of ssh, no
 * agent, no key of somebody's home, no question; a host key that is unknown or another than before is an obstacle, never taken.
 *
 *   ssh/id_ed25519    the private key, for the forge to know us by (its deploy keys); mode 0600
 *   ssh/known_hosts   the host keys, beside those of /etc/ssh/ssh_known_hosts
 *
 * @see ssh(1), ssh_config(5), sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT"
 */
import { join } from 'node:path';

/** What git needs to know of it. `folder` need not exist. */
export function sshEnvironment(folder: string): { readonly GIT_SSH_COMMAND: string } {
  const settings = [
    ['BatchMode', 'yes'],
    ['StrictHostKeyChecking', 'yes'],
    ['UpdateHostKeys', 'no'],
    ['UserKnownHostsFile', pathOption(join(folder, 'known_hosts'))],
    ['GlobalKnownHostsFile', '/etc/ssh/ssh_known_hosts'],
    ['IdentityFile', pathOption(join(folder, 'id_ed25519'))],
    ['IdentitiesOnly', 'yes'],
    ['IdentityAgent', 'none'],
    ['ForwardAgent', 'no'],
    ['ConnectTimeout', '30'],
  ] as const;
  return {
    GIT_SSH_COMMAND: ['ssh -F none', ...settings.map(([name, value]) => shellWord(`-o${name}=${value}`))].join(' '),
  };
}

/** A path in a setting of ssh: `%` begins a token, a blank ends the word. */
function pathOption(path: string): string {
  return `"${path.replaceAll('%', '%%')}"`;
}

/** git has a shell read the command. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

export interface SshObstacle {
  readonly code: 'forge.host-key' | 'forge.ssh-key';
  readonly sentence: string;
  readonly remedy: string;
}

/** What ssh said to a connection that came to nothing, where it is ours to mend; undefined for all else. */
export function sshObstacle(
  repository: { readonly name: string; readonly url: string },
  detail: string,
): SshObstacle | undefined {
  if (!repository.url.startsWith('ssh://') || !URL.canParse(repository.url)) return undefined;
  const url = new URL(repository.url);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? '22' : url.port;
  const place = port === '22' ? host : `[${host}]:${port}`;
  const scan = `ssh-keyscan -p ${port} ${host}`;
  const again = `landfall tag notify ${repository.name}`;
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED/.test(detail)) {
    return {
      code: 'forge.host-key',
      sentence: `The host key that was confirmed for ${place} was expected, and another one came: ${repository.name} is not read. Somebody may stand in between.`,
      remedy: `Compare the fingerprint with the one that the forge publishes (${scan} | ssh-keygen -lf -). Only if its key was replaced, as the user landfall, in the state folder: ssh-keygen -f ssh/known_hosts -R '${place}'; ${scan} >>ssh/known_hosts; then: ${again}`,
    };
  }
  if (/host key is known|Host key verification failed/.test(detail)) {
    return {
      code: 'forge.host-key',
      sentence: `A host key of ${place} that an administrator has confirmed was expected, and there is none: ${repository.name} is not read.`,
      remedy: `Compare the fingerprint with the one that the forge publishes (${scan} | ssh-keygen -lf -). If they are one, as the user landfall, in the state folder: mkdir -m 700 -p ssh; ${scan} >>ssh/known_hosts; then: ${again}`,
    };
  }
  if (/Permission denied \([a-z,-]*publickey/.test(detail)) {
    return {
      code: 'forge.ssh-key',
      sentence: `${place} was expected to let Landfall's own key in, and it does not: ${repository.name} cannot be read.`,
      remedy: `Give the forge ssh/id_ed25519.pub of the state folder as a key that may read it (a deploy key). If there is none yet, as the user landfall, in the state folder: mkdir -m 700 -p ssh; ssh-keygen -q -t ed25519 -N '' -C landfall -f ssh/id_ed25519; then: ${again}`,
    };
  }
  return undefined;
}
