import type { EntryKey } from '../repository/cache-repository.ts';

/** Where streams are: `/stream/{source}/{media}/{quality}[/{filename}]`, each part percent-encoded. */
const STREAM_PATH = /^\/stream\/([^/]+)\/([^/]+)\/([^/]+)(?:\/[^/]*)?$/;

/** The entry that `path` (without a query) names; null where it is no stream's path. The file name is decoration. */
export function keyOfPath(path: string): EntryKey | null {
  const match = STREAM_PATH.exec(path);
  if (match === null) return null;
  try {
    const [sourceId, mediaId, quality] = match.slice(1, 4).map(decodeURIComponent) as [string, string, string];
    return { sourceId, mediaId, quality };
  } catch {
    // A malformed percent-encoding names nothing.
    return null;
  }
}
