/** The shortest forms of RFC 9110, section 5.6.7 begin with the name of a day; what else `Date.parse` takes is not a date in HTTP. */
const HTTP_DATE = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*\d\d:\d\d:\d\d/i;

/** UTC milliseconds of an HTTP date in any of its three forms, or null where it is malformed. */
function httpDate(text: string): number | null {
  if (!HTTP_DATE.test(text)) return null;
  // The asctime form names no zone and means UTC; Date.parse would take it for local time.
  const time = Date.parse(/ gmt$/i.test(text) ? text : `${text} GMT`);
  return Number.isNaN(time) ? null : time;
}

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
