import type { Clock, Timer } from '../clock.ts';

/** A rate is told from this long a time, in milliseconds. */
const WINDOW_MS = 500;
/** Bytes that come further apart than this belong to no rate, in milliseconds. */
const GAP_MS = 1_000;
/** One more connection is worth it when the rate is at least so many times the one without it. */
const WORTH = 1.05;
/** What was learnt holds this long, in milliseconds; then the origin may be another. */
const HOLD_MS = 30_000;
/** The rate of so many windows is known before it is asked what one connection less would cost: short downloads are not slowed by the question. */
const WINDOWS_BEFORE_PROBE = 20;
/** After an origin said that it is asked too much, one more is tried each HOLD_MS for so long, however fast that is, in milliseconds. */
const CAUTION_MS = 300_000;

/**
 * Learns how many connections to one origin are worth having. All that are allowed are opened at first. Once their rate is known, one that ends is not
 * replaced for a moment: where the rest is as fast without it, it stays closed, and so on down to one. From time to time one more is tried, and then as
 * many as raise the rate.
 */
export class Throughput {
  readonly #clock: Clock;
  /** Called when more connections may be allowed than before. */
  readonly #eased: () => void;
  /** Bytes a millisecond by number of connections, and when that was measured. */
  readonly #rates = new Map<number, { readonly rate: number; readonly at: number }>();
  #window: { readonly connections: number; readonly since: number; last: number; bytes: number } | null = null;
  #limit: number | null = null;
  /** When the limit is eased. */
  #timer: Timer | null = null;
  /** The most that are tried after the origin said that it is asked too much, and until when, monotonic milliseconds. */
  #ceiling = { connections: Number.POSITIVE_INFINITY, until: 0 };
  /** Windows in a row with the same number of connections. */
  #steady = { connections: 0, windows: 0 };

  constructor(clock: Clock, eased: () => void) {
    this.#clock = clock;
    this.#eased = eased;
  }

  /** Whether one more connection beside `open` others may raise the rate. */
  allows(open: number): boolean {
    return open === 0 || this.#limit === null || open < this.#limit;
  }

  /** The origin said a while ago that it is asked too much. */
  get isCautious(): boolean {
    return this.#clock.monotonic() < this.#ceiling.until;
  }

  /** `bytes` came while there were so many connections. */
  received(bytes: number, connections: number): void {
    const now = this.#clock.monotonic();
    const window = this.#window;
    if (window === null || window.connections !== connections || now - window.last > GAP_MS) {
      this.#window = { connections, since: now, last: now, bytes: 0 };
      return;
    }
    window.last = now;
    window.bytes += bytes;
    if (now - window.since < WINDOW_MS) return;
    this.#window = null;
    this.#learn(connections, window.bytes / (now - window.since), now);
  }

  /** What comes is slower than the origin gives it, by a limit of ours: nothing is told from it. */
  slowed(): void {
    this.#window = null;
    this.#steady = { connections: 0, windows: 0 };
  }

  /** The origin has enough with `open` connections: half of them must do for a while. */
  halve(open: number): void {
    const half = Math.max(1, Math.floor(open / 2));
    this.#ceiling = { connections: half, until: this.#clock.monotonic() + CAUTION_MS };
    this.#hold(half);
  }

  #learn(connections: number, rate: number, now: number): void {
    this.#rates.set(connections, { rate, at: now });
    this.#steady = { connections, windows: this.#steady.connections === connections ? this.#steady.windows + 1 : 1 };
    const fewer = this.#recent(connections - 1, now);
    const more = this.#recent(connections + 1, now);
    if (fewer !== null && rate < WORTH * fewer) this.#hold(connections - 1);
    else if (more !== null && more < WORTH * rate) this.#hold(connections);
    // The last one was worth it, or one less was too few.
    else if ((fewer !== null || more !== null) && this.#limit === connections) this.#ease(connections + 1);
    else if (fewer === null && connections > 1 && this.#steady.windows >= WINDOWS_BEFORE_PROBE) this.#hold(connections - 1);
  }

  #recent(connections: number, now: number): number | null {
    const known = this.#rates.get(connections);
    return known === undefined || now - known.at > HOLD_MS ? null : known.rate;
  }

  #hold(limit: number): void {
    this.#timer?.cancel();
    this.#limit = limit;
    this.#timer = this.#clock.after(HOLD_MS, () => this.#tryOneMore(limit + 1));
  }

  #tryOneMore(limit: number): void {
    if (this.isCautious) {
      this.#ceiling = { ...this.#ceiling, connections: Math.max(limit, this.#ceiling.connections) };
      this.#hold(limit);
    } else this.#limit = limit;
    this.#eased();
  }

  #ease(limit: number): void {
    if (this.isCautious) {
      if (limit > this.#ceiling.connections) return;
      this.#hold(limit);
    } else {
      this.#timer?.cancel();
      this.#limit = limit;
    }
    this.#eased();
  }
}
