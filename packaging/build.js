// Builds the program into a folder: one file of JavaScript, and the migrations beside it.
//
//     node packaging/build.js FOLDER
import { cp } from 'node:fs/promises';
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
  external: ['pg-native'],
  jsx: 'automatic',
  jsxImportSource: 'hono/jsx',
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
});
await cp(join(root, 'migrations'), join(folder, 'migrations'), { recursive: true });
