import type { ByteRange } from '../core/byte-ranges.ts';
import type { DownloadState } from '../core/download-state.ts';
import type { Priority } from '../core/priority.ts';
import type { Description } from '../core/validator.ts';
import type { BlockRecords } from './block-records.ts';
import type { EvictOutcome, EvictRequest } from './eviction-records.ts';

export { BEING_READ_MS, LEASE_MS, LEASE_REACH_MS, MAX_FILL_ROWS, RENEW_MS, TAKE_OVER_BYTES } from '../core/claim-rules.ts';
export type { BlockRef, BlockRow } from './block-records.ts';
export type { Evicted, EvictFor, EvictOutcome, EvictRequest } from './eviction-records.ts';

/** What names an entry. */
export interface EntryKey {
  readonly sourceId: string;
  readonly mediaId: string;
  readonly quality: string;
}

/** One row of `cache_entries`: a resource in the cache. Times are UTC milliseconds. */
export interface EntryRow extends EntryKey {
  /** Never reused. */
  readonly id: number;
  /** A secret. */
  readonly originalUrl: string;
  /** Sent to the origin with each request. Secrets. */
  readonly requestHeaders: Readonly<Record<string, string>>;
  /** The name shown to players, or null. */
  readonly filename: string | null;
  /** The sparse file of the current version, relative to the cache folder. */
  readonly filePath: string;
  /** Raised by every removal of bytes. */
  readonly epoch: number;
  readonly etag: string | null;
  readonly originLastModified: string | null;
  readonly mimeType: string | null;
  /** Bytes. 0: nothing heard from the origin yet, unless the entry is complete. Null: the origin gives no length. */
  readonly expectedTotalSize: number | null;
  readonly isComplete: boolean;
  /** Why the entry failed for good, or null. */
  readonly errorMessage: string | null;
  /** The origin's status that made it fail, or null. */
  readonly errorStatus: number | null;
  /** Tries in a row that failed for a passing reason. */
  readonly attempts: number;
  /** Background work waits until then. */
  readonly retryAt: number | null;
  /** The latest passing failure since the last byte, or null. */
  readonly lastError: string | null;
  /** False: the user paused it, or registered it so; nothing but what readers wait for is fetched. */
  readonly fillAllowed: boolean;
  readonly pinned: boolean;
  readonly lastAccessed: number;
  readonly accessCount: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface NewEntry extends EntryKey {
  readonly originalUrl: string;
  readonly requestHeaders: Readonly<Record<string, string>>;
  readonly filename: string | null;
  readonly filePath: string;
  readonly fillAllowed: boolean;
  readonly pinned: boolean;
}

/** What one query says about an entry around one byte. */
export interface ReadView {
  readonly entry: EntryRow;
  /** The span that covers the byte, or null. */
  readonly span: ByteRange | null;
  /** Where the next span after the byte begins, or null. */
  readonly nextSpanStart: number | null;
}

/** One row of the view `cache_entry_states`. */
export interface EntryStateRow extends EntryKey {
  readonly id: number;
  readonly state: DownloadState;
  readonly downloadedBytes: number;
  /** Null when it is not known: nothing heard yet, or no length given. */
  readonly expectedTotalSize: number | null;
  readonly spanCount: number;
  readonly pendingChunks: number;
  readonly errorMessage: string | null;
}

/** An entry together with its derived state. */
export interface EntryWithState {
  readonly entry: EntryRow;
  readonly state: EntryStateRow;
  /** A row of the queue has a live lease. */
  readonly isActive: boolean;
}

export type EntrySort = 'id' | 'lastAccessed' | 'createdAt' | 'name';

export interface EntryQuery {
  readonly state?: DownloadState;
  readonly sourceId?: string;
  /** Part of the source, the media id, the quality or the file name. */
  readonly search?: string;
  readonly sort?: EntrySort;
  /** At least 1, at most 1,000. */
  readonly limit: number;
  /** From the page before. */
  readonly cursor?: string;
}

export interface EntryPage {
  readonly entries: readonly EntryWithState[];
  readonly nextCursor: string | null;
}

/** The claim of one byte: see `CacheRepository.ensure`. */
export interface EnsureRequest {
  readonly entryId: number;
  /** The epoch the plan was made in. */
  readonly epoch: number;
  /** The byte that is wanted. */
  readonly offset: number;
  /** A new row ends here at the latest, or null. An existing row keeps its end. */
  readonly limit: number | null;
  readonly priority: Priority;
  /** What the row is held as, where that is not how it is asked for: work that no reader waits for may take over as a reader does. */
  readonly heldAs?: Priority;
  /** The most bytes of a new row. */
  readonly chunkSize: number;
  /** How many neighbouring rows to claim together, at least 1; the first decides the outcome. */
  readonly rows: number;
  /** Recorded bytes, leased rows and trash may not exceed this many bytes together; null: no limit. */
  readonly quota: number | null;
}

export type EnsureOutcome =
  /** The epoch moved, the entry is gone, or the byte lies beyond the end: plan again. */
  | { readonly kind: 'gone' }
  /** A span covers the byte. */
  | { readonly kind: 'present'; readonly span: ByteRange }
  /** Somebody holds it until `leaseUntil`. `own`: this process. */
  | { readonly kind: 'theirs'; readonly row: ByteRange; readonly leaseUntil: number; readonly own: boolean }
  /** Granted: from the byte to `end`. `hasSpans`: the entry's file holds bytes already. `requested`: the user asked for it. */
  | { readonly kind: 'mine'; readonly end: number; readonly hasSpans: boolean; readonly requested: boolean }
  /** Background work only takes rows that exist, and there is none any more. */
  | { readonly kind: 'unwanted' }
  /** The quota leaves no room for `bytes` bytes more: `needed` bytes would have to go. */
  | { readonly kind: 'full'; readonly needed: number; readonly bytes: number };

/** What counts against the quota, in bytes. */
export interface CacheUsage {
  /** Sum over all spans, kept by triggers. */
  readonly recordedBytes: number;
  /** Bytes of leased rows. */
  readonly leasedBytes: number;
  /** Bytes of files that are removed but not unlinked yet. */
  readonly trashBytes: number;
}

/** What an answer of the origin said of its version. */
export interface DescribeRequest {
  readonly entryId: number;
  /** The epoch the fetch began in. */
  readonly epoch: number;
  /** Held against what is recorded, and recorded where nothing is. */
  readonly description: Description;
  /** Headers of the answer to pass on; recorded with the description. */
  readonly headers: Readonly<Record<string, string>>;
}

export type DescribeOutcome =
  /** What the answer said is now, or was already, what the epoch stands for. */
  | { readonly kind: 'described' }
  /** The epoch moved or the entry is gone. */
  | { readonly kind: 'gone' }
  /** The epoch stands for another version: forget its bytes first. */
  | { readonly kind: 'changed' };

/** Bytes that are durable in the entry's file. */
export interface CommitRequest extends DescribeRequest {
  readonly range: ByteRange;
  /** As in `EnsureRequest`; counts only for bytes that no lease reserves room for any more. Unset: no limit. */
  readonly quota?: number | null;
}

/** The end of a resource whose length no header told. */
export interface FinishRequest extends DescribeRequest {
  readonly total: number;
}

export type CommitOutcome =
  | { readonly kind: 'committed'; readonly complete: boolean }
  /** The epoch moved, the entry is gone, or the lease is and the quota has no room without it: nothing was recorded; plan again. */
  | { readonly kind: 'gone' }
  /** The recorded version is another one: nothing was recorded. */
  | { readonly kind: 'changed' };

/** A row that this process holds. */
export interface HeldRow extends ByteRange {
  readonly entryId: number;
  readonly epoch: number;
  readonly priority: Priority;
}

/** Nothing is given up where the epoch moved: what is leased there now belongs to another fetch. */
export type ReleaseRequest = { entryId: number; epoch: number; range: ByteRange; fill: boolean; spareReaders?: boolean };

/** A row that is leased for a reader, by this process or another. */
export interface ReaderLease {
  readonly entryId: number;
  /** Of the entry. A secret. */
  readonly url: string;
  /** The first byte that is not recorded yet. */
  readonly start: number;
}

/** A row that background work could claim. */
export interface PendingRow extends ByteRange {
  readonly entry: EntryRow;
  readonly priority: Priority;
}

export interface CacheStatistics extends CacheUsage {
  readonly entries: number;
}

/** A file whose removal is recorded but perhaps not carried out. */
export interface TrashedFile {
  readonly id: number;
  readonly filePath: string;
}

/** A process that serves this cache; see `announce`. */
export interface ServerRecord {
  readonly baseUrl: string;
  readonly process: string;
  readonly startedAt: number;
}

/**
 * The database: the only holder of what a download's state is computed from. All times that go in are UTC milliseconds from the caller's clock.
 *
 * Reads answer from the last committed state. Writes of one process are carried out in the order of the calls, several in one transaction; each one
 * is atomic, and its promise resolves after the commit.
 *
 * Every method rejects with SeekwellError DATABASE_BUSY when another program holds the database for long, DATABASE_UNUSABLE when it is broken, and
 * CLOSED after `close`.
 */
export interface CacheRepository extends BlockRecords {
  // State: computed from the tables, each time.

