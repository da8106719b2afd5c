import type { ByteRange } from '../../core/byte-ranges.ts';
import { PRIORITY, type Priority } from '../../core/priority.ts';
import {
  type EnsureOutcome,
  type EnsureRequest,
  type HeldRow,
  LEASE_MS,
  LEASE_REACH_MS,
  type ReleaseRequest,
  TAKE_OVER_BYTES,
} from '../cache-repository.ts';
import type { Prepared } from './prepared.ts';
import { Quota } from './quota.ts';
import type { RawEntry } from './rows.ts';
import type { READS, WRITES } from './statements.ts';

export interface RawRow {
  id: number;
  start_byte: number;
  end_byte: number;
  priority: Priority;
  user_requested: number;
  leased_by: string | null;
  lease_until: number | null;
}

interface RawRange {
  start_byte: number;
  end_byte: number;
}

/** Where a row goes that nobody holds any more. */
function idlePriority(userRequested: number): Priority {
  return userRequested === 1 ? PRIORITY.MEDIUM : PRIORITY.LOW;
}

function heldAs(request: EnsureRequest): Priority {
  return request.heldAs ?? request.priority;
}

/**
 * Claims, leases and their end: ENSURE, RENEW, RELEASE and SWEEP. Each method is one step of a transaction that the caller opened. A lease is live when
 * `now <= lease_until <= now + LEASE_REACH_MS`: one that ends further ahead was made by a clock that jumped.
 */
export class Claims {
  readonly #read: Prepared<typeof READS>;
  readonly #write: Prepared<typeof WRITES>;
  readonly #owner: string;
  readonly #quota: Quota;

  constructor(read: Prepared<typeof READS>, write: Prepared<typeof WRITES>, owner: string) {
    this.#read = read;
    this.#write = write;
    this.#owner = owner;
    this.#quota = new Quota(read);
  }

