import type { ByteRange } from '../core/byte-ranges.ts';
import { PRIORITY, type Priority } from '../core/priority.ts';
import type { CacheRepository, EnsureOutcome, EntryRow } from '../repository/cache-repository.ts';
import type { Claims } from './claims.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { DemandTable } from './demand-table.ts';
import type { DownloadSettings } from './download-settings.ts';
import type { FetchTable } from './fetch-table.ts';
import type { ReaderDemand } from './reader-demand.ts';
import { fairRows } from './run-rows.ts';

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
  /** Fetches what was granted from `offset` on. */
  start(entry: EntryRow, offset: number, granted: Granted, priority: Priority): void;
}

/** Gives readers that take bytes as fast as they come more connections, to what lies nearest ahead of them. */
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
        this.#parts.start(view.entry, offset, outcome, PRIORITY.HIGH);
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
