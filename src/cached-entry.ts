import { type ByteRange, isPosition } from './core/byte-ranges.ts';
import type { RangeSpec } from './core/http-range.ts';
import type { VerifyOptions, VerifyReport } from './downloads/entry-verifier.ts';
import type { EntryInfo } from './entry-info.ts';
import { isSeekwellError, SeekwellError } from './errors.ts';
import type { EntryKey } from './repository/cache-repository.ts';

export interface ReadOptions {
  /** The first byte; 0 unless told. */
  readonly offset?: number;
  /** The most bytes; to the end unless told. */
  readonly length?: number;
  readonly signal?: AbortSignal;
  /** Reads only what is cached: the first byte that is not ends the reading with INCOMPLETE. */
  readonly cachedOnly?: boolean;
}

export interface PrefetchOptions {
  /** What to fetch; everything unless told. */
  readonly ranges?: readonly ByteRange[];
  /** Ends the waiting; what is asked for stays asked for. */
  readonly signal?: AbortSignal;
  /** Called at most every 100 ms. */
  readonly onProgress?: (info: EntryInfo) => void;
}

/** Where a resource is now. */
export interface OriginOptions {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What an entry's handle needs of the cache. */
export interface EntryHost {
  infoOf(id: number): Promise<EntryInfo>;
  spansOf(id: number): Promise<ByteRange[]>;
  readFrom(id: number, options: ReadOptions): AsyncIterable<Uint8Array>;
  prefetchUntilDone(id: number, options: PrefetchOptions): Promise<void>;
  requestPrefetch(id: number, specs: readonly RangeSpec[] | null): Promise<void>;
  pause(id: number): Promise<void>;
  resume(id: number): Promise<void>;
  retry(id: number): Promise<void>;
  setPinned(id: number, pinned: boolean): Promise<void>;
  verify(id: number, options?: VerifyOptions): Promise<VerifyReport>;
  rebind(id: number, origin: OriginOptions): Promise<void>;
  urlOf(key: EntryKey, filename: string | null): string;
  completeFileOf(id: number): Promise<string | null>;
}

function checkRead({ offset = 0, length = 0 }: ReadOptions): void {
  if (!isPosition(offset)) throw new SeekwellError('BAD_RANGE', 'the offset is not a whole number of at least 0');
  if (!isPosition(length) && length !== Number.POSITIVE_INFINITY)
    throw new SeekwellError('BAD_RANGE', 'the length is not a whole number of at least 0');
}

function checkedRange({ start, end }: ByteRange): ByteRange {
  const last = Math.min(end, Number.MAX_SAFE_INTEGER);
  if (!isPosition(start) || !isPosition(last) || last < start)
    throw new SeekwellError('BAD_RANGE', 'a range is not two whole numbers from 0 on, the first of which is not beyond the second');
  return { start, end: last };
}

/** What the caller's own signal ended fails with its reason, as the platform's functions do. */
function reasonOf(error: unknown, signal: AbortSignal | undefined): unknown {
  return signal?.aborted === true && isSeekwellError(error, 'CLOSED') ? signal.reason : error;
}

/** One resource in the cache. Holds nothing but its names: every answer comes from the database. */
export class Entry {
  readonly id: number;
  readonly key: EntryKey;
  readonly #filename: string | null;
  readonly #host: EntryHost;

  constructor(id: number, key: EntryKey, filename: string | null, host: EntryHost) {
    this.id = id;
    this.key = { sourceId: key.sourceId, mediaId: key.mediaId, quality: key.quality };
    this.#filename = filename;
    this.#host = host;
  }

  /** @throws SeekwellError ENTRY_NOT_FOUND once it was removed; so does every other method */
  info(): Promise<EntryInfo> {
    return this.#host.infoOf(this.id);
  }

  /** The bytes that are cached, in order. */
  spans(): Promise<ByteRange[]> {
    return this.#host.spansOf(this.id);
  }

  /**
   * The resource's bytes, from the cache where they are there, from the origin where they are not. Each buffer is the caller's to keep.
   * @throws SeekwellError BAD_RANGE; the signal's reason once it aborted
   */
  async *read(options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    checkRead(options);
    try {
      yield* this.#host.readFrom(this.id, options);
    } catch (error) {
      throw reasonOf(error, options.signal);
    }
  }

  /** Fills `into` with the bytes from `offset` on. Returns how many there were before the end. */
  async readAt(into: Uint8Array, offset: number, options: { readonly signal?: AbortSignal } = {}): Promise<number> {
    let count = 0;
    for await (const chunk of this.read({ ...options, offset, length: into.length })) {
      into.set(chunk, count);
      count += chunk.length;
    }
    return count;
  }

  /** `read` as a web stream. */
  stream(options: ReadOptions = {}): ReadableStream<Uint8Array> {
    const left = new AbortController();
    const signal = options.signal === undefined ? left.signal : AbortSignal.any([left.signal, options.signal]);
    const chunks = this.read({ ...options, signal })[Symbol.asyncIterator]();
    return new ReadableStream({
      async pull(controller) {
        const { done, value } = await chunks.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        // A chunk that is waited for would be waited for first.
        left.abort();
        await chunks.return?.();
      },
    });
  }

  /**
   * Asks for bytes and waits until they are there; while the entry is paused meanwhile, until it is resumed.
   * @throws SeekwellError BAD_RANGE; QUOTA_EXCEEDED; why the entry failed; the signal's reason once it aborted
   */
  async prefetch(options: PrefetchOptions = {}): Promise<void> {
    const ranges = options.ranges?.map(checkedRange);
    try {
      await this.#host.prefetchUntilDone(this.id, { ...options, ...(ranges === undefined ? {} : { ranges }) });
    } catch (error) {
      throw reasonOf(error, options.signal);
    }
  }

  /** Asks for bytes in the background; null: for everything. */
  requestPrefetch(specs: readonly RangeSpec[] | null): Promise<void> {
    return this.#host.requestPrefetch(this.id, specs);
  }

  pause(): Promise<void> {
    return this.#host.pause(this.id);
  }

  resume(): Promise<void> {
    return this.#host.resume(this.id);
  }

  retry(): Promise<void> {
    return this.#host.retry(this.id);
  }

  pin(): Promise<void> {
    return this.#host.setPinned(this.id, true);
  }

  unpin(): Promise<void> {
    return this.#host.setPinned(this.id, false);
  }

  /** Holds what is cached against its checksums; with `repair`, fetches again what is bad. */
  verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    return this.#host.verify(this.id, options);
  }

  /** Another URL for the same resource: signed links expire. */
  rebind(origin: OriginOptions): Promise<void> {
    return this.#host.rebind(this.id, origin);
  }

  /** Where players find it. @throws SeekwellError INTERNAL before `listen` */
  url(): string {
    return this.#host.urlOf(this.key, this.#filename);
  }

  /** The file that is the resource, once it is complete; else null. */
  filePath(): Promise<string | null> {
    return this.#host.completeFileOf(this.id);
  }
}
