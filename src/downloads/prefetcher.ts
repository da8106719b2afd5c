import type { Clock } from '../clock.ts';
import { type ByteRange, totalLength } from '../core/byte-ranges.ts';
import { type RangeSpec, resolveRange } from '../core/http-range.ts';
import { SeekwellError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { CacheRepository, EntryRow, ReadView } from '../repository/cache-repository.ts';
import type { CacheEvents } from './cache-events.ts';
import type { EntryReader } from './entry-reader.ts';
import { knownVersion } from './known-version.ts';
import type { OpenOptions } from './reader-options.ts';
import { pause } from './signal.ts';

/** How often a waiting prefetch looks at the database, in milliseconds. */
const LOOK_MS = 100;

export interface PrefetcherParts {
  readonly repository: CacheRepository;
  readonly clock: Clock;
  readonly events: CacheEvents;
  readonly logger: Logger;
  readonly chunkSize: number;
  openReader(view: ReadView, options: OpenOptions): Promise<EntryReader>;
  /** The user asks for the entry. */
  askedFor(entryId: number): void;
  /** Whether background work on the entry rests because nothing may be evicted for it. */
  isStuck(entryId: number): boolean;
  /** There is new work in the queue. */
  wake(): void;
}

/** Asks for bytes in the background, and waits for them where somebody wants to. */
export class Prefetcher {
  readonly #parts: PrefetcherParts;
  /** What was asked for of resources whose origin did not tell what they are, by entry. Lost with the process, except for the first row. */
  readonly #wishes = new Map<number, readonly RangeSpec[] | null>();

  constructor(parts: PrefetcherParts) {
    this.#parts = parts;
  }

  /**
   * Plans rows for `specs` (null: everything). Where the total is not known, the first row is planned at once, so that the wish outlives this process;
   * the rest follows when the origin told the total.
   */
  async request(entry: EntryRow, specs: readonly RangeSpec[] | null): Promise<void> {
    if (knownVersion(entry) !== null) return this.#plan(entry, specs);
    await this.#planRanges(entry.id, [{ start: 0, end: this.#parts.chunkSize - 1 }]);
    void this.learn(entry)
      .then((learned) => this.#plan(learned, specs))
      .catch((error: Error) => {
        this.#parts.logger.info({ entryId: entry.id }, `a prefetch waits for its origin: ${error.message}`);
        const before = this.#wishes.has(entry.id) ? this.#wishes.get(entry.id) : [];
        this.#wishes.set(entry.id, specs === null || !before ? null : [...before, ...specs]);
      });
  }

  /** Plans what was asked for while nobody knew what the resource is, where somebody does now. */
  async planWishes(): Promise<void> {
    const { repository } = this.#parts;
    for (const [id, specs] of this.#wishes) {
      const entry = await repository.getEntry(id);
      const known = entry !== null && knownVersion(entry) !== null;
      // Removed or paused meanwhile: the first row is gone too.
      const over = entry === null || (entry.errorMessage === null && !(await repository.hasPendingDownloads(id)));
      if (known || over) this.#wishes.delete(id);
      if (known) await this.#plan(entry, specs);
    }
  }

  /** Asks the origin what the resource is, where that is not known. @throws SeekwellError what keeps it from being known */
  async learn(entry: EntryRow, signal?: AbortSignal): Promise<EntryRow> {
    const { openReader, repository, clock } = this.#parts;
    let current = entry;
    while (knownVersion(current) === null) {
      const first = { start: 0, end: 0 };
      const reader = await openReader(
        { entry: current, span: null, nextSpanStart: null },
        {
          spec: { kind: 'from', ...first },
          mayFetch: true,
          probe: true,
          ...(signal === undefined ? {} : { signal }),
        },
      );
      // The first byte is recorded with what the origin told: then everybody knows.
      try {
        if (reader.opened.description.total !== 0) {
          reader.begin(first);
          await reader.read(Buffer.alloc(1));
          await this.#describe(reader);
        }
      } finally {
        await reader.close();
      }
      await this.#changeOf(entry.id, signal);
      current = await this.#entry(repository, entry.id);
      if (knownVersion(current) === null) await pause(clock, LOOK_MS, signal);
    }
    return current;
  }

  /**
   * Waits until all of `ranges` (null: everything) is cached, asking for it again whenever the queue does not hold it, unless the entry was paused meanwhile.
   * @throws SeekwellError when the entry fails, or `signal` ends the waiting; QUOTA_EXCEEDED when this process finds no room for it: it stays asked for
   */
  async untilDone(
    id: number,
    ranges: readonly ByteRange[] | null,
    signal: AbortSignal | undefined,
    onLook: () => Promise<void>,
  ): Promise<void> {
    const { repository, clock, chunkSize } = this.#parts;
    let fillWasAllowed = false;
    for (;;) {
      if (signal?.aborted === true) throw new SeekwellError('CLOSED', 'the waiting was ended');
      const entry = await this.#entry(repository, id);
      if (entry.errorMessage !== null) throw failureOf(entry);
      await onLook();
      if (entry.isComplete) return;
      const left = await this.#missing(entry, ranges);
      if (left !== null && totalLength(left) === 0) return;
      if (this.#parts.isStuck(id)) throw new SeekwellError('QUOTA_EXCEEDED', 'the cache is full, and nothing in it may go for this');
      fillWasAllowed ||= entry.fillAllowed;
      const isPaused = fillWasAllowed && !entry.fillAllowed;
      if (!isPaused && !(await repository.hasPendingDownloads(id)))
        await repository.prefetch({ entryId: id, ranges: left ?? [{ start: 0, end: chunkSize - 1 }], chunkSize }, clock.now());
      this.#parts.wake();
      await this.#changeOf(id, signal);
    }
  }

  /** Records what the origin told, where no byte could be kept that would have told it. */
  async #describe({ entry, opened }: EntryReader): Promise<void> {
    if (knownVersion(entry) !== null) return;
    await this.#parts.repository.describe({ entryId: entry.id, epoch: entry.epoch, ...opened });
  }

  async #missing(entry: EntryRow, ranges: readonly ByteRange[] | null): Promise<ByteRange[] | null> {
    const last = (entry.expectedTotalSize ?? Number.POSITIVE_INFINITY) - 1;
    const wanted = ranges ?? [{ start: 0, end: last }];
    if (last === -1 || wanted.some(({ end }) => Math.min(end, last) === Number.POSITIVE_INFINITY)) return null;
    const left: ByteRange[] = [];
    for (const { start, end } of wanted)
      left.push(...(await this.#parts.repository.missingRanges(entry.id, { start, end: Math.min(end, last) })));
    return left;
  }

  async #plan(entry: EntryRow, specs: readonly RangeSpec[] | null): Promise<void> {
    const total = entry.expectedTotalSize;
    if (total === null || total === 0) {
      if (!entry.isComplete) await this.#planRanges(entry.id, [{ start: 0, end: this.#parts.chunkSize - 1 }]);
      return;
    }
    const ranges =
      specs === null ? [{ start: 0, end: total - 1 }] : specs.map((spec) => resolveRange(spec, total)).filter((range) => range !== null);
    await this.#planRanges(entry.id, ranges);
  }

  async #planRanges(entryId: number, ranges: readonly ByteRange[]): Promise<void> {
    const { repository, clock, chunkSize } = this.#parts;
    await repository.prefetch({ entryId, ranges, chunkSize }, clock.now());
    this.#parts.askedFor(entryId);
    this.#parts.events.emit('entryChanged', { entryId });
    this.#parts.wake();
  }

  /** Waits until something about the entry changes in this process, or a moment: other processes change it too. */
  async #changeOf(id: number, signal?: AbortSignal): Promise<void> {
    const { events, clock } = this.#parts;
    const done = new AbortController();
    const end = (): void => done.abort();
    const look = (event: { readonly entryId: number }): void => {
      if (event.entryId === id) end();
    };
    signal?.addEventListener('abort', end);
    events.on('rangesAdded', look);
    events.on('entryChanged', look);
    await pause(clock, LOOK_MS, done.signal);
    signal?.removeEventListener('abort', end);
    events.off('rangesAdded', look);
    events.off('entryChanged', look);
  }

  async #entry(repository: CacheRepository, id: number): Promise<EntryRow> {
    const entry = await repository.getEntry(id);
    if (entry === null) throw new SeekwellError('ENTRY_NOT_FOUND', 'the entry was removed');
    return entry;
  }
}

/** Why `entry` failed, as an error. */
function failureOf(entry: EntryRow): SeekwellError {
  const missing = entry.errorStatus === 404 || entry.errorStatus === 410;
  return new SeekwellError(missing ? 'ORIGIN_MISSING' : 'ORIGIN_REFUSED', entry.errorMessage ?? 'the entry failed');
}
