/** The program: command line in, exit code out. Everything that it can do is put together in app/program.ts. */
import { main } from '../app/program.ts';

process.exitCode = await main(process.argv);
// What a fault left open must not keep a role from ending: its supervisor waits for that to start it again.
setTimeout(() => process.exit(), 5_000).unref();
