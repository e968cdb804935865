/** What every request carries on its way through the handlers. */
import type { Actor } from '../permissions/index.ts';
import type { WorkerIdentity } from '../lighthouse/index.ts';

/** Who asks, as proven by the Authorization header and by nothing else. */
export type Caller =
  | Actor
  | WorkerIdentity
  /** Shows a one-time join token; what it is worth, Lighthouse judges. */
  | { readonly kind: 'join'; readonly secret: string }
  /** Shows a person's one-time code; what it is worth, permissions/ judges. */
  | { readonly kind: 'enrolment'; readonly secret: string };

export interface HttpEnv {
  Variables: {
    requestId: string;
    caller: Caller;
  };
}
