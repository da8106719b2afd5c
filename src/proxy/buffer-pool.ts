/** Room before a body's bytes, for the head of the answer: head and first bytes then leave in one write. */
export const HEAD_ROOM = 2 * 1024;
/** Bytes of a small buffer: what a player takes that has enough. */
const SMALL_BYTES = 64 * 1024;
/** Bytes of a large one: measured over loopback with one stream, 64 KiB at a time gives 1.4 GB/s, 512 KiB 3.5 and 1 MiB 3.7. */
const LARGE_BYTES = 512 * 1024;
/** The most large buffers in use together: beyond that streams get small ones, so that memory stays bounded whatever their number. */
const MAX_LARGE = 48;
/** Free buffers of each size that are kept for the next streams. */
const MAX_FREE = 16;

/** Buffers that streams share one after the other: allocating them anew costs more than filling them. */
export class BufferPool {
  readonly #small: Buffer[] = [];
  readonly #large: Buffer[] = [];
  #largeInUse = 0;

  /** A buffer with room for `wanted` bytes, or for as many as there may be at once. */
  take(wanted: number): Buffer {
    if (wanted <= SMALL_BYTES || this.#largeInUse >= MAX_LARGE) {
      return this.#small.pop() ?? Buffer.allocUnsafeSlow(HEAD_ROOM + SMALL_BYTES);
    }
    this.#largeInUse++;
    return this.#large.pop() ?? Buffer.allocUnsafeSlow(HEAD_ROOM + LARGE_BYTES);
  }

  /** Once only, and only when nobody reads from it or writes into it any more. */
  giveBack(buffer: Buffer): void {
    if (isLarge(buffer)) this.#largeInUse--;
    const free = isLarge(buffer) ? this.#large : this.#small;
    if (free.length < MAX_FREE) free.push(buffer);
  }

  /** Instead of `giveBack`, for a buffer that somebody may still be using. */
  lose(buffer: Buffer): void {
    if (isLarge(buffer)) this.#largeInUse--;
  }
}

/** The part of a pooled buffer that is for the body. */
export function bodyOf(buffer: Buffer): Buffer {
  return buffer.subarray(HEAD_ROOM);
}

function isLarge(buffer: Buffer): boolean {
  return buffer.length > HEAD_ROOM + SMALL_BYTES;
}
