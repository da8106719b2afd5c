import type { Clock, Timer } from '../clock.ts';
import { type CacheRepository, type HeldRow, RENEW_MS } from '../repository/cache-repository.ts';
import type { FetchTable } from './fetch-table.ts';

/** Extends this process's leases while anything is fetched, and takes note of rows that others took over. No timer runs while nothing is. */
export class LeaseKeeper {
  readonly #repository: CacheRepository;
  readonly #clock: Clock;
  readonly #fetches: FetchTable;
  readonly #fill: boolean;
  #timer: Timer | null = null;
  /** What no fetch worked off at the last renewal. */
  #idle = new Set<string>();

  /** @param fill whether this process fills */
  constructor(repository: CacheRepository, clock: Clock, fetches: FetchTable, fill: boolean) {
    this.#repository = repository;
    this.#clock = clock;
    this.#fetches = fetches;
    this.#fill = fill;
  }

  /** A fetch began. */
  keep(): void {
    this.#timer ??= this.#clock.after(RENEW_MS, () => {
      this.#timer = null;
      if (this.#fetches.size === 0) return;
      this.keep();
      void this.#renew();
    });
  }

  close(): void {
    this.#timer?.cancel();
  }

  async #renew(): Promise<void> {
    const before = [...this.#fetches.all()].map((fetch) => ({ fetch, limit: fetch.limit }));
    try {
      const rows = await this.#repository.renew(this.#clock.now());
      for (const { fetch, limit } of before) {
        // A limit that moved meanwhile was claimed after the rows were read, or given up already.
        if (fetch.limit !== limit || fetch.position > limit) continue;
        const own = rows.filter((row) => row.entryId === fetch.entry.id).sort((a, b) => a.start - b.start);
        let held = fetch.position - 1;
        for (const row of own) if (row.start <= held + 1 && row.end > held) held = row.end;
        fetch.truncate(held);
      }
      await this.#releaseIdle(rows);
    } catch {
      // The leases end by themselves; the epoch keeps what is written true.
    }
  }

  /** Giving a row back may have failed: it must not be held for as long as anything else is fetched. What has just been claimed is idle but once. */
  async #releaseIdle(rows: readonly HeldRow[]): Promise<void> {
    const idle = rows.filter((row) => !this.#isWorkedOff(row));
    const before = this.#idle;
    this.#idle = new Set(idle.map(nameOf));
    for (const row of idle) {
      if (!before.has(nameOf(row))) continue;
      const { entryId, epoch } = row;
      await this.#repository.release({ entryId, epoch, range: row, fill: this.#fill }, this.#clock.now());
    }
  }

  #isWorkedOff(row: HeldRow): boolean {
    for (const fetch of this.#fetches.of(row.entryId))
      if (fetch.entry.epoch === row.epoch && fetch.start <= row.end && fetch.limit >= row.start) return true;
    return false;
  }
}

function nameOf({ entryId, start, end }: HeldRow): string {
  return `${entryId}:${start}-${end}`;
}
