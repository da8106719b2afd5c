import type { Clock, Timer } from '../clock.ts';

/** What came is gathered this long before it is written, in milliseconds. */
const GATHER_MS = 20;

export interface ArrivalListeners {
  /** Bytes for which somebody waits can be taken from memory. */
  came(): void;
  /** What came should be written: see `due`. */
  gathered(): void;
}

/**
 * Tells that bytes came, once for all that come together: to readers at once, to who writes them when many have gathered, for a few large writes cost less than
 * many small ones (measured: docs/decisions/0009).
 */
export class Arrivals {
  readonly #clock: Clock;
  readonly #listeners: ArrivalListeners;
  #due = false;
  #telling = false;
  #ripening = false;
  #timer: Timer | null = null;

  constructor(clock: Clock, listeners: ArrivalListeners) {
    this.#clock = clock;
    this.#listeners = listeners;
  }

  /** What came and was not taken yet has been gathered for long enough, or is enough. */
  get due(): boolean {
    return this.#due;
  }

  /**
   * @param awaited somebody waits for the bytes: tell as soon as what the system has ready now has come
   * @param enough they need not be gathered any longer
   */
  came(awaited: boolean, enough: boolean): void {
    if (awaited && !this.#telling) {
      this.#telling = true;
      this.#clock.soon(() => {
        this.#telling = false;
        this.#listeners.came();
      });
    }
    // What is due was perhaps thrown away since: who writes waits again, and has to hear of more.
    if (enough || this.#due) this.#ripen();
    else this.#timer ??= this.#clock.after(GATHER_MS, () => this.#gathered());
  }

  /** All that came was taken. */
  taken(): void {
    this.#due = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** After readers have heard: what they do with the bytes comes before their writing. */
  #ripen(): void {
    if (this.#ripening) return;
    this.#ripening = true;
    this.#clock.soon(() => {
      this.#ripening = false;
      this.#gathered();
    });
  }

  #gathered(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#due = true;
    this.#listeners.gathered();
  }
}
