/** What a check of an archive finds, and what can be made again from what is there. Nothing is ever guessed. */

/** What mends a finding. Each may be done again at any moment. */
export type Repair =
  /** The name in the pool is made anew from the stored file, which is sound. */
  | {
      readonly kind: 'pool-from-blob';
      readonly archive: string;
      readonly path: string;
      readonly sha256: string;
      readonly size: number;
    }
  /** The stored file is made anew from the name in the pool, which is sound. */
  | {
      readonly kind: 'blob-from-pool';
      readonly archive: string;
      readonly path: string;
      readonly sha256: string;
      readonly size: number;
    }
  /** A part of an index that is kept to make the next one: it is made again when it is needed. */
  | { readonly kind: 'drop-index-part'; readonly archive: string; readonly id: string }
  /** A published file that is not what its Release says. It goes, so that nobody gets it and it is not carried on. */
  | { readonly kind: 'drop-published-file'; readonly archive: string; readonly name: string }
  /** The suite gets a new publication, made from the database and the stored files. */
  | { readonly kind: 'publish'; readonly suiteId: number; readonly archive: string; readonly suite: string };

export interface CheckFinding {
  /** Stable: `blob.damaged`, `blob.missing`, `pool.damaged`, `suite.unsigned`, … */
  readonly code: string;
  /** What is wrong, as a sentence without its full stop. */
  readonly says: string;
  readonly archive: string | null;
  /** Suites and packages that it touches, for those who must be told. */
  readonly suites: readonly string[];
  readonly packages: readonly string[];
  /** In this order; empty when nothing here can mend it. */
  readonly repairs: readonly Repair[];
  /** What a person does when `repairs` is empty. */
  readonly remedy: string | null;
}

export function finding(
  code: string,
  says: string,
  more: Partial<Omit<CheckFinding, 'code' | 'says'>> = {},
): CheckFinding {
  return { code, says, archive: null, suites: [], packages: [], repairs: [], remedy: null, ...more };
}

/** The repairs of all findings, each once, in an order in which they can be done: bytes first, publications last. */
export function planRepairs(findings: readonly CheckFinding[]): Repair[] {
  const order: readonly Repair['kind'][] = [
    'blob-from-pool',
    'pool-from-blob',
    'drop-index-part',
    'drop-published-file',
    'publish',
  ];
  const all = new Map<string, Repair>();
  for (const { repairs } of findings) for (const repair of repairs) all.set(JSON.stringify(repair), repair);
  return [...all.values()].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
}

/** A repair as it reads in a plan. */
export function describeRepair(repair: Repair): string {
  switch (repair.kind) {
    case 'pool-from-blob':
      return `make ${repair.path} in ${repair.archive} anew from the stored file ${repair.sha256.slice(0, 12)}…`;
    case 'blob-from-pool':
      return `make the stored file ${repair.sha256.slice(0, 12)}… anew from ${repair.path} in ${repair.archive}`;
    case 'drop-index-part':
      return `remove the damaged index part ${repair.id.slice(0, 12)}… of ${repair.archive}; it is made again when needed`;
    case 'drop-published-file':
      return `remove the damaged file ${repair.name} of ${repair.archive}`;
    case 'publish':
      return `publish ${repair.archive}/${repair.suite} anew`;
  }
}
