import { SeekwellError } from '../errors.ts';
import type { OriginLocation } from './origin-client.ts';

/** Where one request goes. The URL carries no user and no password any more: they have become a header. */
export interface OriginTarget {
  readonly url: URL;
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What another host may see. Every other header that a user gives may be a credential, whatever its name. */
const HARMLESS = new Set(['accept', 'accept-language', 'user-agent']);

/** What is ours to say (ranges, conditions, encoding) or belongs to one connection (RFC 9110, section 7.6.1): a location cannot set it. */
const OURS = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'expect',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

function isWeb(url: URL): boolean {
  return url.protocol === 'http:' || url.protocol === 'https:';
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Moves user and password out of `url` into an Authorization header, which `headers` overrides where `explicit` names one. */
function withUserinfo(url: URL, headers: Record<string, string>, explicit: boolean): OriginTarget {
  if (url.username === '' && url.password === '') return { url, headers };
  const credentials = Buffer.from(`${decoded(url.username)}:${decoded(url.password)}`).toString('base64');
  url.username = '';
  url.password = '';
  if (explicit && headers.authorization !== undefined) return { url, headers };
  return { url, headers: { ...headers, authorization: `Basic ${credentials}` } };
}

/**
 * The first request's target. Headers that are Seekwell's own to set are left out.
 * @throws {SeekwellError} `BAD_URL`, or `BAD_OPTION` for a header that HTTP cannot carry; neither message shows a value
 */
export function targetOf(location: OriginLocation): OriginTarget {
  const url = URL.canParse(location.url) ? new URL(location.url) : null;
  if (url === null || !isWeb(url)) throw new SeekwellError('BAD_URL', 'the URL of the origin is not an absolute http:// or https:// URL');
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(location.headers)) {
    const key = name.toLowerCase();
    if (!HEADER_NAME.test(key)) throw new SeekwellError('BAD_OPTION', 'a header for the origin has a name that HTTP does not allow');
    if (!HEADER_VALUE.test(value))
      throw new SeekwellError('BAD_OPTION', `the header ${key} for the origin has a value that HTTP does not allow`);
    if (!OURS.has(key)) headers[key] = value;
  }
  return withUserinfo(url, headers, true);
}

/**
 * Where a redirect leads, or null where it cannot be followed. To another origin (scheme, host, port) only harmless headers go along, and
 * what was left behind once does not come back.
 * @param location the Location header (RFC 9110, section 10.2.2), relative or absolute
 */
export function redirectedTarget(from: OriginTarget, location: string): OriginTarget | null {
  // Header text comes one character a byte; servers that write beyond ASCII into it mean UTF-8.
  const reference = Buffer.from(location, 'latin1').toString('utf8');
  if (!URL.canParse(reference, from.url.href)) return null;
  const url = new URL(reference, from.url.href);
  if (!isWeb(url)) return null;
  const sameOrigin = url.origin === from.url.origin;
  const headers = Object.fromEntries(Object.entries(from.headers).filter(([name]) => sameOrigin || HARMLESS.has(name)));
  return withUserinfo(url, headers, false);
}
