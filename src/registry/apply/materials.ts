/** The keys, keyrings and secrets that distribution files name: found among what was sent along, and read. */
import { readKeyFile, type PublicKey } from '../../permissions/index.ts';
import { publicKeyPackets, readKeys } from '../../platform/gpg.ts';
import { type HookSecret, MAX_SECRET_BYTES, MIN_SECRET_BYTES, readHookSecret } from '../hook-secrets.ts';
import type { Declarations, Declared } from './declarations.ts';
import { problemAt } from './files.ts';
import { show, type ApplyProblem } from './problems.ts';

export interface Materials {
  /** By name of the external suite; dearmored. */
  readonly keyrings: ReadonlyMap<string, Buffer>;
  /** By handle. */
  readonly keys: ReadonlyMap<string, readonly PublicKey[]>;
  /** Of Git repositories and namespaces, by {@link secretKey}. */
  readonly secrets: ReadonlyMap<string, HookSecret>;
  readonly problems: readonly ApplyProblem[];
}

export function secretKey(kind: 'git' | 'git-namespace', name: string): string {
  return `${kind} ${name}`;
}

/** Needs no database, and is the slow part: gpg reads each key. */
export async function readMaterials(declarations: Declarations): Promise<Materials> {
  const problems: ApplyProblem[] = [];
  const keyrings = new Map<string, Buffer>();
  for (const external of declarations.externals) {
    const { name, keyring } = external.value;
    const bytes = attachment(external, ['keyring'], keyring, problems);
    if (bytes === undefined) continue;
    const packets = publicKeyPackets(bytes);
    const read = packets.kind === 'keys' ? await readKeys(packets.bytes) : packets;
    if (packets.kind === 'keys' && Array.isArray(read) && read.length > 0) {
      keyrings.set(name, packets.bytes);
      continue;
    }
    problems.push(
      problemAt(external, ['keyring'], {
        problem: `is no usable keyring: ${Array.isArray(read) ? 'it holds no key' : read.reason}`,
        expected: 'public OpenPGP keys, armoured or binary',
        remedy: 'name the keyring that Signed-By of this repository would name',
      }),
    );
  }
  const keys = new Map<string, readonly PublicKey[]>();
  for (const person of declarations.people) {
    const found: PublicKey[] = [];
    for (const [index, entry] of person.value.keys.entries()) {
      const bytes = isKeyItself(entry)
        ? Buffer.from(entry, 'utf8')
        : attachment(person, ['keys', index], entry, problems);
      if (bytes === undefined) continue;
      const read = await readKeyFile(bytes);
      if (read.kind === 'keys') {
        found.push(...read.keys);
        continue;
      }
      problems.push(
        problemAt(person, ['keys', index], {
          problem: `is no usable key: ${read.reason}`,
          expected: 'a public OpenPGP key (armoured, binary, or a keyring) or a public key of OpenSSH',
          remedy: 'export it with `gpg --armor --export FINGERPRINT`, or send the .pub file',
        }),
      );
    }
    keys.set(person.value.handle, found);
  }
  const secrets = new Map<string, HookSecret>();
  for (const git of declarations.gitRepositories) readSecret(git, secretKey('git', git.value.name), secrets, problems);
  for (const namespace of declarations.gitNamespaces) {
    readSecret(namespace, secretKey('git-namespace', namespace.value.name), secrets, problems);
  }
  return { keyrings, keys, secrets, problems };
}

function readSecret(
  declared: Declared<{ readonly hookSecret: string | null }>,
  key: string,
  secrets: Map<string, HookSecret>,
  problems: ApplyProblem[],
): void {
  const { hookSecret } = declared.value;
  const bytes = hookSecret === null ? undefined : attachment(declared, ['hook-secret'], hookSecret, problems);
  if (bytes === undefined) return;
  const read = readHookSecret(bytes);
  if (read.kind === 'secret') {
    secrets.set(key, read.secret);
    return;
  }
  problems.push(
    problemAt(declared, ['hook-secret'], {
      problem: `names a file with no usable secret: ${read.reason}`,
      expected: `one line of ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} printable characters`,
      remedy: `make one with \`openssl rand -hex 32 >${hookSecret ?? 'FILE'}\`, and give the same one to the forge`,
    }),
  );
}

function isKeyItself(entry: string): boolean {
  return /^\s*-----BEGIN PGP|^(ssh|ecdsa|sk-ssh|sk-ecdsa)-\S+ \S/.test(entry);
}

function attachment(
  declared: Declared<unknown>,
  key: readonly (string | number)[],
  name: string,
  problems: ApplyProblem[],
): Uint8Array | undefined {
  const bytes = declared.file.attachments?.get(name);
  if (bytes === undefined) {
    problems.push(
      problemAt(declared, key, {
        problem: `names the file ${show(name)}, which was not sent along`,
        expected: 'the name of a file beside this one',
        remedy: 'check that the file exists and can be read',
        needs: name,
      }),
    );
  }
  return bytes;
}
