import type { ChunkStore } from '../chunk-store/chunk-store.ts';
import type { Clock, Timer } from '../clock.ts';
import { blockAt } from '../core/blocks.ts';
import { type ByteRange, lengthOf, normalize } from '../core/byte-ranges.ts';
import type { CacheRepository, EntryRow } from '../repository/cache-repository.ts';
import type { CheckedBlocks } from './checked-blocks.ts';

/** What is recorded waits for the end of all fetches, but no longer than this, in milliseconds: what is read back soon comes from the system's memory. */
const MOST_MS = 2000;
/** Nor longer than until so many bytes wait. */
const MOST_BYTES = 256 * 1024 * 1024;
/** So many blocks are asked for, added up and recorded together. */
const STEP_BLOCKS = 16;

export interface BacklogParts {
  readonly repository: CacheRepository;
  readonly store: ChunkStore;
  readonly clock: Clock;
  /** What this process knows to be right. */
  readonly checked: CheckedBlocks;
  /** Takes work that nobody waits for, and hears of its failure: what waits of other files is added up all the same. */
  track(work: Promise<unknown>): void;
}

interface Waiting {
  /** As of the last commit: after a cut the same file goes on under another epoch. */
  entry: EntryRow;
  readonly ranges: ByteRange[];
}

/**
 * Recorded ranges whose whole blocks have no checksum yet. They get one together, when no fetch is under way: while bytes come fast, who waits for them needs the
 * processors. A block whose turn does not come, because the process is killed, gets its checksum from its next reader.
 */
export class ChecksumBacklog {
  readonly #parts: BacklogParts;
  /** By file path, which no other file ever gets. */
  readonly #waiting = new Map<string, Waiting>();
  #bytes = 0;
  #fetches = 0;
  #timer: Timer | null = null;
  #underWay: Promise<void> = Promise.resolve();

  constructor(parts: BacklogParts) {
    this.#parts = parts;
  }

  /** A fetch begins to record. */
  begun(): void {
    this.#fetches++;
  }

  /** A fetch has recorded all it will. */
  ended(): void {
    if (--this.#fetches === 0) this.flush();
  }

  /** `range` of `entry` was recorded. */
  add(entry: EntryRow, range: ByteRange): void {
    const waiting = this.#waiting.get(entry.filePath) ?? { entry, ranges: [] };
    waiting.entry = entry;
    waiting.ranges.push(range);
    this.#waiting.set(entry.filePath, waiting);
    this.#bytes += lengthOf(range);
    if (this.#bytes >= MOST_BYTES) this.flush();
    else this.#timer ??= this.#parts.clock.after(MOST_MS, () => this.flush());
  }

  /** Adds up all that waits, file by file, after what is under way. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const waiting of this.#waiting.values()) {
      const work = this.#underWay.then(() => this.#recordAll(waiting));
      this.#underWay = work.catch(() => {});
      this.#parts.track(work);
    }
    this.#waiting.clear();
    this.#bytes = 0;
  }

  async #recordAll({ entry, ranges }: Waiting): Promise<void> {
    for (const range of normalize(ranges)) {
      const last = blockAt(range.end);
      for (let first = blockAt(range.start); first <= last; first += STEP_BLOCKS)
        await this.#recordStep(entry, first, Math.min(last, first + STEP_BLOCKS - 1));
    }
  }

  async #recordStep(entry: EntryRow, first: number, last: number): Promise<void> {
    const { repository, store, clock, checked } = this.#parts;
    const { id: entryId, epoch } = entry;
    const rows = await repository.blocks({ entryId, epoch, first, last });
    const bare = rows?.filter((row) => row.whole && row.crc32 === null) ?? [];
    if (bare.length === 0) return;
    const file = await store.open(entry.filePath);
    if (file === null) return;
    try {
      const sums = await Promise.all(bare.map(async (row) => ({ row, sum: await file.checksum(row, 'idle') })));
      const checksums = sums.flatMap(({ row: { block }, sum }) => (sum.kind === 'whole' ? [{ block, crc32: sum.crc32 }] : []));
      if (checksums.length > 0) await repository.recordChecksums({ entryId, epoch, checksums }, clock.now());
      for (const { block } of checksums) checked.add(entry.filePath, block);
    } finally {
      await file.close();
    }
  }
}
