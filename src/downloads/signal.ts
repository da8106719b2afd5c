import type { Clock } from '../clock.ts';
import type { Ending } from '../core/ending.ts';

/** Wakes everybody who waits for something to change. Holds no state: whoever wakes looks again. */
export class Signal {
  readonly #waiting = new Set<() => void>();

  /** Wakes all who wait now. */
  fire(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Resolves at the next `fire`, or when `abort` fires. */
  next(abort?: Ending): Promise<void> {
    if (abort?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        abort?.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      abort?.addEventListener('abort', wake);
    });
  }
}

/** Resolves after `ms` milliseconds of `clock`, or when `abort` fires. */
export function pause(clock: Clock, ms: number, abort?: Ending): Promise<void> {
  if (abort?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = clock.after(ms, () => {
      abort?.removeEventListener('abort', wake);
      resolve();
    });
    const wake = (): void => {
      timer.cancel();
      resolve();
    };
    abort?.addEventListener('abort', wake, { once: true });
  });
}
