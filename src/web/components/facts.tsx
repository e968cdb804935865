/** The small parts that pages share: states with their colour and word, times, durations, remedies. */
import type { Child } from 'hono/jsx';

type Tone = 'good' | 'bad' | 'wait' | 'run' | 'off';

const TONES: Readonly<Record<string, Tone>> = {
  done: 'good',
  passed: 'good',
  accepted: 'good',
  succeeded: 'good',
  published: 'good',
  alive: 'good',
  failed: 'bad',
  rejected: 'bad',
  quarantined: 'bad',
  attention: 'bad',
  'infrastructure-failed': 'bad',
  lost: 'bad',
  silent: 'bad',
  revoked: 'bad',
  suspended: 'bad',
  running: 'run',
  leased: 'run',
  delivered: 'run',
  'in-flight': 'run',
  seen: 'run',
  waiting: 'wait',
  ready: 'wait',
  blocked: 'wait',
  held: 'wait',
  obstructed: 'wait',
  new: 'wait',
};

export function toneOf(state: string): Tone {
  return TONES[state] ?? 'off';
}

/** A state is told by its word, then by sign and colour. */
export function State({ state }: { readonly state: string }) {
  return <span class={`state ${toneOf(state)}`}>{state}</span>;
}

export function Time({ at }: { readonly at: string | null }) {
  if (at === null) return null;
  return <time datetime={at}>{`${at.slice(0, 10)} ${at.slice(11, 19)}`}</time>;
}

/** `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h` */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function between(start: string | null, end: string | null): string | null {
  return start === null || end === null ? null : duration(Date.parse(end) - Date.parse(start));
}

/** What somebody can do about it. */
export function Remedy({ text }: { readonly text: string | null }) {
  return text === null ? null : <p class="remedy">{text}</p>;
}

/** Rows of words and what they say; what is not known is left out. */
export function Facts({ rows }: { readonly rows: readonly (readonly [string, Child])[] }) {
  return (
    <dl>
      {rows
        .filter(([, value]) => value !== null && value !== undefined && value !== '')
        .map(([name, value]) => (
          <>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </>
        ))}
    </dl>
  );
}

/** A page of this server, by its path only: whatever host it was asked by. */
export function pathOf(url: string): string {
  if (!URL.canParse(url, 'http://localhost')) return '/';
  const parsed = new URL(url, 'http://localhost');
  return `${parsed.pathname}${parsed.search}${parsed.hash}`;
}

export function bytes(size: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = size;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit] ?? ''}`;
}
