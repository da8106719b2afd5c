import type { Clock, Timer } from '../clock.ts';

/** What nobody waits for is gathered this long before it is written, in milliseconds. */
const GATHER_MS = 20;

/**
 * Tells that bytes came, once for all that come together: a few large writes cost less than many small ones. Measured with four background fetches at 4 MB/s
 * each (docs/decisions/0009): a fifth of the pool's wake-ups, a fifth less CPU time of the main thread.
 */
export class Arrivals {
  readonly #clock: Clock;
  readonly #tell: () => void;
  #soon = false;
  #timer: Timer | null = null;

  constructor(clock: Clock, tell: () => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  /** @param awaited tell as soon as what the system has ready now has come; else what comes within a while is told of together */
  came(awaited: boolean): void {
    if (this.#soon) return;
    if (awaited) {
      this.#soon = true;
      this.#clock.soon(() => this.#told());
    } else {
      this.#timer ??= this.#clock.after(GATHER_MS, () => this.#told());
    }
  }

  #told(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#soon = false;
    this.#tell();
  }
}
