/** What the user chose about fetching. Sizes in bytes, rates in bytes a second. */
export interface DownloadSettings {
  /** Fetches at the same time for one entry. */
  readonly connections: number;
  /** Fetches at the same time from one origin; waiting readers go beyond it. */
  readonly connectionsPerOrigin: number;
  /** The most bytes of a row of the queue. */
  readonly chunkSize: number;
  /** How far ahead of a reader to fetch; null: 60 s of its rate, 32 to 512 MiB. */
  readonly lookahead: number | null;
  /** Whether an entry that a reader opened is completed when nothing better is to do. */
  readonly fill: boolean;
  /** The most bytes the cache may hold; null: no limit. */
  readonly quota: number | null;
  /** What to leave free on the disk, in bytes. */
  readonly minFree: number;
  /** Caps all fetches together; null: no limit. */
  readonly limitRate: number | null;
  /** Caps fetches that no reader waits for; null: no limit. */
  readonly backgroundLimitRate: number | null;
}
