import type { Ending } from '../core/ending.ts';
import type { ChunkDownloader } from './chunk-downloader.ts';
import type { ReaderDemand } from './reader-demand.ts';

/** Who asks for a byte. */
export interface Asker {
  readonly demand: ReaderDemand;
  /** Ends the asking. */
  readonly ending: Ending;
  /** It only asks what the resource is. */
  readonly probe: boolean;
}

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
