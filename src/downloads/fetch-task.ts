import type { ChunkStore } from '../chunk-store/chunk-store.ts';
import type { Clock } from '../clock.ts';
import { BoundedMap } from '../core/bounded-map.ts';
import type { ByteRange } from '../core/byte-ranges.ts';
import type { RangeSpec } from '../core/http-range.ts';
import type { Priority } from '../core/priority.ts';
import type { Description } from '../core/validator.ts';
import type { OriginClient } from '../origin/origin-client.ts';
import type { CacheRepository, EnsureOutcome, EntryRow } from '../repository/cache-repository.ts';
import type { BlockKeeper } from './span-recorder.ts';

/** A hint: parsing a URL again and again, for each row that waits, is work for nothing. */
const origins = new BoundedMap<string, string>(1_024);

/** The origin of a URL: what limits on connections count. */
export function originOf(url: string): string {
  const known = origins.get(url);
  if (known !== undefined) return known;
  const origin = URL.canParse(url) ? new URL(url).origin : url;
  origins.set(url, origin);
  return origin;
}

/** What a guide asks of a fetch. */
export interface FetchUnderWay {
  readonly entry: EntryRow;
  /** Scheme, host and port of the entry's URL: what limits on connections count. */
  readonly origin: string;
  readonly priority: Priority;
  /** The first byte it writes, or wrote. */
  readonly start: number;
  /** The next byte that will be written. */
  readonly position: number;
  /** The last byte it holds a claim for. */
  readonly limit: number;
  /** Bytes a millisecond since the first ones came; 0 before. */
  readonly rate: number;
  /** The origin sends the whole resource, front to back, whatever was asked for. */
  readonly wholeBody: boolean;
  setPriority(priority: Priority): void;
  /** Ends it; what was written is recorded. */
  stop(): void;
}

/** Who else wants bytes, and how fast they may come: what a fetch asks its manager. */
export interface FetchGuide {
  /** The fetch will soon have all it holds: whoever reads on needs another one. */
  nearEnd(fetch: FetchUnderWay): void;
  /** Claims `offset`, where the whole body that an origin sends goes on; null where nobody wants it. */
  claimNext(fetch: FetchUnderWay, offset: number): Promise<EnsureOutcome | null>;
  /** Claims where the body turned out to begin: a suffix, or a whole resource from an origin that refuses ranges. `held` is given back for it. */
  claimStart(
    fetch: FetchUnderWay,
    body: { readonly start: number; readonly end: number | null },
    held: ByteRange | null,
  ): Promise<EnsureOutcome>;
  /** The most bytes that are written at once. */
  readonly portion: number;
  /** Milliseconds after which to ask again, now that `bytes` more were written; 0: go on. */
  throttle(fetch: FetchUnderWay, bytes: number): number;
  /** Bytes were recorded. */
  recorded(fetch: FetchUnderWay, complete: boolean): void;
}

export interface FetchTask {
  readonly entry: EntryRow;
  /** What to ask the origin for. */
  readonly spec: RangeSpec;
  /** The last byte that is claimed, from the spec's start on; null for a suffix, which is claimed when it is known where it lies. */
  readonly claimedEnd: number | null;
  readonly priority: Priority;
  /** What it goes on as when no reader wants it; null: then it stops. */
  readonly purpose: Priority | null;
  /** What is known of the version whose bytes are recorded, or null. */
  readonly expected: Description | null;
  /** Spans of the entry were recorded when the claim was made: its file exists. */
  readonly hasSpans: boolean;
  /** Whether there may be one more connection, to be ready for what a reader asks for next; null where no reader is fetched for. */
  readonly spare: (() => boolean) | null;
}

export interface FetchParts {
  readonly repository: CacheRepository;
  readonly store: ChunkStore;
  readonly origin: OriginClient;
  readonly clock: Clock;
  readonly checker: BlockKeeper;
  readonly guide: FetchGuide;
  /** The most bytes the cache may hold; null: no limit. */
  readonly quota: number | null;
}
