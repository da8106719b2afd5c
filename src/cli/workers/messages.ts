import type { Settings } from '../../config/load-settings.ts';
import type { CacheEventMap } from '../../downloads/cache-events.ts';
import type { ProcessCounts } from '../../process-counts.ts';

// What the processes of `serve --workers N` tell each other: nothing that an answer depends on. The database is where they agree.

/** What a worker is to do. It reads no configuration itself: what the file says now may be another thing. */
export interface Start {
  readonly settings: Settings;
  readonly token: string | null;
  /** Milliseconds that streams may go on when it must stop; null: as long as they move. */
  readonly drainMs: number | null;
}

/** Something happened in one process, as a hint for those who watch in others. */
export type Happened = {
  [Name in keyof CacheEventMap]: { readonly name: Name; readonly event: CacheEventMap[Name][0] };
}[keyof CacheEventMap];

export type ToWorker =
  | ({ readonly kind: 'start' } & Start)
  | { readonly kind: 'drain' }
  /** Asks for this worker's counts. */
  | { readonly kind: 'count'; readonly id: number }
  /** Answers `countAll`. */
  | { readonly kind: 'counted'; readonly id: number; readonly counts: ProcessCounts }
  /** Whether anybody in another worker watches. */
  | { readonly kind: 'tell'; readonly on: boolean }
  | { readonly kind: 'happened'; readonly events: readonly Happened[] };

export type ToPrimary =
  /** It listens to its primary from now on: what came before is lost. */
  | { readonly kind: 'here' }
  | { readonly kind: 'ready'; readonly url: string }
  /** Asks for the counts of all. */
  | { readonly kind: 'countAll'; readonly id: number }
  /** Answers `count`. */
  | { readonly kind: 'counted'; readonly id: number; readonly counts: ProcessCounts }
  /** Whether anybody watches here. */
  | { readonly kind: 'watched'; readonly on: boolean }
  | { readonly kind: 'happened'; readonly events: readonly Happened[] };
