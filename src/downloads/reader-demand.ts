import type { Clock } from '../clock.ts';
import type { ByteRange } from '../core/byte-ranges.ts';
import type { RangeSpec } from '../core/http-range.ts';

const MIB = 1024 * 1024;
/** How much of a reader's future is fetched ahead, in seconds of its own rate, and between which sizes. */
const LOOKAHEAD_SECONDS = 60;
const MIN_LOOKAHEAD = 32 * MIB;
const MAX_LOOKAHEAD = 512 * MIB;
/** What a reader is about to take is wanted, even by one that wants no look-ahead. */
const LEAST_LOOKAHEAD = MIB;
/** A reader that had to wait within this time is hungry, in milliseconds. */
const HUNGRY_MS = 500;
/** The rate of a reader that need not wait is known after this time, in milliseconds. */
const SETTLED_MS = 5_000;
/** A reader that gets so much from one connection needs no second one, in bytes a millisecond: 320 Mbit/s is more than any film has. */
const ENOUGH = 40_000;
/** Before that it may be a player that looks at an index and leaves, in bytes. */
const HUNGRY_BYTES = 512 * 1024;

export interface DemandOptions {
  /** What the reader asked for. */
  readonly range: ByteRange;
  readonly clock: Clock;
  /** A fixed look-ahead in bytes, or null: from the reader's rate. */
  readonly lookahead: number | null;
}

/** What one reader wants: where it is, how far it will go, how fast. Dropped with the reader. */
export class ReaderDemand {
  readonly #clock: Clock;
  readonly #lookahead: number | null;
  readonly #start: number;
  readonly #openedAt: number;
  readonly #end: number;
  #position: number;
  /** It stands still until another process has brought its bytes. */
  waiting = false;
  /** Monotonic milliseconds. */
  #firstByteAt = Number.NEGATIVE_INFINITY;
  /** When it last took bytes as fast as they came, monotonic milliseconds. */
  #starvedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DemandOptions) {
    this.#clock = options.clock;
    this.#lookahead = options.lookahead;
    this.#start = options.range.start;
    this.#position = options.range.start;
    this.#end = options.range.end;
    this.#openedAt = options.clock.monotonic();
  }

  /** The next byte it takes. */
  get position(): number {
    return this.#position;
  }

  /** The last byte it asked for. */
  get end(): number {
    return this.#end;
  }

  moveTo(position: number): void {
    if (this.#firstByteAt === Number.NEGATIVE_INFINITY) this.#firstByteAt = this.#clock.monotonic();
    this.#position = position;
  }

  /** It has to wait for the bytes of a fetch. True: that makes it hungry, and it was not before. */
  starve(): boolean {
    const before = this.isHungry;
    this.#starvedAt = this.#clock.monotonic();
    return !before && this.isHungry;
  }

  /** It takes bytes as fast as they come: more connections may bring them faster. A player whose buffer is full does not. */
  get isHungry(): boolean {
    const now = this.#clock.monotonic();
    const bytes = this.#position - this.#start;
    return bytes >= HUNGRY_BYTES && now - this.#starvedAt < HUNGRY_MS && bytes < ENOUGH * (now - this.#firstByteAt);
  }

  /** Bytes to fetch ahead of the position. */
  lookahead(): number {
    if (this.#lookahead !== null) return Math.max(LEAST_LOOKAHEAD, this.#lookahead);
    const now = this.#clock.monotonic();
    // What a client took into its buffers says nothing of the film's rate, unless it goes on so.
    if (now - this.#openedAt < SETTLED_MS && now - this.#starvedAt >= HUNGRY_MS) return MIN_LOOKAHEAD;
    const seconds = Math.max(1, (now - this.#openedAt) / 1_000);
    const rate = (this.#position - this.#start) / seconds;
    return Math.min(MAX_LOOKAHEAD, Math.max(MIN_LOOKAHEAD, Math.round(rate * LOOKAHEAD_SECONDS)));
  }

  /** The last byte worth fetching for it now. */
  horizon(): number {
    return Math.min(this.#end, this.#position + this.lookahead() - 1);
  }

  /** Whether it wants `offset` now. */
  wants(offset: number): boolean {
    return offset >= this.#position && offset <= this.horizon();
  }
}

/** What `spec` asks for, before the total is known. A suffix counts as the whole. */
export function rangeOf(spec: RangeSpec | null): ByteRange {
  if (spec?.kind === 'from') return { start: spec.start, end: spec.end ?? Number.MAX_SAFE_INTEGER };
  return { start: 0, end: Number.MAX_SAFE_INTEGER };
}
