/**
 * The distribution of the demo, as an administrator would write it: one archive, two suites that build on the machine's
 * Debian, one worker pool, and who may release what.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { applyRoute, planRoute, type Distribution } from '../../contract/apply.ts';
import type { Client } from '../../contract/client.ts';
import { LandfallError } from '../../platform/errors.ts';
import type { Maintainer } from './maintainer.ts';
import type { Mirror } from './mirror.ts';
import { DISTRO, type DemoRepository } from './repository.ts';

export const REPOSITORY = 'packages/hello';
export const POOL = 'trusted';

/** The file, for this machine's mirror and repository. It stays in the demo's folder, to be read and changed. */
function distributionText(mirror: Mirror, repository: DemoRepository, alice: Maintainer, bob: Maintainer): string {
  const suite = (name: string, description: string, accepts: string): string => `
[archive.main.suite.${name}]
codename = "${name}"
description = "${description}"
accepts = [${accepts}]
components = ["main"]
architectures = ["amd64", "arm64"]
architecture-for-all = "${mirror.architecture}"
parents = ["external:debian-stable"]
new-policy = "accept"
`;
  return `# The demo's distribution. Change it and apply it again: landfall apply FILE

[pool.${POOL}]

[external.debian-stable]
uri = "${mirror.uri}"
suite = "${mirror.codename}"
components = ["${mirror.component}"]
keyring = "${mirror.keyring}"

[archive.main]
origin = "Landfall demo"
label = "Landfall demo"
description = "What the demo released"
pool = "${POOL}"
${suite('landing', 'Where releases land', '"tags"')}${suite('stable', 'What has proved itself', '"copies"')}
[git."${REPOSITORY}"]
url = "${repository.url}"
allow-file = true
prefixes = { ${DISTRO} = "main" }

[person.${alice.handle}]
name = "${alice.name}"
email = "${alice.email}"
keys = ["${alice.handle}.asc"]

# Known, with a key, and without any permission.
[person.${bob.handle}]
name = "${bob.name}"
email = "${bob.email}"
keys = ["${bob.handle}.asc"]

[[grant]]
to = "${alice.handle}"
action = "release"
archive = "main"
suites = "landing"
packages = "hello"
`;
}

/** Writes the file and the keys that it names into `folder` and applies it. Gives how many things it changed. */
export async function applyDistribution(
  client: Client,
  folder: string,
  world: { mirror: Mirror; repository: DemoRepository; alice: Maintainer; bob: Maintainer },
): Promise<number> {
  const { mirror, repository, alice, bob } = world;
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'distribution.toml');
  const text = distributionText(mirror, repository, alice, bob);
  await writeFile(file, text);
  for (const person of [alice, bob]) await writeFile(join(folder, `${person.handle}.asc`), person.publicKey);
  const named = [
    { name: mirror.keyring, bytes: await readFile(mirror.keyring) },
    ...[alice, bob].map(({ handle, publicKey }) => ({ name: `${handle}.asc`, bytes: Buffer.from(publicKey) })),
  ];
  const attachments = named.map(({ name, bytes }) => ({ name, bytes: bytes.toString('base64') }));
  const distribution: Distribution = { files: [{ name: file, text, attachments }] };
  const plan = await client.call(planRoute, { body: distribution });
  if (plan.kind === 'problems') {
    throw new LandfallError({
      code: 'demo.distribution',
      doing: `apply ${file}`,
      reason: plan.problems.map(({ path, problem, expected }) => `${path} ${problem}; expected ${expected}`).join('; '),
    });
  }
  if (plan.changes.length === 0) return 0;
  const { applied } = await client.call(applyRoute, { body: { ...distribution, hash: plan.hash } });
  return applied.length;
}
