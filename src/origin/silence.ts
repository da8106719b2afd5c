import type { Clock, Timer } from '../clock.ts';
import { BoundedMap } from '../core/bounded-map.ts';
import type { Exchange } from './exchange.ts';
import type { OriginPools } from './origin-pools.ts';

/** An answer that has not begun after so long may wait for connections of ours that lie idle, in milliseconds. */
const SILENT_MS = 1_000;
/** An answer that begins so soon over another connection shows that it did, in milliseconds. */
const SOON_MS = 500;
/** How long a server gets to notice that connections ended, before it is asked over a new one, in milliseconds. */
const REST_MS = 10;
/** An origin that turned out to be slow is left alone for so long, in milliseconds. */
const SLOW_MS = 300_000;
/** Origins of which something is remembered; beyond that all is forgotten. */
const MAX_ORIGINS = 100;

/** What watches one request. */
export interface SilenceWatch {
  /** Whether the request was ended, to be asked again. */
  readonly isBroken: boolean;
  /** Before it is asked again: lets the server see first that the connections are gone. */
  rest(): Promise<void>;
  /** The request is over. @param answered the one that followed it, where it was answered */
  end(answered?: Exchange | null): void;
}

/**
 * A server may serve one connection after the other, and wait for the next request on one that lies idle while another one has asked. Or it serves some and
 * only accepts the others. Then our own idle connections keep us waiting: the spare one is closed, and what was asked is asked again over another.
 */
export class Silence {
  readonly #clock: Clock;
  readonly #pools: OriginPools;
  /** Until when an origin counts as slow, monotonic milliseconds. */
  readonly #slow = new BoundedMap<string, number>(MAX_ORIGINS);

  constructor(clock: Clock, pools: OriginPools) {
    this.#clock = clock;
    this.#pools = pools;
  }

  /** Ends `exchange` when it stays without an answer and another connection promises one. */
  watch(exchange: Exchange): SilenceWatch {
    const { origin } = exchange;
    let brokenAt: number | null = null;
    let timer: Timer;
    const look = (): void => {
      if (!exchange.awaitsAnswer) return;
      if (this.#mayHelp(exchange)) {
        brokenAt = this.#clock.monotonic();
        exchange.abort();
      } else timer = this.#clock.after(SILENT_MS, look);
    };
    timer = this.#clock.after(SILENT_MS, look);
    return {
      get isBroken() {
        return brokenAt !== null;
      },
      rest: () => new Promise((resolve) => (brokenAt === null ? resolve() : this.#clock.after(REST_MS, resolve))),
      end: (answered = null) => {
        timer.cancel();
        if (brokenAt !== null && answered !== null) this.#judge(origin, this.#pools.wasOnSpare(exchange), brokenAt);
      },
    };
  }

  #mayHelp(exchange: Exchange): boolean {
    const { origin } = exchange;
    if (this.#clock.monotonic() < (this.#slow.get(origin) ?? 0)) return false;
    this.#pools.dropSpare(origin, false);
    return this.#pools.wasOnSpare(exchange) || this.#pools.hasIdle(origin);
  }

  /** The answer came over another connection, `brokenAt` having been the end of the first. */
  #judge(origin: string, wasOnSpare: boolean, brokenAt: number): void {
    const now = this.#clock.monotonic();
    if (now - brokenAt >= SOON_MS) this.#slow.set(origin, now + SLOW_MS);
    else if (wasOnSpare) this.#pools.dropSpare(origin, true);
  }
}
