/**
 * The Debian mirror that this machine's apt is set up with: the demo's suites build against it, and nothing of it is written
 * into the project.
 */
import { readFile } from 'node:fs/promises';
import { fieldOf, splitStanzas } from '../../debian/deb822.ts';
import { LandfallError } from '../../platform/errors.ts';
import { exec } from '../../platform/exec.ts';

export interface Mirror {
  readonly uri: string;
  /** The release that this machine runs, `bookworm` or `trixie`. */
  readonly codename: string;
  readonly component: 'main';
  readonly architecture: string;
  readonly keyring: string;
}

const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** @see apt-get(8) `indextargets`. @throws LandfallError `demo.no-mirror` */
export async function findMirror(): Promise<Mirror> {
  const codename = await releaseCodename();
  const architecture = (
    await exec(['dpkg', '--print-architecture'], { doing: "ask for this machine's architecture", deadlineMs: 10_000 })
  ).stdout
    .toString('utf8')
    .trim();
  const targets = await exec(['apt-get', 'indextargets', 'Created-By: Packages'], {
    doing: "read this machine's apt configuration",
    deadlineMs: 30_000,
  });
  for (const stanza of splitStanzas(targets.stdout.toString('utf8'))) {
    const uri = fieldOf(stanza, 'Repo-URI');
    if (
      uri !== undefined &&
      fieldOf(stanza, 'Origin') === 'Debian' &&
      fieldOf(stanza, 'Codename') === codename &&
      fieldOf(stanza, 'Component') === 'main'
    ) {
      return { uri, codename, component: 'main', architecture, keyring: DEBIAN_KEYRING };
    }
  }
  throw new LandfallError({
    code: 'demo.no-mirror',
    doing: 'find a Debian mirror',
    reason: `apt on this machine has no source for Debian ${codename}, component main`,
    remedy: 'add Debian to /etc/apt/sources.list.d and run `apt-get update`',
  });
}

async function releaseCodename(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(text)?.[1];
  if (codename !== undefined) return codename;
  throw new LandfallError({
    code: 'demo.no-codename',
    doing: 'find out which Debian this is',
    reason: '/etc/os-release has no VERSION_CODENAME',
    remedy: 'run the demo on Debian 12 or 13',
  });
}
