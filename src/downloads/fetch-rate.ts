import type { Clock } from '../clock.ts';

/** How long something needs is told from this long a time, in milliseconds: the first bytes come with what the system had gathered. */
const RATE_MS = 300;

/** Bytes that came so long before something else was asked for came beside it, in milliseconds: more than they are apart where an origin is slow. */
const BESIDE_MS = 500;

/** How fast the bytes of one fetch come. */
export class FetchRate {
  readonly #clock: Clock;
  /** When the fetch was made, monotonic milliseconds. */
  readonly #since: number;
  /** Monotonic milliseconds; null: none came. */
  #firstAt: number | null = null;
  #lastAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.monotonic();
  }

  /** Whether any bytes came. */
  get begun(): boolean {
    return this.#firstAt !== null;
  }

  /** Bytes came. */
  came(): void {
    this.#lastAt = this.#clock.monotonic();
    this.#firstAt ??= this.#lastAt;
  }

  /** Whether bytes came since `other` was made, or just before. */
  cameBeside(other: FetchRate): boolean {
    return this.#lastAt >= other.#since - BESIDE_MS;
  }

  /** Bytes a millisecond, when `bytes` came until now; 0 before the first ones. */
  of(bytes: number): number {
    const elapsed = this.#elapsed();
    return elapsed === 0 ? 0 : bytes / elapsed;
  }

  /** In how many milliseconds `left` bytes will have come, when `bytes` came until now; 0 while that cannot be told. */
  remainingMs(bytes: number, left: number): number {
    return this.#elapsed() < RATE_MS ? 0 : left / this.of(bytes);
  }

  #elapsed(): number {
    return this.#firstAt === null ? 0 : this.#clock.monotonic() - this.#firstAt;
  }
}
