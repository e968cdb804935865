// Runs every check, or those that are named, one after another, and says how long each took.
//
//     ./landfall test                 all of them
//     ./landfall test unit            one by name: types, lint, layers, dead-code, format, shell, unit, oracles, database, e2e
//     ./landfall test unit src/tags   what stands behind the name goes to the test runner
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const root = join(import.meta.dirname, '..');
const tool = (name) => join(root, 'node_modules/.bin', name);
const scratch = await mkdtemp(join(tmpdir(), 'landfall-test-'));
const report = (name) => join(scratch, `${name}.json`);
const vitest = (project) => [
  tool('vitest'),
  'run',
  '--project',
  project,
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report(project)}`,
];

// Where whole servers and other programs run side by side, a test that fails is tried once more, and told at the end: one that passes
// then is a fault all the same, of the test or of what it tests, but no reason to run everything again.
const SECOND_TRY = '--retry=1';

const checks = [
  { name: 'types', argv: [tool('tsc'), '-p', '.'] },
  { name: 'lint', argv: [tool('eslint'), '.'] },
  { name: 'layers', argv: [tool('depcruise'), 'src', 'test', 'bench', '--output-type', 'err'] },
  { name: 'dead-code', argv: [tool('knip')] },
  { name: 'format', argv: [tool('prettier'), '--check', '--log-level', 'warn', '.'] },
  { name: 'shell', argv: ['sh', '-n', 'landfall', '.ci/run'] },
  { name: 'unit', argv: vitest('unit'), counted: true },
  { name: 'oracles', argv: vitest('oracles'), counted: true },
  { name: 'database', argv: [...vitest('database'), SECOND_TRY], counted: true },
  { name: 'e2e', argv: [...vitest('e2e'), SECOND_TRY], counted: true },
];

const [wanted, ...rest] = process.argv.slice(2);
const chosen = wanted === undefined ? checks : checks.filter(({ name }) => name === wanted);
if (chosen.length === 0) {
  console.error(`landfall: there is no check '${wanted}'; there are ${checks.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

let passed = 0;
let failed = 0;
const failures = [];
const failedTests = [];
const unsteadyTests = [];
const began = Date.now();
for (const check of chosen) {
  const started = Date.now();
  console.log(`\n── ${check.name}`);
  const code = await run([...check.argv, ...rest]);
  const counts = check.counted
    ? await countTests(check.name)
    : { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, failures: [], unsteady: [] };
  passed += counts.passed;
  failed += counts.failed;
  failedTests.push(...counts.failures);
  unsteadyTests.push(...counts.unsteady);
  // A runner that failed without a failed test did not get as far as its tests.
  if (code !== 0 && counts.failed === 0) failed += 1;
  if (code !== 0) failures.push(check.name);
  console.log(`── ${check.name}: ${code === 0 ? 'good' : 'FAILED'} (${seconds(started)})`);
}
await rm(scratch, { recursive: true, force: true });
// Once more and last, as whoever reads the log of a long run begins at its end.
for (const { file, test, message } of unsteadyTests)
  console.log(`\nunsteady, passed at the second try: ${file}\n  ${test}\n${message}`);
for (const { file, test, message } of failedTests) console.log(`\nfailed: ${file}\n  ${test}\n${message}`);
console.log(
  `\n${failures.length === 0 ? 'all checks are good' : `failed: ${failures.join(', ')}`} (${seconds(began)})`,
);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failures.length === 0 ? 0 : 1);

function run(argv) {
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

async function countTests(name) {
  try {
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(await readFile(report(name), 'utf8'));
    return {
      passed: numPassedTests,
      failed: numFailedTests,
      failures: testResults.flatMap(failuresOf),
      unsteady: testResults.flatMap((file) => told(file, 'passed')),
    };
  } catch {
    return { passed: 0, failed: 0, failures: [], unsteady: [] };
  }
}

/** What failed in one file: its tests, or the file itself when it did not get as far as them. */
function failuresOf(result) {
  const tests = told(result, 'failed');
  if (tests.length > 0 || result.status !== 'failed') return tests;
  return [{ file: relative(root, result.name), test: 'the whole file', message: begin(result.message) }];
}

/** Tests of a file that ended so, and about which something was said: of one that passed, how it failed before. */
function told({ name, assertionResults }, status) {
  return assertionResults
    .filter((result) => result.status === status && result.failureMessages.length > 0)
    .map(({ fullName, failureMessages }) => ({
      file: relative(root, name),
      test: fullName,
      message: begin(failureMessages.join('\n')),
    }));
}

function begin(message) {
  return stripVTControlCharacters(message)
    .split('\n')
    .filter((line) => !line.includes('/node_modules/'))
    .slice(0, 30)
    .map((line) => `    ${line}`)
    .join('\n');
}

function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
