/** A person's key in a list. */
import type { Key } from '../../contract/people.ts';
import { inertLine } from '../output/inert.ts';
import type { Style } from '../output/style.ts';
import type { Cell } from '../output/table.ts';
import { moment } from '../output/time.ts';

/** Fingerprint, kind, state, and how many releases it let in. */
export function keyRow(key: Key, style: Style): readonly (Cell | string)[] {
  const state = keyState(key);
  return [
    inertLine(key.fingerprint),
    key.kind === 'openpgp' ? 'OpenPGP' : 'SSH',
    { text: state, painted: style.paint(key.state === 'valid' ? 'good' : 'bad', state) },
    `let in ${key.letIn}`,
  ];
}

export function keyState(key: Key): string {
  switch (key.state) {
    case 'valid':
      return key.validUntil === null ? 'valid, does not expire' : `valid until ${moment(key.validUntil)}`;
    case 'expired':
      return `expired ${moment(key.validUntil ?? key.validFrom)}`;
    case 'revoked':
      return `revoked ${moment(key.revokedAt ?? key.validFrom)}: ${inertLine(key.revocationReason ?? '')}`;
    case 'inactive':
      return 'its person is not active';
  }
}
