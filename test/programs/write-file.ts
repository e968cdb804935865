/**
 * Arguments: a path, a text. Writes durably; prints the code of the fault, or `written`.
 */
import { LandfallError } from '../../src/platform/errors.ts';
import { writeFileDurably } from '../../src/platform/files.ts';

const [path = '', text = ''] = process.argv.slice(2);
try {
  await writeFileDurably(path, text);
  process.stdout.write('written');
} catch (error) {
  process.stdout.write(error instanceof LandfallError ? error.code : String(error));
}
