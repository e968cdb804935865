/** What the worker says of the machine that it runs on. */
import { cpus, freemem, loadavg, totalmem } from 'node:os';
import { freeSpace } from '../platform/files.ts';
import type { Facts } from './wire.ts';

/** Load, memory and disk as they are now. Bytes. */
export async function machineFacts(folder: string): Promise<Facts> {
  const space = await freeSpace(folder);
  return {
    load: loadavg().map((value) => Math.round(value * 100) / 100),
    processors: cpus().length,
    memoryTotal: totalmem(),
    memoryFree: freemem(),
    diskFree: space.availableBytes,
    diskTotal: space.totalBytes,
  };
}
