import type { ByteRange } from '../core/byte-ranges.ts';
import type { EntryReader } from './entry-reader.ts';
import type { OpenOptions } from './reader-options.ts';

/** What to read of an entry: see `ReadOptions` of the library. */
interface Wanted {
  readonly offset?: number;
  readonly length?: number;
  readonly signal?: AbortSignal;
  readonly cachedOnly?: boolean;
}

/** The bytes that `wanted` names, through a reader that `open` opens around the first one. */
export async function* readRange(
  wanted: Wanted,
  open: (options: OpenOptions, offset: number) => Promise<EntryReader>,
): AsyncGenerator<Uint8Array, void> {
  const { offset = 0, length, signal, cachedOnly = false } = wanted;
  const asked = readable(offset, length, null);
  if (asked === null) return;
  const spec = { kind: 'from', start: offset, end: length === undefined ? null : asked.end } as const;
  const reader = await open({ spec, mayFetch: !cachedOnly, ...(signal === undefined ? {} : { signal }) }, offset);
  const range = readable(offset, length, reader.opened.description.total);
  if (range === null) return reader.close();
  reader.begin(range);
  yield* chunksOf(reader);
}

/** The buffer of one chunk, in bytes. */
const CHUNK_BYTES = 64 * 1024;

/** What `reader` gives, each chunk in a buffer of its own; closes the reader at the end, however it comes. */
export async function* chunksOf(reader: EntryReader): AsyncGenerator<Uint8Array, void> {
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
      const count = await reader.read(buffer);
      if (count === 0) return;
      yield buffer.subarray(0, count);
    }
  } finally {
    await reader.close();
  }
}

/** What of `length` bytes (unset: all) from `offset` on a resource of `total` bytes (null: not known) has; null: nothing. */
function readable(offset: number, length: number | undefined, total: number | null): ByteRange | null {
  const last = (total ?? Number.MAX_SAFE_INTEGER) - 1;
  const end = length === undefined ? last : Math.min(last, offset + length - 1);
  return end < offset ? null : { start: offset, end };
}
