import type { Entry } from '../cached-entry.ts';
import { redactedUrl } from '../core/redacted-url.ts';
import { SeekwellError } from '../errors.ts';
import type { FileCache } from '../file-cache.ts';

/** How the ENTRY argument is described in help texts. */
export const ENTRY_HELP = 'id, source/media/quality, or the URL';

/** `ref` as it may be repeated in a message. */
function shownRef(ref: string): string {
  if (/^https?:\/\//i.test(ref)) return redactedUrl(ref);
  // Something like an address of another kind may hold a password.
  return /[@?]|:\/\//.test(ref) || ref.length > 200 ? 'that name' : `"${ref}"`;
}

/** @throws SeekwellError ENTRY_NOT_FOUND */
export function noSuchEntry(ref: string): SeekwellError {
  return new SeekwellError('ENTRY_NOT_FOUND', `there is no entry ${shownRef(ref)}`);
}

/**
 * The entries that `refs` name; nothing is done before all are known.
 * @param cache null: there is no cache yet
 * @throws SeekwellError ENTRY_NOT_FOUND
 */
export async function entriesOf(cache: FileCache | null, refs: readonly string[]): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (const ref of refs) {
    const entry = (await cache?.get(ref)) ?? null;
    if (entry === null) throw noSuchEntry(ref);
    entries.push(entry);
  }
  return entries;
}
