import type { DownloadState } from '../../core/download-state.ts';
import type { EntryRow, EntryStateRow } from '../cache-repository.ts';

/** A row of `cache_entries` as SQLite gives it. */
export interface RawEntry {
  id: number;
  source_id: string;
  media_id: string;
  quality: string;
  original_url: string;
  request_headers: string;
  filename: string | null;
  file_path: string;
  epoch: number;
  etag: string | null;
  origin_last_modified: string | null;
  mime_type: string | null;
  expected_total_size: number | null;
  is_complete: number;
  error_message: string | null;
  error_status: number | null;
  attempts: number;
  retry_at: number | null;
  last_error: string | null;
  fill_allowed: number;
  pinned: number;
  last_accessed: number;
  access_count: number;
  created_at: number;
  updated_at: number;
}

/** Every column of `cache_entries`. */
export const ENTRY_COLUMNS: readonly (keyof RawEntry)[] = [
  'id',
  'source_id',
  'media_id',
  'quality',
  'original_url',
  'request_headers',
  'filename',
  'file_path',
  'epoch',
  'etag',
  'origin_last_modified',
  'mime_type',
  'expected_total_size',
  'is_complete',
  'error_message',
  'error_status',
  'attempts',
  'retry_at',
  'last_error',
  'fill_allowed',
  'pinned',
  'last_accessed',
  'access_count',
  'created_at',
  'updated_at',
];

/** A row of the view as SQLite gives it. */
export interface RawState {
  cache_entry_id: number;
  source_id: string;
  media_id: string;
  quality: string;
  state: DownloadState;
  downloaded_bytes: number;
  expected_total_size: number | null;
  span_count: number;
  pending_chunks: number;
  error_message: string | null;
}

export function toEntry(raw: RawEntry): EntryRow {
  return {
    id: raw.id,
    sourceId: raw.source_id,
    mediaId: raw.media_id,
    quality: raw.quality,
    originalUrl: raw.original_url,
    requestHeaders: raw.request_headers === '{}' ? {} : (JSON.parse(raw.request_headers) as Record<string, string>),
    filename: raw.filename,
    filePath: raw.file_path,
    epoch: raw.epoch,
    etag: raw.etag,
    originLastModified: raw.origin_last_modified,
    mimeType: raw.mime_type,
    expectedTotalSize: raw.expected_total_size,
    isComplete: raw.is_complete === 1,
    errorMessage: raw.error_message,
    errorStatus: raw.error_status,
    attempts: raw.attempts,
    retryAt: raw.retry_at,
    lastError: raw.last_error,
    fillAllowed: raw.fill_allowed === 1,
    pinned: raw.pinned === 1,
    lastAccessed: raw.last_accessed,
    accessCount: raw.access_count,
    createdAt: raw.created_at,
    updatedAt: raw.updated_at,
  };
}

export function toState(raw: RawState): EntryStateRow {
  const heard = raw.expected_total_size !== 0 || raw.state === 'Complete';
  return {
    id: raw.cache_entry_id,
    sourceId: raw.source_id,
    mediaId: raw.media_id,
    quality: raw.quality,
    state: raw.state,
    downloadedBytes: raw.downloaded_bytes,
    expectedTotalSize: heard ? raw.expected_total_size : null,
    spanCount: raw.span_count,
    pendingChunks: raw.pending_chunks,
    errorMessage: raw.error_message,
  };
}
