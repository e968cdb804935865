/** The background tasks of tags: looking, deciding, and looking at what nobody notified us of. */
import { LandfallError } from '../platform/errors.ts';
import type { CronEntry, TaskHandlers } from '../platform/tasks.ts';
import { decideTag, type Redecision } from './decide.ts';
import type { TagDeps } from './deps.ts';
import { discoverMember } from './discover.ts';
import { takeNamedTags } from './named.ts';
import { pollRepositories, scanRepository } from './scan.ts';

/** The handlers; all may be run again at any time. */
export function tagTasks(deps: TagDeps): TaskHandlers {
  return {
    'tags.scan': async (payload, { signal }) => {
      const { gitRepositoryId, named } = record('tags.scan', payload);
      const id = number('tags.scan', gitRepositoryId);
      await (named === true ? takeNamedTags(deps, id, signal) : scanRepository(deps, id, signal));
    },
    'tags.decide': async (payload, { signal }) => {
      const fields = record('tags.decide', payload);
      const redecision = fields.redecision === undefined ? undefined : readRedecision(fields.redecision);
      await decideTag(deps, number('tags.decide', fields.tagId), signal, redecision);
    },
    'tags.discover': async (payload, { signal }) => {
      const { namespaceId, path, refs, via } = record('tags.discover', payload);
      if (typeof path !== 'string' || typeof via !== 'string' || !Array.isArray(refs)) throw malformed('tags.discover');
      const names = refs.filter((ref: unknown) => typeof ref === 'string');
      const discovery = { namespaceId: number('tags.discover', namespaceId), path, refs: names, via };
      await discoverMember(deps, discovery, signal);
    },
    'tags.poll': async () => await pollRepositories(deps),
  };
}

/** What the clock enqueues. */
export const TAG_CRON: readonly CronEntry[] = [{ match: '* * * * *', task: 'tags.poll' }];

function readRedecision(value: unknown): Redecision {
  const { actor, afterDecisionId } = record('tags.decide', value);
  if (typeof actor !== 'string') throw malformed('tags.decide');
  return { actor, afterDecisionId: number('tags.decide', afterDecisionId) };
}

function record(task: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw malformed(task);
  return { ...value };
}

function number(task: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw malformed(task);
}

function malformed(task: string): LandfallError {
  return new LandfallError({
    code: 'tasks.payload',
    doing: `run ${task}`,
    reason: 'its payload is not as it should be',
  });
}
