import type { Clock } from '../clock.ts';
import { backoffRest } from '../core/backoff.ts';
import type { Ending } from '../core/ending.ts';
import { SeekwellError } from '../errors.ts';
import { pause } from './signal.ts';

/** A waiting reader tries again after this long, whatever backoff the background obeys, in milliseconds. */
const RETRY_MS = 1_000;
/** Before its first byte a reader hears of a failure after this many tries. */
const TRIES_BEFORE_FIRST_BYTE = 2;
/** A stream under way outlasts an origin's absence of this many milliseconds: about what players keep in their buffers. */
const PATIENCE_MS = 30_000;

/** How long one reader waits for an origin that fails, and when it gives up. */
export class ReaderPatience {
  readonly #clock: Clock;
  #failures = 0;
  #failingSince = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bytes came: all is forgiven. */
  calm(): void {
    this.#failures = 0;
  }

  /** The entry's backoff runs until `retryAt`: waits a moment, and then counts it as one failure. */
  async backoff(retryAt: number | null, signal?: Ending): Promise<void> {
    const rest = backoffRest(retryAt, this.#clock.now());
    if (rest === 0 || this.#failures > 0) return;
    this.#failures = 1;
    this.#failingSince = this.#clock.monotonic();
    await pause(this.#clock, Math.min(rest, RETRY_MS), signal);
  }

  /**
   * A try failed: waits before the next one.
   * @param begun whether the reader has got bytes before
   * @param progress whether this try brought bytes: then the next one follows at once
   * @throws SeekwellError `error`, when it is time to give up
   */
  async failed(error: SeekwellError, state: { readonly begun: boolean; readonly progress: boolean }, signal?: Ending): Promise<void> {
    if (state.progress) this.calm();
    if (this.#failures === 0) this.#failingSince = this.#clock.monotonic();
    this.#failures++;
    const spent = state.begun ? this.#clock.monotonic() - this.#failingSince >= PATIENCE_MS : this.#failures >= TRIES_BEFORE_FIRST_BYTE;
    if (spent) throw new SeekwellError(error.code, error.message, { cause: error, hint: error.hint, retryAfter: error.retryAfter ?? 1 });
    if (!state.progress) await pause(this.#clock, RETRY_MS, signal);
  }
}
