import { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import type { Clock, Timer } from '../clock.ts';
import { BoundedMap } from '../core/bounded-map.ts';
import { KEEP_ALIVE_MS } from './keep-alive.ts';

/** The bytes of the answer that says that more will be asked for go first, in milliseconds. */
const DELAY_MS = 5;
/** A connection that is not there by then, or that its server ends sooner, was not welcome, in milliseconds: the system asks again for the first time after a second (RFC 6298, section 2.1). */
const WELCOME_MS = 1_000;
/** An origin that does not take connections in advance is offered none for so long, in milliseconds. */
const UNWELCOME_MS = 300_000;
/** Origins of which something is remembered; beyond that all is forgotten. */
const MAX_ORIGINS = 100;

type Connect = buildConnector.connector;
type ConnectOptions = Parameters<Connect>[0];
type ConnectCallback = Parameters<Connect>[1];
type ConnectedSocket = NonNullable<Parameters<ConnectCallback>[1]>;

/** A connection that was opened ahead. */
interface Spare {
  readonly options: ConnectOptions;
  /** When it was begun, or, once it is there, since when it has been; monotonic milliseconds. */
  since: number;
  /** While it is being opened: what ends that. */
  opening: Socket | null;
  /** Null: it is not there yet. */
  socket: ConnectedSocket | null;
  /** Who took it before it was there. */
  taker: ConnectCallback | null;
  timer: Timer | null;
}

interface Wish {
  /** Monotonic milliseconds. */
  readonly until: number;
  isNeeded(): boolean;
}

/**
 * One connection ahead to each origin that readers are served from. A seek ends the transfer under way, and its connection with it: the next request would
 * pay for a new one, one round trip, or two or three with TLS, before its own. Whoever needs a connection takes the spare one first, so that it never
 * stands in the way of a server that takes few.
 */
export class SpareConnections {
  readonly #clock: Clock;
  readonly #connect: Connect;
  readonly #spares = new Map<string, Spare>();
  readonly #delays = new Map<string, Timer>();
  readonly #wishes = new BoundedMap<string, Wish>(MAX_ORIGINS);
  /** How each origin was connected to the last time. */
  readonly #options = new BoundedMap<string, ConnectOptions>(MAX_ORIGINS);
  /** Until when an origin is offered none, monotonic milliseconds. */
  readonly #unwelcome = new BoundedMap<string, number>(MAX_ORIGINS);

  #destroyed = false;

  constructor(clock: Clock, connect: Connect) {
    this.#clock = clock;
    this.#connect = connect;
  }

  /** For as long as an idle connection is kept, has one ready to `origin`, opened as the last one was, whenever `isNeeded` says so. */
  prepare(origin: string, isNeeded: () => boolean): void {
    if (this.#destroyed) return;
    this.#wishes.set(origin, { until: this.#clock.monotonic() + KEEP_ALIVE_MS, isNeeded });
    this.#openSoon(origin);
  }

  /** Hands the spare connection to `origin` over, once it is there. False: there is none of use. */
  take(origin: string, options: ConnectOptions, callback: ConnectCallback): boolean {
    this.#options.set(origin, options);
    const spare = this.#spares.get(origin);
    // Its server's certificate was held against that name.
    if (spare === undefined || spare.options.servername !== options.servername) return false;
    const { socket } = spare;
    if (socket === null) return this.#join(origin, spare, callback);
    this.#forget(origin, spare);
    this.#openSoon(origin);
    // What a server says before it is asked (408) announces that it ends the connection.
    if (socket.destroyed || !socket.writable || socket.readableEnded || socket.readableLength > 0) {
      if (socket.readableLength > 0) this.#turnAway(origin);
      socket.destroy();
      return false;
    }
    socket.ref();
    queueMicrotask(() => callback(null, socket));
    return true;
  }

  /** Closes the spare connection to `origin` and opens none before `prepare`. `unwelcome`: nor then, for a while. */
  drop(origin: string, unwelcome: boolean): void {
    this.#wishes.delete(origin);
    const spare = this.#spares.get(origin);
    if (spare !== undefined) this.#drop(origin, spare);
    if (unwelcome) this.#turnAway(origin);
  }

  destroy(): void {
    this.#destroyed = true;
    for (const timer of this.#delays.values()) timer.cancel();
    this.#delays.clear();
    for (const [origin, spare] of this.#spares) this.#drop(origin, spare);
  }

  #openSoon(origin: string): void {
    if (this.#delays.has(origin)) return;
    const timer = this.#clock.after(DELAY_MS, () => {
      this.#delays.delete(origin);
      const now = this.#clock.monotonic();
      const wish = this.#wishes.get(origin);
      const options = this.#options.get(origin);
      if (wish === undefined || now >= wish.until || options === undefined) return;
      if (now < (this.#unwelcome.get(origin) ?? 0) || this.#spares.has(origin) || !wish.isNeeded()) return;
      this.#open(origin, options);
    });
    this.#delays.set(origin, timer);
  }

  #open(origin: string, options: ConnectOptions): void {
    const spare: Spare = { options, since: this.#clock.monotonic(), opening: null, socket: null, taker: null, timer: null };
    spare.timer = this.#clock.after(KEEP_ALIVE_MS, () => this.#drop(origin, spare));
    this.#spares.set(origin, spare);
    const opening: unknown = this.#connect(options, (...outcome) => {
      const [error, socket] = outcome;
      spare.opening = null;
      if (spare.taker !== null) this.#handOver(origin, spare, outcome);
      else if (error !== null) this.#ended(origin, spare);
      else if (this.#spares.get(origin) !== spare) socket.destroy();
      else {
        spare.socket = socket;
        spare.since = this.#clock.monotonic();
        socket.unref();
        socket.once('close', () => this.#ended(origin, spare));
      }
    });
    // undici's types do not tell that its connector returns the socket.
    if (!(opening instanceof Socket)) return;
    opening.unref();
    spare.opening = opening;
  }

  /** Takes a spare connection that is not there yet, unless it seems to wait for a place that others have. */
  #join(origin: string, spare: Spare, callback: ConnectCallback): boolean {
    if (this.#clock.monotonic() - spare.since >= WELCOME_MS) {
      this.#drop(origin, spare);
      return false;
    }
    this.#forget(origin, spare);
    spare.opening?.ref();
    spare.taker = callback;
    return true;
  }

  #handOver(origin: string, { options, taker }: Spare, outcome: Parameters<ConnectCallback>): void {
    if (taker === null) return;
    // A failure of the spare one is none of who took it.
    if (outcome[0] !== null) this.#connect(options, taker);
    else {
      taker(...outcome);
      this.#openSoon(origin);
    }
  }

  #drop(origin: string, spare: Spare): void {
    this.#forget(origin, spare);
    spare.socket?.destroy();
    spare.opening?.destroy();
    if (spare.socket === null && this.#clock.monotonic() - spare.since >= WELCOME_MS) this.#turnAway(origin);
  }

  /** The connection is gone. Nothing of it counts after it was taken or given up. */
  #ended(origin: string, spare: Spare): void {
    if (this.#spares.get(origin) !== spare) return;
    this.#forget(origin, spare);
    if (spare.socket === null || this.#clock.monotonic() - spare.since < WELCOME_MS) this.#turnAway(origin);
  }

  #turnAway(origin: string): void {
    this.#unwelcome.set(origin, this.#clock.monotonic() + UNWELCOME_MS);
  }

  #forget(origin: string, spare: Spare): void {
    this.#spares.delete(origin);
    spare.timer?.cancel();
  }
}