  /** One row of the view, or null where there is no entry. */
  state(key: EntryKey): Promise<EntryStateRow | null>;
  /** An entry with its state, or null. */
  entryWithState(id: number, now: number): Promise<EntryWithState | null>;
  /** A page of entries with their states. @throws SeekwellError BAD_REQUEST for a cursor that is not one of ours */
  entriesWithState(query: EntryQuery, now: number): Promise<EntryPage>;
  getDownloadedBytes(id: number): Promise<number>;
  /** How many spans the entry has. */
  getChunkCount(id: number): Promise<number>;
  /** Whether the queue has a row of the entry. */
  hasPendingDownloads(id: number): Promise<boolean>;
  /** Whether a row of the entry waits for somebody to fetch it. */
  hasIdleRows(id: number): Promise<boolean>;
  /** Whether one span covers all of `range`. */
  hasByteRange(id: number, range: ByteRange): Promise<boolean>;
  /** What of `range` no span covers. */
  missingRanges(id: number, range: ByteRange): Promise<ByteRange[]>;
  /** The spans in order, from the one that covers or follows `from` on, at most `limit` of them. */
  spans(id: number, from?: number, limit?: number): Promise<ByteRange[]>;

  // Entries.

  findEntry(key: EntryKey): Promise<EntryRow | null>;
  getEntry(id: number): Promise<EntryRow | null>;
  /** The oldest entry that was registered for exactly this URL, or null. */
  findEntryByUrl(url: string): Promise<EntryRow | null>;
  /** The entry and the spans around one byte in one query, or null where there is no entry. */
  readView(id: number, offset: number): Promise<ReadView | null>;
  readViewByKey(key: EntryKey, offset: number): Promise<ReadView | null>;
  /** What `readViewByKey` answered before, if nothing was committed from then to when `changeToken` gave `token()`, which is called only where that decides; null: ask. */
  recentView(key: EntryKey, offset: number, token: () => number): ReadView | null;
  /** The recorded headers to pass on, by lower-case name. */
  headersOf(id: number): Promise<Record<string, string>>;
  /** Adds the entry, or gives the one that has the key. */
  addEntry(entry: NewEntry, now: number): Promise<{ readonly entry: EntryRow; readonly created: boolean }>;
  /** Gives the entry another URL and other headers: signed links expire. False where there is no entry. */
  rebind(id: number, location: { readonly url: string; readonly headers: Readonly<Record<string, string>> }, now: number): Promise<boolean>;
  /** Notes that somebody reads the entry. */
  touch(id: number, now: number): Promise<void>;
  setPinned(id: number, pinned: boolean): Promise<boolean>;

