import { Option } from '@commander-js/extra-typings';
import { cookieHeader, readCookieFile } from './cookie-file.ts';
import { usageError } from './failure.ts';

/** What is sent to the origin with each request, as said on the command line. */
export interface HeaderFlags {
  readonly header?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly referer?: string | undefined;
  readonly cookies?: string | undefined;
}

// Every command on a URL takes these.
export const headerOption = () =>
  new Option('-H, --header <line>', "header for the origin, 'Name: value'; may be repeated").argParser(
    (line: string, before: string[] | undefined) => [...(before ?? []), line],
  );
export const userOption = () => new Option('-u, --user <name:password>', 'user and password for the origin');
export const refererOption = () => new Option('-e, --referer <url>', 'Referer for the origin');
export const cookiesOption = () => new Option('-b, --cookies <file>', 'cookie file (Netscape format) for the origin');

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** A header line as curl takes it: `Name: value`, or `Name;` for an empty value. Messages do not repeat it: it may hold a credential. */
function parseHeader(line: string): readonly [name: string, value: string] {
  const [, name, mark, rest] = /^([^:;]*)([:;])(.*)$/s.exec(line) ?? [];
  const value = rest?.trim();
  if (name === undefined || value === undefined || !NAME.test(name) || (mark === ';' && value !== '') || (mark === ':' && value === '')) {
    throw usageError('a header given with -H is not a header', "Write -H 'Name: value'.");
  }
  return [name, checked(name, value)];
}

function checked(name: string, value: string): string {
  // Beyond Latin-1, line breaks, control characters: HTTP/1.1 cannot carry them, and a line break would smuggle in another header.
  if (!VALUE.test(value)) throw usageError(`the value of the header ${name} holds characters that HTTP cannot carry`, 'Encode it.');
  return value;
}

/**
 * The headers for requests to `url`; undefined where nothing was said of them.
 * @throws SeekwellError BAD_OPTION
 */
export async function requestHeaders(flags: HeaderFlags, url: URL, now: number): Promise<Record<string, string> | undefined> {
  const { header = [], user, referer, cookies } = flags;
  if (header.length === 0 && user === undefined && referer === undefined && cookies === undefined) return undefined;
  const headers = new Map<string, readonly [name: string, value: string]>();
  const set = (name: string, value: string): unknown => headers.set(name.toLowerCase(), [name, value]);
  if (user !== undefined) {
    if (!user.includes(':')) throw usageError('--user has no password', 'Write --user NAME:PASSWORD.');
    set('Authorization', `Basic ${Buffer.from(user).toString('base64')}`);
  }
  if (referer !== undefined) set('Referer', checked('Referer', referer));
  const cookie = cookies === undefined ? null : cookieHeader(await readCookieFile(cookies), url, now);
  if (cookie !== null) set('Cookie', checked('Cookie', cookie));
  // What is written out overrides what was made up from it; the same name twice is one header with both values.
  const given = new Set<string>();
  for (const [name, value] of header.map(parseHeader)) {
    const key = name.toLowerCase();
    const before = given.has(key) ? headers.get(key)?.[1] : undefined;
    set(name, before === undefined ? value : `${before}${key === 'cookie' ? '; ' : ', '}${value}`);
    given.add(key);
  }
  return Object.fromEntries(headers.values());
}
