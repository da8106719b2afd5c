import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CacheOptions } from './cache-options.ts';
import type { CacheEventMap, CacheEvents } from './downloads/cache-events.ts';
import { SeekwellError } from './errors.ts';
import { FileCache, wireCache } from './file-cache.ts';
import { problemHeaders, problemOf } from './problem.ts';
import { CacheProxy } from './proxy/cache-proxy.ts';
import { type RunningServer, startServer } from './server.ts';

/** Where streams begin in the path of a request, below whatever a handler is mounted at. */
const STREAMS = '/stream/';
/** More events than this waiting for one listener push out the oldest. */
const MAX_WAITING = 10_000;

export interface ListenOptions {
  /** 127.0.0.1 unless told. Another than a loopback address needs a token. */
  readonly host?: string;
  /** Any free one unless told. */
  readonly port?: number;
  /** What callers of the API must send; stream URLs carry a signature then. */
  readonly token?: string;
  /** Host names that are answered to beside loopback names and IP addresses. */
  readonly allowedHosts?: readonly string[];
  /** The base of stream URLs where others reach this by another name. */
  readonly publicUrl?: string;
}

/** Something happened in this process: a hint to look again. Changes that other processes make are not told. */
export type CacheEvent = { [Name in keyof CacheEventMap]: { readonly type: Name } & CacheEventMap[Name][0] }[keyof CacheEventMap];

/** A cache that also answers HTTP: what `import { FileCache } from 'seekwell'` gives. */
export class ServingFileCache extends FileCache {
  readonly #proxy = new CacheProxy(this, { logger: this.logger });
  readonly #servers = new Set<RunningServer>();
  readonly #closing = new AbortController();

  /**
   * Opens the cache in its folder, creating both where they do not exist.
   * @throws SeekwellError CACHE_DIR_UNUSABLE, DATABASE_UNUSABLE, DATABASE_TOO_NEW, DATABASE_BUSY, BAD_OPTION
   */
  static override async open(options: CacheOptions): Promise<ServingFileCache> {
    const cache = new ServingFileCache(await wireCache(options));
    cache.startBackground();
    return cache;
  }

  /** Answers a web request for a stream, at any path that ends in `/stream/{source}/{media}/{quality}`: Electron's protocol.handle, Hono, service code. */
  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const at = url.pathname.indexOf(STREAMS);
    if (at === -1) {
      const error = noStream();
      return new Response(JSON.stringify(problemOf(error)), { status: error.kind.status, headers: problemHeaders(error) });
    }
    if (at === 0) return this.#proxy.fetch(request);
    url.pathname = url.pathname.slice(at);
    const { method, headers, signal } = request;
    return this.#proxy.fetch(new Request(url, { method, headers, signal }));
  }

  /** As `fetch`, for a server of node:http, Express and their kind. Who may ask is for whoever mounts it to decide. */
  async handler(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '/';
    const at = url.indexOf(STREAMS);
    if (at === -1 || url.slice(0, at).includes('?')) {
      const error = noStream();
      response.writeHead(error.kind.status, problemHeaders(error)).end(JSON.stringify(problemOf(error)));
      return;
    }
    request.url = url.slice(at);
    await this.#proxy.handle(request, response);
  }

  /** Serves streams, API and pages on a port of its own. @throws SeekwellError ADDRESS_UNUSABLE, BAD_OPTION */
  async listen(options: ListenOptions = {}): Promise<{ readonly url: string; close(): Promise<void> }> {
    const { host = '127.0.0.1', port = 0, token = null, allowedHosts = [], publicUrl = null } = options;
    const server = await startServer(this, { host, port, token, allowedHosts, publicUrl, logger: this.logger });
    this.#servers.add(server);
    return {
      url: server.url,
      close: async () => {
        this.#servers.delete(server);
        await server.close(null);
      },
    };
  }

  /** What happens from now on, until `signal` aborts, the loop is left, or the cache is closed. */
  events(options: { readonly signal?: AbortSignal } = {}): AsyncIterable<CacheEvent> {
    const { emitter } = this;
    const signals = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])];
    const events = new EventIterator(emitter, AbortSignal.any(signals));
    return { [Symbol.asyncIterator]: () => events };
  }

  override async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#servers].map((server) => server.close(null)));
    this.#proxy.endAll();
    await super.close();
  }
}

function noStream(): SeekwellError {
  return new SeekwellError('NO_SUCH_PATH', 'the path names no stream');
}

/** Gives events in their order; one that already waits is not told twice, so that a slow listener is not behind for ever. */
class EventIterator implements AsyncIterator<CacheEvent, undefined> {
  readonly #waiting = new Map<string, CacheEvent>();
  readonly #emitter: CacheEvents;
  readonly #signal: AbortSignal;
  readonly #listeners: (() => void)[] = [];
  #asked: ((result: IteratorResult<CacheEvent, undefined>) => void)[] = [];
  #ended = false;

  constructor(emitter: CacheEvents, signal: AbortSignal) {
    this.#emitter = emitter;
    this.#signal = signal;
    if (signal.aborted) {
      this.#ended = true;
      return;
    }
    signal.addEventListener('abort', this.#end);
    for (const type of ['entryChanged', 'entryRemoved', 'rangesAdded', 'streamOpened', 'streamClosed'] as const) this.#listen(type);
  }

  next(): Promise<IteratorResult<CacheEvent, undefined>> {
    const [first] = this.#waiting;
    if (first !== undefined) {
      this.#waiting.delete(first[0]);
      return Promise.resolve({ done: false, value: first[1] });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#asked.push(resolve));
  }

  return(): Promise<IteratorResult<CacheEvent, undefined>> {
    this.#waiting.clear();
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  #listen<Type extends keyof CacheEventMap>(type: Type): void {
    const tell = (...[event]: CacheEventMap[Type]): void => this.#tell({ type, ...event } as CacheEvent);
    this.#emitter.on(type, tell as never);
    this.#listeners.push(() => this.#emitter.off(type, tell as never));
  }

  #tell(event: CacheEvent): void {
    const asked = this.#asked.shift();
    if (asked !== undefined) {
      asked({ done: false, value: event });
      return;
    }
    this.#waiting.set(JSON.stringify(event), event);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > MAX_WAITING && oldest !== undefined) this.#waiting.delete(oldest);
  }

  readonly #end = (): void => {
    this.#ended = true;
    this.#signal.removeEventListener('abort', this.#end);
    for (const remove of this.#listeners.splice(0)) remove();
    for (const resolve of this.#asked.splice(0)) resolve({ done: true, value: undefined });
  };
}
