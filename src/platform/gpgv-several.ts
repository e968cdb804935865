/**
 * Verifying what several keys sign at once, as a Release while the keys of its archive rotate. Each signature is judged by itself, by
 * the strict rules of gpgv.ts; one that is good is enough, as it is for apt, and one of a key that is not known says nothing. A
 * signature that is anything worse makes the whole bad.
 */
import { verifyClearsigned, verifyDetached, type ClearsignedResult, type GpgvResult } from './gpgv.ts';
import { armor, dearmor, parseClearsigned, parsePackets } from './openpgp.ts';

/** More than any archive has keys. */
const MAX_SIGNATURES = 16;

/** As `verifyDetached`; the result is that of the first good signature. */
export async function verifyDetachedByAny(input: Parameters<typeof verifyDetached>[0]): Promise<GpgvResult> {
  const dearmored = dearmor(input.signature, 'PGP SIGNATURE');
  const parts = dearmored.kind === 'malformed' ? undefined : split(dearmored.bytes);
  if (parts === undefined) return await verifyDetached(input);
  return await firstGood(parts, async (signature) => await verifyDetached({ ...input, signature }));
}

/** As `verifyClearsigned`; the result is that of the first good signature. */
export async function verifyClearsignedByAny(
  input: Parameters<typeof verifyClearsigned>[0],
): Promise<ClearsignedResult> {
  const frame = parseClearsigned(input.document);
  const parts = frame.kind === 'malformed' ? undefined : split(frame.signature);
  if (parts === undefined) return await verifyClearsigned(input);
  const document = Buffer.from(input.document);
  const text = document.subarray(0, document.lastIndexOf('-----BEGIN PGP SIGNATURE-----'));
  return await firstGood(parts, async (signature) => {
    const armored = armor(signature, 'PGP SIGNATURE');
    return await verifyClearsigned({ ...input, document: Buffer.concat([text, Buffer.from(armored, 'latin1')]) });
  });
}

async function firstGood<Result extends GpgvResult>(
  signatures: readonly Buffer[],
  verify: (signature: Buffer) => Promise<Result>,
): Promise<Result> {
  const results: Result[] = [];
  for (const signature of signatures) results.push(await verify(signature));
  const found =
    results.find((result) => result.kind === 'bad' && result.code !== 'signature.unknown-key') ??
    results.find((result) => result.kind === 'good') ??
    results[0];
  if (found === undefined) throw new Error('there is no signature to verify');
  return found;
}

/** Each signature as binary data of its own; undefined where there are not several, which the strict rules then judge. */
function split(bytes: Buffer): Buffer[] | undefined {
  const parsed = parsePackets(bytes);
  if (parsed.kind === 'malformed' || parsed.packets.length < 2 || parsed.packets.length > MAX_SIGNATURES)
    return undefined;
  if (parsed.packets.some(({ tag }) => tag !== 2)) return undefined;
  return parsed.packets.map(({ body }) => {
    const header = Buffer.from([0xc2, 0xff, 0, 0, 0, 0]);
    header.writeUInt32BE(body.length, 2);
    return Buffer.concat([header, body]);
  });
}
