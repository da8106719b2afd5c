import type { ChunkStore } from '../chunk-store/chunk-store.ts';
import type { Clock } from '../clock.ts';
import type { CacheRepository } from '../repository/cache-repository.ts';
import type { EntryRemoval } from './entry-removal.ts';
import type { Room } from './room.ts';
import { pause } from './signal.ts';

/** After this many files others get their turn: asking for owners keeps the thread. */
const FILES_AT_ONCE = 256;

/** What `gc` did. Sizes in bytes. */
export interface CollectReport {
  /** Entries whose bytes were evicted to get down to the quota. */
  readonly evictedEntries: number;
  readonly evictedBytes: number;
  /** Files that an earlier removal had left, and that are unlinked now. */
  readonly finishedRemovals: number;
  /** Files that no entry owned, and that are unlinked now. */
  readonly strayFiles: number;
  /** What is recorded now. */
  readonly recordedBytes: number;
  /** The most that may be recorded, as quota and disk are now; null: no limit. */
  readonly limitBytes: number | null;
  /** By how much the limit is still exceeded: what does so is pinned, or fetched for a reader at this moment. */
  readonly excessBytes: number;
}

export interface CollectorParts {
  readonly repository: CacheRepository;
  readonly store: ChunkStore;
  readonly removal: EntryRemoval;
  readonly room: Room;
  readonly clock: Clock;
}

/** Brings the folder and the quota back to what the database says. Any number of processes may serve the cache meanwhile. */
export class GarbageCollector {
  readonly #parts: CollectorParts;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
  }

  async collect(): Promise<CollectReport> {
    const { repository, removal, room } = this.#parts;
    const finishedRemovals = await removal.emptyTrash();
    const { evicted, missing } = await room.shrink();
    const strayFiles = await this.#removeStrays();
    const { recordedBytes } = await repository.usage();
    return {
      evictedEntries: evicted.length,
      evictedBytes: evicted.reduce((sum, { bytes }) => sum + bytes, 0),
      finishedRemovals,
      strayFiles,
      recordedBytes,
      limitBytes: await room.limit(),
      excessBytes: missing,
    };
  }

  /**
   * The folder is listed before owners are asked for: a file is made only once its name is in the database, so that what was there and has no owner
   * afterwards lost it for good.
   */
  async #removeStrays(): Promise<number> {
    const { repository, store, clock } = this.#parts;
    const paths: string[] = [];
    for await (const path of store.list()) paths.push(path);
    let count = 0;
    for (const [index, path] of paths.entries()) {
      if (index % FILES_AT_ONCE === FILES_AT_ONCE - 1) await pause(clock, 0);
      if (await repository.ownsFile(path)) continue;
      await store.remove(path);
      count++;
    }
    return count;
  }
}
