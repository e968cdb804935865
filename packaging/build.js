// Builds the program into a folder: one file of JavaScript, and beside it the migrations, the manual pages and the completion.
//
//     node packaging/build.js FOLDER
import { execFileSync } from 'node:child_process';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: node packaging/build.js FOLDER');
const root = join(import.meta.dirname, '..');

await build({
  entryPoints: [join(root, 'src/bin/landfall.ts')],
  outfile: join(folder, 'landfall.mjs'),
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // The libraries that are CommonJS ask for Node's modules by require().
  banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
  // What a library would take where it is there, and never is: a driver in C, and a compiler for a configuration in TypeScript, which
  // would be two thirds of the program.
  external: ['pg-native', 'typescript'],
  jsx: 'automatic',
  jsxImportSource: 'hono/jsx',
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
});
await cp(join(root, 'migrations'), join(folder, 'migrations'), { recursive: true });

const program = (...args) => execFileSync(process.execPath, [join(folder, 'landfall.mjs'), ...args]);
await mkdir(join(folder, 'man'));
program('man', '--directory', join(folder, 'man'));
await cp(join(root, 'man'), join(folder, 'man'), { recursive: true });
await writeFile(join(folder, 'landfall.bash-completion'), program('completion'));
