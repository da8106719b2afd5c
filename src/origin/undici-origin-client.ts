import { type Dispatcher, EnvHttpProxyAgent } from 'undici';
import { type Clock, systemClock } from '../clock.ts';
import type { Ending } from '../core/ending.ts';
import { rangeHeaderOf } from '../core/http-range.ts';
import { ifRangeOf } from '../core/validator.ts';
import { asSeekwellError, SeekwellError } from '../errors.ts';
import { CONNECT_TIMEOUT_MS, Exchange, givenUp } from './exchange.ts';
import { KEEP_ALIVE_MS } from './keep-alive.ts';
import { type AnswerHead, contentLengthOf, headerOf, meaningOf, relayedHeadersOf, wrongAnswer } from './origin-answer.ts';
import type { OriginAnswer, OriginBody, OriginClient, OriginRequest } from './origin-client.ts';
import { OriginPools } from './origin-pools.ts';
import { type OriginTarget, redirectedTarget, targetOf } from './origin-target.ts';
import { Silence } from './silence.ts';
import { type BodyPromise, TransferBody } from './transfer-body.ts';
import { USER_AGENT } from './user-agent.ts';

/** What sends requests: any dispatcher of undici. */
export type OriginDispatcher = Pick<Dispatcher, 'dispatch'>;

export interface UndiciOriginClientOptions {
  /** Unset: the system's. */
  readonly clock?: Clock;
  /** Sends the requests, and stays open when the client closes. Unset: own connections, through a proxy where the environment names one. */
  readonly dispatcher?: OriginDispatcher;
}

interface Asked {
  readonly exchange: Exchange;
  readonly head: AnswerHead | SeekwellError;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 10;
const PROXY_VARIABLES = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'HTTPS_PROXY'];

function usesProxy(): boolean {
  return PROXY_VARIABLES.some((name) => (process.env[name] ?? '') !== '');
}

function transient(error: SeekwellError): OriginAnswer {
  return { kind: 'transient', error, retryAfterMs: null };
}

function headersFor(target: OriginTarget, { range, expected }: OriginRequest): Record<string, string> {
  // An encoded body would be no piece of the resource.
  const headers: Record<string, string> = { 'user-agent': USER_AGENT, ...target.headers, 'accept-encoding': 'identity' };
  if (range === null) return headers;
  headers.range = rangeHeaderOf(range);
  const condition = expected === null ? null : ifRangeOf(expected.validator);
  if (condition !== null) headers['if-range'] = condition;
  return headers;
}

/**
 * Asks origins through undici's `dispatch` handlers: bytes come in callbacks that can be held back, without a stream in between. Timeouts: 10 s for a
 * connection, 15 s for the headers, 15 s without a byte of a body that is not paused.
 */
export class UndiciOriginClient implements OriginClient {
  readonly #clock: Clock;
  readonly #dispatcher: OriginDispatcher;
  readonly #destroy: () => Promise<void>;
  /** Null where somebody else's dispatcher keeps the connections. */
  readonly #pools: OriginPools | null = null;
  readonly #silence: Silence | null = null;
  readonly #live = new Set<Exchange>();
  #closed = false;

