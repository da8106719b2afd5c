import type { Clock, Timer } from '../../clock.ts';
import type { CacheEventMap, CacheEvents } from '../../downloads/cache-events.ts';
import type { Happened } from './messages.ts';

/** What happened is told to the other processes together, at most this often, in milliseconds. */
const TELL_MS = 100;
/** More than this many are not told: they are hints. */
const MAX_WAITING = 1_000;

const NAMES = ['entryChanged', 'entryRemoved', 'rangesAdded', 'streamOpened', 'streamClosed'] as const;

export interface RelayParts {
  readonly emitter: CacheEvents;
  readonly clock: Clock;
  /** Tells the other processes. */
  tell(events: readonly Happened[]): void;
  /** The first one began to watch here, or the last one stopped. */
  watched(on: boolean): void;
}

/** Passes hints between this process and others, only while somebody watches at the other end: ranges of a player are many a second. */
export class EventRelay {
  readonly #parts: RelayParts;
  readonly #waiting = new Map<string, Happened>();
  readonly #listeners = new Map<string, (event: never) => void>();
  #timer: Timer | null = null;
  /** What is being repeated here came from another process. */
  #repeating = false;
  #watched = false;

  constructor(parts: RelayParts) {
    this.#parts = parts;
    // Whoever shows streams to somebody listens for this one.
    const looked = (name: unknown): void => {
      if (name === 'streamOpened') queueMicrotask(() => this.#look());
    };
    parts.emitter.on('newListener', looked as never);
    parts.emitter.on('removeListener', looked as never);
  }

  /** Whether what happens here is to be told. */
  set telling(on: boolean) {
    const { emitter } = this.#parts;
    if (on === this.#listeners.size > 0) return;
    if (on) {
      for (const name of NAMES) this.#listen(name);
      return;
    }
    for (const [name, listener] of this.#listeners) emitter.off(name as keyof CacheEventMap, listener as never);
    this.#listeners.clear();
    this.#timer?.cancel();
    this.#timer = null;
    this.#waiting.clear();
  }

  /** Something happened in another process. */
  repeat(events: readonly Happened[]): void {
    this.#repeating = true;
    for (const { name, event } of events) this.#parts.emitter.emit(name as 'streamOpened', event as never);
    this.#repeating = false;
  }

  #listen(name: (typeof NAMES)[number]): void {
    const listener = (event: CacheEventMap[typeof name][0]): void => this.#note({ name, event } as Happened);
    this.#listeners.set(name, listener as (event: never) => void);
    this.#parts.emitter.on(name, listener as never);
  }

  #look(): void {
    const others = this.#parts.emitter.listenerCount('streamOpened') - (this.#listeners.size > 0 ? 1 : 0);
    if (others > 0 === this.#watched) return;
    this.#watched = others > 0;
    this.#parts.watched(this.#watched);
  }

  #note(happened: Happened): void {
    if (this.#repeating || this.#waiting.size >= MAX_WAITING) return;
    // Once for all that happens to an entry within a moment.
    this.#waiting.set(JSON.stringify(happened), happened);
    this.#timer ??= this.#parts.clock.after(TELL_MS, () => this.#tell());
  }

  #tell(): void {
    this.#timer = null;
    const events = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#parts.tell(events);
  }
}
