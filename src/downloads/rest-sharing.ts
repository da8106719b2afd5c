import { PRIORITY, type Priority } from '../core/priority.ts';
import type { EntryRow } from '../repository/cache-repository.ts';
import type { Claims } from './claims.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { FetchTable } from './fetch-table.ts';
import type { Granted } from './look-ahead.ts';

/** A run that needs at least this long for its rest is shared with an idle connection, in milliseconds: several round trips. */
const WORTH_SHARING_MS = 500;

export interface RestSharingParts {
  readonly fetches: FetchTable;
  readonly limits: ConnectionLimits;
  readonly claims: Claims;
  /** A claim took `start` to `end` from who fetches it here. */
  takeOver(entry: EntryRow, start: number, end: number): void;
  /** Fetches what was granted from `offset` on, where it is still wanted. */
  start(entry: EntryRow, offset: number, granted: Granted, priority: Priority): Promise<void>;
}

/** Has connections that found no row take part in what others still have to do, so that all end together. */
export class RestSharing {
  readonly #parts: RestSharingParts;

  constructor(parts: RestSharingParts) {
    this.#parts = parts;
  }

  /** An idle connection takes half of what the slowest fetch of an entry that no reader waits for has left. False: there is nothing worth sharing. */
  async share(entryId: number): Promise<boolean> {
    const { fetches, limits, claims } = this.#parts;
    const slowest = fetches.slowestUnread(entryId, WORTH_SHARING_MS);
    if (slowest === null || !limits.allows(slowest.entry, slowest.priority)) return false;
    const { entry, priority, arriving } = slowest;
    const total = slowest.heard?.description.total ?? null;
    if (total === null) return false;
    const limit = Math.min(slowest.limit, total - 1);
    const middle = arriving + Math.ceil((limit - arriving + 1) / 2);
    // CRITICAL takes over what is held; the fetch itself goes on as background work.
    const outcome = await claims.claim(entry, middle, { limit, priority: PRIORITY.CRITICAL, heldAs: priority, rows: 1 }, priority);
    if (outcome.kind !== 'mine') return false;
    this.#parts.takeOver(entry, middle, outcome.end);
    await this.#parts.start(entry, middle, outcome, priority);
    return true;
  }
}
