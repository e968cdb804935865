/** Refuses new work while little room is left, before a byte of it is taken. @see RFC 4918, section 11.5 for 507 */
import type { Room } from '../platform/room.ts';
import { Refusal } from './refusal.ts';

const RETRY_SECONDS = '30';

/** `bytes`: of an upload that belongs to work that was begun; absent: new work. @throws Refusal 507 */
export async function requireRoom(room: Room | undefined, bytes?: number): Promise<void> {
  const problem = bytes === undefined ? await room?.problem() : await room?.uploadProblem(bytes);
  if (problem === undefined) return;
  throw new Refusal({
    status: 507,
    code: problem.code,
    detail: `${problem.sentence} (${problem.detail})`,
    remedy: problem.remedy,
    headers: { 'retry-after': RETRY_SECONDS },
  });
}