  // Claims and spans: "The life of a row, a lease, a span, a file".

  /** Claims the row of a byte that is wanted, in the caller's name. */
  ensure(request: EnsureRequest, now: number): Promise<EnsureOutcome>;
  /**
   * Binds the epoch to the version that an answer belongs to, before the first byte of it is written. Without this, two fetches that begin before any
   * span is recorded could write two versions into one file, and only one of them would learn it from its commit.
   */
  describe(request: DescribeRequest): Promise<DescribeOutcome>;
  /** Records bytes that are durable. Needs the epoch, not the lease. */
  commit(request: CommitRequest, now: number): Promise<CommitOutcome>;
  /** Records where the resource ends: known at the end of a body without a length, and for an empty resource. */
  finish(request: FinishRequest, now: number): Promise<CommitOutcome>;
  /** Extends this process's leases. Returns the rows that are still held. */
  renew(now: number): Promise<HeldRow[]>;
  /** Gives up this process's rows of the entry within `range`: back to the queue where somebody asked for them, else gone. `fill`: the process fills. */
  release(request: ReleaseRequest, now: number): Promise<void>;
  /** As `release`, for every row whose lease is not live, or whose holder is one of `dead`. Returns how many there were. */
  sweep(fill: boolean, now: number, dead?: readonly string[]): Promise<number>;
  /** Who holds leases, live or not. */
  leaseHolders(): Promise<string[]>;
  /**
   * Plans LOW rows over what is missing, where filling is allowed; an entry's rows are at most `MAX_FILL_ROWS` after it, and grow beyond the chunk size
   * where that takes larger ones. Returns how many rows were added.
   */
  fill(request: { entryId: number; epoch: number; chunkSize: number }, now: number): Promise<number>;
  /**
   * Plans MEDIUM rows over what is missing of `ranges` and raises LOW ones that lie there. Ranges beyond a known total are cut. What is asked for counts
   * as accessed now. Returns how many rows of the entry are now asked for by the user.
   */
  prefetch(request: { entryId: number; ranges: readonly ByteRange[]; chunkSize: number }, now: number): Promise<number>;
  /** Deletes the rows nobody waits for and notes that the user wants no more. False where there is no entry. */
  pause(id: number, now: number): Promise<boolean>;
  /** Forgets a failure and its backoff, and allows filling again. False where there is no entry. */
  retry(id: number, now: number): Promise<boolean>;
  /** Notes a permanent failure and deletes the entry's rows. */
  fail(request: { entryId: number; epoch: number; message: string; status: number | null }, now: number): Promise<void>;
  /** Notes a passing failure: background work on the entry waits until `retryAt`. Returns the tries that failed in a row. */
  delay(request: { entryId: number; epoch: number; message: string; retryAt: number }, now: number): Promise<number>;
  /**
   * Background work that could be claimed now, at most one row an entry: the most urgent first, among equals the entry that was read last. Exact while
   * no more than some hundreds of entries have rows; beyond that a choice among the first of the queue and those read last.
   */
  pendingWork(limit: number, now: number): Promise<PendingRow[]>;
  /** What is fetched for readers now, or ahead of them, by whichever process. */
  readerLeases(now: number): Promise<ReaderLease[]>;
  /** When there may be background work that there is not now: the next backoff of an entry with rows is over, or the next lease. Null: not by itself. */
  nextWorkAt(now: number): Promise<number | null>;

