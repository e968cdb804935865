/** The program: command line in, exit code out. Everything that it can do is put together in app/program.ts. */
import { main } from '../app/program.ts';

process.exitCode = await main(process.argv);
