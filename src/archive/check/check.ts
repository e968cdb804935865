/**
 * Whether everything that an archive holds is as it must be: rows, stored files, pool, suites, and what a real apt sees. Looks
 * only; {@link planRepairs} says what of it can be made again. May run beside a server that works.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { withoutCollection } from '../collect-lock.ts';
import { namedBlobs } from '../named-blobs.ts';
import { askApt } from './apt-view.ts';
import type { CheckArchiveDeps } from './deps.ts';
import { finding, type CheckFinding } from './findings.ts';
import { checkPool } from './pool.ts';
import { findOpenTables, findVersionsGoneDown, RULES } from './rules.ts';
import { explainBlob, scanBlobs } from './stored-files.ts';
import { checkSuite, heldBy, publishedSuites, signedBeyond, type PublishedSuite } from './suites.ts';

export interface CheckedPart {
  readonly part: 'database' | 'stored-files' | 'pool' | 'suites' | 'apt';
  /** What was looked at, in words. */
  readonly says: string;
  readonly milliseconds: number;
}

export interface CheckResult {
  readonly findings: readonly CheckFinding[];
  readonly parts: readonly CheckedPart[];
}

export interface CheckChoice {
  /** Only this archive; absent: all. */
  readonly archive?: string;
  /** Leaves out the reading of every stored file. */
  readonly quick?: boolean;
  /** How many packages apt fetches of each suite and architecture. */
  readonly sample?: number;
}

const SAMPLE = 3;
const MOST_LOOKS = 10;
/** From the switch of a suite to its row's word of it. */
const SWITCH_MS = 300;

export async function checkArchives(deps: CheckArchiveDeps, choice: CheckChoice = {}): Promise<CheckResult> {
  // What is named at the beginning must be there until the end.
  return await withoutCollection(deps.db, () => checkAll(deps, choice));
}

async function checkAll(deps: CheckArchiveDeps, choice: CheckChoice): Promise<CheckResult> {
  const findings: CheckFinding[] = [];
  const parts: CheckedPart[] = [];
  const part = async (name: CheckedPart['part'], look: () => Promise<string>): Promise<void> => {
    const started = performance.now();
    const says = await look();
    parts.push({ part: name, says, milliseconds: Math.round(performance.now() - started) });
  };
  const archives = (await deps.db.selectFrom('archives').select('name').orderBy('id').execute())
    .map((row) => row.name)
    .filter((name) => choice.archive === undefined || name === choice.archive);

  await part('database', async () => {
    findings.push(...(await checkRows(deps)));
    return `${RULES.filter((rule) => rule.atRest !== true).length + 2} rules`;
  });
  if (choice.quick !== true) {
    await part('stored-files', async () => {
      const named = await namedBlobs(deps.db);
      let [files, bytes] = [0, 0];
      const scanned = scanBlobs(deps.blobs, named, {
        ...(deps.signal === undefined ? {} : { signal: deps.signal }),
        onFile: (blob) => {
          files += 1;
          bytes += blob.size;
          deps.onProgress?.({ what: 'stored files', files, bytes });
        },
      });
      for await (const { blob, state } of scanned) findings.push(await explainBlob(deps, blob, state));
      return `${files} files, ${bytes} bytes`;
    });
    await part('pool', async () => {
      for (const archive of archives) findings.push(...(await checkPool(deps, archive)));
      return `${archives.length} ${archives.length === 1 ? 'archive' : 'archives'}`;
    });
  }
  const suites = (await publishedSuites(deps.db)).filter((suite) => archives.includes(suite.archive));
  await part('suites', async () => {
    for (const suite of suites) findings.push(...(await settled(deps, suite, (one) => checkSuite(deps, one))));
    return `${suites.length} published`;
  });
  const { aptUrl } = deps;
  if (aptUrl !== undefined) {
    await part('apt', async () => {
      for (const suite of suites) {
        const look = (one: PublishedSuite) => checkByApt(deps, one, aptUrl, choice.sample ?? SAMPLE);
        findings.push(...(await settled(deps, suite, look)));
      }
      return `${suites.reduce((sum, suite) => sum + suite.architectures.length, 0)} lists read`;
    });
  }
  return { findings, parts };
}

/** A suite that is published while it is looked at is looked at again: what was found was of two publications. */
async function settled(
  deps: CheckArchiveDeps,
  suite: PublishedSuite,
  look: (suite: PublishedSuite) => Promise<CheckFinding[]>,
): Promise<CheckFinding[]> {
  let current = suite;
  for (let tries = 1; ; tries += 1) {
    const findings = await look(current);
    if (findings.length === 0 || tries >= MOST_LOOKS) return findings;
    const now = (await publishedSuites(deps.db)).find((one) => one.suiteId === suite.suiteId);
    if (now === undefined) return findings;
    if (now.serial === current.serial) {
      if ((await signedBeyond(deps.db, current)) === undefined) return findings;
      await sleep(SWITCH_MS);
    }
    current = now;
  }
}

async function checkRows(deps: CheckArchiveDeps): Promise<CheckFinding[]> {
  const says: string[] = [];
  for (const rule of RULES) {
    if (rule.atRest === true) continue;
    const { rows } = await rule.query.execute(deps.db);
    for (const { row } of rows) says.push(`${rule.says}: ${row}`);
  }
  says.push(...(await findVersionsGoneDown(deps.db)), ...(await findOpenTables(deps.db)));
  return says.map((one) =>
    finding('database.invariant', one, {
      remedy: 'this is a fault of the program or of a hand in the database: keep a copy of it and report it',
    }),
  );
}

async function checkByApt(
  deps: CheckArchiveDeps,
  suite: PublishedSuite,
  aptUrl: (archive: string) => string,
  sample: number,
): Promise<CheckFinding[]> {
  const { archive } = suite;
  const key = await deps.signer.findKey(archive);
  // Already said by the check of the suite.
  if (key === undefined) return [];
  const held = await heldBy(deps.db, suite);
  const findings: CheckFinding[] = [];
  for (const architecture of suite.architectures) {
    deps.signal?.throwIfAborted();
    const expected = held
      .filter((row) => row.endsWith(` ${architecture}`))
      .map((row) => row.split(' ').slice(0, 2).join(' '));
    const problems = await askApt({
      url: aptUrl(archive),
      suite: suite.suite,
      components: suite.components,
      architecture,
      key: key.publicKey,
      expected,
      sample: someOf(expected, sample),
    });
    const where = `${archive}/${suite.suite}`;
    for (const problem of problems) {
      findings.push(
        finding('apt.refuses', `${where} for ${architecture}: ${problem}`, {
          archive,
          suites: [where],
          remedy:
            'look at what else was found of this suite; `landfall archive check --repair` publishes it anew where it can',
        }),
      );
    }
  }
  return findings;
}

function someOf(items: readonly string[], count: number): string[] {
  const rest = [...items];
  const chosen: string[] = [];
  while (rest.length > 0 && chosen.length < count) chosen.push(...rest.splice(randomInt(rest.length), 1));
  return chosen;
}
