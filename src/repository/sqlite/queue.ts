import type { ByteRange } from '../../core/byte-ranges.ts';
import { PRIORITY } from '../../core/priority.ts';
import { type CacheRepository, MAX_FILL_ROWS } from '../cache-repository.ts';
import type { Prepared } from './prepared.ts';
import type { RawEntry } from './rows.ts';
import type { READS, WRITES } from './statements.ts';

type Request<Method extends keyof CacheRepository> = CacheRepository[Method] extends (request: infer R, ...rest: never[]) => unknown
  ? R
  : never;

/** SQLite's LIMIT of no limit. */
const NO_LIMIT = -1;

/** What the user and the fill want, and what failures do to it. Each method is one step of a transaction that the caller opened. */
export class Queue {
  readonly #read: Prepared<typeof READS>;
  readonly #write: Prepared<typeof WRITES>;

  constructor(read: Prepared<typeof READS>, write: Prepared<typeof WRITES>) {
    this.#read = read;
    this.#write = write;
  }

  fill(request: Request<'fill'>): number {
    const entry = this.#entry(request.entryId);
    if (entry === undefined || entry.epoch !== request.epoch || entry.fill_allowed === 0 || entry.is_complete === 1) return 0;
    const total = entry.expected_total_size;
    if (total === null || total === 0) return 0;
    const rows = this.#count('rowCount', entry.id);
    // Every hole takes a row at least, and there is at most one more than what lies between: the rest of the rows share the bytes.
    const shared = Math.max(MAX_FILL_ROWS - 2 * rows - this.#count('chunkCount', entry.id) - 1, MAX_FILL_ROWS / 4);
    const size = Math.max(request.chunkSize, Math.ceil(total / shared));
    return this.#plan(entry.id, { start: 0, end: total - 1 }, size, PRIORITY.LOW, Math.max(0, MAX_FILL_ROWS - rows));
  }

  prefetch(request: Request<'prefetch'>, now: number): number {
    const entry = this.#entry(request.entryId);
    if (entry === undefined || entry.is_complete === 1) return 0;
    this.#write.askedFor.run({ id: entry.id, now });
    const total = entry.expected_total_size;
    for (const range of request.ranges) {
      const end = total !== null && total > 0 ? Math.min(range.end, total - 1) : range.end;
      if (end < range.start) continue;
      this.#write.requestRows.run({ id: entry.id, start: range.start, end, priority: PRIORITY.MEDIUM });
      const size = Math.max(request.chunkSize, Math.ceil((end - range.start + 1) / MAX_FILL_ROWS));
      this.#plan(entry.id, { start: range.start, end }, size, PRIORITY.MEDIUM, NO_LIMIT);
    }
    return (this.#write.requestedRows.get({ id: entry.id }) as { n: number }).n;
  }

  pause(id: number, now: number): boolean {
    this.#write.deleteIdleRows.run({ id });
    this.#write.forgetRequests.run({ id });
    return this.#write.setFillAllowed.run({ id, allowed: 0, now }).changes > 0;
  }

  retry(id: number, now: number): boolean {
    return this.#write.clearFailure.run({ id, now }).changes > 0;
  }

  fail(request: Request<'fail'>, now: number): void {
    const { entryId: id, epoch, message, status } = request;
    if (this.#write.fail.run({ id, epoch, message, status, now }).changes > 0) this.#write.deleteRows.run({ id });
  }

  delay(request: Request<'delay'>, now: number): number {
    const { entryId: id, epoch, message, retryAt: retry_at } = request;
    const row = this.#write.delay.get({ id, epoch, message, retry_at, now }) as { attempts: number } | undefined;
    return row?.attempts ?? 0;
  }

  #entry(id: number): RawEntry | undefined {
    return this.#read.entryById.get({ id }) as RawEntry | undefined;
  }

  #count(name: 'rowCount' | 'chunkCount', id: number): number {
    return (this.#read[name].get({ id }) as { n: number }).n;
  }

  /** Plans rows of at most `size` bytes over what is neither recorded nor planned. Returns how many were added. */
  #plan(id: number, { start, end }: ByteRange, size: number, priority: number, limit: number): number {
    return this.#write.planRows.run({ id, start, end, size, priority, requested: priority === PRIORITY.MEDIUM ? 1 : 0, limit }).changes;
  }
}
