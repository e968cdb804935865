/** What a notice is answered with: as text that reads well in the output of `git push`, and as JSON. */
import type { HookAnswer } from '../contract/hooks.ts';
import { whyJobsWait } from '../lighthouse/index.ts';
import { describeTag } from '../trace/index.ts';
import type { RefAnswer } from '../tags/index.ts';
import type { HttpDeps } from './deps.ts';

export type TagAnswer = HookAnswer['tags'][number];

/** What became of one ref, as far as the caller may know it. */
export async function answerForRef(
  deps: Pick<HttpDeps, 'db' | 'publicUrl'>,
  about: { readonly repository: string; readonly ref: string; readonly mayKnow: boolean },
  answer: RefAnswer,
  audiences: readonly string[],
): Promise<TagAnswer> {
  const name = about.ref.replace(/^refs\/tags\//, '');
  const base = { repository: about.repository, name, code: null, remedy: null };
  switch (answer.kind) {
    case 'not-seen':
      return {
        ...base,
        state: 'noted',
        sentence: 'noted; nothing under this name was seen yet',
        url: `${deps.publicUrl}/tags`,
      };
    case 'passed-over':
      if (!about.mayKnow) return { ...base, state: 'noted', sentence: 'noted', url: `${deps.publicUrl}/tags` };
      return {
        ...base,
        state: 'passed-over',
        code: 'tag.passed-over',
        sentence: `It was there when ${about.repository} was looked at for the first time, so it decides nothing by itself.`,
        remedy: `landfall tag adopt ${about.repository} ${name}`,
        url: null,
      };
    case 'tag': {
      const trace = { db: deps.db, publicUrl: deps.publicUrl, whyJobsWait };
      const seen = await describeTag(trace, answer.tagId, { audiences });
      // Anybody may call a hook; what is decided for a closed audience is on a page that asks who reads it.
      if (seen === undefined) return { ...base, state: 'noted', sentence: 'noted', url: answer.url };
      return {
        ...base,
        state: answer.state,
        code: answer.code ?? null,
        sentence: answer.sentence,
        remedy: answer.remedy ?? null,
        url: answer.state === 'accepted' ? `${deps.publicUrl}/submissions/${answer.submissionId}` : answer.url,
      };
    }
  }
}

/** The lines about one tag, each with `landfall:` in front, as git shows them behind `remote:`. */
export function textOf(answer: TagAnswer): string {
  const name = plain(answer.name);
  const says = plain(answer.sentence);
  const page = answer.url === null ? '' : `landfall:   ${answer.url}\n`;
  const remedy = answer.remedy === null ? '' : plain(answer.remedy);
  switch (answer.state) {
    case 'noted':
      return `landfall: ${name}: ${says}\n${page}`;
    case 'passed-over':
      return `landfall: ${name}: NOT DECIDED. ${says}\nlandfall:   if it is meant as a release: ${remedy}\n`;
    case 'seen':
      return `landfall: ${name}: seen, being decided\n${page}`;
    case 'accepted':
      return `landfall: ${name}: accepted. ${says}\n${page}`;
    case 'obstructed':
      return `landfall: ${name}: could not be decided yet, it is tried again by itself. ${says}\n${page}`;
    case 'rejected':
      return (
        `landfall: ${name}: REJECTED (${answer.code ?? 'unknown'}). ${says}\n` +
        `${remedy === '' ? '' : `landfall:   to mend it: ${remedy}\n`}${page}`
      );
  }
}

/** In one line, with nothing that a terminal would obey: git prints it as it is. */
export function plain(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\p{Cc}\p{Cf}]/gu, '?');
}
