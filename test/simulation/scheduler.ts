import type { Clock, Timer } from '#seekwell/clock';
import type { SeededRandom } from './seeded-random.ts';
import { SimulationFailure } from './simulation-failure.ts';

/** Whatever can be ended at any moment: nothing of it runs afterwards. */
export interface Life {
  alive: boolean;
  /** Nothing of it runs before: the system does not let it. Milliseconds since the beginning. */
  frozenUntil?: number;
}

interface Task {
  due: number;
  readonly tie: number;
  readonly life: Life;
  readonly run: () => void;
  cancelled: boolean;
}

/** Node's timers fire at once where they should take longer than this, in milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** More steps at one moment than this: something goes round in circles without waiting. */
const MAX_STEPS_AT_ONCE = 5_000;

/** Resolves when all that follows in promises has run: the event loop came round. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function comesFirst(a: Task, b: Task): boolean {
  return a.due < b.due || (a.due === b.due && a.tie < b.tie);
}

/**
 * The only source of events: timers, answers of disk, database and network. One at a time, in the order of their moments, those of one moment in an order
 * that the seed decides; after each, everything that follows from it in promises runs to its end.
 */
export class Scheduler {
  readonly #random: SeededRandom;
  readonly #heap: Task[] = [];
  #now = 0;
  #steps = 0;
  #stepsAtOnce = 0;
  /** What the system's clock says is this many milliseconds ahead of what has passed. */
  wallOffset = Date.UTC(2026, 0, 1);

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#now;
  }

  get steps(): number {
    return this.#steps;
  }

  /** How many things are still to come. */
  get pending(): number {
    return this.#heap.filter((task) => task.life.alive && !task.cancelled).length;
  }

  /** Runs `run` after `delay` milliseconds, unless `life` has ended by then. */
  after(delay: number, life: Life, run: () => void): Timer {
    const task: Task = { due: this.#now + Math.max(0, delay), tie: this.#random.fraction(), life, run, cancelled: false };
    this.#push(task);
    return {
      cancel: () => {
        task.cancelled = true;
      },
    };
  }

  /** Runs what comes until `isOver`, or `until` (milliseconds) has passed. False: the time ran out, or nothing is to come any more. */
  async run(until: number, isOver: () => boolean, afterEach: () => void): Promise<boolean> {
    // Whatever was just asked for has asked for something itself.
    await settled();
    while (!isOver()) {
      const task = this.#heap[0];
      if (task === undefined || task.due > until) {
        this.#now = Math.max(this.#now, task === undefined ? this.#now : until);
        return false;
      }
      this.#pop();
      if (task.cancelled || !task.life.alive) continue;
      if (task.life.frozenUntil !== undefined && task.life.frozenUntil > task.due) {
        task.due = task.life.frozenUntil;
        this.#push(task);
        continue;
      }
      this.#count(task.due);
      task.run();
      await settled();
      afterEach();
    }
    return true;
  }

  #count(due: number): void {
    this.#steps++;
    this.#stepsAtOnce = due > this.#now ? 0 : this.#stepsAtOnce + 1;
    this.#now = due;
    if (this.#stepsAtOnce > MAX_STEPS_AT_ONCE) throw new SimulationFailure('rest', 'something goes round in circles without waiting');
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let at = heap.push(task) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (comesFirst(heap[above] as Task, task)) break;
      heap[at] = heap[above] as Task;
      at = above;
    }
    heap[at] = task;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Task;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && comesFirst(heap[below + 1] as Task, heap[below] as Task)) below++;
      if (comesFirst(last, heap[below] as Task)) break;
      heap[at] = heap[below] as Task;
      at = below;
    }
    heap[at] = last;
  }
}

/** The clock that one simulated process sees. Its timers die with it. */
export class SimulatedClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #life: Life;

  constructor(scheduler: Scheduler, life: Life) {
    this.#scheduler = scheduler;
    this.#life = life;
  }

  now(): number {
    return Math.floor(this.#scheduler.now + this.#scheduler.wallOffset);
  }

  monotonic(): number {
    return this.#scheduler.now;
  }

  after(delay: number, fire: () => void): Timer {
    return this.#scheduler.after(delay > LONGEST_TIMER_MS ? 1 : delay, this.#life, fire);
  }
  soon(fire: () => void): void {
    this.#scheduler.after(0, this.#life, fire);
  }
}
