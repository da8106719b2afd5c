import type { Description } from '../core/validator.ts';
import type { EntryRow } from '../repository/cache-repository.ts';

/** What is known of the version that the entry's spans belong to; null before the origin was heard. */
export function knownVersion(entry: EntryRow): Description | null {
  if (entry.expectedTotalSize === 0 && !entry.isComplete) return null;
  return {
    validator: { etag: entry.etag, lastModified: entry.originLastModified },
    total: entry.expectedTotalSize,
    mimeType: entry.mimeType,
  };
}