  // Removal: durable before any byte is unlinked.

  /** Forgets an entry's bytes: epoch + 1, `newFilePath` from now on. False where the epoch moved or the entry is gone. */
  removeBytes(request: { entryId: number; epoch: number; newFilePath: string }, now: number): Promise<boolean>;
  /**
   * Makes room: removes the bytes of whole entries, as `removeBytes` does, the least recently accessed first, and no more than are needed when it is
   * carried out. The trash counts as gone already. Spared are, always, pinned entries, the one that asks, and those that somebody fetches for a reader;
   * `reader` and `quota` take what is being read (`BEING_READ_MS`) and what is fetched in the background only when nothing else is left; `background`
   * takes neither of them, nor what was accessed later than the entry that asks.
   *
   * Nothing is evicted for `bytes` that cannot be had: where all that may go is too little, or where the entry that asks is larger than the quota less
   * what other entries have pinned. What exceeds the quota already is evicted in any case.
   */
  evict(request: EvictRequest, now: number): Promise<EvictOutcome>;
  /** Deletes an entry. False where there is none. */
  deleteEntry(id: number, now: number): Promise<boolean>;
  trash(): Promise<TrashedFile[]>;
  /** Forgets a removed file once it is unlinked. */
  forgetTrash(id: number): Promise<void>;
  /** Whether an entry or the trash names this file. */
  ownsFile(filePath: string): Promise<boolean>;

  // The whole.

  statistics(): Promise<CacheStatistics>;
  /** The part of `statistics` that costs little, however many entries there are. */
  usage(): Promise<CacheUsage>;
  /** Changes whenever any process committed something: a hint to look again. Cheap (2.7 µs measured). */
  changeToken(): number;
  /** Calls `changed` soon after any process committed something, this one too; a hint that may not come. Returns what ends it. */
  watch(changed: () => void): () => void;
  /** Records that this process serves the cache at `baseUrl`, for commands that print stream URLs; null takes it back. */
  announce(baseUrl: string | null, now: number): Promise<void>;
  /** Everybody who announced and did not take it back; some may be dead. */
  servers(): Promise<ServerRecord[]>;
  /** Forgets the announcements of `processes`, which run no more. */
  forgetServers(processes: readonly string[]): Promise<void>;
  close(): Promise<void>;
}
