/** What one check of `doctor` found. */
export interface Finding {
  readonly name: string;
  readonly outcome: 'ok' | 'warn' | 'fail';
  readonly says: string;
  readonly remedy: string | null;
}

export function ok(name: string, says: string): Finding {
  return { name, outcome: 'ok', says, remedy: null };
}

export function warn(name: string, says: string, remedy: string): Finding {
  return { name, outcome: 'warn', says, remedy };
}

export function fail(name: string, says: string, remedy: string): Finding {
  return { name, outcome: 'fail', says, remedy };
}
