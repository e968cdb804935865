/** A step of a timeline while the whole is being judged, and how one is made. */
import type { Step, StepName, StepState } from './types.ts';
import { durationMs, isoOrNull } from './values.ts';

/** How a step bears on the whole. */
export interface Draft extends Step {
  /** It goes on by itself. */
  readonly moves: boolean;
  /** It comes after another that is not done. */
  readonly follows: boolean;
  /** It waits for a worker that is not there: nothing is wrong with the package. */
  readonly lacksWorker: boolean;
}

interface StepParts {
  readonly name: StepName;
  readonly title: string;
  readonly state: StepState;
  readonly architecture?: string | null;
  readonly from?: Date | null;
  readonly to?: Date | null;
  readonly by?: string | null;
  readonly code?: string | null;
  readonly sentence?: string | null;
  readonly remedy?: string | null;
  readonly mustAct?: string | null;
  readonly url?: string | null;
  readonly buildId?: number | null;
  readonly moves?: boolean;
  readonly follows?: boolean;
  readonly lacksWorker?: boolean;
}

export function step(parts: StepParts): Draft {
  return {
    name: parts.name,
    title: parts.title,
    state: parts.state,
    architecture: parts.architecture ?? null,
    startedAt: isoOrNull(parts.from),
    endedAt: isoOrNull(parts.to),
    durationMs: durationMs(parts.from, parts.to),
    by: parts.by ?? null,
    code: parts.code ?? null,
    sentence: parts.sentence ?? null,
    remedy: parts.remedy ?? null,
    mustAct: parts.mustAct ?? null,
    url: parts.url ?? null,
    buildId: parts.buildId ?? null,
    moves: parts.moves ?? false,
    follows: parts.follows ?? false,
    lacksWorker: parts.lacksWorker ?? false,
  };
}
