/**
 * Who asks. A secret is taken from the Authorization header and from nowhere else: what stands in a URL ends up in logs,
 * histories and referrers (H99). apt cannot send a bearer, so for archives, and only there, a token may be the password of
 * Basic credentials. A secret that is not valid is refused and never silently taken for nobody's.
 */
import { authenticateToken, ANONYMOUS, type Actor } from '../permissions/index.ts';
import { authenticateWorker } from '../lighthouse/index.ts';
import type { Caller } from './env.ts';
import type { HttpDeps } from './deps.ts';
import { Refusal } from './refusal.ts';

export interface CredentialRules {
  /** Also take a token as the password of Basic credentials. */
  readonly basic: boolean;
}

/** The caller behind an Authorization header. @throws Refusal 401 */
export async function authenticate(
  deps: Pick<HttpDeps, 'db'>,
  header: string | undefined,
  rules: CredentialRules = { basic: false },
): Promise<Caller> {
  if (header === undefined) return ANONYMOUS;
  const secret = secretOf(header, rules);
  if (secret === undefined) throw invalidCredentials();
  if (secret.startsWith('lfj_')) return { kind: 'join', secret };
  if (secret.startsWith('lfe_')) return { kind: 'enrolment', secret };
  const caller = secret.startsWith('lfw_')
    ? await authenticateWorker(deps.db, secret)
    : await authenticateToken(deps.db, secret);
  if (caller === undefined) throw invalidCredentials();
  return caller;
}

/** The person behind a caller, and nobody in particular for everyone else. */
export function actorOf(caller: Caller): Actor {
  return caller.kind === 'person' ? caller : ANONYMOUS;
}

/** The secret in a header; undefined when it has another form. */
export function secretOf(header: string, rules: CredentialRules): string | undefined {
  const bearer = /^Bearer +([A-Za-z0-9_-]{1,200})$/i.exec(header);
  if (bearer !== null) return bearer[1];
  const basic = rules.basic ? /^Basic +([A-Za-z0-9+/]{1,600}={0,2})$/i.exec(header) : null;
  if (basic === null) return undefined;
  const text = Buffer.from(basic[1] ?? '', 'base64').toString('utf8');
  const password = text.slice(text.indexOf(':') + 1);
  return /^[A-Za-z0-9_-]{1,200}$/.test(password) ? password : undefined;
}

function invalidCredentials(): Refusal {
  return new Refusal({
    status: 401,
    code: 'credentials.invalid',
    detail: 'the token is not valid: it is unknown, expired or revoked',
    remedy: 'send a valid one as Authorization: Bearer TOKEN; an administrator can make a new one',
  });
}
