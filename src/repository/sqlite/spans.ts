import { type ByteRange, intersect, lengthOf, missing, totalLength } from '../../core/byte-ranges.ts';
import { type Description, sameVersion } from '../../core/validator.ts';
import type { CommitOutcome, CommitRequest, DescribeOutcome, DescribeRequest, FinishRequest } from '../cache-repository.ts';
import type { RawRow } from './claims.ts';
import type { Prepared } from './prepared.ts';
import { Quota } from './quota.ts';
import type { RawEntry } from './rows.ts';
import type { READS, WRITES } from './statements.ts';

interface RawRange {
  start_byte: number;
  end_byte: number;
}

type Refusal = { readonly kind: 'gone' } | { readonly kind: 'changed' };

/** Recording bytes that are durable: COMMIT. Each method is one step of a transaction that the caller opened. */
export class Spans {
  readonly #read: Prepared<typeof READS>;
  readonly #write: Prepared<typeof WRITES>;
  readonly #quota: Quota;

  constructor(read: Prepared<typeof READS>, write: Prepared<typeof WRITES>) {
    this.#read = read;
    this.#write = write;
    this.#quota = new Quota(read);
  }

  describe(request: DescribeRequest): DescribeOutcome {
    const entry = this.#versionOf(request);
    if ('kind' in entry) return entry;
    this.#describe(entry, request);
    return { kind: 'described' };
  }

  commit(request: CommitRequest, now: number): CommitOutcome {
    const { entryId: id, range } = request;
    const entry = this.#versionOf(request);
    if ('kind' in entry) return entry;
    const total = knownOf(entry).total ?? request.description.total;
    if (total !== null && range.end >= total) return { kind: 'changed' };
    const rows = this.#rowsOver(id, range);
    if (this.#quota.overBy(request.quota ?? null, this.#growth(id, range, rows)) > 0) return { kind: 'gone' };
    this.#describe(entry, request);
    const merged = this.#merge(id, range);
    // Read again: the total may just have clipped them.
    this.#cutRows(id, range, this.#rowsOver(id, range));
    const complete = total !== null && merged.start === 0 && merged.end === total - 1;
    this.#write.committed.run({ id, complete: complete ? 1 : 0, now });
    return { kind: 'committed', complete };
  }

  finish(request: FinishRequest, now: number): CommitOutcome {
    const described = { ...request, description: { ...request.description, total: request.total } };
    const entry = this.#versionOf(described);
    if ('kind' in entry) return entry;
    this.#describe(entry, described);
    const span = this.#read.spanAt.get({ id: entry.id, offset: 0 }) as RawRange | undefined;
    const complete = request.total === 0 || span?.end_byte === request.total - 1;
    this.#write.committed.run({ id: entry.id, complete: complete ? 1 : 0, now });
    return { kind: 'committed', complete };
  }

  /** The entry that `request` was fetched for, or why nothing may be recorded for it. */
  #versionOf(request: DescribeRequest): RawEntry | Refusal {
    const entry = this.#read.entryById.get({ id: request.entryId }) as RawEntry | undefined;
    if (entry === undefined || entry.epoch !== request.epoch) return { kind: 'gone' };
    const { description } = request;
    if (isHeardOf(entry) && !sameVersion(knownOf(entry), description)) return { kind: 'changed' };
    // Only a length that is told late, or by the end of a body, can contradict the spans.
    const late = description.total !== null && knownOf(entry).total === null;
    return late && this.#endOfSpans(entry.id) > (description.total ?? 0) ? { kind: 'changed' } : entry;
  }