  ensure(request: EnsureRequest, now: number): EnsureOutcome {
    const entry = this.#read.entryById.get({ id: request.entryId }) as RawEntry | undefined;
    if (entry === undefined || entry.epoch !== request.epoch) return { kind: 'gone' };
    const total = entry.expected_total_size;
    if ((entry.is_complete === 1 || (total !== null && total > 0)) && request.offset >= (total ?? 0)) return { kind: 'gone' };
    const span = this.#spanAt(request.entryId, request.offset);
    if (span !== null && span.end >= request.offset) return { kind: 'present', span };
    const first = this.#claimAt(request, request.offset, total, now);
    if (first.kind !== 'mine' || request.rows === 1) return first;
    return { ...first, end: this.#claimRun(request, first.end, total, now) };
  }

  renew(now: number): HeldRow[] {
    const rows = this.#write.renew.all({ owner: this.#owner, until: now + LEASE_MS }) as (RawRow & {
      cache_entry_id: number;
      epoch: number;
    })[];
    return rows.map((row) => ({
      entryId: row.cache_entry_id,
      epoch: row.epoch,
      start: row.start_byte,
      end: row.end_byte,
      priority: row.priority,
    }));
  }

  release(request: ReleaseRequest): void {
    const entry = this.#read.entryById.get({ id: request.entryId }) as RawEntry | undefined;
    if (entry === undefined || entry.epoch !== request.epoch) return;
    const { start, end } = request.range;
    const rows = this.#write.leasedRowsOf.all({ id: request.entryId, owner: this.#owner, start, end }) as RawRow[];
    for (const row of rows) {
      if (request.spareReaders === true && row.priority === PRIORITY.CRITICAL) continue;
      this.#giveBack(row, request.fill && entry.fill_allowed === 1);
    }
  }

  sweep(fill: boolean, now: number, dead: readonly string[] = []): number {
    let count = this.#sweepRows(this.#write.deadRows.all({ live_from: now, live_to: now + LEASE_REACH_MS }), fill);
    for (const owner of dead) count += this.#sweepRows(this.#write.rowsOfOwner.all({ owner }), fill);
    return count;
  }

  /** Gives up every lease on the entry, whoever holds it: none of what is fetched under it can be committed any more. */
  releaseEntry(entry: RawEntry, fill: boolean): void {
    const rows = this.#write.leasedRowsOfEntry.all({ id: entry.id }) as RawRow[];
    for (const row of rows) this.#giveBack(row, fill && entry.fill_allowed === 1);
  }

  #sweepRows(rows: unknown[], fill: boolean): number {
    for (const row of rows as (RawRow & { fill_allowed: number })[]) this.#giveBack(row, fill && row.fill_allowed === 1);
    return rows.length;
  }

  #giveBack(row: RawRow, fill: boolean): void {
    if (row.user_requested === 1 || fill) this.#write.unleaseRow.run({ row: row.id, priority: idlePriority(row.user_requested) });
    else this.#write.deleteRow.run({ row: row.id });
  }

  #spanAt(id: number, offset: number): ByteRange | null {
    const span = this.#read.spanAt.get({ id, offset }) as RawRange | undefined;
    return span === undefined ? null : { start: span.start_byte, end: span.end_byte };
  }

  /** Claims `offset`, which no span covers. */
  #claimAt(request: EnsureRequest, offset: number, total: number | null, now: number): EnsureOutcome {
    const row = this.#write.rowAt.get({ id: request.entryId, offset }) as RawRow | undefined;
    if (row !== undefined && row.end_byte >= offset) return this.#claimExisting(request, row, offset, now);
    if (request.priority >= PRIORITY.MEDIUM) return { kind: 'unwanted' };
    const end = this.#endOfNewRow(request, offset, total);
    const needed = this.#quota.overBy(request.quota, end - offset + 1);
    if (needed > 0) return { kind: 'full', needed, bytes: end - offset + 1 };
    this.#insert(request.entryId, { start: offset, end }, heldAs(request), 0, now);
    return this.#mine(request.entryId, end, false);
  }

  #claimExisting(request: EnsureRequest, row: RawRow, offset: number, now: number): EnsureOutcome {
    if (this.#isLive(row, now) && !this.#mayTakeOver(request.priority, row, offset)) {
      return {
        kind: 'theirs',
        row: { start: row.start_byte, end: row.end_byte },
        leaseUntil: row.lease_until ?? now,
        own: row.leased_by === this.#owner,
      };
    }
    const fresh = row.leased_by === null ? row.end_byte - offset + 1 : 0;
    const needed = this.#quota.overBy(request.quota, fresh);
    if (needed > 0) return { kind: 'full', needed, bytes: fresh };
    if (offset > row.start_byte) {
      this.#write.setRowEnd.run({ row: row.id, end: offset - 1 });
      this.#insert(request.entryId, { start: offset, end: row.end_byte }, heldAs(request), row.user_requested, now);
    } else {
      this.#write.claimRow.run({ row: row.id, owner: this.#owner, until: now + LEASE_MS, priority: heldAs(request) });
    }
    return this.#mine(request.entryId, row.end_byte, row.user_requested === 1);
  }

  /** Claims the rows that follow `end` without a gap, up to `request.rows` in all. Returns where the run ends. */
  #claimRun(request: EnsureRequest, end: number, total: number | null, now: number): number {
    let last = end;
    // The reader waits for the first one. What is behind it may go when another reader takes the run over.
    const rest = { ...request, heldAs: Math.max(heldAs(request), PRIORITY.HIGH) as Priority };
    for (let count = 1; count < request.rows; count++) {
      const next = last + 1;
      if ((total !== null && total > 0 && next >= total) || (request.limit !== null && next > request.limit)) break;
      const span = this.#spanAt(request.entryId, next);
      if (span !== null && span.end >= next) break;
      const row = this.#write.rowAt.get({ id: request.entryId, offset: next }) as RawRow | undefined;
      if (row !== undefined && row.end_byte >= next && this.#isLive(row, now)) break;
      const outcome = this.#claimAt(rest, next, total, now);
      if (outcome.kind !== 'mine') break;
      last = outcome.end;
    }
    return last;
  }

  #isLive(row: RawRow, now: number): boolean {
    return row.leased_by !== null && row.lease_until !== null && now <= row.lease_until && row.lease_until <= now + LEASE_REACH_MS;
  }

  #mayTakeOver(priority: Priority, row: RawRow, offset: number): boolean {
    return priority === PRIORITY.CRITICAL && (row.priority >= PRIORITY.MEDIUM || offset > row.start_byte + TAKE_OVER_BYTES);
  }

  #endOfNewRow(request: EnsureRequest, offset: number, total: number | null): number {
    let end = offset + request.chunkSize - 1;
    if (request.limit !== null) end = Math.min(end, Math.max(offset, request.limit));
    if (total !== null && total > 0) end = Math.min(end, total - 1);
    const row = this.#write.nextRow.get({ id: request.entryId, offset }) as RawRange | undefined;
    if (row !== undefined) end = Math.min(end, row.start_byte - 1);
    const span = this.#read.spansFrom.get({ id: request.entryId, from: offset, limit: 1 }) as RawRange | undefined;
    if (span !== undefined) end = Math.min(end, span.start_byte - 1);
    return end;
  }

  #insert(entryId: number, range: ByteRange, priority: Priority, requested: number, now: number): void {
    this.#write.insertRow.run({
      id: entryId,
      start: range.start,
      end: range.end,
      priority,
      requested,
      owner: this.#owner,
      until: now + LEASE_MS,
    });
  }

  #mine(entryId: number, end: number, requested: boolean): EnsureOutcome {
    const hasSpans = this.#read.spansFrom.get({ id: entryId, from: 0, limit: 1 }) !== undefined;
    return { kind: 'mine', end, hasSpans, requested };
  }
}
