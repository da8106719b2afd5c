import type { Clock } from '../clock.ts';
import { PRIORITY } from '../core/priority.ts';
import type { DownloadSettings } from './download-settings.ts';
import type { FetchTable } from './fetch-table.ts';
import type { FetchUnderWay } from './fetch-task.ts';
import { RateLimit } from './rate-limit.ts';

/** A fetch that stands back looks this often whether it still has to, in milliseconds. */
const LOOK_MS = 50;
/** Background work that has stood back for so long gives its connection up, in milliseconds: origins close connections that take nothing, mostly after a minute. */
const MOST_MS = 5_000;
/** The least that passes at once under a limit, in bytes. */
const LEAST_PORTION = 16 * 1024;

export interface ThrottleParts {
  readonly settings: Pick<DownloadSettings, 'limitRate' | 'backgroundLimitRate'>;
  readonly clock: Clock;
  readonly fetches: FetchTable;
  /** Whether a reader wants what a fetch brings. */
  wanted(fetch: FetchUnderWay): boolean;
}

/**
 * How fast fetches may go: the limits that the user set, and that a waiting reader comes first. Background work stands still while readers fetch from its
 * origin, whose line it would share; under a limit for everything so does what is fetched ahead of readers while one waits.
 */
export class Throttle {
  readonly #parts: ThrottleParts;
  readonly #all: RateLimit | null;
  readonly #background: RateLimit | null;
  /** The most bytes that may be taken at once. */
  readonly portion: number;
  /** Since when a fetch stands back, monotonic milliseconds. */
  readonly #since = new WeakMap<FetchUnderWay, number>();

  constructor(parts: ThrottleParts) {
    const { settings, clock } = parts;
    const { limitRate, backgroundLimitRate } = settings;
    this.#parts = parts;
    this.#all = limitRate === null ? null : new RateLimit(limitRate, clock);
    this.#background = backgroundLimitRate === null ? null : new RateLimit(backgroundLimitRate, clock);
    // What is taken at once is taken in advance, and everybody waits for it.
    this.portion = limitRate === null ? Number.POSITIVE_INFINITY : Math.max(LEAST_PORTION, Math.ceil(limitRate / 10));
  }

  /** What a reader is about to come to is look-ahead, whoever asked for it: no limit on background work holds it. */
  promote(fetch: FetchUnderWay): void {
    if (fetch.priority >= PRIORITY.MEDIUM && this.#parts.wanted(fetch)) fetch.setPriority(PRIORITY.HIGH);
  }

  /** Takes `bytes` that `fetch` has written, and says how many milliseconds it has to wait before it asks again; 0: it may go on. */
  take(fetch: FetchUnderWay, bytes: number): number {
    this.promote(fetch);
    const all = this.#all?.take(bytes) ?? 0;
    const background = fetch.priority >= PRIORITY.MEDIUM ? (this.#background?.take(bytes) ?? 0) : 0;
    return Math.max(all, background, this.#mustStandBack(fetch) ? LOOK_MS : 0);
  }

  #mustStandBack(fetch: FetchUnderWay): boolean {
    const { fetches, clock } = this.#parts;
    const isBackground = fetch.priority >= PRIORITY.MEDIUM;
    // The whole that an origin sends whatever it is asked could not be had again from where it stopped.
    const others = isBackground ? !fetch.wholeBody && fetches.hasReadersAt(fetch.origin) : this.#all !== null && fetches.haveWaiting();
    if (!others || fetch.priority === PRIORITY.CRITICAL) {
      this.#since.delete(fetch);
      return false;
    }
    const now = clock.monotonic();
    const since = this.#since.get(fetch) ?? now;
    this.#since.set(fetch, since);
    if (isBackground && now - since >= MOST_MS) fetch.stop();
    return true;
  }
}
