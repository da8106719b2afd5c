import type { Clock, Timer } from '../clock.ts';
import type { CacheEventMap, CacheEvents } from '../downloads/cache-events.ts';
import type { EntryInfo } from '../entry-info.ts';
import { asSeekwellError, isSeekwellError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EntryJson, StatsJson } from './schemas.ts';

/** An entry is told of at most this often, in milliseconds, however often it changes. */
const FLUSH_MS = 250;
const STATS_MS = 1_000;
/** A client that reads slower than this many bytes pile up gets no more until it has caught up; what changed meanwhile is told once. */
const BUFFERED_BYTES = 64 * 1024;
/** More than this many changes waiting for one client are not told one by one: it is told to look at everything again. */
const MAX_WAITING = 1_000;

export interface FeedParts {
  readonly emitter: CacheEvents;
  readonly clock: Clock;
  readonly logger: Logger;
  /** An entry as it is now. @throws SeekwellError ENTRY_NOT_FOUND */
  infoOf(id: number): Promise<EntryInfo>;
  stats(): Promise<StatsJson>;
  toJson(info: EntryInfo): EntryJson;
  /** Ends the feed. */
  readonly signal: AbortSignal;
}

type EntryEvent = { readonly entryId: number };
type StreamEvent = CacheEventMap['streamOpened'][0] & { readonly type: 'streamOpened' | 'streamClosed' };

/** What is to be told about one entry. */
interface Waiting {
  changed: boolean;
  ranges: boolean;
  removed: boolean;
}

/**
 * What one client of `/api/v1/events` is told. It remembers which entries changed, never what they changed to: that is read when it is told, so that a
 * slow client costs nothing but ids, and sees the latest when it reads on.
 */
export class EventFeed {
  readonly #parts: FeedParts;
  readonly #encoder = new TextEncoder();
  readonly #waiting = new Map<number, Waiting>();
  #streamEvents: StreamEvent[] = [];
  #reload = false;
  #statsDue = true;
  #telling = false;
  #timers: Timer[] = [];
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;

  private constructor(parts: FeedParts) {
    this.#parts = parts;
  }

  /** The feed as the body of an answer, `text/event-stream`. Cancelling it ends the feed. */
  static open(parts: FeedParts): ReadableStream<Uint8Array> {
    const feed = new EventFeed(parts);
    return new ReadableStream<Uint8Array>(
      { start: (controller) => feed.#start(controller), cancel: () => feed.#stop() },
      { highWaterMark: BUFFERED_BYTES, size: (chunk) => chunk.length },
    );
  }

  #start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { emitter, signal } = this.#parts;
    this.#controller = controller;
    this.#write('retry: 2000\n\n');
    emitter.on('entryChanged', this.#onChanged);
    emitter.on('rangesAdded', this.#onRanges);
    emitter.on('entryRemoved', this.#onRemoved);
    emitter.on('streamOpened', this.#onOpened);
    emitter.on('streamClosed', this.#onClosed);
    signal.addEventListener('abort', this.#end);
    if (signal.aborted) {
      this.#end();
      return;
    }
    this.#timers = [
      this.#every(FLUSH_MS, () => this.#tell()),
      this.#every(STATS_MS, () => {
        this.#statsDue = true;
      }),
    ];
    this.#tell();
  }

  /** Once the client is gone or the server closes nothing is left behind. */
  #stop(): void {
    const { emitter, signal } = this.#parts;
    this.#controller = null;
    for (const timer of this.#timers) timer.cancel();
    emitter.off('entryChanged', this.#onChanged);
    emitter.off('rangesAdded', this.#onRanges);
    emitter.off('entryRemoved', this.#onRemoved);
    emitter.off('streamOpened', this.#onOpened);
    emitter.off('streamClosed', this.#onClosed);
    signal.removeEventListener('abort', this.#end);
  }

  readonly #end = (): void => {
    const controller = this.#controller;
    this.#stop();
    controller?.close();
  };

  readonly #onChanged = ({ entryId }: EntryEvent): void => this.#note(entryId, 'changed');
  readonly #onRanges = ({ entryId }: EntryEvent): void => this.#note(entryId, 'ranges');
  readonly #onRemoved = ({ entryId }: EntryEvent): void => this.#note(entryId, 'removed');
  readonly #onOpened = (event: CacheEventMap['streamOpened'][0]): void => this.#noteStream({ ...event, type: 'streamOpened' });
  readonly #onClosed = (event: CacheEventMap['streamClosed'][0]): void => this.#noteStream({ ...event, type: 'streamClosed' });

  #note(entryId: number, what: keyof Waiting): void {
    let waiting = this.#waiting.get(entryId);
    if (waiting === undefined) {
      if (this.#waiting.size >= MAX_WAITING) {
        this.#forgetAll();
        return;
      }
      waiting = { changed: false, ranges: false, removed: false };
      this.#waiting.set(entryId, waiting);
    }
    waiting[what] = true;
  }

  #noteStream(event: StreamEvent): void {
    if (this.#streamEvents.length >= MAX_WAITING) this.#forgetAll();
    else this.#streamEvents.push(event);
  }

  #forgetAll(): void {
    this.#waiting.clear();
    this.#streamEvents = [];
    this.#reload = true;
  }

  #every(milliseconds: number, run: () => void): Timer {
    const { clock } = this.#parts;
    let timer = clock.after(milliseconds, again);
    function again(): void {
      timer = clock.after(milliseconds, again);
      run();
    }
    return { cancel: () => timer.cancel() };
  }

  /** Tells what waits, unless the client is behind. */
  #tell(): void {
    if (this.#telling) return;
    this.#telling = true;
    this.#tellAll()
      .catch((error: unknown) => {
        if (isSeekwellError(error, 'CLOSED')) return;
        const { code, message } = asSeekwellError(error);
        this.#parts.logger.warn({ code }, `an event could not be told: ${message}`);
        this.#reload = true;
      })
      .finally(() => {
        this.#telling = false;
      });
  }

  async #tellAll(): Promise<void> {
    if (this.#isBehind()) return;
    if (this.#reload) {
      this.#reload = false;
      this.#send('reload', {});
    }
    const streams = this.#streamEvents;
    this.#streamEvents = [];
    for (const { type, entryId, streamId } of streams) this.#send(type, { entryId, streamId });
    for (const [entryId, waiting] of [...this.#waiting]) {
      if (this.#isBehind()) return;
      this.#waiting.delete(entryId);
      await this.#tellEntry(entryId, waiting);
    }
    if (this.#statsDue) {
      this.#statsDue = false;
      this.#send('stats', await this.#parts.stats());
    }
  }

  async #tellEntry(entryId: number, { changed, ranges, removed }: Waiting): Promise<void> {
    if (removed) return this.#send('entryRemoved', { entryId });
    let info: EntryInfo;
    try {
      info = await this.#parts.infoOf(entryId);
    } catch (error) {
      if (isSeekwellError(error, 'ENTRY_NOT_FOUND')) return;
      throw error;
    }
    if (changed) this.#send('entryChanged', { entryId, entry: this.#parts.toJson(info) });
    if (ranges) this.#send('rangesAdded', { entryId, downloadedBytes: info.downloadedBytes });
  }

  #isBehind(): boolean {
    return (this.#controller?.desiredSize ?? 0) <= 0;
  }

  #send(type: string, data: object): void {
    this.#write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  #write(text: string): void {
    this.#controller?.enqueue(this.#encoder.encode(text));
  }
}
