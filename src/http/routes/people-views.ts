/** People, keys and grants as the wire has them. */
import { whyJobsWait } from '../../lighthouse/index.ts';
import { ACTIONS, audiencesOf, describeGrant, type PersonActor } from '../../permissions/index.ts';
import type { PeopleViewer, TraceDeps } from '../../trace/index.ts';
import type { HttpDeps } from '../deps.ts';

export function traceDeps(deps: Pick<HttpDeps, 'db' | 'publicUrl'>): TraceDeps {
  return { db: deps.db, publicUrl: deps.publicUrl, whyJobsWait };
}

export function peopleViewer(person: PersonActor): PeopleViewer {
  const { handle, groups, administrator } = person;
  return { audiences: audiencesOf(person), handle, groups, administrator };
}

/** With its permission in words. */
export function grantView<
  G extends { readonly action: string; readonly archive: string; readonly suites: string; readonly packages: string },
>(grant: G): G & { permission: string } {
  const action = ACTIONS.find((one) => one === grant.action);
  return { ...grant, permission: action === undefined ? grant.action : describeGrant({ ...grant, action }) };
}
