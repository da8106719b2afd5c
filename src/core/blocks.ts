import type { ByteRange } from './byte-ranges.ts';

/** Checksums are of blocks of this many bytes; the last one of a resource ends where that does. A constant of the format. */
export const BLOCK_BYTES = 1024 * 1024;

/** The number of the block that has the byte at `offset`. */
export function blockAt(offset: number): number {
  return Math.floor(offset / BLOCK_BYTES);
}

/** The bytes of a block. @param total of the resource, beyond the block's start; null: not known, so that no block is the last one */
export function rangeOfBlock(block: number, total: number | null): ByteRange {
  const start = block * BLOCK_BYTES;
  const end = start + BLOCK_BYTES - 1;
  return { start, end: total === null ? end : Math.min(end, total - 1) };
}

/** The first and the last block that `range` wholly covers; null where it covers none. @param total as in `rangeOfBlock` */
export function blocksWithin(range: ByteRange, total: number | null): { readonly first: number; readonly last: number } | null {
  const first = Math.ceil(range.start / BLOCK_BYTES);
  const last = total !== null && range.end >= total - 1 ? blockAt(total - 1) : blockAt(range.end + 1) - 1;
  return first <= last ? { first, last } : null;
}
