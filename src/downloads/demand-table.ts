import type { EntryRow } from '../repository/cache-repository.ts';
import type { FetchUnderWay } from './fetch-task.ts';
import type { ReaderDemand } from './reader-demand.ts';

/** What the readers of this process want, by entry. Each demand lives as long as its reader. */
export class DemandTable {
  readonly #byEntry = new Map<number, Set<ReaderDemand>>();
  readonly #chunkSize: number;

  /** @param chunkSize bytes that a reader of a paused entry may be ahead of itself */
  constructor(chunkSize: number) {
    this.#chunkSize = chunkSize;
  }

  add(entryId: number, demand: ReaderDemand): void {
    const demands = this.#byEntry.get(entryId) ?? new Set();
    this.#byEntry.set(entryId, demands.add(demand));
  }

  delete(entryId: number, demand: ReaderDemand): void {
    const demands = this.#byEntry.get(entryId);
    demands?.delete(demand);
    if (demands?.size === 0) this.#byEntry.delete(entryId);
  }

  /** Whether the reader of `demand` is still there. */
  holds(entryId: number, demand: ReaderDemand): boolean {
    return this.#byEntry.get(entryId)?.has(demand) ?? false;
  }

  has(entryId: number): boolean {
    return this.#byEntry.has(entryId);
  }

  /** The last byte that a reader asked for of those readers that want `offset` now; null where none does. */
  wantedUntil(entry: EntryRow, offset: number): number | null {
    let until: number | null = null;
    for (const demand of this.#of(entry.id)) {
      // A paused entry: its readers get their bytes, and only these are fetched, a chunk at a time.
      const wants = demand.wants(offset) && (entry.fillAllowed || offset - demand.position < this.#chunkSize);
      if (wants) until = Math.max(until ?? 0, demand.end);
    }
    return until;
  }

  /** How many rows from `offset` on lie within what its readers want now: at least the one of that byte. */
  rowsFrom(entry: EntryRow, offset: number): number {
    let last = offset;
    for (const demand of this.#of(entry.id)) if (demand.wants(offset)) last = Math.max(last, demand.horizon());
    return entry.fillAllowed ? Math.ceil((last - offset + 1) / this.#chunkSize) : 1;
  }

  /** Whether a reader wants what `fetch` brings. */
  want(fetch: FetchUnderWay): boolean {
    for (const demand of this.#of(fetch.entry.id)) {
      if (fetch.wholeBody) return true;
      if (demand.position <= Math.max(fetch.limit, fetch.position) && demand.horizon() >= fetch.position) return true;
    }
    return false;
  }

  /** The readers that take bytes as fast as they come, by entry. */
  hungry(): [number, ReaderDemand[]][] {
    const entries = [...this.#byEntry].map(([entryId, demands]): [number, ReaderDemand[]] => [
      entryId,
      [...demands].filter(({ isHungry }) => isHungry),
    ]);
    return entries.filter(([, demands]) => demands.length > 0);
  }

  /** Whether a reader of the entry takes bytes as fast as they come. */
  areHungry(entryId: number): boolean {
    for (const demand of this.#of(entryId)) if (demand.isHungry) return true;
    return false;
  }

  /** Whether any reader stands still until another process has brought its bytes. */
  areWaiting(): boolean {
    for (const demands of this.#byEntry.values()) for (const { waiting } of demands) if (waiting) return true;
    return false;
  }

  #of(entryId: number): Iterable<ReaderDemand> {
    return this.#byEntry.get(entryId) ?? [];
  }
}
