import type { FileSend } from '../chunk-store/chunk-store.ts';
import type { ByteRange } from '../core/byte-ranges.ts';
import { EndSignal } from '../core/ending.ts';
import { type Description, sameVersion } from '../core/validator.ts';
import { isSeekwellError, SeekwellError, STORAGE_CODES } from '../errors.ts';
import type { EntryRow, ReadView } from '../repository/cache-repository.ts';
import { type ByteSource, SourceBytes } from './byte-source.ts';
import type { ChunkDownloader } from './chunk-downloader.ts';
import type { FetchEnd } from './fetch-end.ts';
import { heardFrom } from './heard-from.ts';
import { knownVersion } from './known-version.ts';
import { PassThrough } from './pass-through.ts';
import { ReaderDemand, rangeOf } from './reader-demand.ts';
import type { OpenOptions, ReaderParts } from './reader-options.ts';
import { ReaderPatience } from './reader-patience.ts';
import { pause } from './signal.ts';
import type { Heard } from './span-recorder.ts';
import { waitForOthers } from './waiting-for-others.ts';

/**
 * One reader of one entry: spans come from the file, holes from a fetch that is asked for at the exact byte, while it arrives. A plan is only advice: it
 * is made again whenever it does not hold. All bytes are of one version; when the resource changes, the reading ends.
 */
export class EntryReader {
  readonly #parts: ReaderParts;
  readonly #options: OpenOptions;
  readonly #patience: ReaderPatience;
  readonly #bytes: SourceBytes;
  /** Ends every waiting: the reader was closed, or whoever opened it gave up. */
  readonly #end = new EndSignal();
  #entry: EntryRow;
  #opened: Heard | null = null;
  #demand: ReaderDemand;
  /** `begin` was called. */
  #ranged = false;
  /** Bytes were given. */
  #begun = false;
  /** A resource without a known length is over. */
  #ended = false;
  #closed = false;
  #span: ByteRange | null = null;
  /** The plan around this position was only just read. */
  #lookedAt: number | null;
  #readAheadFrom: number | null = null;
  #fetch: ChunkDownloader | null = null;
  #through: PassThrough | null = null;

