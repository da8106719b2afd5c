import { createHash } from 'node:crypto';
import { SeekwellError } from './errors.ts';
import type { CacheRepository, EntryKey, EntryRow } from './repository/cache-repository.ts';

/** How many hexadecimal digits of a URL's SHA-256 name its media: 64 bits, so that a million URLs collide with a chance of 3 in 10^8. */
const HASH_DIGITS = 16;

/** What names an entry for a user: its id, its key, its key as `source/media/quality`, or the URL it was registered for. */
export type Ref = number | string | EntryKey;

/**
 * Checks that `url` is an absolute http or https URL.
 * @throws SeekwellError BAD_URL
 */
export function checkUrl(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  if (parsed !== null && (parsed.protocol === 'http:' || parsed.protocol === 'https:') && parsed.hostname !== '') return parsed;
  // The text itself may hold a password: it is not repeated.
  throw new SeekwellError('BAD_URL', 'this is not an absolute http:// or https:// URL');
}

/** The key of a URL that was registered without names: a stable hash of all of it. */
export function keyOfUrl(url: string): EntryKey {
  const hash = createHash('sha256').update(url).digest('hex').slice(0, HASH_DIGITS);
  return { sourceId: 'url', mediaId: hash, quality: 'original' };
}

/** A name for players: the last part of the URL's path where that looks like a file's name, else null. */
export function filenameOf(url: string): string | null {
  const last = URL.canParse(url) ? (new URL(url).pathname.split('/').at(-1) ?? '') : '';
  let name: string;
  try {
    name = decodeURIComponent(last);
  } catch {
    name = last;
  }
  return /^[^/\\]+\.[A-Za-z0-9]{1,8}$/.test(name) ? name : null;
}

/** The extension of `filename` with its dot, where it is plain enough for a path; else nothing. */
export function extensionOf(filename: string | null): string {
  return /\.[A-Za-z0-9]{1,8}$/.exec(filename ?? '')?.[0].toLowerCase() ?? '';
}

/** A reference as a user types it. Null where it cannot name anything. */
function parseRef(text: string): { readonly id: number } | { readonly url: string } | { readonly key: EntryKey } | null {
  if (/^\d{1,15}$/.test(text)) return { id: Number(text) };
  if (/^https?:\/\//i.test(text)) return { url: text };
  const parts = text.split('/');
  if (parts.length !== 3 || parts.some((part) => part === '')) return null;
  try {
    const [sourceId, mediaId, quality] = parts.map(decodeURIComponent) as [string, string, string];
    return { key: { sourceId, mediaId, quality } };
  } catch {
    return null;
  }
}

/**
 * The entry that `ref` names, or null.
 * @param keyOf names the entry of a URL that was registered without names
 */
export async function findEntry(repository: CacheRepository, ref: Ref, keyOf: (url: string) => EntryKey): Promise<EntryRow | null> {
  if (typeof ref === 'number') return repository.getEntry(ref);
  if (typeof ref !== 'string') return repository.findEntry(ref);
  const parsed = parseRef(ref);
  if (parsed === null) return null;
  if ('id' in parsed) return repository.getEntry(parsed.id);
  if ('key' in parsed) return repository.findEntry(parsed.key);
  return (await repository.findEntry(keyOf(parsed.url))) ?? (await repository.findEntryByUrl(parsed.url));
}

/** `key` as `source/media/quality`, each part percent-encoded. */
export function formatKey(key: EntryKey): string {
  return [key.sourceId, key.mediaId, key.quality].map(encodeURIComponent).join('/');
}
