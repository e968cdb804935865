/**
 * Runs a TypeScript file of test/programs/ as a process of its own, for what must happen in one: dying in the middle, a full
 * disk in a mount namespace, a failing device.
 */
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { exists, sha256, writeFileDurably } from '../src/platform/files.ts';

const ROOT = join(import.meta.dirname, '..');

/** Bundles the program and returns the file that node can run. */
export async function bundleProgram(name: string): Promise<string> {
  // Beside the packages, so that node finds those that are not bundled.
  const folder = join(ROOT, 'node_modules', '.cache', 'landfall');
  await mkdir(folder, { recursive: true });
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, 'test', 'programs', name)],
    write: false,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'silent',
  });
  const bundle = outputFiles[0]?.contents;
  if (bundle === undefined) throw new Error(`${name} gave no bundle`);
  // Named by its content, so that test processes that want the same one do not get into each other's way.
  const path = join(folder, `${basename(name, '.ts')}.${sha256(bundle).slice(0, 16)}.mjs`);
  if (!(await exists(path))) await writeFileDurably(path, bundle);
  return path;
}

/** argv that runs `argv` with a mount namespace of its own, where `folder` is a new file system of `size`. */
export function onSmallDisk(folder: string, size: string, argv: readonly string[]): [string, ...string[]] {
  return [
    'unshare',
    ...(process.getuid?.() === 0 ? [] : ['--map-root-user']),
    '--mount',
    'sh',
    '-c',
    'mount -t tmpfs -o "size=$2,mode=0755" landfall-test "$1" && shift 2 && exec "$@"',
    'sh',
    folder,
    size,
    ...argv,
  ];
}
