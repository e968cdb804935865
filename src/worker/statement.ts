/**
 * The statement about a run: what was made, from what, by whom, where. In-toto's Statement v1 with a predicate of our own, in a
 * DSSE envelope whose signature is a detached OpenPGP one by the worker's key over the envelope's pre-authentication encoding.
 *
 * @see https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
 * @see https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
 */
import { detachSign } from '../platform/gpg.ts';
import type { WorkerKey } from './job.ts';
import type { Facts } from './wire.ts';

export const PREDICATE_TYPE = 'urn:landfall:run:v1';
const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
const PAYLOAD_TYPE = 'application/vnd.in-toto+json';

export interface StatementFile {
  readonly name: string;
  readonly sha256: string;
}

export interface StatementInput {
  readonly outputs: readonly StatementFile[];
  /** Everything that was read: frozen pack, .dsc, tarballs, packages. */
  readonly inputs: readonly StatementFile[];
  readonly kind: 'source' | 'binary';
  readonly worker: string;
  readonly attempt: { readonly submissionId: number; readonly jobId: number; readonly attemptId: number };
  readonly startedAt: Date;
  readonly finishedAt: Date;
  /** Tag object, signer and commit of a source; .dsc, chroot and indices of a build. */
  readonly subjectOf: Facts;
}

/** The statement as JSON text with a final newline; the same input gives the same bytes. */
export function formatStatement(input: StatementInput): string {
  const resource = ({ name, sha256 }: StatementFile): { name: string; digest: { sha256: string } } => ({
    name,
    digest: { sha256 },
  });
  return `${JSON.stringify({
    _type: STATEMENT_TYPE,
    subject: input.outputs.map(resource),
    predicateType: PREDICATE_TYPE,
    predicate: {
      kind: input.kind,
      worker: input.worker,
      ...input.attempt,
      startedAt: input.startedAt.toISOString(),
      finishedAt: input.finishedAt.toISOString(),
      ...input.subjectOf,
      inputs: input.inputs.map(resource),
    },
  })}\n`;
}

/** What is signed: type and payload, each with its length, so that neither can be read as part of the other. */
export function preAuthenticationEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType, 'utf8');
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} `), type, Buffer.from(` ${payload.length} `), payload]);
}

/** The signed envelope, as JSON text. */
export async function signStatement(statement: string, key: WorkerKey): Promise<string> {
  const payload = Buffer.from(statement, 'utf8');
  const signature = await detachSign({
    ...key,
    payload: preAuthenticationEncoding(PAYLOAD_TYPE, payload),
    armor: false,
  });
  return `${JSON.stringify({
    payloadType: PAYLOAD_TYPE,
    payload: payload.toString('base64'),
    signatures: [{ keyid: key.fingerprint, sig: signature.toString('base64') }],
  })}\n`;
}
