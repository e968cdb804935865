/**
 * What a job asks of a worker, by kind. Whoever writes a job and whoever runs it agree here and nowhere else: the server holds
 * every lease against these schemas before it goes out, the worker when it comes in.
 */
import { z } from '@hono/zod-openapi';
import { file, id, objectId, sha256 } from './values.ts';

export const QUILT_MODES = ['gbp', 'unapplied', 'linear', 'baredebian', 'native'] as const;

/** An apt source that a build reads. `keyring` is the base64 of a dearmored OpenPGP keyring. */
export const aptSourceSchema = z.strictObject({
  name: z.string(),
  uri: z.string(),
  suite: z.string(),
  components: z.array(z.string()),
  keyring: z.base64(),
});
export type AptSource = z.infer<typeof aptSourceSchema>;

/** From a frozen commit to a signed source package; no code of the package runs. */
export const sourcePayloadSchema = z
  .strictObject({
    kind: z.literal('source'),
    submissionId: id,
    archive: z.string(),
    suite: z.string(),
    source: z.string(),
    version: z.string(),
    /** The changelog's Distribution. */
    distribution: z.string(),
    quilt: z.enum(QUILT_MODES),
    commitId: objectId,
    tagObjectId: objectId,
    upstreamCommitId: objectId.nullable(),
    pristineTarCommitId: objectId.nullable(),
    /** Who signed the tag: primary fingerprint, and the tagger as the tag says it. */
    fingerprint: z.string(),
    tagger: z.string(),
    /** The pack of what was verified. */
    frozen: z.strictObject({ sha256, size: z.int().nonnegative() }),
    origs: z.array(file),
  })
  .openapi('SourcePayload');
export type SourcePayload = z.infer<typeof sourcePayloadSchema>;

/** From an accepted source package to binary packages of one architecture. */
export const binaryPayloadSchema = z
  .strictObject({
    kind: z.literal('binary'),
    submissionId: id,
    archive: z.string(),
    suite: z.string(),
    source: z.string(),
    version: z.string(),
    distribution: z.string(),
    architecture: z.string(),
    /** Also makes the architecture-independent packages. */
    withAll: z.boolean(),
    /** The name of the .dsc among `files`. */
    dsc: z.string(),
    files: z.array(file),
    chroot: z.strictObject({
      uri: z.string(),
      suite: z.string(),
      components: z.array(z.string()),
      keyring: z.base64(),
    }),
    aptSources: z.array(aptSourceSchema),
    buildProfiles: z.array(z.string()),
  })
  .openapi('BinaryPayload');
export type BinaryPayload = z.infer<typeof binaryPayloadSchema>;

export const payloadSchema = z.discriminatedUnion('kind', [sourcePayloadSchema, binaryPayloadSchema]);
export type JobPayload = z.infer<typeof payloadSchema>;

/** Limits of a run; what is absent has the worker's default. Bytes and seconds. */
export const limitsSchema = z
  .strictObject({
    memoryBytes: z.int().positive().exactOptional(),
    diskBytes: z.int().positive().exactOptional(),
    processes: z.int().positive().exactOptional(),
    seconds: z.int().positive().exactOptional(),
    /** Of processor time, of all processes together. */
    cpuSeconds: z.int().positive().exactOptional(),
    silentSeconds: z.int().positive().exactOptional(),
    logBytes: z.int().positive().exactOptional(),
    /** All files that an attempt may upload, together. */
    outputBytes: z.int().positive().exactOptional(),
  })
  .openapi('Limits');
export type Limits = z.infer<typeof limitsSchema>;

/** The files that a job reads, and so all that its worker may fetch with its lease. */
export function inputsOf(payload: JobPayload): readonly { readonly sha256: string; readonly size: number }[] {
  switch (payload.kind) {
    case 'source':
      return [payload.frozen, ...payload.origs];
    case 'binary':
      return payload.files;
  }
}
