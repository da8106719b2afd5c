import { isSeekwellError } from '../errors.ts';
import type { ChunkDownloader } from './chunk-downloader.ts';

/** What a reader gets who asks for a byte. */
export type Acquired =
  /** A fetch of this process brings it. */
  | { readonly kind: 'fetch'; readonly fetch: ChunkDownloader }
  /** Look again: it is there, or the entry is another. */
  | { readonly kind: 'again' }
  /** Another process holds it until `until` (UTC milliseconds). */
  | { readonly kind: 'elsewhere'; readonly until: number }
  /** It cannot be kept: pass it through. */
  | { readonly kind: 'uncacheable' };

/** A claim that the database could not take: bytes are passed through instead. */
export function withoutDatabase(error: unknown): { readonly kind: 'broken' } {
  if (isSeekwellError(error, 'DATABASE_BUSY', 'DATABASE_UNUSABLE', 'STORAGE_FAILED')) return { kind: 'broken' };
  throw error;
}
