// Builds the benchmarks into the state folder and runs one of them as the user that the services run as.
//
//     ./landfall bench                    which there are, and their targets
//     ./landfall bench NAME [--json] [--rounds N] [--record] [--clean]
//
// What a benchmark needs is made once and kept in bench/NAME of the state folder; --clean makes it anew. --record keeps the
// result in bench/results/NAME.json.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { format, resolveConfig } from 'prettier';

const root = join(import.meta.dirname, '..');
const { LANDFALL_STATE_DIR: state, LANDFALL_APP: app } = process.env;
if (state === undefined || app === undefined) throw new Error('run it by ./landfall bench');
const args = process.argv.slice(2);
const name = args.find((arg) => !arg.startsWith('-'));
const isRoot = process.getuid() === 0;
const folder = join(state, 'bench');
const program = join(folder, 'program');
for (const one of [folder, program]) mkdirSync(one, { recursive: true });

const { outputFiles } = await build({
  entryPoints: [join(root, 'bench', 'main.ts')],
  write: false,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  external: ['pg-native', 'typescript'],
  logLevel: 'warning',
});
const [{ contents }] = outputFiles;
// Named by its content: another run may still be reading an older one.
const file = join(program, `bench.${createHash('sha256').update(contents).digest('hex').slice(0, 16)}.mjs`);
if (!existsSync(file)) {
  for (const old of readdirSync(program).sort().slice(0, -8)) rmSync(join(program, old), { force: true });
  writeFileSync(file, contents);
}

let argv = [process.execPath, file, ...args];
if (isRoot) {
  const { uid, gid } = await serviceUser();
  chownSync(folder, uid, gid);
  argv = ['setpriv', '--reuid', String(uid), '--regid', String(gid), '--init-groups', ...argv];
}
const result = join(folder, `result-${process.pid}.json`);
const code = await new Promise((resolve, reject) => {
  const child = spawn(argv[0], argv.slice(1), {
    cwd: '/',
    stdio: 'inherit',
    env: {
      ...process.env,
      HOME: folder,
      LANDFALL_BENCH_FOLDER: folder,
      LANDFALL_BENCH_RESULT: result,
      LANDFALL_BENCH_COMMAND: `./landfall bench ${args.filter((arg) => arg !== '--record' && arg !== '--json').join(' ')}`,
    },
  });
  // The benchmark ends its own processes when it is interrupted; this one only waits for it.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('error', reject);
  child.on('exit', (status) => resolve(status ?? 1));
});
if (args.includes('--record') && existsSync(result)) {
  const target = join(root, 'bench', 'results', `${name}.json`);
  const text = await readFile(result, 'utf8');
  writeFileSync(target, await format(text, { ...(await resolveConfig(target)), filepath: target }));
  console.error(`kept in bench/results/${name}.json`);
}
await rm(result, { force: true });
process.exit(code);

async function serviceUser() {
  const [, , uid, gid] = (await readFile('/etc/passwd', 'utf8'))
    .split('\n')
    .find((line) => line.startsWith('landfall:'))
    .split(':');
  return { uid: Number(uid), gid: Number(gid) };
}
