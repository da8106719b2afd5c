import type { SeekwellError } from '../errors.ts';
import type { BodySink, OriginBody } from '../origin/origin-client.ts';

/** What arrived and is not written yet may be this many bytes; then the origin's connection is paused. */
const MAX_QUEUED_BYTES = 512 * 1024;
/** The origin's connection flows again below this many bytes. */
const LOW_QUEUED_BYTES = 256 * 1024;

/** Holds what arrived of a body until it is written, and the origin back meanwhile: memory stays bounded whatever the disk does. */
export class BodyQueue implements BodySink {
  readonly #body: OriginBody;
  readonly #arrived: () => void;
  #chunks: Buffer[] = [];
  /** What was taken last, and is perhaps being written. */
  #taken: readonly Buffer[] = [];
  /** Position of its first byte. */
  #takenFrom = 0;
  #bytes = 0;
  /** Position of the next byte that waits. */
  #from: number;
  /** Bytes before it are thrown away. */
  #wantedFrom: number;
  #paused = false;
  #over: { readonly error: SeekwellError | null } | null = null;

  /**
   * @param from the position of the body's first byte
   * @param arrived called whenever bytes or the end came
   */
  constructor(body: OriginBody, from: number, arrived: () => void) {
    this.#body = body;
    this.#from = from;
    this.#wantedFrom = from;
    this.#arrived = arrived;
  }

  /** How many bytes wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** So many bytes wait that they should be written soon, lest the origin has to pause. */
  get isHalfFull(): boolean {
    return this.#bytes >= LOW_QUEUED_BYTES;
  }

  /** Set when no more will come; `error` null: all that was promised has come. */
  get over(): { readonly error: SeekwellError | null } | null {
    return this.#over;
  }

  start(): void {
    this.#body.start(this);
  }

  abort(): void {
    this.#body.abort();
  }

  data(chunk: Buffer): void {
    const skipped = Math.min(chunk.length, Math.max(0, this.#wantedFrom - this.#from - this.#bytes));
    if (skipped > 0) this.#from += skipped;
    if (skipped === chunk.length) return;
    this.#chunks.push(skipped === 0 ? chunk : chunk.subarray(skipped));
    this.#bytes += chunk.length - skipped;
    if (!this.#paused && this.#bytes >= MAX_QUEUED_BYTES) {
      this.#paused = true;
      this.#body.pause();
    }
    this.#arrived();
  }

  end(error: SeekwellError | null): void {
    this.#over = { error };
    this.#arrived();
  }

  /** Copies what is held of the bytes at `position` into `into`: what waits, and what was taken last. Returns how many bytes that were. */
  copyTo(into: Uint8Array, position: number): number {
    const count = copyFrom(this.#taken, this.#takenFrom, into, position);
    return count + copyFrom(this.#chunks, this.#from, count === 0 ? into : into.subarray(count), position + count);
  }

  /** Whether `copyTo` has the byte at `position`. */
  holds(position: number): boolean {
    if (position >= this.#from) return position < this.#from + this.#bytes;
    return position >= this.#takenFrom && position < this.#takenFrom + lengthOf(this.#taken);
  }

  /** What was taken last is kept no more. */
  forgetTaken(): void {
    this.#taken = [];
  }

  /** Takes the next bytes out, at most `most` of them. They can be copied until the next call. */
  take(most: number): Buffer[] {
    const taken: Buffer[] = [];
    let left = most;
    while (left > 0) {
      const chunk = this.#chunks.shift();
      if (chunk === undefined) break;
      const part = chunk.length > left ? chunk.subarray(0, left) : chunk;
      if (part.length < chunk.length) this.#chunks.unshift(chunk.subarray(part.length));
      taken.push(part);
      left -= part.length;
    }
    this.#bytes -= most - left;
    this.#takenFrom = this.#from;
    this.#from += most - left;
    this.#taken = taken;
    return taken;
  }

  /** Throws away what lies before `position`, now and as it comes. */
  skipTo(position: number): void {
    this.#wantedFrom = position;
    if (this.#from >= position || this.#bytes === 0) return;
    this.take(position - this.#from);
    this.letFlow();
  }

  /** Lets the origin send on, now that bytes were taken and written. */
  letFlow(): void {
    if (!this.#paused || this.#bytes > LOW_QUEUED_BYTES) return;
    this.#paused = false;
    this.#body.resume();
  }
}

function lengthOf(chunks: readonly Buffer[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0);
}

/** Copies the bytes at `position` out of `chunks`, the first of which begins at `from`, as many as fit; 0 where they do not have the first one. */
function copyFrom(chunks: readonly Buffer[], from: number, into: Uint8Array, position: number): number {
  if (position < from) return 0;
  let skip = position - from;
  let count = 0;
  for (const chunk of chunks) {
    if (count === into.length) break;
    if (skip >= chunk.length) {
      skip -= chunk.length;
      continue;
    }
    const part = chunk.subarray(skip, skip + into.length - count);
    into.set(part, count);
    count += part.length;
    skip = 0;
  }
  return count;
}
