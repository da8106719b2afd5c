import type { Clock, Timer } from '../clock.ts';

/**
 * Tells when nothing has happened for too long. A sign of life costs one reading of the clock, not a timer: the one timer looks, when it
 * fires, how long ago the last sign was.
 */
export class StallWatch {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #expired: () => void;
  #timer: Timer | null = null;
  #last = 0;
  #watching = false;

  /** @param limit milliseconds without a sign of life after which `expired` is called, once */
  constructor(clock: Clock, limit: number, expired: () => void) {
    this.#clock = clock;
    this.#limit = limit;
    this.#expired = expired;
  }

  /** Begins or goes on after `suspend`; the time counts from now. */
  watch(): void {
    this.#last = this.#clock.monotonic();
    this.#watching = true;
    if (this.#timer === null) this.#arm(this.#limit);
  }

  /** A sign of life. */
  beat(): void {
    this.#last = this.#clock.monotonic();
  }

  /** Silence counts no more until `watch`. The timer stays: a body that pauses at every chunk would set one at every chunk. */
  suspend(): void {
    this.#watching = false;
  }

  stop(): void {
    this.#watching = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(delay: number): void {
    this.#timer = this.#clock.after(delay, () => this.#look());
  }

  #look(): void {
    this.#timer = null;
    if (!this.#watching) return;
    const remaining = this.#last + this.#limit - this.#clock.monotonic();
    if (remaining > 0) {
      // Timers count whole milliseconds: rounding down would fire once more just before the moment.
      this.#arm(Math.ceil(remaining));
    } else {
      this.#watching = false;
      this.#expired();
    }
  }
}
