/**
 * People, groups, keys and permissions: who somebody is, and what he may do. Deny by default.
 *
 * The rules are in model.ts and patterns.ts, without I/O; read those first.
 */
export { ANONYMOUS, actorName, audiencesOf } from './actors.ts';
export type { Actor, PersonActor, SystemActor } from './actors.ts';
export { authenticateToken, createAccessToken, listAccessTokens, revokeAccessToken } from './access-tokens.ts';
export { decide, mayAct } from './decide.ts';
export { createEnrolmentCode, redeemEnrolmentCode } from './enrolment.ts';
export { grant, listGrants, withdrawGrant } from './grants.ts';
export type { GrantFacts } from './grants.ts';
export { addKeys, applyKey, keyChanges, letInBy, mergeKey, readKeyFile, revokeKey } from './keys.ts';
export type { KeyFile, KeyOwner, PublicKey } from './keys.ts';
export { importKeys, planKeyImport } from './key-import.ts';
export type { KeyImportPlan } from './key-import.ts';
export { ACTIONS, coversGrant, describeGrant, grantProblem, isInForce } from './model.ts';
export type { Action } from './model.ts';
export { isPattern, matchesPattern } from './patterns.ts';
export { addMember, changePerson, createGroup, createPerson, removeMember } from './people.ts';
export { findSigner, registeredKeyring } from './signers.ts';
export {
  administrators,
  findGroup,
  findKey,
  findPerson,
  getKey,
  listAllKeys,
  listGroups,
  listPeople,
  loadHolder,
} from './store.ts';
export type { KeyRow, Person } from './store.ts';
