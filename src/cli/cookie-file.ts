import { readFile } from 'node:fs/promises';
import { usageError } from './failure.ts';

interface Cookie {
  /** Lower case, without a leading dot. */
  readonly domain: string;
  /** Counts for the domain's subdomains too. */
  readonly subdomains: boolean;
  readonly path: string;
  /** Only over https. */
  readonly secure: boolean;
  /** Seconds since 1970; 0: until the browser is closed. */
  readonly expires: number;
  readonly name: string;
  readonly value: string;
}

/** One line of a Netscape cookie file; null where it is none. */
function parseLine(line: string): Cookie | null {
  const fields = line.replace(/^#HttpOnly_/, '').split('\t');
  const [domain, subdomains, path, secure, expires, name, value] = fields;
  if (fields.length < 6 || domain === undefined || path === undefined || name === undefined || !/^\d+$/.test(expires ?? '')) return null;
  return {
    domain: domain.replace(/^\./, '').toLowerCase(),
    subdomains: subdomains === 'TRUE' || domain.startsWith('.'),
    path,
    secure: secure === 'TRUE',
    expires: Number(expires),
    name,
    value: value ?? '',
  };
}

/** The cookies of a Netscape cookie file, as curl and browser extensions write it; null where it is none. */
export function parseCookies(text: string): Cookie[] | null {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '' && (!line.startsWith('#') || line.startsWith('#HttpOnly_')));
  const cookies = lines.map(parseLine).filter((cookie) => cookie !== null);
  return lines.length > 0 && cookies.length === 0 ? null : cookies;
}

/** Whether `cookie` goes along with a request for `url` at `now` (UTC milliseconds); RFC 6265, section 5.4. */
function fits(cookie: Cookie, url: URL, now: number): boolean {
  const host = url.hostname.toLowerCase();
  if (host !== cookie.domain && !(cookie.subdomains && host.endsWith(`.${cookie.domain}`))) return false;
  if (cookie.secure && url.protocol !== 'https:') return false;
  if (cookie.expires !== 0 && cookie.expires * 1_000 <= now) return false;
  const { path } = cookie;
  return url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
}

/** The Cookie header for `url`, longer paths first; null where no cookie fits. */
export function cookieHeader(cookies: readonly Cookie[], url: URL, now: number): string | null {
  const fitting = cookies.filter((cookie) => fits(cookie, url, now)).sort((a, b) => b.path.length - a.path.length);
  return fitting.length === 0 ? null : fitting.map(({ name, value }) => `${name}=${value}`).join('; ');
}

/** @throws SeekwellError BAD_OPTION */
export async function readCookieFile(file: string): Promise<Cookie[]> {
  const hint = 'Name a cookie file in the Netscape format, as curl -c and browser extensions write it.';
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw usageError(`the cookie file ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`, hint);
  }
  const cookies = parseCookies(text);
  if (cookies === null) throw usageError(`${file} is not a cookie file`, hint);
  return cookies;
}
