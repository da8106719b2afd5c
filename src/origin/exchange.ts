import type { Dispatcher } from 'undici';
import type { Clock, Timer } from '../clock.ts';
import { SeekwellError } from '../errors.ts';
import { isLostConnection, networkError, wasFresh } from './network-error.ts';
import type { AnswerHead, AnswerHeaders } from './origin-answer.ts';

/** How long a connection may take to be there, in milliseconds. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** How long the origin may think before its headers are there, in milliseconds. */
const HEADERS_TIMEOUT_MS = 15_000;
/** How long the rest of an unwanted body may take before its connection is given up, in milliseconds. */
const DRAIN_TIMEOUT_MS = 2_000;
/** Unwanted bytes that are read so that a connection can be used again; beyond this a new connection is cheaper. */
const DRAIN_LIMIT = 64 * 1024;

/** Who gets the body of an exchange. */
export interface ExchangeReceiver {
  data(chunk: Buffer): void;
  /** Once: null at the end of the message, else why it broke off. */
  end(error: SeekwellError | null): void;
}

/**
 * - `waiting`: no headers yet
 * - `headed`: headers are there, the body is held back
 * - `flowing`: the body goes to the receiver
 * - `draining`: what comes is thrown away
 * - `over`: nothing counts any more
 */
type Stage = 'waiting' | 'headed' | 'flowing' | 'draining' | 'over';

/** What is said to who waits for an exchange that its own side has ended. */
export function givenUp(): SeekwellError {
  return new SeekwellError('CLOSED', 'the request was given up');
}

/** One request and its answer on the wire, as undici's dispatcher tells them. What the answer means is not its business. */
export class Exchange implements Dispatcher.DispatchHandler {
  /** Scheme, host and port. */
  readonly origin: string;
  /** The answer's status and headers, or why there is none. Never rejects. */
  readonly head: Promise<AnswerHead | SeekwellError>;
  readonly #host: string;
  readonly #clock: Clock;
  readonly #over: (exchange: Exchange) => void;
  #settle: (head: AnswerHead | SeekwellError) => void = () => {};
  #controller: Dispatcher.DispatchController | null = null;
  #stage: Stage = 'waiting';
  #started = false;
  #lostConnection: { readonly fresh: boolean } | null = null;
  #timer: Timer | null;
  #receiver: ExchangeReceiver | null = null;
  #early: Buffer[] = [];
  #outcome: { readonly error: SeekwellError | null } | null = null;
  #drained = 0;
  #drainLimit = 0;

