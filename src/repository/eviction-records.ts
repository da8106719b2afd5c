/** Whose need an eviction serves, and so what it spares: see `CacheRepository.evict`. */
export type EvictFor = 'reader' | 'background' | 'quota';

export interface EvictRequest {
  readonly for: EvictFor;
  /** The entry that asks, which is spared; null for `quota`. */
  readonly entryId: number | null;
  /** Recorded bytes, leased rows and `bytes` may exceed this many no more. */
  readonly quota: number;
  /** Room that is asked for beyond what is there, in bytes. */
  readonly bytes: number;
  /** Paths for the next versions of what is evicted, without extension: at most as many entries are evicted. */
  readonly newFilePaths: readonly string[];
}

/** An entry whose bytes are gone; its file is in the trash. */
export interface Evicted {
  readonly entryId: number;
  readonly bytes: number;
}

export interface EvictOutcome {
  readonly evicted: readonly Evicted[];
  /** Bytes by which there is still no room, whoever empties the trash; 0: there is. */
  readonly missing: number;
}
