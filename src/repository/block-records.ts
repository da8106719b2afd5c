import type { ByteRange } from '../core/byte-ranges.ts';

/** A block of an entry, as `core/blocks.ts` counts them. */
export interface BlockRef {
  readonly entryId: number;
  readonly block: number;
}

/** One block of an entry in one epoch: its bytes and what is known of them. */
export interface BlockRow extends ByteRange {
  readonly block: number;
  /** One span covers all of it. Only then it has, or gets, a checksum. */
  readonly whole: boolean;
  /** CRC-32 of its bytes; null: nobody recorded one yet. */
  readonly crc32: number | null;
}

/** The part of `CacheRepository` about blocks and their checksums. A block that is not whole has no checksum. */
export interface BlockRecords {
  /** The blocks `first` to `last` (at most some hundreds) in one query; null where the epoch moved or the entry is gone. */
  blocks(request: { entryId: number; epoch: number; first: number; last: number }): Promise<BlockRow[] | null>;
  /**
   * Records what the bytes of whole blocks add up to. A block that has a checksum keeps it; one that is not whole, or of another epoch, gets none.
   * Returns how many were recorded.
   */
  recordChecksums(
    request: { entryId: number; epoch: number; checksums: readonly { readonly block: number; readonly crc32: number }[] },
    now: number,
  ): Promise<number>;
  /** Notes that these blocks were held against their checksums and are right. Blocks without one are left out. */
  markChecked(blocks: readonly BlockRef[], now: number): Promise<void>;
  /** Blocks that were last checked before `before` (UTC milliseconds), the oldest check first. */
  oldestChecks(before: number, limit: number): Promise<BlockRef[]>;
  /**
   * CUT: takes bad bytes out of the spans, with the checksums of the blocks they lie in: epoch + 1, durable when it resolves. The file stays, and the bytes
   * are written over with right ones of the same version when they are fetched again. Leases on the entry end, since nothing can be committed for them.
   * `fill`: the process fills, as in `release`. False where the epoch moved or the entry is gone.
   */
  cut(request: { entryId: number; epoch: number; range: ByteRange; fill: boolean }, now: number): Promise<boolean>;
}
