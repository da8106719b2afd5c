import type { ByteRange } from '../core/byte-ranges.ts';
import type { Ending } from '../core/ending.ts';
import type { Description } from '../core/validator.ts';
import { SeekwellError } from '../errors.ts';
import type { OriginClient } from '../origin/origin-client.ts';
import type { EntryRow } from '../repository/cache-repository.ts';
import { BodyQueue } from './body-queue.ts';
import { Signal } from './signal.ts';

/** Bytes straight from the origin, kept nowhere: what cannot be cached is still served. */
export class PassThrough {
  readonly description: Description;
  /** Position of the first byte. */
  readonly start: number;
  readonly #queue: BodyQueue;
  readonly #arrived: Signal;
  #gave = false;

  private constructor(description: Description, start: number, queue: BodyQueue, arrived: Signal) {
    this.start = start;
    this.description = description;
    this.#queue = queue;
    this.#arrived = arrived;
  }

  /**
   * Asks the origin for `range` of the entry.
   * @param expected the version the reader has begun with, or null
   * @throws SeekwellError what the origin answered instead of bytes
   */
  static async open(
    origin: OriginClient,
    entry: EntryRow,
    range: ByteRange,
    expected: Description | null,
    signal?: Ending,
  ): Promise<PassThrough> {
    const location = { url: entry.originalUrl, headers: entry.requestHeaders };
    const end = range.end === Number.MAX_SAFE_INTEGER ? null : range.end;
    const answer = await origin.open({ location, range: { kind: 'from', start: range.start, end }, expected }, signal);
    switch (answer.kind) {
      case 'bytes': {
        const arrived = new Signal();
        const queue = new BodyQueue(answer.body, answer.start, () => arrived.fire());
        const through = new PassThrough(answer.description, range.start, queue, arrived);
        queue.skipTo(range.start);
        queue.start();
        return through;
      }
      case 'refused':
      case 'transient':
        throw answer.error;
      case 'changed':
        throw new SeekwellError('ORIGIN_CHANGED', 'the resource changed at the origin');
      case 'encoded':
        throw new SeekwellError('ORIGIN_WRONG', `the origin sends the resource encoded as ${answer.encoding}`);
      default:
        throw new SeekwellError('BAD_RANGE', 'the range lies outside the resource');
    }
  }

  /** Bytes were taken. */
  get gave(): boolean {
    return this.#gave;
  }

  /** Waits until bytes are there; false at the end, and when `signal` fires. @throws SeekwellError when the connection breaks off */
  async hasBytes(signal?: Ending): Promise<boolean> {
    while (this.#queue.bytes === 0) {
      const { over } = this.#queue;
      if (over !== null && over.error !== null) throw over.error;
      if (over !== null || signal?.aborted === true) return false;
      await this.#arrived.next(signal);
    }
    return true;
  }

  /** Takes the next bytes, at most as many as fit. */
  take(into: Uint8Array): number {
    let count = 0;
    for (const chunk of this.#queue.take(into.length)) {
      into.set(chunk, count);
      count += chunk.length;
    }
    this.#queue.letFlow();
    this.#gave ||= count > 0;
    return count;
  }

  close(): void {
    this.#queue.abort();
  }
}