  /** @param over called once, when nothing more will come of this exchange */
  constructor(url: URL, clock: Clock, over: (exchange: Exchange) => void) {
    this.origin = url.origin;
    this.#host = url.host;
    this.#clock = clock;
    this.#over = over;
    this.head = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#timer = clock.after(CONNECT_TIMEOUT_MS, () => {
      this.fail(
        new SeekwellError('ORIGIN_UNREACHABLE', `${this.#host} cannot be reached: no connection within ${CONNECT_TIMEOUT_MS / 1000} s`),
      );
    });
  }

  /** Whether a new connection would be of use. */
  get awaitsConnection(): boolean {
    return this.#stage === 'waiting' && !this.#started;
  }

  /** Whether no answer has begun. */
  get awaitsAnswer(): boolean {
    return this.#stage === 'waiting';
  }

  /** Whether the connection was lost before any answer: as it happens to one that lay idle and that the server had closed. */
  get lostConnection(): boolean {
    return this.#lostConnection !== null;
  }

  /** Whether the connection that was lost had brought no answer before. */
  get connectionWasFresh(): boolean {
    return this.#lostConnection?.fresh === true;
  }

  /** Makes `receiver` the body's. Nothing comes before `resume`, except what was read already. */
  flow(receiver: ExchangeReceiver): void {
    if (this.#stage !== 'headed') {
      receiver.end(givenUp());
      return;
    }
    this.#stage = 'flowing';
    this.#receiver = receiver;
    for (const chunk of this.#early.splice(0)) this.#hand(chunk);
    if (this.#outcome !== null) this.#end(this.#outcome.error);
  }

  /** Asks for a rest. One more chunk may come that was read already. */
  pause(): void {
    if (this.#stage === 'flowing') this.#controller?.pause();
  }

  /** Must not be called from within the parser of any connection: undici has one parser at work in a process (see `TransferBody.resume`). */
  resume(): void {
    if (this.#stage === 'flowing' || this.#stage === 'draining') this.#controller?.resume();
  }

  /** Throws the rest of the body away: reads a little of it, to keep the connection, and closes it where there is more. */
  drain(expectedBytes: number | null, limit = DRAIN_LIMIT): void {
    if (this.#stage !== 'headed' && this.#stage !== 'flowing') return;
    if (this.#outcome !== null) {
      this.#finish();
    } else if (expectedBytes !== null && expectedBytes > limit) {
      this.abort();
    } else {
      this.#stage = 'draining';
      this.#receiver = null;
      this.#early = [];
      this.#drainLimit = limit;
      this.#timer = this.#clock.after(DRAIN_TIMEOUT_MS, () => this.abort());
      queueMicrotask(() => this.resume());
    }
  }

  /** Ends the exchange and closes its connection. Nobody is told. */
  abort(): void {
    if (this.#stage === 'over') return;
    this.#finish();
    this.#settle(givenUp());
    this.#controller?.abort(new Error('aborted'));
  }

  /** Ends the exchange, closes its connection and says why to whoever waits. */
  fail(error: SeekwellError): void {
    if (this.#stage === 'over') return;
    const receiver = this.#receiver;
    this.#finish();
    this.#settle(error);
    this.#controller?.abort(new Error('aborted'));
    receiver?.end(error);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#started = true;
    if (this.#stage === 'over') {
      controller.abort(new Error('aborted'));
      return;
    }
    this.#timer?.cancel();
    this.#timer = this.#clock.after(HEADERS_TIMEOUT_MS, () => {
      this.fail(new SeekwellError('ORIGIN_TIMEOUT', `${this.#host} did not answer within ${HEADERS_TIMEOUT_MS / 1000} s`));
    });
  }

  onResponseStart(controller: Dispatcher.DispatchController, statusCode: number, headers: AnswerHeaders): void {
    // 1xx announce the answer (RFC 9110, section 15.2).
    if (statusCode < 200 || this.#stage !== 'waiting') return;
    this.#timer?.cancel();
    this.#timer = null;
    controller.pause();
    // Pieces of the buffer that was received, which they would keep as long as anything knows of this exchange: 64 KiB for some lines.
    controller.rawHeaders = null;
    this.#stage = 'headed';
    this.#settle({ status: statusCode, headers });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    switch (this.#stage) {
      case 'flowing':
        this.#hand(chunk);
        return;
      case 'headed':
        // Through a plain HTTP proxy undici forgets the first pause: what was read already comes nevertheless.
        this.#early.push(chunk);
        return;
      case 'draining':
        this.#drained += chunk.length;
        if (this.#drained > this.#drainLimit) this.abort();
        return;
      default:
        controller.abort(new Error('aborted'));
    }
  }

  onResponseEnd(): void {
    this.#end(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#stage === 'over') return;
    if (this.#stage === 'waiting' && this.#started && isLostConnection(error)) this.#lostConnection = { fresh: wasFresh(error) };
    this.#end(networkError(error, this.#host));
  }

  #hand(chunk: Buffer): void {
    this.#receiver?.data(chunk);
  }

  #end(error: SeekwellError | null): void {
    if (this.#stage === 'over') return;
    if (this.#stage === 'headed') {
      this.#outcome ??= { error };
      return;
    }
    const receiver = this.#receiver;
    this.#finish();
    this.#settle(error ?? new SeekwellError('ORIGIN_WRONG', `${this.#host} ended its answer before its headers`));
    receiver?.end(error);
  }

  #finish(): void {
    this.#stage = 'over';
    this.#receiver = null;
    this.#early = [];
    this.#timer?.cancel();
    this.#timer = null;
    this.#over(this);
  }
}
