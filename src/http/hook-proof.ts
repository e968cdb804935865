/**
 * How a notice proves that it comes from somebody who knows the secret: it brings the secret itself (GitLab's way, and ours for
 * a plain hook), or an HMAC-SHA256 of the body (GitHub, Gitea, Forgejo). A proof says who speaks, never that what is said is true.
 */
import type { HeaderOf } from './hook-forges.ts';

export interface Proof {
  readonly texts: readonly string[];
  /** In hex. */
  readonly signatures: readonly string[];
  /** What may have been signed: the body, and the JSON inside it where it came as a form. */
  readonly bodies: readonly Uint8Array[];
}

/** What can tell whether it was proven: a secret, which shows itself to nobody. */
export interface Provable {
  isText(text: string): boolean;
  hasSigned(body: Uint8Array, hex: string): boolean;
}

const TEXTS = ['x-gitlab-token', 'landfall-hook-secret'];
const SIGNATURES = ['x-forgejo-signature', 'x-gitea-signature', 'x-hub-signature-256'];

export function proofIn(header: HeaderOf, bodies: readonly Uint8Array[]): Proof {
  return {
    texts: TEXTS.flatMap((name) => header(name) ?? []),
    signatures: SIGNATURES.flatMap((name) => header(name)?.replace(/^sha256=/, '') ?? []),
    bodies,
  };
}

export function isProven(secret: Provable, { texts, signatures, bodies }: Proof): boolean {
  return (
    texts.some((text) => secret.isText(text)) ||
    signatures.some((hex) => bodies.some((body) => secret.hasSigned(body, hex)))
  );
}

/** True when a proof was tried at all. */
export function bringsProof({ texts, signatures }: Proof): boolean {
  return texts.length + signatures.length > 0;
}
