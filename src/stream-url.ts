import { createHmac, timingSafeEqual } from 'node:crypto';
import { formatKey } from './entry-key.ts';
import type { EntryKey } from './repository/cache-repository.ts';

/** Where a cache is listened for. */
export interface Address {
  /** The base of its stream URLs. */
  readonly baseUrl: string;
  /** Signs them, where it is not null; never recorded. */
  readonly token: string | null;
}

/** The name of the signature in a stream URL's query. */
const SIGNATURE = 'sig';

/** Lets whoever has it read one entry's streams, whatever file name they carry, as long as the token stays the same. */
function signatureOf(key: EntryKey, token: string): string {
  return createHmac('sha256', token).update(formatKey(key)).digest('base64url');
}

/** The stream URL of an entry below `baseUrl`; signed where the daemon has a token, since players send no headers. */
export function streamUrl(baseUrl: string, key: EntryKey, filename: string | null, token: string | null = null): string {
  const decoration = filename === null ? '' : `/${encodeURIComponent(filename)}`;
  const signature = token === null ? '' : `?${SIGNATURE}=${signatureOf(key, token)}`;
  return `${baseUrl.replace(/\/$/, '')}/stream/${formatKey(key)}${decoration}${signature}`;
}

/** Whether the query of a stream URL carries the signature of `key`. */
export function isSigned(query: string, key: EntryKey, token: string): boolean {
  const given = Buffer.from(new URLSearchParams(query).get(SIGNATURE) ?? '');
  const expected = Buffer.from(signatureOf(key, token));
  return given.length === expected.length && timingSafeEqual(given, expected);
}
