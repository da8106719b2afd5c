import type { ByteRange } from '../core/byte-ranges.ts';
import { PRIORITY, type Priority } from '../core/priority.ts';
import type { CacheRepository, EnsureOutcome, EntryRow } from '../repository/cache-repository.ts';
import type { Claims } from './claims.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { DemandTable } from './demand-table.ts';
import type { DownloadSettings } from './download-settings.ts';
import type { FetchTable } from './fetch-table.ts';
import type { FetchUnderWay } from './fetch-task.ts';
import type { ReaderDemand } from './reader-demand.ts';
import { fairRows, rowsAfter } from './run-rows.ts';

/** Spans, rows and fetches that are passed over in search of a hole; beyond that it is looked for another time. */
const MAX_STEPS = 32;

export type Granted = Extract<EnsureOutcome, { kind: 'mine' }>;

export interface LookAheadParts {
  readonly repository: CacheRepository;
  readonly fetches: FetchTable;
  readonly demands: DemandTable;
  readonly limits: ConnectionLimits;
  readonly claims: Claims;
  readonly settings: DownloadSettings;
  /**
   * Fetches what was granted from `offset` on.
   * @param purpose as what it goes on when no reader wants it; null: as what the claim was made for, or not at all
   */
  start(entry: EntryRow, offset: number, granted: Granted, priority: Priority, purpose: Priority | null): void;
  /** There may be something to start. */
  room(): void;
}

/** Fetches what readers will come to, and gives those that take bytes as fast as they come more connections, to what lies nearest ahead of them. */
export class LookAhead {
  readonly #parts: LookAheadParts;

  constructor(parts: LookAheadParts) {
    this.#parts = parts;
  }

  /** Opens what may be opened now: one connection for each entry in turn, so that no reader gets a second one before the others have theirs. */
  async spread(): Promise<void> {
    let opened = true;
    while (opened) {
      opened = false;
      for (const [entryId, demands] of this.#parts.demands.hungry()) {
        for (const demand of demands) if (await this.#openFor(entryId, demand)) opened = true;
      }
    }
  }

  /** Fetches what follows `fetch`, which will soon have all it holds, for those who read on. */
  async followOn(fetch: FetchUnderWay): Promise<void> {
    const { repository, settings } = this.#parts;
    const offset = fetch.limit + 1;
    const view = await repository.readView(fetch.entry.id, offset);
    if (view === null || view.span !== null || view.entry.epoch !== fetch.entry.epoch) return;
    await this.follow(view.entry, offset, rowsAfter(fetch, settings.chunkSize));
  }

  /** How many rows a reader gets that waits for `offset`: where it comes from a fetch that ends there, as many as would have followed. */
  rowsFor(entry: EntryRow, offset: number): number {
    const { fetches, demands, settings } = this.#parts;
    const before = fetches.endingBefore(entry.id, entry.epoch, offset);
    return before === null ? 1 : Math.min(rowsAfter(before, settings.chunkSize), demands.rowsFrom(entry, offset));
  }

  /** Fetches the hole at `offset` before its readers get there, unless nobody wants it or somebody fetches it already. */
  async follow(entry: EntryRow, offset: number, rows: number): Promise<void> {
    const { fetches, demands, limits, claims, settings } = this.#parts;
    if (fetches.hasWholeBody(entry.id) || fetches.holding(entry.id, entry.epoch, offset) !== null) return;
    const until = demands.wantedUntil(entry, offset);
    if (until === null || !limits.allowsToFollow(entry)) return;
    const outcome = await claims.claim(entry, offset, {
      limit: settings.fill && entry.fillAllowed ? null : until,
      priority: PRIORITY.HIGH,
      rows: Math.min(rows, demands.rowsFrom(entry, offset)),
    });
    if (outcome.kind === 'mine') await this.begin(entry, offset, outcome, null);
  }

  /**
   * Fetches what was granted ahead of readers. They may have left while the claim was made: then nobody would end the fetch.
   * @param purpose as what it goes on without them; null: it is given back
   */
  async begin(entry: EntryRow, offset: number, granted: Granted, purpose: Priority | null): Promise<void> {
    const { demands, claims, start, room } = this.#parts;
    if (demands.wantedUntil(entry, offset) !== null) start(entry, offset, granted, PRIORITY.HIGH, purpose);
    else if (purpose !== null) start(entry, offset, granted, purpose, purpose);
    else {
      await claims.release(entry, { start: offset, end: granted.end });
      room();
    }
  }

  async #openFor(entryId: number, demand: ReaderDemand): Promise<boolean> {
    const { repository, limits, claims, demands, settings } = this.#parts;
    let offset = demand.position;
    for (let step = 0; step < MAX_STEPS; step++) {
      const view = await repository.readView(entryId, offset);
      if (view === null || !limits.allows(view.entry, PRIORITY.HIGH)) return false;
      const there = view.span ?? this.#fetched(view.entry, offset);
      if (there !== null) {
        offset = there.end + 1;
        continue;
      }
      const until = demands.wantedUntil(view.entry, offset);
      if (until === null || !demand.wants(offset)) return false;
      const outcome = await claims.claim(view.entry, offset, {
        limit: until,
        priority: PRIORITY.HIGH,
        rows: fairRows(Math.min(demand.horizon() - offset + 1, (until - offset + 1) / 2), settings),
      });
      if (outcome.kind === 'mine') {
        await this.begin(view.entry, offset, outcome, null);
        return true;
      }
      if (outcome.kind === 'present') offset = outcome.span.end + 1;
      else if (outcome.kind === 'theirs') offset = outcome.row.end + 1;
      else return false;
    }
    return false;
  }

  /** What a fetch of this process holds around `offset`; null where none does. */
  #fetched(entry: EntryRow, offset: number): ByteRange | null {
    const fetch = this.#parts.fetches.holding(entry.id, entry.epoch, offset);
    return fetch === null ? null : { start: fetch.start, end: Math.max(offset, fetch.limit) };
  }
}
