import type { Clock, Timer } from '../clock.ts';
import { EndSignal } from '../core/ending.ts';
import { PRIORITY } from '../core/priority.ts';
import type { ChunkDownloader } from './chunk-downloader.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import type { FetchEnd } from './fetch-end.ts';
import type { FetchTable } from './fetch-table.ts';
import type { Signal } from './signal.ts';

/** An origin that has not answered a reader after so long may serve fewer connections than it takes, in milliseconds. */
const SILENT_MS = 1_000;
/** An answer that comes so soon after others gave way came because they did, in milliseconds. */
const SOON_MS = 500;
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
 * An origin that takes no more connections refuses the next one: by 429 or 503, by closing it, or by not answering it before it is done with another. It is the
 * reader's that is refused, for the others are there already. So they give way.
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
    const others = refused && !end.progress && fetch.priority === PRIORITY.CRITICAL ? this.#othersAt(fetch.origin) : [];
    if (others.length === 0) return end;
    this.#keepAway(fetch);
    for (const other of others) other.stop();
    while (others.some((other) => other.end === null)) await freed.next();
    return { kind: 'done' };
  }

  /** `fetch` was begun. Where a reader waits for it and the origin is silent, although it serves others, they give way. */
  watch(fetch: ChunkDownloader): void {
    this.#later(SILENT_MS, () => {
      if (fetch.heard !== null || fetch.stopping) return;
      const others = fetch.priority === PRIORITY.CRITICAL ? this.#othersAt(fetch.origin) : [];
      if (others.length === 0) this.watch(fetch);
      else void this.#giveWayToSilent(fetch, others);
    });
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  async #giveWayToSilent(fetch: ChunkDownloader, others: readonly ChunkDownloader[]): Promise<void> {
    const { fetches, limits, clock, room } = this.#parts;
    const open = fetches.countAt(fetch.origin);
    const over = limits.waits(fetch.entry);
    const since = clock.monotonic();
    for (const other of others) other.stop();
    const heard = await fetch.untilHeard(new EndSignal());
    if (heard !== null && clock.monotonic() - since < SOON_MS) limits.overloaded(fetch, open);
    over();
    room();
  }

  /** What no reader waits for at `origin`, and could be asked for again. */
  #othersAt(origin: string): ChunkDownloader[] {
    return this.#parts.fetches.unawaitedAt(origin).filter((other) => !other.wholeBody);
  }

  #keepAway({ entry }: ChunkDownloader): void {
    const { limits, room } = this.#parts;
    const over = limits.waits(entry);
    this.#later(AWAY_MS, () => {
      over();
      room();
    });
  }

  #later(ms: number, fire: () => void): void {
    const timer = this.#parts.clock.after(ms, () => {
      this.#timers.delete(timer);
      fire();
    });
    this.#timers.add(timer);
  }
}
