/** Bytes of one buffer. A stream holds two: one is written while the next is read. */
const BUFFER_BYTES = 128 * 1024;
/** Free buffers that are kept for the next streams. */
const MAX_FREE = 64;

/** Buffers that streams share one after the other: allocating them anew costs more than filling them. */
export class BufferPool {
  readonly #free: Buffer[] = [];

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
  }

  giveBack(buffer: Buffer): void {
    if (this.#free.length < MAX_FREE) this.#free.push(buffer);
  }
}
