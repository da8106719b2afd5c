import type { Clock } from './clock.ts';
import type { DownloadState } from './core/download-state.ts';
import type { CacheRepository, EntryKey, EntryWithState } from './repository/cache-repository.ts';

/** How many bytes from the start a player wants before it shows anything; resources that are smaller want all they have. */
const MINIMUM_DATA_BYTES = 1024 * 1024;

/** What is known of a download at one moment. Sizes in bytes. */
export interface DownloadStateInfo {
  /** Null where there is no entry. */
  readonly entryId: number | null;
  readonly state: DownloadState;
  readonly downloadedBytes: number;
  /** Null when it is not known: nothing heard from the origin yet, or it gives no length. */
  readonly totalBytes: number | null;
  /** 0 to 100; 100 when Complete, null while the total is not known. */
  readonly percent: number | null;
  /** Rows of the queue: byte ranges that somebody wants and that are not there yet. */
  readonly pendingChunks: number;
  /** Runs of bytes that are cached; 1 when all of a resource is there. */
  readonly spanCount: number;
  /** Why the download failed for good, or null. */
  readonly error: string | null;
  /** When the entry last changed (not: was read), UTC milliseconds; null where there is no entry. */
  readonly lastChange: number | null;
  /** Any bytes are cached. */
  readonly canServePartial: boolean;
  /** Bytes of the entry are being fetched: a row of the queue has a live lease. */
  readonly isActive: boolean;
  /** The first MiB is cached, or all of a resource that is smaller. False while nothing is known of the resource. */
  readonly hasMinimumData: boolean;
}

const WITHOUT_ENTRY: DownloadStateInfo = {
  entryId: null,
  state: 'NotStarted',
  downloadedBytes: 0,
  totalBytes: null,
  percent: null,
  pendingChunks: 0,
  spanCount: 0,
  error: null,
  lastChange: null,
  canServePartial: false,
  isActive: false,
  hasMinimumData: false,
};

/** Computes the state of downloads from the database, each time it is asked. Keeps nothing, so that nothing can be out of date. */
export class StateComputer {
  readonly #repository: CacheRepository;
  readonly #clock: Clock;

  constructor(repository: CacheRepository, clock: Clock) {
    this.#repository = repository;
    this.#clock = clock;
  }

  /** The state of the entry with this key; NotStarted where there is none. @throws SeekwellError DATABASE_UNUSABLE, DATABASE_BUSY, CLOSED */
  async state(key: EntryKey): Promise<DownloadStateInfo> {
    const entry = await this.#repository.findEntry(key);
    return entry === null ? WITHOUT_ENTRY : this.stateOf(entry.id);
  }

  /** The state of the entry with this id; NotStarted where there is none. @throws SeekwellError DATABASE_UNUSABLE, DATABASE_BUSY, CLOSED */
  async stateOf(id: number): Promise<DownloadStateInfo> {
    const found = await this.#repository.entryWithState(id, this.#clock.now());
    if (found === null) return WITHOUT_ENTRY;
    const { entry, state, isActive } = found;
    return {
      entryId: id,
      state: state.state,
      downloadedBytes: state.downloadedBytes,
      totalBytes: state.expectedTotalSize,
      percent: percentOf(found),
      pendingChunks: state.pendingChunks,
      spanCount: state.spanCount,
      error: state.errorMessage,
      lastChange: entry.updatedAt,
      canServePartial: state.downloadedBytes > 0,
      isActive,
      hasMinimumData: await this.#hasMinimumData(found),
    };
  }

  async #hasMinimumData({ entry, state }: EntryWithState): Promise<boolean> {
    if (state.state === 'Complete') return true;
    if (state.downloadedBytes === 0) return false;
    const end = Math.min(MINIMUM_DATA_BYTES, state.expectedTotalSize ?? MINIMUM_DATA_BYTES) - 1;
    return this.#repository.hasByteRange(entry.id, { start: 0, end });
  }
}

function percentOf({ state }: EntryWithState): number | null {
  if (state.state === 'Complete') return 100;
  if (state.expectedTotalSize === null) return null;
  return Math.min(100, (state.downloadedBytes / state.expectedTotalSize) * 100);
}
