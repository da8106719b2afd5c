import type { ByteRange } from './byte-ranges.ts';

/** One range as a client asks for it, before the length of the resource is known. */
export type RangeSpec =
  | { readonly kind: 'from'; readonly start: number; readonly end: number | null }
  | { readonly kind: 'suffix'; readonly length: number };

/** More ranges than this in one header are ignored as abuse (RFC 9110, section 14.2 allows to ignore the field). */
const MAX_RANGES = 100;

function integer(digits: string): number | null {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : null;
}

function parseSpec(text: string): RangeSpec | null {
  const match = /^(\d*)-(\d*)$/.exec(text);
  if (match === null) return null;
  const [, first = '', last = ''] = match;
  if (first === '') {
    if (last === '') return null;
    return { kind: 'suffix', length: integer(last) ?? Number.MAX_SAFE_INTEGER };
  }
  const start = integer(first) ?? Number.MAX_SAFE_INTEGER;
  if (last === '') return { kind: 'from', start, end: null };
  const end = integer(last) ?? Number.MAX_SAFE_INTEGER;
  return end < start ? null : { kind: 'from', start, end };
}

/**
 * Reads a Range header (RFC 9110, section 14.2). Null where it must be ignored: another unit, a malformed set, an end before its start,
 * more than 100 ranges. Numbers beyond 2^53 - 1 count as 2^53 - 1.
 */
export function parseRange(header: string): RangeSpec[] | null {
  const match = /^bytes[ \t]*=(.*)$/i.exec(header.trim());
  if (match === null) return null;
  const parts = (match[1] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0 || parts.length > MAX_RANGES) return null;
  const specs: RangeSpec[] = [];
  for (const part of parts) {
    const spec = parseSpec(part);
    if (spec === null) return null;
    specs.push(spec);
  }
  return specs;
}

/** The bytes `spec` means in a resource of `total` bytes, or null where it is unsatisfiable (RFC 9110, section 14.1.2). */
export function resolveRange(spec: RangeSpec, total: number): ByteRange | null {
  if (spec.kind === 'suffix') {
    if (spec.length === 0 || total === 0) return null;
    return { start: Math.max(0, total - spec.length), end: total - 1 };
  }
  if (spec.start >= total) return null;
  return { start: spec.start, end: Math.min(spec.end ?? total - 1, total - 1) };
}

/** A Content-Range header's content (RFC 9110, section 14.4): `range` null for an unsatisfied range, `total` null for `*`. */
export interface ContentRange {
  readonly range: ByteRange | null;
  readonly total: number | null;
}

/** Reads a Content-Range header; null where it is malformed or contradicts itself. */
export function parseContentRange(header: string): ContentRange | null {
  const match = /^bytes[ \t]+(?:(\d+)-(\d+)|\*)\/(\d+|\*)$/i.exec(header.trim());
  if (match === null) return null;
  const total = match[3] === '*' ? null : integer(match[3] ?? '');
  if (total === null && match[3] !== '*') return null;
  if (match[1] === undefined) return total === null ? null : { range: null, total };
  const start = integer(match[1]);
  const end = integer(match[2] ?? '');
  if (start === null || end === null || end < start || (total !== null && end >= total)) return null;
  return { range: { start, end }, total };
}

/** The Content-Range header of a 206 that carries `range`. */
export function contentRangeOf(range: ByteRange, total: number | null): string {
  return `bytes ${range.start}-${range.end}/${total ?? '*'}`;
}

/** The Content-Range header of a 416. */
export function unsatisfiedRangeOf(total: number): string {
  return `bytes */${total}`;
}

/** The Range header that asks for `spec`. */
export function rangeHeaderOf(spec: RangeSpec): string {
  return spec.kind === 'suffix' ? `bytes=-${spec.length}` : `bytes=${spec.start}-${spec.end ?? ''}`;
}
