import type { Clock, Timer } from '../clock.ts';
import type { SeekwellError } from '../errors.ts';
import type { Logger } from '../logger.ts';

/** How long nothing is kept after the store or the database failed, in milliseconds. */
const REST_MS = 5_000;

/** Whether bytes can be kept now. A full or broken disk is tried again every 5 s and reported once, until it is over. Keeps only hints. */
export class StorageHealth {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** Monotonic milliseconds. */
  #restsUntil = 0;
  /** The code that was reported; null: all is well. */
  #reported: string | null = null;
  #timer: Timer | null = null;
  #rested: () => void = () => {};

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The store or the database failed lately: bytes are passed through. */
  get rests(): boolean {
    return this.#restsUntil > this.#clock.monotonic();
  }

  /** Sets what is called when it is time to try again. */
  onRested(listener: () => void): void {
    this.#rested = listener;
  }

  failed({ code, message, hint }: SeekwellError): void {
    this.#restsUntil = this.#clock.monotonic() + REST_MS;
    this.#timer?.cancel();
    this.#timer = this.#clock.after(REST_MS, () => this.#rested());
    // Of a database that is gone its owner has to hear, also when a file was missed before it.
    if (this.#reported !== null && (code !== 'DATABASE_GONE' || this.#reported === code)) return;
    this.#reported = code;
    this.#logger.warn({ code, hint }, `bytes are passed through and not kept: ${message}`);
  }

  /** Bytes were written, synced and recorded: all of it works. */
  worked(): void {
    // While it rests only what began before the failure comes to its end: that proves nothing.
    if (this.#reported === null || this.rests) return;
    this.#reported = null;
    this.#logger.info({}, 'bytes are kept again');
  }
}
