/**
 * A database to which distribution files are applied: a file that declares one thing of every kind, and the steps of a person
 * who plans and applies it.
 */
import { readFile } from 'node:fs/promises';
import { sql } from 'kysely';
import { createTestDatabase } from '../postgres.ts';
import { findPerson, type Actor, type SystemActor } from '../../src/permissions/index.ts';
import type { Db } from '../../src/platform/database.ts';
import { exportPublicKey, generateKey, withGnupgHome } from '../../src/platform/gpg.ts';
import { applyPlan, planApply } from '../../src/registry/apply/apply.ts';
import type { DistributionFile } from '../../src/registry/apply/declarations.ts';
import { describeApplyProblem } from '../../src/registry/apply/problems.ts';

export const LANDFALL: SystemActor = { kind: 'system', name: 'landfall' };

export const DISTRIBUTION = `
[pool.trusted]

[external.debian-stable]
uri = "https://deb.example.org/debian"
suite = "bookworm"
components = ["main"]
keyring = "stable.gpg"

[archive.main]
pool = "trusted"
origin = "Example"
label = "Example"
description = "An example"

[archive.main.suite.landing]
accepts = ["tags"]
architectures = ["amd64", "arm64"]
parents = ["external:debian-stable", "stable"]
new-policy = "accept"
newer-than = ["stable"]

[archive.main.suite.stable]
codename = "harbour"
aliases = ["current"]
accepts = ["copies"]
architectures = ["amd64", "arm64"]
architecture-for-all = "arm64"
valid-for = "14d"

[git."packages/hello"]
url = "file:///srv/git/hello.git"
prefixes = { landfall = "main" }
allow-file = true

[person.alice]
name = "Alice Example"
email = "alice@example.org"
keys = ["alice.asc"]

[person.root]
name = "Root"
email = "root@example.org"

[group.core]
members = ["alice"]

[[grant]]
to = "alice"
action = "release"
archive = "main"
suites = "landing"
packages = ["hello", "lib*"]

[[grant]]
to = "root"
action = "administer"
`;

export const KEY = await withGnupgHome(async (home) => {
  const fingerprint = await generateKey({ home, userId: 'Alice Example <alice@example.org>', algorithm: 'ed25519' });
  return { fingerprint, armored: await exportPublicKey(home, fingerprint) };
});
export const ATTACHMENTS = new Map<string, Uint8Array>([
  ['alice.asc', KEY.armored],
  ['stable.gpg', await readFile('/usr/share/keyrings/debian-archive-keyring.gpg')],
]);

export interface ApplyWorld {
  readonly db: Db;
  /** What the files would change, as lines. @throws Error with the problems when they cannot be applied */
  readonly plan: (...files: DistributionFile[]) => Promise<{ hash: string; lines: string[] }>;
  readonly apply: (by: Actor | SystemActor, ...files: DistributionFile[]) => ReturnType<typeof applyPlan>;
  /** Applies them as the system. @throws Error when that is refused */
  readonly applied: (...files: DistributionFile[]) => Promise<void>;
  readonly problemsOf: (...files: DistributionFile[]) => Promise<string[]>;
  readonly actorOf: (handle: string, groups?: string[]) => Promise<Actor>;
  /** Background tasks that wait, in their order. */
  readonly tasks: () => Promise<string[]>;
  readonly auditCount: () => Promise<number>;
  readonly drop: () => Promise<void>;
}

/** A file with the key of Alice and Debian's keyring beside it. */
export function file(text: string, name = 'distribution.toml'): DistributionFile {
  return { name, text, attachments: ATTACHMENTS };
}

export async function createApplyWorld(): Promise<ApplyWorld> {
  const database = await createTestDatabase();
  const { db } = database;
  const plan: ApplyWorld['plan'] = async (...files) => {
    const result = await planApply(db, files);
    if (result.kind !== 'plan') {
      throw new Error(
        result.kind === 'problems' ? result.problems.map(describeApplyProblem).join('\n') : result.reason,
      );
    }
    return {
      hash: result.hash,
      lines: result.changes.map(({ action, what, detail }) => `${action} ${what}: ${detail}`),
    };
  };
  const apply: ApplyWorld['apply'] = async (by, ...files) => {
    const { hash } = await plan(...files);
    return await applyPlan(db, files, hash, by);
  };
  return {
    db,
    plan,
    apply,
    applied: async (...files) => {
      const result = await apply(LANDFALL, ...files);
      if (result.kind !== 'applied') throw new Error(`the files were not applied: ${result.kind}`);
    },
    problemsOf: async (...files) => {
      const result = await planApply(db, files);
      return result.kind === 'problems' ? result.problems.map(describeApplyProblem) : [];
    },
    actorOf: async (handle, groups = []) => {
      const person = await findPerson(db, handle);
      if (person === undefined) throw new Error(`no ${handle}`);
      return { kind: 'person', personId: person.id, handle, groups, administrator: false };
    },
    tasks: async () => {
      const { rows } = await sql<{ task: string; key: string | null }>`
        SELECT task_identifier AS task, key FROM graphile_worker.jobs ORDER BY id`.execute(db);
      return rows.map(({ task, key }) => (key === null ? task : `${task} ${key}`));
    },
    auditCount: async () => {
      const { count } = await db
        .selectFrom('audit')
        .select((select) => select.fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow();
      return count;
    },
    drop: async () => await database.drop(),
  };
}
