/** The wire's types as the worker uses them, under one roof. */
import type { Lease } from '../contract/worker.ts';

export type { AptSource, BinaryPayload, Limits, SourcePayload } from '../contract/jobs.ts';
export type { Lease };
export type SizeClass = Lease['sizeClass'];
/** Free facts of a message: JSON. */
export type Facts = Record<string, FactValue>;
export type FactValue = string | number | boolean | null | FactValue[] | { [key: string]: FactValue };
