import type { Clock } from '../clock.ts';
import { BoundedMap } from '../core/bounded-map.ts';
import type { CacheRepository, EntryRow } from '../repository/cache-repository.ts';

/** How often it is noted that an entry is read, in milliseconds. */
const NOTED_MS = 60_000;
/** Hints beyond this many are forgotten, all at once. */
const MAX_HINTS = 10_000;

/** Notes in the database that entries are read: what is evicted goes by it. */
export class AccessNotes {
  readonly #repository: CacheRepository;
  readonly #clock: Clock;
  /** When this process last noted it of an entry, UTC milliseconds: a hint that saves a write. */
  readonly #noted = new BoundedMap<number, number>(MAX_HINTS);

  constructor(repository: CacheRepository, clock: Clock) {
    this.#repository = repository;
    this.#clock = clock;
  }

  /** `entry` is read now; noted at most once a minute. */
  note(entry: EntryRow): void {
    const now = this.#clock.now();
    const before = entry.accessCount === 0 ? 0 : entry.lastAccessed;
    if (now - Math.max(before, this.#noted.get(entry.id) ?? 0) < NOTED_MS) return;
    this.#noted.set(entry.id, now);
    void this.#repository.touch(entry.id, now).catch(() => {});
  }
}
