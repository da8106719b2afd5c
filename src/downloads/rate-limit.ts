import type { Clock } from '../clock.ts';

/** A token bucket that holds at most one second's worth. */
export class RateLimit {
  readonly #rate: number;
  readonly #clock: Clock;
  /** Bytes that may pass now; negative: what was taken in advance. */
  #tokens: number;
  #filledAt: number;

  /** @param rate bytes a second, more than 0 */
  constructor(rate: number, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
    this.#tokens = rate;
    this.#filledAt = clock.monotonic();
  }

  /** Takes `bytes` that have passed, and says how many milliseconds to wait before the next ones; 0: none. */
  take(bytes: number): number {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#rate, this.#tokens + ((now - this.#filledAt) * this.#rate) / 1_000) - bytes;
    this.#filledAt = now;
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens * 1_000) / this.#rate);
  }
}
