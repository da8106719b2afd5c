import { httpDate } from '../core/http-date.ts';

/**
 * Milliseconds that a Retry-After header asks to wait (RFC 9110, section 10.2.3): seconds or a date, 0 for one that has passed. Null where
 * it is malformed.
 * @param now UTC milliseconds
 */
export function parseRetryAfter(header: string, now: number): number | null {
  const text = header.trim();
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, Number.MAX_SAFE_INTEGER);
  const date = httpDate(text);
  return date === null ? null : Math.max(0, date - now);
}