  constructor(options: UndiciOriginClientOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    if (options.dispatcher !== undefined) {
      this.#dispatcher = options.dispatcher;
      this.#destroy = async () => {};
    } else if (usesProxy()) {
      // Proxies that let CONNECT through to port 443 only are common: what needs no tunnel goes without.
      const options = { allowH2: false, connectTimeout: CONNECT_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_MS, proxyTunnel: false };
      const agent = new EnvHttpProxyAgent(options);
      this.#dispatcher = agent;
      this.#destroy = () => agent.destroy();
    } else {
      const pools = new OriginPools(this.#clock, CONNECT_TIMEOUT_MS, (origin) => this.#waitingFor(origin));
      this.#pools = pools;
      this.#silence = new Silence(this.#clock, pools);
      this.#dispatcher = pools;
      this.#destroy = () => pools.destroy();
    }
  }

  async open(request: OriginRequest, signal?: Ending): Promise<OriginAnswer> {
    let target: OriginTarget;
    try {
      target = targetOf(request.location);
    } catch (error) {
      return { kind: 'refused', error: asSeekwellError(error), status: null };
    }
    for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
      const { exchange, head } = await this.#ask(target, request, signal);
      if (head instanceof SeekwellError) return transient(head);
      if (!REDIRECTS.has(head.status)) return this.#answer(request, target, exchange, head);
      exchange.drain(contentLengthOf(head.headers));
      const location = headerOf(head.headers, 'location');
      const next = location === null ? null : redirectedTarget(target, location);
      if (next === null) return wrongAnswer(`a ${head.status} that leads nowhere`);
      // The redirect's little body has come as a rule: once it is read, the next request goes over the same connection.
      if (next.url.origin === target.url.origin) await new Promise((resolve) => setImmediate(resolve));
      target = next;
    }
    return wrongAnswer(`more than ${MAX_REDIRECTS} redirects`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const exchange of [...this.#live]) exchange.fail(givenUp());
    await this.#destroy();
  }

  #waitingFor(origin: string): Exchange[] {
    return [...this.#live].filter((exchange) => exchange.origin === origin && exchange.awaitsConnection);
  }

  /**
   * One request to one target. A connection that turns out to have been closed while it lay idle is replaced once, at once; and so is, after a while, one on
   * which the origin is silent, where the reason may be connections of ours that lie idle.
   */
  async #ask(target: OriginTarget, request: OriginRequest, signal: Ending | undefined): Promise<Asked> {
    const first = this.#send(target, request, signal);
    const silence = this.#silence?.watch(first);
    const head = await this.#headOf(first, signal);
    const isLost = first.lostConnection && (!first.connectionWasFresh || this.#pools?.wasOnSpare(first) === true);
    if (!(head instanceof SeekwellError && (isLost || silence?.isBroken === true))) {
      silence?.end();
      return { exchange: first, head };
    }
    // A spare one would be no newer.
    this.#pools?.dropSpare(first.origin, false);
    await silence?.rest();
    const second = this.#send(target, request, signal);
    const answer = await this.#headOf(second, signal);
    silence?.end(answer instanceof SeekwellError ? null : second);
    return { exchange: second, head: answer };
  }

  #send(target: OriginTarget, request: OriginRequest, signal: Ending | undefined): Exchange {
    const { url } = target;
    const exchange = new Exchange(url, this.#clock, (over) => this.#live.delete(over));
    this.#live.add(exchange);
    if (this.#closed || signal?.aborted === true) {
      exchange.fail(givenUp());
      return exchange;
    }
    const options = {
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'GET' as const,
      headers: headersFor(target, request),
      // Time is kept by the exchange and the body, on the clock that was given.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    this.#dispatcher.dispatch(options, exchange);
    return exchange;
  }

  async #headOf(exchange: Exchange, signal: Ending | undefined): Promise<AnswerHead | SeekwellError> {
    if (signal === undefined) return exchange.head;
    const giveUp = (): void => exchange.abort();
    signal.addEventListener('abort', giveUp);
    try {
      return await exchange.head;
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  #answer(request: OriginRequest, target: OriginTarget, exchange: Exchange, head: AnswerHead): OriginAnswer {
    const meaning = meaningOf(request, head, this.#clock.now());
    const given = contentLengthOf(head.headers);
    const delimited = given !== null || headerOf(head.headers, 'transfer-encoding') !== null;
    const body = (promise: BodyPromise): OriginBody => new TransferBody(exchange, promise, target.url.host, this.#clock);
    if (meaning.kind === 'bytes') {
      const { start, end } = meaning;
      const keeps = headerOf(head.headers, 'connection')?.toLowerCase() !== 'close';
      if (request.spare && !meaning.rangesRefused && keeps) this.#pools?.prepare(target.url.origin, request.spare);
      if (end !== null) return { ...meaning, body: body({ length: end - start + 1, source: 'origin', delimited }) };
      return { ...meaning, body: body({ length: request.expected?.total ?? null, source: 'version', delimited }) };
    }
    if (meaning.kind === 'encoded' && request.relayEncoded === true) {
      const status = head.status === 206 ? 206 : 200;
      return {
        ...meaning,
        relay: { status, headers: relayedHeadersOf(head.headers), body: body({ length: given, source: 'origin', delimited }) },
      };
    }
    exchange.drain(given);
    return meaning;
  }
}
