import type { Clock } from '../clock.ts';
import { PRIORITY, type Priority } from '../core/priority.ts';
import type { EntryRow } from '../repository/cache-repository.ts';
import type { DownloadSettings } from './download-settings.ts';
import { type FetchTable, originOf } from './fetch-table.ts';
import { Throughput } from './throughput.ts';

/** Waiting readers go beyond the limit of connections per origin, to this many times it. */
const HARD_FACTOR = 2;
/** Origins of which something is remembered; beyond that all is forgotten. */
const MAX_ORIGINS = 100;

export interface LimitParts {
  readonly fetches: FetchTable;
  readonly settings: DownloadSettings;
  readonly clock: Clock;
  /** Whether any reader stands still until another process has brought its bytes. */
  readersWait(): boolean;
  /** More connections may be allowed than before. */
  eased(): void;
}

/** How many fetches may run at the same time. What it learns of origins is a hint: forgotten, it is learnt again. */
export class ConnectionLimits {
  readonly #parts: LimitParts;
  readonly #throughput = new Map<string, Throughput>();
  /** Readers that wait for a connection because an origin has as many as it may ever have, by origin. */
  readonly #waiting = new Map<string, number>();

  constructor(parts: LimitParts) {
    this.#parts = parts;
  }

  /** Whether one more fetch that no reader waits for may start now. */
  allows(entry: EntryRow, priority: Priority): boolean {
    const { fetches, settings } = this.#parts;
    const origin = originOf(entry.originalUrl);
    if (fetches.hasWholeBody(entry.id) || (this.#waiting.get(origin) ?? 0) > 0) return false;
    const open = fetches.countAt(origin);
    if (fetches.countOf(entry.id) >= settings.connections || open >= settings.connectionsPerOrigin) return false;
    if (!this.#of(origin).allows(open)) return false;
    // Filling would take rows, and the origin's bandwidth, from readers here and in other processes.
    return priority !== PRIORITY.LOW || !(fetches.hasReadersAt(origin) || this.#parts.readersWait());
  }

  /**
   * Whether a reader that waits may have a connection to the entry's origin now. Where the origin has as many as it may ever have, what no reader waits for
   * gives one up.
   */
  admits(entry: EntryRow): boolean {
    const { fetches, settings } = this.#parts;
    const origin = originOf(entry.originalUrl);
    if (fetches.countAt(origin) < HARD_FACTOR * settings.connectionsPerOrigin) return true;
    fetches.leastUrgentAt(origin)?.stop();
    return false;
  }

  /** A reader waits for a connection until `left` is called: nobody gets a second one before. */
  joined(entry: EntryRow): { left(): void } {
    const origin = originOf(entry.originalUrl);
    this.#waiting.set(origin, (this.#waiting.get(origin) ?? 0) + 1);
    return {
      left: () => {
        const rest = (this.#waiting.get(origin) ?? 1) - 1;
        if (rest > 0) this.#waiting.set(origin, rest);
        else this.#waiting.delete(origin);
      },
    };
  }

  /** Bytes came from the entry's origin. */
  received(entry: EntryRow, bytes: number): void {
    const origin = originOf(entry.originalUrl);
    this.#of(origin).received(bytes, this.#parts.fetches.countAt(origin));
  }

  /** The origin said that it is asked too much (429, 503). */
  overloaded(entry: EntryRow): void {
    const origin = originOf(entry.originalUrl);
    this.#of(origin).halve(this.#parts.fetches.countAt(origin));
  }

  #of(origin: string): Throughput {
    const known = this.#throughput.get(origin);
    if (known !== undefined) return known;
    if (this.#throughput.size >= MAX_ORIGINS) this.#throughput.clear();
    const throughput = new Throughput(this.#parts.clock, () => this.#parts.eased());
    this.#throughput.set(origin, throughput);
    return throughput;
  }
}
