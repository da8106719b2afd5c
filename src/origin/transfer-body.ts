import type { Clock } from '../clock.ts';
import { SeekwellError } from '../errors.ts';
import type { Exchange } from './exchange.ts';
import type { BodySink, OriginBody } from './origin-client.ts';
import { StallWatch } from './stall-watch.ts';

/** How long no byte may come while they are wanted, in milliseconds. */
const STALL_TIMEOUT_MS = 15_000;

/** How many bytes a body is to have. */
export interface BodyPromise {
  /** Bytes; null where nobody knows. */
  readonly length: number | null;
  /** `origin`: the answer's headers say so. `version`: they do not, but the version that is known is that long. */
  readonly source: 'origin' | 'version';
  /** Whether the message says where it ends, rather than the end of the connection. */
  readonly delimited: boolean;
}

/** Counts a body against what was promised, hands it to its sink in order, and holds it back while the sink is paused. */
export class TransferBody implements OriginBody {
  readonly #exchange: Exchange;
  readonly #promise: BodyPromise;
  readonly #host: string;
  readonly #stall: StallWatch;
  #sink: BodySink | null = null;
  #received = 0;
  #flowing = false;
  #paused = false;
  /** Between `resume` and the moment it comes true. */
  #resuming = false;
  /** What came after a pause: at most what undici had read before it. */
  #held: Buffer[] = [];
  /** Set when no more bytes will come; the sink may still have to hear of it. */
  #outcome: { readonly error: SeekwellError | null } | null = null;

  /** @param host name and port, for messages */
  constructor(exchange: Exchange, promise: BodyPromise, host: string, clock: Clock) {
    this.#exchange = exchange;
    this.#promise = promise;
    this.#host = host;
    this.#stall = new StallWatch(clock, STALL_TIMEOUT_MS, () => {
      this.#conclude(new SeekwellError('ORIGIN_TIMEOUT', `no byte came from ${host} for ${STALL_TIMEOUT_MS / 1000} s`));
      this.#exchange.abort();
    });
  }

  start(sink: BodySink): void {
    if (this.#sink !== null) throw new Error('a body can be started once');
    this.#sink = sink;
    if (!this.#paused) this.#later();
  }

  pause(): void {
    this.#paused = true;
    if (this.#outcome !== null) return;
    this.#stall.suspend();
    this.#exchange.pause();
  }

  /**
   * Deferred until the caller's stack has ended: a sink may be resumed from within another connection's data event, where undici's parser,
   * of which a process has one, cannot be entered again.
   */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#sink !== null) this.#later();
  }

  abort(): void {
    const under = this.#outcome === null;
    this.#outcome ??= { error: null };
    this.#sink = silentSink;
    this.#held = [];
    this.#stall.stop();
    if (under) this.#exchange.abort();
  }

  #later(): void {
    if (this.#resuming) return;
    this.#resuming = true;
    queueMicrotask(() => this.#goOn());
  }

  #goOn(): void {
    while (!this.#paused) {
      const chunk = this.#held.shift();
      if (chunk === undefined) break;
      this.#sink?.data(chunk);
    }
    this.#resuming = false;
    if (this.#paused) return;
    if (this.#outcome !== null) {
      this.#tell(this.#outcome.error);
      return;
    }
    this.#stall.watch();
    if (!this.#flowing) {
      this.#flowing = true;
      this.#exchange.flow({ data: (chunk) => this.#data(chunk), end: (error) => this.#end(error) });
    }
    // What came with the headers may have filled the sink already, or ended the body.
    if (!this.#paused && this.#outcome === null) this.#exchange.resume();
  }

  #data(chunk: Buffer): void {
    if (this.#outcome !== null) return;
    this.#stall.beat();
    const { length, source } = this.#promise;
    const room = length === null ? Number.POSITIVE_INFINITY : length - this.#received;
    const kept = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#received += kept.length;
    if (kept.length > 0) this.#hand(kept);
    if (this.#outcome !== null) return;
    if (chunk.length > room) {
      this.#conclude(source === 'origin' ? null : this.#otherVersion());
      this.#exchange.abort();
    } else if (chunk.length === room && source === 'origin') {
      // The reader need not wait for the end of the message, which may come later or not at all.
      this.#conclude(null);
      this.#exchange.drain(0, 0);
    }
  }

  #end(error: SeekwellError | null): void {
    if (this.#outcome !== null) return;
    const { length, source, delimited } = this.#promise;
    if (error === null && length !== null && this.#received < length) {
      const brokeOff = new SeekwellError(
        'ORIGIN_UNREACHABLE',
        `the connection broke off: ${this.#received} of ${length} bytes came from ${this.#host}`,
      );
      this.#conclude(source === 'version' && delimited ? this.#otherVersion() : brokeOff);
    } else {
      this.#conclude(error);
    }
  }

  #otherVersion(): SeekwellError {
    return new SeekwellError('ORIGIN_CHANGED', `${this.#host} sends another length than it had`);
  }

  #hand(chunk: Buffer): void {
    if (this.#paused || this.#resuming) this.#held.push(chunk);
    else this.#sink?.data(chunk);
  }

  #conclude(error: SeekwellError | null): void {
    this.#outcome = { error };
    this.#stall.stop();
    if (!this.#paused && !this.#resuming) this.#tell(error);
  }

  #tell(error: SeekwellError | null): void {
    const sink = this.#sink;
    this.#sink = silentSink;
    sink?.end(error);
  }
}

const silentSink: BodySink = { data: () => {}, end: () => {} };
