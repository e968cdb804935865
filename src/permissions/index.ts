/**
 * People, groups, keys and permissions: who somebody is, and what he may do. Deny by default.
 *
 * The rules are in model.ts and patterns.ts, without I/O; read those first.
 */
export { ANONYMOUS, actorName, audiencesOf } from './actors.ts';
export type { Actor, PersonActor, SystemActor } from './actors.ts';
export { authenticateToken, createAccessToken, listAccessTokens, revokeAccessToken } from './access-tokens.ts';
export type { AccessTokenFacts, NewAccessToken } from './access-tokens.ts';
export { decide, mayAct } from './decide.ts';
export type { ActionScope, Question } from './decide.ts';
export { grant, listGrants, withdrawGrant } from './grants.ts';
export type { GrantFacts, GrantResult, NewGrant } from './grants.ts';
export { addKeys, applyKey, keyChanges, letInBy, mergeKey, readKeyFile, revokeKey } from './keys.ts';
export type { KeyFile, KeyOwner, KeyResult, LetIn, PublicKey, RevocationResult } from './keys.ts';
export { ACTIONS, coversGrant, describeGrant, grantProblem, isAdministrator, mayGive, mayWithdraw } from './model.ts';
export type { Action, Allowed, Decision, DenialCode, Denied, Grant, Holder, ProposedGrant, Receiver } from './model.ts';
export { isPattern, matchesPattern } from './patterns.ts';
export { addMember, changePerson, createGroup, createPerson, removeMember } from './people.ts';
export type { Membership, NewPerson } from './people.ts';
export { findSigner, listActiveKeyrings, normalizeFingerprint } from './signers.ts';
export type { Signer } from './signers.ts';
export {
  administrators,
  findGroup,
  findKey,
  findPerson,
  getPerson,
  groupsOfPerson,
  listAllKeys,
  listGroups,
  listKeys,
  listPeople,
  loadHolder,
  membersOfGroup,
} from './store.ts';
export type { Group, KeyRow, Person } from './store.ts';
