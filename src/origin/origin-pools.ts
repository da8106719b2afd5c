import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { Clock } from '../clock.ts';
import { KEEP_ALIVE_MS } from './keep-alive.ts';
import { SpareConnections } from './spare-connections.ts';

/** Pools of origins that nothing is asked from are dropped when there are more than these. */
const MAX_IDLE_POOLS = 32;

/**
 * Whether a connection has done its request but counts as busy until the event loop has gone round: waiting for that is quicker than a
 * connection of its own for whoever asks for the next piece as soon as the last one has ended.
 */
function isBeingReleased({ stats }: Pool): boolean {
  return stats.connected - stats.free > stats.size;
}

/**
 * Keeps the connections to each origin. undici's `Agent` would do but for two things, measured with 7.30: it closes an origin's pool whenever
 * its last connection ends, so that after a seek (which aborts a transfer) the connection of the new request is not kept either; and
 * after an abort its client connects anew, only to find that the aborted request was all it had.
 */
export class OriginPools {
  readonly #pools = new Map<string, Pool>();
  readonly #connect: buildConnector.connector;
  readonly #spares: SpareConnections;
  /** Requests that were given a connection that had been opened ahead. */
  readonly #onSpares = new WeakSet<Dispatcher.DispatchHandler>();
  /** Requests whose own connection was begun when they were dispatched. */
  readonly #provided = new WeakSet<Dispatcher.DispatchHandler>();
  /** The request that is being dispatched at this moment. */
  #dispatching: Dispatcher.DispatchHandler | null = null;
  #destroyed = false;

  /**
   * @param connectTimeout milliseconds
   * @param waiting the requests to an origin that have no connection yet
   */
  constructor(clock: Clock, connectTimeout: number, waiting: (origin: string) => Iterable<Dispatcher.DispatchHandler>) {
    const connect = buildConnector({ allowH2: false, timeout: connectTimeout });
    this.#spares = new SpareConnections(clock, connect);
    this.#connect = (options, callback) => {
      const { origin } = new URL(`${options.protocol}//${options.host}`);
      if (this.#takeSpare(origin, options, callback)) return;
      if (this.#isWanted(() => waiting(origin))) connect(options, callback);
      else queueMicrotask(() => callback(Object.assign(new Error('no request waits for a connection'), { code: 'ECONNABORTED' }), null));
    };
  }

  /** Has a connection ready to `origin` for a while, where none is idle and `isAllowed` says so. */
  prepare(origin: string, isAllowed: () => boolean): void {
    this.#spares.prepare(origin, () => !this.hasIdle(origin) && isAllowed());
  }

  /** Closes what was opened ahead to `origin`. `unwelcome`: nothing more is for a while. */
  dropSpare(origin: string, unwelcome: boolean): void {
    this.#spares.drop(origin, unwelcome);
  }

  /** Whether a connection to `origin` lies idle. */
  hasIdle(origin: string): boolean {
    return (this.#pools.get(origin)?.stats.free ?? 0) > 0;
  }

  /** Whether the request got a connection that had been opened ahead: its server may have closed it meanwhile. */
  wasOnSpare(handler: Dispatcher.DispatchHandler): boolean {
    return this.#onSpares.has(handler);
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (isBeingReleased(this.#pool(String(options.origin)))) {
      setImmediate(() => {
        if (!this.#destroyed) this.#dispatchNow(options, handler);
      });
      return true;
    }
    return this.#dispatchNow(options, handler);
  }

  async destroy(): Promise<void> {
    this.#destroyed = true;
    this.#spares.destroy();
    const pools = [...this.#pools.values()];
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #dispatchNow(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.#dispatching = handler;
    try {
      return this.#pool(String(options.origin)).dispatch(options, handler);
    } finally {
      this.#dispatching = null;
    }
  }

  #takeSpare(origin: string, options: Parameters<buildConnector.connector>[0], callback: Parameters<buildConnector.connector>[1]): boolean {
    const handler = this.#dispatching;
    if (handler === null || !this.#spares.take(origin, options, callback)) return false;
    this.#provided.add(handler);
    this.#onSpares.add(handler);
    return true;
  }

  /** A connection is for the request being dispatched, or, later, for one that lost the idle connection it was to have. */
  #isWanted(waiting: () => Iterable<Dispatcher.DispatchHandler>): boolean {
    if (this.#dispatching !== null) {
      this.#provided.add(this.#dispatching);
      return true;
    }
    for (const handler of waiting()) {
      if (!this.#provided.has(handler)) return true;
    }
    return false;
  }

  #pool(origin: string): Pool {
    const known = this.#pools.get(origin);
    if (known !== undefined) return known;
    if (this.#pools.size >= MAX_IDLE_POOLS) this.#dropIdle();
    const pool = new Pool(origin, { allowH2: false, connect: this.#connect, keepAliveTimeout: KEEP_ALIVE_MS });
    this.#pools.set(origin, pool);
    return pool;
  }

  #dropIdle(): void {
    for (const [origin, pool] of this.#pools) {
      if (pool.stats.size > 0) continue;
      this.#pools.delete(origin);
      // Nothing is under way in it: closing cannot fail in a way that anybody could mend.
      pool.close().catch(() => {});
    }
  }
}
