import type { Clock, Timer } from '../clock.ts';
import { PRIORITY } from '../core/priority.ts';
import type { ChunkDownloader } from './chunk-downloader.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { FetchEnd } from './fetch-end.ts';
import type { FetchTable } from './fetch-table.ts';
import type { Signal } from './signal.ts';

/** What gave way does not come back before this, in milliseconds: the reader asks again first. */
const AWAY_MS = 2_000;

export interface GivingWayParts {
  readonly fetches: FetchTable;
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  /** Fires whenever a fetch ended. */
  readonly freed: Signal;
  /** There may be something to start. */
  room(): void;
}

/**
 * An origin that takes no more connections refuses the next one: by 429 or 503, or by closing it. It is the reader's that is refused, for the others are there
 * already. So they give way.
 */
export class GivingWay {
  readonly #parts: GivingWayParts;
  readonly #timers = new Set<Timer>();

  constructor(parts: GivingWayParts) {
    this.#parts = parts;
  }

  /** What the `end` of `fetch` means: where others gave way to it, that it may be asked for again at once. */
  async after(fetch: ChunkDownloader, end: FetchEnd): Promise<FetchEnd> {
    const { fetches, limits, freed } = this.#parts;
    if (end.kind !== 'transient') return end;
    // Any other answer is about the resource, and about how many ask only where others are answered.
    const refused = end.overloaded ?? (!end.progress && end.error.code !== 'ORIGIN_WRONG');
    const flows = !end.progress && fetches.hasFlowingBeside(fetch, refused ? 'from the origin' : 'of the resource');
    if (end.overloaded === true || flows) limits.overloaded(fetch);
    const others =
      !refused || end.progress || fetch.priority !== PRIORITY.CRITICAL
        ? []
        : fetches.unawaitedAt(fetch.origin).filter((other) => !other.wholeBody);
    if (others.length === 0) return end;
    this.#keepAway(fetch);
    for (const other of others) other.stop();
    while (others.some((other) => other.end === null)) await freed.next();
    return { kind: 'done' };
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  #keepAway({ entry }: ChunkDownloader): void {
    const { limits, clock, room } = this.#parts;
    const over = limits.waits(entry);
    const timer = clock.after(AWAY_MS, () => {
      this.#timers.delete(timer);
      over();
      room();
    });
    this.#timers.add(timer);
  }
}