  /** Where the last span ends, exclusive; 0 without spans. */
  #endOfSpans(id: number): number {
    const last = this.#read.spanAt.get({ id, offset: Number.MAX_SAFE_INTEGER }) as RawRange | undefined;
    return last === undefined ? 0 : last.end_byte + 1;
  }

  /** Records what the first answer said, and a total that only a later one told. Rows beyond the total go. */
  #describe(entry: RawEntry, request: DescribeRequest): void {
    const { description } = request;
    const known = knownOf(entry);
    const first = !isHeardOf(entry) || (isNameless(known) && this.#endOfSpans(entry.id) === 0);
    const total = description.total ?? known.total;
    if (!first && total === known.total) return;
    this.#write.describe.run({
      id: entry.id,
      total,
      etag: first ? description.validator.etag : entry.etag,
      modified: first ? description.validator.lastModified : entry.origin_last_modified,
      mime: first ? description.mimeType : entry.mime_type,
    });
    if (first) {
      this.#write.deleteHeaders.run({ id: entry.id });
      for (const [name, value] of Object.entries(request.headers)) this.#write.insertHeader.run({ id: entry.id, name, value });
    }
    if (total !== null) this.#clipRows(entry.id, total);
  }

  #clipRows(id: number, total: number): void {
    this.#write.deleteRowsFrom.run({ id, from: total });
    const last = this.#write.rowAt.get({ id, offset: total }) as RawRow | undefined;
    if (last !== undefined && last.end_byte >= total) this.#write.setRowEnd.run({ row: last.id, end: total - 1 });
  }

  /** How many more bytes count against the quota once `range` is recorded: what no span has yet, less what leases reserved for it. */
  #growth(id: number, range: ByteRange, rows: readonly RawRow[]): number {
    const leased = rows.filter((row) => row.leased_by !== null).map((row) => intersect(toRange(row), range));
    const reserved = totalLength(leased.filter((part) => part !== null));
    if (reserved === lengthOf(range)) return 0;
    const before = this.#read.spanAt.get({ id, offset: range.start }) as RawRange | undefined;
    const within = this.#read.spansWithin.all({ id, start: range.start + 1, end: range.end }) as RawRange[];
    const spans = [...(before === undefined ? [] : [before]), ...within].map(toRange);
    return totalLength(missing(spans, range)) - reserved;
  }

  /** Joins `range` with the spans that it overlaps or touches, so that no two spans ever do. Returns the span it became. */
  #merge(id: number, range: ByteRange): ByteRange {
    const before = this.#read.spanAt.get({ id, offset: range.start }) as RawRange | undefined;
    const joins = before !== undefined && before.end_byte >= range.start - 1;
    const start = joins ? before.start_byte : range.start;
    let end = joins ? Math.max(before.end_byte, range.end) : range.end;
    // A span that starts where the range starts is the one before.
    const swallowed = this.#read.spansWithin.all({ id, start: range.start + 1, end: end + 1 }) as RawRange[];
    for (const span of swallowed) {
      end = Math.max(end, span.end_byte);
      this.#write.deleteSpan.run({ id, start: span.start_byte });
    }
    if (joins) this.#write.growSpan.run({ id, start, end });
    else this.#write.insertSpan.run({ id, start, end });
    return { start, end };
  }

  /** The rows that have bytes of `range`, in order. */
  #rowsOver(id: number, range: ByteRange): RawRow[] {
    const first = this.#write.rowAt.get({ id, offset: range.start }) as RawRow | undefined;
    const others = this.#write.rowsWithin.all({ id, start: range.start + 1, end: range.end }) as RawRow[];
    return first !== undefined && first.end_byte >= range.start ? [first, ...others] : others;
  }

  /** Takes `range` out of `rows`: what is recorded is wanted no more. */
  #cutRows(id: number, range: ByteRange, rows: readonly RawRow[]): void {
    for (const row of rows) {
      const before = row.start_byte < range.start;
      const after = row.end_byte > range.end;
      if (before) this.#write.setRowEnd.run({ row: row.id, end: range.start - 1 });
      else if (after) this.#write.setRowStart.run({ row: row.id, start: range.end + 1 });
      else this.#write.deleteRow.run({ row: row.id });
      if (before && after) this.#insertRest(id, row, range.end + 1);
    }
  }

  #insertRest(id: number, row: RawRow, start: number): void {
    const { end_byte: end, priority, user_requested: requested, leased_by: owner, lease_until: until } = row;
    this.#write.insertRow.run({ id, start, end, priority, requested, owner, until });
  }
}

function toRange(raw: RawRange): ByteRange {
  return { start: raw.start_byte, end: raw.end_byte };
}

/** Whether the origin told anything about the version that the entry's epoch stands for. */
function isHeardOf(entry: RawEntry): boolean {
  return entry.expected_total_size !== 0 || entry.is_complete === 1;
}

/** What the database knows of the version that the entry's epoch stands for. */
function knownOf(entry: RawEntry): Description {
  return {
    validator: { etag: entry.etag, lastModified: entry.origin_last_modified },
    total: isHeardOf(entry) ? entry.expected_total_size : null,
    mimeType: entry.mime_type,
  };
}

function isNameless({ validator }: Description): boolean {
  return validator.etag === null && validator.lastModified === null;
}
