/**
 * Who signed: the .changes (and with it everything that it lists) must carry a good signature of exactly the worker whose
 * attempt delivered it. Only the text that gpgv gives back is parsed afterwards (H45).
 */
import { verifyClearsigned } from '../../platform/gpg.ts';
import type { Upload } from '../upload.ts';
import { failed, LOOK_AT_WORKER, passed, type CheckResult } from './checklist.ts';
import type { CheckDeps } from './deps.ts';

/** A clear-signed file that gpgv found good. */
export interface SignedText {
  /** What was signed, and nothing else. */
  readonly payload: Buffer;
  /** Of the primary key. */
  readonly fingerprint: string;
}

/** The largest .changes of Debian has some 2 MB. */
const MAX_CONTROL_FILE = 8 * 1024 * 1024;

/** `signature.good`: the .changes is there and has a good signature of some worker's key. */
export async function changesSignature(
  deps: CheckDeps,
  upload: Upload,
): Promise<CheckResult<{ readonly signed: SignedText }>> {
  const read = await readSigned(deps, upload, upload.changesName);
  return read.kind === 'signed' ? passed({ signed: read.signed }) : failed(read.sentence, LOOK_AT_WORKER);
}

/** `signature.worker`: it is the key of the worker that delivered, and that worker was not revoked (H39). */
export function signedByWorker(
  _deps: CheckDeps,
  upload: Upload & { readonly signed: SignedText },
): CheckResult<object> {
  const { worker, workerFingerprint, workerRevoked } = upload.build;
  if (workerRevoked) return failed(`The worker ${worker} was revoked.`, 'give the build back; another worker takes it');
  if (upload.signed.fingerprint !== workerFingerprint) {
    return failed(
      `The upload is signed by ${upload.signed.fingerprint}, not by the worker ${worker} that delivered it.`,
      LOOK_AT_WORKER,
    );
  }
  return passed({}, `${worker}, ${workerFingerprint}`);
}

/** Reads a clear-signed file of the upload by the keys of all workers that there ever were. */
export async function readSigned(
  deps: CheckDeps,
  upload: Upload,
  name: string,
): Promise<
  { readonly kind: 'signed'; readonly signed: SignedText } | { readonly kind: 'bad'; readonly sentence: string }
> {
  const file = upload.files.get(name);
  if (file === undefined) return { kind: 'bad', sentence: `${name} was not delivered.` };
  if (file.size > MAX_CONTROL_FILE)
    return { kind: 'bad', sentence: `${name} has more than ${MAX_CONTROL_FILE} bytes.` };
  const workers = await deps.db.selectFrom('workers').select('openpgp_key').execute();
  const result = await verifyClearsigned({
    keyring: workers.map((worker) => worker.openpgp_key),
    document: await deps.blobs.read(file.sha256),
  });
  if (result.kind === 'bad') {
    return { kind: 'bad', sentence: `The signature of ${name} is not good: ${result.detail} (${result.code}).` };
  }
  return { kind: 'signed', signed: { payload: result.payload, fingerprint: result.primary } };
}
