/**
 * Tag objects with real SSH signatures, made without any program: one Ed25519 key, and the same bytes for the same words, so that
 * what is stored of a decision in a told world verifies like that of a pushed tag.
 * @see PROTOCOL.sshsig of OpenSSH
 */
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';

/** PKCS #8 of an Ed25519 key, with a seed that is as good as any. */
const PRIVATE_KEY = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)]),
  format: 'der',
  type: 'pkcs8',
});
const RAW_KEY = createPublicKey(PRIVATE_KEY).export({ format: 'der', type: 'spki' }).subarray(-32);

const field = (value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

const KEY_BLOB = Buffer.concat([field('ssh-ed25519'), field(RAW_KEY)]);

/** The key as it is stored: `TYPE BASE64`. */
export const SIGNER_MATERIAL = Buffer.from(`ssh-ed25519 ${KEY_BLOB.toString('base64')}`);
export const SIGNER_FINGERPRINT = `SHA256:${createHash('sha256').update(KEY_BLOB).digest('base64').replace(/=+$/, '')}`;

/** A tag of `commitId` that asks for a release, as git debpush writes it, with its object id. */
export function signedTag(facts: {
  readonly distro: string;
  readonly source: string;
  readonly version: string;
  readonly commitId: string;
}): { readonly bytes: Buffer; readonly objectId: string } {
  const { distro, source, version, commitId } = facts;
  const payload = Buffer.from(
    [
      `object ${commitId}`,
      'type commit',
      `tag ${distro}/${version}`,
      'tagger Alice Archer <alice@example.org> 1700000000 +0100',
      '',
      `${source} release ${version} for ${distro}`,
      '',
      `[dgit distro=${distro} split --quilt=gbp]`,
      `[dgit please-upload source=${source} version=${version}]`,
      '',
    ].join('\n'),
  );
  const bytes = Buffer.concat([payload, signSsh(payload)]);
  const objectId = createHash('sha1').update(`tag ${bytes.length}\0`).update(bytes).digest('hex');
  return { bytes, objectId };
}

function signSsh(payload: Buffer): Buffer {
  const digest = createHash('sha512').update(payload).digest();
  const signed = Buffer.concat([Buffer.from('SSHSIG'), field('git'), field(''), field('sha512'), field(digest)]);
  const signature = Buffer.concat([field('ssh-ed25519'), field(sign(null, signed, PRIVATE_KEY))]);
  const version = Buffer.from([0, 0, 0, 1]);
  const blob = Buffer.concat([
    Buffer.from('SSHSIG'),
    version,
    field(KEY_BLOB),
    field('git'),
    field(''),
    field('sha512'),
    field(signature),
  ]);
  const lines = blob.toString('base64').match(/.{1,70}/g) ?? [];
  return Buffer.from(['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----', ''].join('\n'));
}
