/** The shortest forms of RFC 9110, section 5.6.7 begin with the name of a day; what else `Date.parse` takes is not a date in HTTP. */
const HTTP_DATE = /^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .*\d\d:\d\d:\d\d/i;

/** UTC milliseconds of an HTTP date in any of its three forms (RFC 9110, section 5.6.7), or null where it is malformed. */
export function httpDate(text: string): number | null {
  if (!HTTP_DATE.test(text)) return null;
  // The asctime form names no zone and means UTC; Date.parse would take it for local time.
  const time = Date.parse(/ gmt$/i.test(text) ? text : `${text} GMT`);
  return Number.isNaN(time) ? null : time;
}
