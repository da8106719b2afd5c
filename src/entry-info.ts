import type { DownloadState } from './core/download-state.ts';
import { redactedUrl } from './core/redacted-url.ts';
import type { EntryWithState } from './repository/cache-repository.ts';

/** An entry as the library, the API and the commands show it. Holds no secret. Times are ISO 8601 in UTC, sizes in bytes. */
export interface EntryInfo {
  readonly id: number;
  readonly source: string;
  readonly media: string;
  readonly quality: string;
  readonly filename: string | null;
  /** Without its query, user and password. */
  readonly url: string;
  readonly state: DownloadState;
  /** Why it failed for good. */
  readonly error: string | null;
  /** The latest passing failure since the last byte. */
  readonly lastError: string | null;
  /** When background work tries again. */
  readonly retryAt: string | null;
  /** Null until it is known. */
  readonly expectedTotalSize: number | null;
  readonly downloadedBytes: number;
  /** 0 to 1; null while the total is not known. */
  readonly progress: number | null;
  readonly pendingChunks: number;
  readonly spanCount: number;
  readonly mimeType: string | null;
  readonly pinned: boolean;
  /** Whether it is completed in the background once a reader opened it. */
  readonly fill: boolean;
  /** Somebody fetches bytes of it now. */
  readonly active: boolean;
  readonly createdAt: string;
  readonly lastAccessed: string;
}

/** How much of the resource is there, 0 to 1; null while the total is not known. */
function progressOf(state: DownloadState, downloadedBytes: number, total: number | null): number | null {
  if (state === 'Complete') return 1;
  if (total === null || total === 0) return null;
  return Math.min(1, downloadedBytes / total);
}

export function toEntryInfo({ entry, state, isActive }: EntryWithState): EntryInfo {
  return {
    id: entry.id,
    source: entry.sourceId,
    media: entry.mediaId,
    quality: entry.quality,
    filename: entry.filename,
    url: redactedUrl(entry.originalUrl),
    state: state.state,
    error: entry.errorMessage,
    lastError: entry.lastError,
    retryAt: entry.retryAt === null ? null : new Date(entry.retryAt).toISOString(),
    expectedTotalSize: state.expectedTotalSize,
    downloadedBytes: state.downloadedBytes,
    progress: progressOf(state.state, state.downloadedBytes, state.expectedTotalSize),
    pendingChunks: state.pendingChunks,
    spanCount: state.spanCount,
    mimeType: entry.mimeType,
    pinned: entry.pinned,
    fill: entry.fillAllowed,
    active: isActive,
    createdAt: new Date(entry.createdAt).toISOString(),
    lastAccessed: new Date(entry.lastAccessed).toISOString(),
  };
}
