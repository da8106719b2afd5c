import type { Clock } from '../clock.ts';
import { backoffRest } from '../core/backoff.ts';
import { BoundedMap } from '../core/bounded-map.ts';
import { PRIORITY, type Priority } from '../core/priority.ts';
import type { EntryRow, ReaderLease } from '../repository/cache-repository.ts';
import type { DownloadSettings } from './download-settings.ts';
import type { FetchTable } from './fetch-table.ts';
import { type FetchUnderWay, originOf } from './fetch-task.ts';
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
  readonly #throughput = new BoundedMap<string, Throughput>(MAX_ORIGINS);
  /** Readers that wait for a connection because an origin has as many as it may ever have, by origin. */
  readonly #waiting = new Counts();
  /** Connections that were admitted and are about to be opened, by origin. */
  readonly #admitted = new Counts();

  /** Origins that other processes ask for their readers, as the last look at the database found. */
  #readersElsewhere: ReadonlySet<string> = new Set();

  constructor(parts: LimitParts) {
    this.#parts = parts;
  }

  /** What is leased for readers, here or elsewhere: looked at before background work is started. */
  noteReaders(leases: readonly ReaderLease[]): void {
    const others = leases.filter(({ entryId, start }) => !this.#parts.fetches.covers(entryId, start));
    this.#readersElsewhere = new Set(others.map(({ url }) => originOf(url)));
  }

  /** Whether one more fetch that no reader waits for may start now. */
  allows(entry: EntryRow, priority: Priority): boolean {
    const { fetches, settings, clock } = this.#parts;
    // The origin failed a moment ago. Whoever waits asks it now and then; what nobody waits for would ask it as fast as it refuses.
    if (backoffRest(entry.retryAt, clock.now()) > 0) return false;
    const origin = originOf(entry.originalUrl);
    if (fetches.hasWholeBody(entry.id) || this.#waiting.of(origin) > 0) return false;
    const open = fetches.countAt(origin) + this.#admitted.of(origin);
    const entryIsFull = fetches.countOf(entry.id) >= settings.connections;
    if (entryIsFull || open >= settings.connectionsPerOrigin) {
      if (priority < PRIORITY.MEDIUM) this.#makePlace(origin, entryIsFull ? entry.id : null);
      return false;
    }
    if (!this.#of(origin).allows(open)) return false;
    if (priority < PRIORITY.MEDIUM) return true;
    // It would take the origin's bandwidth from readers, and filling also rows from those of other processes.
    const isFill = priority === PRIORITY.LOW;
    return !(fetches.hasReadersAt(origin) || (isFill && (this.#readersElsewhere.has(origin) || this.#parts.readersWait())));
  }

  /**
   * Whether what follows a fetch may begin before that has ended, beyond the limits: not where one connection is what the user allows, or the origin gives,
   * where readers wait for a connection, or beyond what is admitted.
   */
  allowsToFollow({ originalUrl }: EntryRow): boolean {
    const origin = originOf(originalUrl);
    if (this.#parts.settings.connections === 1 || this.#isSpent(origin)) return false;
    return this.#waiting.of(origin) === 0 && !this.#isFull(origin);
  }

  /**
   * A place for one more connection to the entry's origin, for a reader that waits; null where the origin has as many as it may ever have: then what no
   * reader waits for gives one up.
   * @returns what gives the place back, once the fetch is in the table or will not be
   */
  admit(entry: EntryRow): (() => void) | null {
    const origin = originOf(entry.originalUrl);
    if (!this.#isFull(origin)) {
      // It is known to take no more: one that nobody waits for ends before this one is refused for it.
      if (this.#isSpent(origin)) this.#makePlace(origin, null);
      return this.#admitted.add(origin);
    }
    const { fetches } = this.#parts;
    if (!fetches.hasStoppingAt(origin)) fetches.leastUrgentAt(origin)?.stop();
    return null;
  }

  /** A reader waits for a connection: nobody gets a second one before. @returns what says that it waits no more */
  waits(entry: EntryRow): () => void {
    return this.#waiting.add(originOf(entry.originalUrl));
  }

  /** Whether one more connection may be kept ready for what a reader asks for next. */
  allowsSpare({ originalUrl }: EntryRow): boolean {
    const { fetches, settings } = this.#parts;
    const origin = originOf(originalUrl);
    if (settings.connections === 1 || this.#waiting.of(origin) > 0 || this.#of(origin).isCautious) return false;
    return fetches.countAt(origin) + this.#admitted.of(origin) < settings.connectionsPerOrigin;
  }

  /** Bytes came; the next are taken after `wait` milliseconds, because of a limit of ours: then they tell nothing of the origin. */
  received({ origin }: FetchUnderWay, bytes: number, wait: number): void {
    const throughput = this.#of(origin);
    if (wait > 0) throughput.slowed();
    else throughput.received(bytes, this.#parts.fetches.countAt(origin));
  }

  /** The origin said that it is asked too much (429, 503), or showed it, with `open` connections. */
  overloaded({ origin }: FetchUnderWay, open = this.#parts.fetches.countAt(origin)): void {
    this.#of(origin).halve(open);
  }

  /** Whether the origin has as many connections as it was found to take. */
  #isSpent(origin: string): boolean {
    const throughput = this.#of(origin);
    return throughput.isCautious && !throughput.allows(this.#parts.fetches.countAt(origin));
  }

  #isFull(origin: string): boolean {
    const { fetches, settings } = this.#parts;
    return fetches.countAt(origin) + this.#admitted.of(origin) >= HARD_FACTOR * settings.connectionsPerOrigin;
  }

  /** Background work gives a connection up for what a reader will want. */
  #makePlace(origin: string, entryId: number | null): void {
    const { fetches } = this.#parts;
    // One place at a time: that of one that is about to end is free soon.
    if (fetches.hasStoppingAt(origin)) return;
    const least = fetches.leastUrgentAt(origin, entryId);
    if (least !== null && least.priority >= PRIORITY.MEDIUM && !least.wholeBody) least.stop();
  }

  #of(origin: string): Throughput {
    const known = this.#throughput.get(origin);
    if (known !== undefined) return known;
    const throughput = new Throughput(this.#parts.clock, () => this.#parts.eased());
    this.#throughput.set(origin, throughput);
    return throughput;
  }
}

/** How many there are of something, by name. */
class Counts {
  readonly #counts = new Map<string, number>();

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** One more, until what this returns is called. */
  add(name: string): () => void {
    this.#counts.set(name, this.of(name) + 1);
    return () => {
      const rest = this.of(name) - 1;
      if (rest > 0) this.#counts.set(name, rest);
      else this.#counts.delete(name);
    };
  }
}
