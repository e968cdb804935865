/**
 * One range of bytes, as a client that continues an interrupted download asks for it. Several ranges at once, other units
 * and what cannot be read are answered with the whole, as the standard allows. @see RFC 9110, section 14
 */

export type RangeAnswer =
  | { readonly kind: 'whole' }
  /** Bytes `[start, start + length)`; `length` is at least 1. */
  | { readonly kind: 'part'; readonly start: number; readonly length: number }
  | { readonly kind: 'unsatisfiable' };

/** What of `size` bytes the header asks for. */
export function selectRange(header: string | undefined, size: number): RangeAnswer {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  if (match === null) return { kind: 'whole' };
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return { kind: 'whole' };
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', start: size - length, length };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return { kind: 'whole' };
  if (start >= size) return { kind: 'unsatisfiable' };
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return { kind: 'part', start, length: end - start + 1 };
}

/** The header of a part. */
export function contentRange(start: number, length: number, size: number): string {
  return `bytes ${start}-${start + length - 1}/${size}`;
}
