import { blockAt, rangeOfBlock } from '../../core/blocks.ts';
import type { ByteRange } from '../../core/byte-ranges.ts';
import type { BlockRef, BlockRow } from '../cache-repository.ts';
import type { Claims } from './claims.ts';
import type { Prepared } from './prepared.ts';
import type { RawEntry } from './rows.ts';
import type { READS, WRITES } from './statements.ts';

/** A row of `READS.blocks`. */
export interface RawBlock {
  block: number;
  total: number | null;
  crc32: number | null;
  /** Where the span ends that begins at the block's start or before; it may end before the block. */
  span_end: number | null;
}

interface RawRange {
  start_byte: number;
  end_byte: number;
}

export function toBlock({ block, total, crc32, span_end: spanEnd }: RawBlock): BlockRow {
  // 0: nothing was heard of the resource, or it is empty. Either way no span covers anything.
  const range = rangeOfBlock(block, total === 0 ? null : total);
  return { block, ...range, whole: range.start <= range.end && spanEnd !== null && spanEnd >= range.end, crc32 };
}

/** Checksums, and CUT. Each method is one step of a transaction that the caller opened. */
export class Blocks {
  readonly #read: Prepared<typeof READS>;
  readonly #write: Prepared<typeof WRITES>;
  readonly #claims: Claims;

  constructor(read: Prepared<typeof READS>, write: Prepared<typeof WRITES>, claims: Claims) {
    this.#read = read;
    this.#write = write;
    this.#claims = claims;
  }

  record(
    request: { entryId: number; epoch: number; checksums: readonly { readonly block: number; readonly crc32: number }[] },
    now: number,
  ): number {
    const { entryId: id, epoch } = request;
    let recorded = 0;
    for (const { block, crc32 } of request.checksums) {
      const raw = this.#read.blocks.get({ id, epoch, first: block, last: block }) as RawBlock | undefined;
      if (raw !== undefined && toBlock(raw).whole) recorded += this.#write.insertChecksum.run({ id, block, crc32, now }).changes;
    }
    return recorded;
  }

  markChecked(blocks: readonly BlockRef[], now: number): void {
    for (const { entryId: id, block } of blocks) this.#write.markChecked.run({ id, block, now });
  }

  cut(request: { entryId: number; epoch: number; range: ByteRange; fill: boolean }, now: number): boolean {
    const { entryId: id, epoch, range, fill } = request;
    const entry = this.#read.entryById.get({ id }) as RawEntry | undefined;
    if (entry === undefined || entry.epoch !== epoch) return false;
    this.#clipSpans(id, range);
    this.#write.deleteChecksumsOf.run({ id, first: blockAt(range.start), last: blockAt(range.end) });
    this.#claims.releaseEntry(entry, fill);
    this.#write.cut.run({ id, now });
    return true;
  }

  #clipSpans(id: number, range: ByteRange): void {
    const before = this.#read.spanAt.get({ id, offset: range.start - 1 }) as RawRange | undefined;
    if (before !== undefined && before.end_byte >= range.start) {
      this.#write.growSpan.run({ id, start: before.start_byte, end: range.start - 1 });
      this.#insertRest(id, before, range);
    }
    for (const span of this.#read.spansWithin.all({ id, start: range.start, end: range.end }) as RawRange[]) {
      this.#write.deleteSpan.run({ id, start: span.start_byte });
      this.#insertRest(id, span, range);
    }
  }

  /** What of `span` lies behind `range` stays. */
  #insertRest(id: number, span: RawRange, range: ByteRange): void {
    if (span.end_byte > range.end) this.#write.insertSpan.run({ id, start: range.end + 1, end: span.end_byte });
  }
}
