/**
 * The `ar` container of a .deb: member names, offsets and sizes. Only the plain form that dpkg-deb writes is accepted: no long-name
 * tables, no symbol tables.
 *
 * @see deb(5), ar(5)
 */
import { problem, type Problem } from './problem.ts';

export type ArProblem = Problem<'ar-problem'>;

export interface ArMember {
  readonly name: string;
  /** Where the member's bytes begin in the file. */
  readonly offset: number;
  readonly size: number;
}

const MAGIC = '!<arch>\n';
const HEADER_SIZE = 60;
const MAX_MEMBERS = 16;

/** Members in the order of the file. Only headers are looked at. */
export function readAr(bytes: Uint8Array): readonly ArMember[] | ArProblem {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.toString('latin1', 0, MAGIC.length) !== MAGIC) return problem('ar-problem', 'it is not an ar file');
  const members: ArMember[] = [];
  let at = MAGIC.length;
  while (at < buffer.length) {
    if (members.length >= MAX_MEMBERS) return problem('ar-problem', `it has more than ${MAX_MEMBERS} members`);
    if (at + HEADER_SIZE > buffer.length) return problem('ar-problem', 'it ends within the header of a member');
    const header = buffer.toString('latin1', at, at + HEADER_SIZE);
    if (header.slice(58) !== '`\n') return problem('ar-problem', 'the header of a member has no end mark');
    const name = header.slice(0, 16).replace(/ +$/, '').replace(/\/$/, '');
    const digits = header.slice(48, 58).replace(/ +$/, '');
    if (!/^[A-Za-z0-9._-]+$/.test(name)) return problem('ar-problem', 'the name of a member is not plain');
    if (!/^[0-9]{1,10}$/.test(digits))
      return problem('ar-problem', 'the size of a member is not a number', { field: name });
    const size = Number(digits);
    const offset = at + HEADER_SIZE;
    if (offset + size > buffer.length) return problem('ar-problem', 'the file ends within a member', { field: name });
    members.push({ name, offset, size });
    at = offset + size + (size % 2);
  }
  return members;
}