  private constructor(view: ReadView, options: OpenOptions, parts: ReaderParts) {
    this.#parts = parts;
    this.#options = options;
    this.#entry = view.entry;
    this.#span = view.span;
    this.#lookedAt = rangeOf(options.spec).start;
    this.#patience = new ReaderPatience(parts.clock);
    this.#bytes = new SourceBytes(parts.store, parts.traffic);
    this.#demand = this.#newDemand(rangeOf(options.spec));
    parts.traffic.openReaders++;
    if (options.signal?.aborted === true) this.#giveUp();
    else options.signal?.addEventListener('abort', this.#giveUp);
  }

  /**
   * Finds out what the resource is: from the database where that is known, else by asking the origin for the bytes that will be read.
   * @param view the entry as it was just read, best around the first byte of `options.spec`: then no other look is needed
   * @throws SeekwellError what keeps the resource from being read
   */
  static async open(view: ReadView, options: OpenOptions, parts: ReaderParts): Promise<EntryReader> {
    const reader = new EntryReader(view, options, parts);
    try {
      reader.#opened = await reader.#hear();
    } catch (error) {
      await reader.close();
      throw error;
    }
    return reader;
  }

  get entry(): EntryRow {
    return this.#entry;
  }

  get opened(): Heard {
    if (this.#opened === null) throw new SeekwellError('INTERNAL', 'the reader is not open');
    return this.#opened;
  }

  /** The next byte that `read` gives. */
  get position(): number {
    return this.#demand.position;
  }

  /** Bytes from there to the end of what is read, or of what may be where the end is not known. */
  get remaining(): number {
    return this.#demand.end - this.#demand.position + 1;
  }

  /** Sets what is read from now on: `range` lies within the total where one is known. */
  begin(range: ByteRange): void {
    const before = this.#demand;
    this.#demand = this.#newDemand(range);
    this.#ranged = true;
    this.#parts.manager.detach(this.#entry.id, before, true);
    if (this.#through !== null && this.#through.start !== range.start) this.#dropThrough();
  }

  /**
   * Reads the next bytes, as many as are there at once and fit; waits where none are. 0 at the end.
   * @throws SeekwellError when no more bytes can be had; CLOSED when the reader was closed or aborted
   */
  async read(into: Uint8Array): Promise<number> {
    for (;;) {
      const source = await this.#source();
      if (source === null) return 0;
      const count = await this.#take(source, into.subarray(0, Math.min(into.length, this.remaining)));
      if (count > 0) return this.#advance(source, count);
    }
  }

  /** As `read`, without waiting: 0 where that takes a wait, and at the end. @throws SeekwellError as `read` does */
  readNow(into: Uint8Array): number {
    const source = this.#sourceNow();
    if (source === null) return 0;
    const { remaining } = this;
    const room = remaining < into.length ? into.subarray(0, remaining) : into;
    const count = this.#bytes.takeNow(source, this.#entry.filePath, room, this.#demand.position);
    return count === 0 ? 0 : this.#advance(source, count);
  }

  /** As `readNow`, without a copy: see `ChunkFile.sendNow`. @throws SeekwellError as `read` does */
  sendNow(most: number, send: FileSend): number | null {
    const source = this.#sourceNow();
    const count = source && this.#bytes.sendNow(source, this.#entry.filePath, this.#demand.position, Math.min(most, this.remaining), send);
    return source === null || count === null || count === 0 ? count : this.#advance(source, count);
  }

  /** Waits until `read` has a byte to give, or the end is reached. @throws SeekwellError as `read` does */
  async ready(): Promise<void> {
    await this.#source();
  }

  /** Lets go of everything. What only this reader wanted is fetched no more. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#end.abort();
    this.#options.signal?.removeEventListener('abort', this.#giveUp);
    this.#parts.traffic.openReaders--;
    const finished = !this.#ranged || this.#demand.position > this.#demand.end || this.#ended;
    this.#parts.manager.detach(this.#entry.id, this.#demand, finished);
    this.#dropThrough();
    await this.#bytes.close();
  }

  readonly #giveUp = (): void => this.#end.abort();

  #newDemand(range: ByteRange): ReaderDemand {
    const { clock, lookahead, manager } = this.#parts;
    const demand = new ReaderDemand({ range, clock, lookahead });
    if (this.#options.mayFetch) manager.attach(this.#entry.id, demand);
    return demand;
  }

  #advance(source: ByteSource, count: number): number {
    if (source.kind === 'span') this.#readAhead(source.span);
    this.#demand.moveTo(this.#demand.position + count);
    this.#patience.calm();
    if (!this.#begun) {
      this.#begun = true;
      if (this.#options.mayFetch) this.#parts.manager.fills.readerBegan(this.#entry, knownVersion(this.#entry) !== null);
    }
    if (this.#options.probe !== true) this.#parts.manager.accesses.note(this.#entry);
    return count;
  }

  /** What the resource is: asks until somebody knows. */
  async #hear(): Promise<Heard> {
    for (let looked = true; ; looked = false) {
      this.#refuseWhenClosed();
      // Before the database is asked: what is passed through is what will be read, whatever version somebody has recorded meanwhile.
      if (this.#through !== null) return { description: this.#through.description, headers: {} };
      if (!looked) await this.#look();
      const known = knownVersion(this.#entry);
      if (known !== null) return { description: known, headers: await this.#parts.headers.of(this.#entry) };
      const underWay = this.#parts.manager.heardOf(this.#entry);
      if (underWay !== null) return underWay;
      await this.#ask();
      const heard = this.#fetch === null ? null : await heardFrom(this.#fetch, this.#end);
      this.#refuseWhenClosed();
      if (heard !== null) return heard;
      if (this.#fetch !== null && this.#fetch.end !== null) await this.#afterEnd(this.#fetch);
    }
  }

  /** Waits until the byte at the position can be had, and says from where; null at the end. */
  async #source(): Promise<ByteSource | null> {
    while (this.#demand.position <= this.#demand.end && !this.#atUnknownEnd()) {
      this.#refuseWhenClosed();
      const { position } = this.#demand;
      if (this.#through !== null) {
        if (await this.#throughHasBytes(this.#through)) return { kind: 'through', through: this.#through };
      } else if (this.#spanCovers(position)) {
        const source = this.#checkedSpan() ?? (await this.#check());
        if (source !== null) return source;
      } else if (this.#fetch !== null) {
        if (await this.#fetchHasBytes(this.#fetch)) return { kind: 'fetch', fetch: this.#fetch };
      } else {
        if (this.#lookedAt !== position) await this.#look().catch((error) => this.#withoutStorage(error));
        this.#lookedAt = null;
        if (this.#through === null && !this.#spanCovers(position)) await this.#ask();
      }
    }
    return null;
  }

  /** As `#source`, without waiting: null where that takes a wait, and at the end. */
  #sourceNow(): ByteSource | null {
    const { position, end } = this.#demand;
    if (this.#through !== null || position > end || this.#end.aborted) return null;
    if (this.#spanCovers(position)) return this.#checkedSpan();
    return this.#begun && this.#fetch !== null ? { kind: 'fetch', fetch: this.#fetch } : null;
  }

  #spanCovers(position: number): boolean {
    return this.#span !== null && position >= this.#span.start && position <= this.#span.end;
  }

  /** The bytes at the position; 0: they are not there after all. */
  async #take(source: ByteSource, into: Uint8Array): Promise<number> {
    const { filePath } = this.#entry;
    const { position } = this.#demand;
    const now = this.#bytes.takeNow(source, filePath, into, position);
    if (now > 0) return now;
    const count = await this.#bytes.takeFromFile(source, filePath, into, position).catch((error) => this.#withoutStorage(error));
    if (count === 0) {
      this.#forgetPlan();
      await this.#parts.checker.missed(this.#entry, position).catch((error) => this.#withoutStorage(error));
    }
    return count ?? 0;
  }

  /** The span at the position, as far as it is known to be right; null: that takes a wait. */
  #checkedSpan(): ByteSource | null {
    return this.#parts.checker.checkedPart(this.#entry, this.#span as ByteRange, this.#demand);
  }

  /** As `#checkedSpan`, with the wait; null: plan again. Where a bad block cannot be cut, its bytes come from the origin. */
  async #check(): Promise<ByteSource | null> {
    const { checker } = this.#parts;
    const source = await checker.check(this.#entry, this.#span as ByteRange, this.#demand).catch((error) => this.#withoutStorage(error));
    if (source === null) this.#forgetPlan();
    return source;
  }

  async #throughHasBytes(through: PassThrough): Promise<boolean> {
    try {
      const has = await through.hasBytes(this.#end);
      if (has || this.#end.aborted) return has;
      this.#ended = this.opened.description.total === null;
      if (!this.#ended) throw new SeekwellError('ORIGIN_UNREACHABLE', 'the origin ended the transfer too early');
    } catch (error) {
      this.#dropThrough();
      if (!(error instanceof SeekwellError)) throw error;
      await this.#patience.failed(error, { begun: this.#begun, progress: through.gave }, this.#end);
    }
    return false;
  }

  async #fetchHasBytes(fetch: ChunkDownloader): Promise<boolean> {
    const { position } = this.#demand;
    if (fetch.heard !== null) this.#refuseOtherVersion(fetch.heard.description);
    if (fetch.has(position)) return true;
    if (fetch.end !== null) await this.#afterEnd(fetch);
    // Of a whole body that could not be kept the end tells what to do, instead of asking for it again.
    else if (position > fetch.limit && !fetch.wholeBody && (fetch.stopping || position > fetch.limit + 1)) this.#fetch = null;
    else {
      if (this.#demand.starve()) this.#parts.manager.hungered();
      await fetch.changed(this.#end);
    }
    return false;
  }

  /** The disk or the database failed: the rest is passed through. */
  async #withoutStorage(error: unknown): Promise<null> {
    if (!this.#options.mayFetch || !isSeekwellError(error, ...STORAGE_CODES)) throw error;
    this.#parts.manager.storage.failed(error);
    this.#forgetPlan();
    await this.#passThrough();
    return null;
  }

  /** Reads the plan around the position: the entry, the span that covers it, the next one. */
  async #look(): Promise<void> {
    const view = await this.#parts.repository.readView(this.#entry.id, this.#demand.position);
    if (view === null) throw new SeekwellError('ENTRY_NOT_FOUND', 'the entry was removed');
    // Each time: an epoch that was nobody's version yet may be another one's now.
    const known = knownVersion(view.entry);
    if (known !== null) this.#refuseOtherVersion(known);
    this.#entry = view.entry;
    this.#span = view.span;
  }

  /** Has somebody bring the byte at the position. */
  async #ask(): Promise<void> {
    const { manager, clock } = this.#parts;
    if (!this.#options.mayFetch) throw new SeekwellError('INCOMPLETE', 'these bytes are not cached');
    await this.#patience.backoff(this.#entry.retryAt, this.#end);
    this.#refuseWhenClosed();
    const { spec } = this.#options;
    const asker = { demand: this.#demand, ending: this.#end, probe: this.#options.probe === true };
    const acquired =
      this.#opened === null && spec?.kind === 'suffix'
        ? await manager.acquireSuffix(this.#entry, spec.length, this.#end)
        : await manager.acquire(this.#entry, this.#demand.position, asker);
    if (acquired.kind === 'fetch') this.#fetch = acquired.fetch;
    else if (acquired.kind === 'uncacheable') await this.#passThrough();
    else if (acquired.kind === 'elsewhere') await waitForOthers(this.#parts, this.#demand, this.#end, acquired.until);
    else if (manager.closed) throw new SeekwellError('CLOSED', 'the cache is shutting down');
    else await pause(clock, 0, this.#end);
  }

  async #passThrough(): Promise<void> {
    const range = { start: this.#demand.position, end: this.#demand.end };
    try {
      this.#through = await PassThrough.open(this.#parts.origin, this.#entry, range, this.#opened?.description ?? null, this.#end);
      this.#refuseOtherVersion(this.#through.description);
    } catch (error) {
      if (!(error instanceof SeekwellError)) throw error;
      if (error.code === 'ORIGIN_CHANGED') {
        if (this.#opened !== null) await this.#parts.consequences.superseded(this.#entry, this.#opened.description).catch(() => {});
        throw error;
      }
      await this.#patience.failed(error, { begun: this.#begun, progress: false }, this.#end);
    }
  }

  /** The fetch this reader waited for ended: what now? */
  async #afterEnd(fetch: ChunkDownloader): Promise<void> {
    this.#fetch = null;
    const end = fetch.end as FetchEnd;
    switch (end.kind) {
      case 'refused':
        throw end.error;
      case 'transient':
        return this.#patience.failed(end.error, { begun: this.#begun, progress: end.progress }, this.#end);
      case 'broken':
      case 'uncacheable':
        return this.#passThrough();
      case 'changed':
        if (this.#opened === null) return;
        throw new SeekwellError('ORIGIN_CHANGED', 'the resource changed at the origin while it was read');
      case 'unsatisfiable':
        this.#ended = this.#opened?.description.total === null;
        if (this.#ended) return;
        throw new SeekwellError('ORIGIN_WRONG', 'the origin says that the range lies beyond the end of the resource');
      default:
        // Somebody else sends the whole body of an origin without ranges: wait for it rather than ask again.
        if (fetch.isIdle) await waitForOthers(this.#parts, this.#demand, this.#end, this.#parts.clock.now() + 1_000);
    }
  }

  /** The resource has no known length, and what was sent of it is over. */
  #atUnknownEnd(): boolean {
    if (this.#ended || this.opened.description.total !== null) return this.#ended;
    // Known from whoever got to the end, also where not all of it is recorded.
    this.#ended = this.#demand.position >= (knownVersion(this.#entry)?.total ?? Number.POSITIVE_INFINITY);
    return this.#ended;
  }

  #readAhead(span: ByteRange): void {
    const next = span.end + 1;
    if (this.#readAheadFrom === next || next > this.#demand.end || !this.#options.mayFetch) return;
    if (next - this.#demand.position > this.#demand.lookahead() / 2) return;
    this.#readAheadFrom = next;
    void this.#parts.manager.lookAhead.follow(this.#entry, next, 1).catch(() => {});
  }

  #refuseOtherVersion(version: Description): void {
    if (this.#opened === null || sameVersion(this.#opened.description, version)) return;
    throw new SeekwellError('ORIGIN_CHANGED', 'the resource changed at the origin while it was read');
  }

  #refuseWhenClosed(): void {
    if (this.#end.aborted) throw new SeekwellError('CLOSED', 'the reading was ended');
  }

  #forgetPlan(): void {
    this.#span = null;
    this.#fetch = null;
  }

  #dropThrough(): void {
    this.#through?.close();
    this.#through = null;
  }
}
