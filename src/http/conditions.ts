/**
 * Conditional requests: whether the client's copy is still the current one, and whether its half copy may be continued.
 * @see RFC 9110, sections 13 and 8.8
 */

export interface Validators {
  /** With its quotes. */
  readonly etag: string;
  /** In whole seconds. */
  readonly lastModified: Date;
}

interface RequestHeaders {
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
}

/** True when the answer is 304. An If-None-Match that is there decides alone. */
export function isNotModified(request: RequestHeaders, current: Validators): boolean {
  if (request.ifNoneMatch !== undefined) {
    if (request.ifNoneMatch.trim() === '*') return true;
    return request.ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === current.etag);
  }
  const since = httpDate(request.ifModifiedSince);
  return since !== undefined && current.lastModified.getTime() <= since.getTime();
}

/** True when a Range may be honoured: there is no If-Range, or it names the bytes that are there now. */
export function mayContinue(ifRange: string | undefined, current: Validators): boolean {
  if (ifRange === undefined) return true;
  if (ifRange.startsWith('"')) return ifRange === current.etag;
  const date = httpDate(ifRange);
  return date?.getTime() === current.lastModified.getTime();
}

/** A date as HTTP writes it; undefined for anything else. */
function httpDate(text: string | undefined): Date | undefined {
  if (text === undefined || !/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) {
    return undefined;
  }
  const milliseconds = Date.parse(text);
  return Number.isNaN(milliseconds) ? undefined : new Date(milliseconds);
}
