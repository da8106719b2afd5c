import type { Clock, Timer } from '#seekwell/clock';

interface Pending {
  readonly due: number;
  readonly fire: () => void;
}

/** A clock that stands still until it is told to move. */
export class ManualClock implements Clock {
  #elapsed = 0;
  #base: number;
  readonly #pending = new Set<Pending>();

  /** @param start UTC milliseconds at which it begins */
  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#base = start;
  }

  now(): number {
    return this.#base + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(delay: number, fire: () => void): Timer {
    const pending = { due: this.#elapsed + Math.max(0, delay), fire };
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  soon(fire: () => void): void {
    setImmediate(fire);
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#pending.size;
  }

  /** Moves on by `milliseconds` and fires what falls due on the way, in the order of their moments, those that are set meanwhile included. */
  advance(milliseconds: number): void {
    const until = this.#elapsed + milliseconds;
    for (let next = this.#next(until); next !== null; next = this.#next(until)) {
      this.#pending.delete(next);
      this.#elapsed = next.due;
      next.fire();
    }
    this.#elapsed = until;
  }

  /** Lets the time of day jump, as a user or NTP may; no timer notices. */
  jump(milliseconds: number): void {
    this.#base += milliseconds;
  }

  #next(until: number): Pending | null {
    let first: Pending | null = null;
    for (const pending of this.#pending) {
      if (pending.due <= until && (first === null || pending.due < first.due)) first = pending;
    }
    return first;
  }
}
