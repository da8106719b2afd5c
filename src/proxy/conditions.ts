import { httpDate } from '../core/http-date.ts';
import type { Validator } from '../core/validator.ts';

/** A header of a request by its lower-case name; undefined where it was not sent. */
export type HeaderLookup = (name: string) => string | undefined;

/** Whether an entity-tag list (RFC 9110, sections 13.1.1 and 13.1.2) holds `etag`. Weak tags only match where `weak` allows it. */
function listHolds(list: string, etag: string | null, weak: boolean): boolean {
  if (list.trim() === '*') return true;
  if (etag === null) return false;
  for (const [, prefix, tag] of list.matchAll(/(W\/)?("[^"]*")/g)) {
    if (tag === etag && (weak || prefix === undefined)) return true;
  }
  return false;
}

/** Milliseconds; NaN, with which nothing compares, where it is no date: such a condition does not count (RFC 9110, sections 13.1.3 and 13.1.4). */
function dateOf(header: string | undefined): number {
  return httpDate(header?.trim() ?? '') ?? Number.NaN;
}

/**
 * What the conditions of a GET or HEAD request make of it, in the order of RFC 9110, section 13.2.2: 412, 304, or null to answer as usual.
 */
export function conditionalStatus(header: HeaderLookup, { etag, lastModified }: Validator): 304 | 412 | null {
  const modified = dateOf(lastModified ?? undefined);
  const ifMatch = header('if-match');
  const ifUnmodifiedSince = dateOf(header('if-unmodified-since'));
  if (ifMatch !== undefined) {
    if (!listHolds(ifMatch, etag, false)) return 412;
  } else if (modified > ifUnmodifiedSince) {
    return 412;
  }
  const ifNoneMatch = header('if-none-match');
  if (ifNoneMatch !== undefined) return listHolds(ifNoneMatch, etag, true) ? 304 : null;
  return modified <= dateOf(header('if-modified-since')) ? 304 : null;
}

/** Whether the Range header counts (RFC 9110, section 13.1.5): without an If-Range, or with one that names this version exactly. */
export function rangeApplies(header: HeaderLookup, { etag, lastModified }: Validator): boolean {
  const ifRange = header('if-range')?.trim();
  if (ifRange === undefined) return true;
  return ifRange.includes('"') ? ifRange === etag : ifRange === lastModified;
}
