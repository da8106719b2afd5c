import type { Clock } from '../../clock.ts';

/** Questions to another process that wait for an answer, each for a limited time. */
export class Answers<T> {
  readonly #waiting = new Map<number, (answer: T | null) => void>();
  readonly #clock: Clock;
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * @param ask sends the question under its number
   * @returns the answer; null: none within `patienceMs` milliseconds
   */
  of(ask: (id: number) => void, patienceMs: number): Promise<T | null> {
    const id = ++this.#last;
    return new Promise((resolve) => {
      const timer = this.#clock.after(patienceMs, () => settle(null));
      const settle = (answer: T | null): void => {
        timer.cancel();
        this.#waiting.delete(id);
        resolve(answer);
      };
      this.#waiting.set(id, settle);
      ask(id);
    });
  }

  /** The answer to question `id` came. */
  came(id: number, answer: T): void {
    this.#waiting.get(id)?.(answer);
  }
}
