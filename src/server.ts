import { once, setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createPlainServer, isIPv6, type Server as PlainServer } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Access } from './api/access.ts';
import { createApi } from './api/api.ts';
import { readTarget } from './api/request-target.ts';
import type { Clock, Timer } from './clock.ts';
import { isLoopback } from './config/loopback.ts';
import { SeekwellError } from './errors.ts';
import type { FileCache } from './file-cache.ts';
import type { Logger } from './logger.ts';
import { problemHeaders, problemOf } from './problem.ts';
import { ownUsage, type ProcessCounts } from './process-counts.ts';
import { CacheProxy } from './proxy/cache-proxy.ts';
import { loadKernelSender } from './proxy/kernel-sender.ts';
import { PlainConnections } from './proxy/plain-connections.ts';
import { keyOfPath } from './proxy/stream-path.ts';
import type { Address } from './stream-url.ts';

/** A request must have come in by then, in milliseconds: connections that dribble one hold no place for long. Answers may take for ever. */
const HEADERS_MS = 20_000;
const REQUEST_MS = 60_000;
/** A connection without a request is kept this long, in milliseconds: longer than a player waits between two ranges. */
const KEEP_ALIVE_MS = 30_000;
/** What is not a stream may end by itself for this long when the server must stop, in milliseconds. */
const GRACE_MS = 500;

export interface ServerOptions {
  /** Another address than a loopback one needs a token. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** What callers of the API must send, or null. */
  readonly token: string | null;
  /** Host names that are answered to beside loopback names and IP addresses. */
  readonly allowedHosts: readonly string[];
  /** The base of stream URLs where others reach this by another name, or null. */
  readonly publicUrl: string | null;
  readonly logger: Logger;
  /** Where several processes share the port: what all of them count, this one's `own` included. Unless told it is alone. */
  readonly countAll?: (own: ProcessCounts) => Promise<ProcessCounts>;
}

export interface RunningServer {
  /** Where it listens, for programs on this machine. */
  readonly url: string;
  /** What this process counts. */
  counts(): ProcessCounts;
  /**
   * Takes no more connections, lets streams go on for `drainMs` milliseconds (null: not at all), then ends them. A second call can shorten the time.
   */
  close(drainMs: number | null): Promise<void>;
}

/**
 * Serves streams, API and pages of `cache` on one port, and lets other processes know where.
 * @throws SeekwellError ADDRESS_UNUSABLE, BAD_OPTION
 */
export async function startServer(cache: FileCache, options: ServerOptions): Promise<RunningServer> {
  const host = withoutBrackets(options.host);
  checkToken(options.token, host);
  const publicUrl = options.publicUrl === null ? null : checkPublicUrl(options.publicUrl);
  const server = createServer({ headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: KEEP_ALIVE_MS });
  const port = await listen(server, host, options.port);
  const url = `http://${hostInUrl(host)}:${port}`;
  const closing = new AbortController();
  // Each client of the events listens to it.
  setMaxListeners(0, closing.signal);
  const { token, logger } = options;
  const proxy = new CacheProxy(cache, { logger });
  // Under a wildcard address every client knows this machine by another name: the one it used is the one that works for it.
  const baseUrl = publicUrl?.href.replace(/\/$/, '') ?? (isWildcard(host) ? null : url);
  const own = (): ProcessCounts => countsOf(cache, proxy);
  const counts = async (): Promise<ProcessCounts> => options.countAll?.(own()) ?? own();
  const api = createApi(cache, { baseUrl, token, counts, closing: closing.signal, logger });
  const access = new Access({
    token,
    hostNames: [host, ...options.allowedHosts, ...(publicUrl === null ? [] : [publicUrl.host])],
    origins: publicUrl === null ? [] : [publicUrl.origin],
    streamKeyOf: keyOfPath,
  });
  server.on('request', requestHandler({ access, proxy, fetch: (request) => api.fetch(request), logger }));
  const plain = new PlainConnections(server, {
    clock: cache.clock,
    keepAliveMs: KEEP_ALIVE_MS,
    sender: await loadKernelSender(),
    accepts: (request) => access.refusalOf(request, request.path) === null,
    answer: (request, outlet, socket) => proxy.handlePlain(request, outlet, socket),
  });
  const address: Address = { baseUrl: baseUrl ?? url, token };
  const running = new HttpServer({ url, server, plain, proxy, closing, cache, address });
  try {
    await cache.announce(address);
  } catch (error) {
    await running.close(null);
    throw error;
  }
  return running;
}

/**
 * Whether the address can be listened on, without staying there.
 * @throws SeekwellError ADDRESS_UNUSABLE
 */
export async function tryAddress(host: string, port: number): Promise<void> {
  const server = createPlainServer((socket) => socket.destroy());
  await listen(server, withoutBrackets(host), port);
  await new Promise((resolve) => server.close(resolve));
}

function countsOf(cache: FileCache, proxy: CacheProxy): ProcessCounts {
  const { hitBytes, missBytes, originBytes } = cache.traffic;
  return { hitBytes, missBytes, originBytes, activeFetches: cache.activeFetches, activeStreams: proxy.openStreams, ...ownUsage() };
}

interface Parts {
  readonly url: string;
  readonly server: Server;
  readonly plain: PlainConnections;
  readonly proxy: CacheProxy;
  readonly closing: AbortController;
  readonly cache: FileCache;
  readonly address: Address;
}

class HttpServer implements RunningServer {
  readonly url: string;
  readonly #parts: Parts;
  readonly #clock: Clock;
  readonly #timers: Timer[] = [];
  #closed: Promise<void> | null = null;

  constructor(parts: Parts) {
    this.url = parts.url;
    this.#parts = parts;
    this.#clock = parts.cache.clock;
    const { server, closing, cache } = parts;
    // A connection that cannot be accepted (too many open files) is no reason to stop.
    server.on('error', (error) => cache.logger.warn({}, `a connection could not be accepted: ${error.message}`));
    server.on('request', (_request: IncomingMessage, response: ServerResponse) => {
      // A connection whose answer ends while the server closes would wait for a next request.
      response.once('close', () => closing.signal.aborted && server.closeIdleConnections());
    });
  }

  counts(): ProcessCounts {
    return countsOf(this.#parts.cache, this.#parts.proxy);
  }

  close(drainMs: number | null): Promise<void> {
    this.#closed ??= this.#close();
    if (drainMs === null) this.#end();
    else this.#timers.push(this.#clock.after(drainMs, () => this.#end()));
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { server, plain, closing, cache, address } = this.#parts;
    closing.abort();
    plain.close();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    try {
      await cache.withdraw(address);
    } catch (error) {
      cache.logger.warn({}, `the address could not be taken back: ${(error as Error).message}`);
    }
    await closed;
    for (const timer of this.#timers) timer.cancel();
  }

  #end(): void {
    const { server, plain, proxy } = this.#parts;
    proxy.endAll();
    const closeAll = (): void => {
      plain.closeAll();
      server.closeAllConnections();
    };
    this.#timers.push(this.#clock.after(GRACE_MS, closeAll));
  }
}

interface HandlerParts {
  readonly access: Access;
  readonly proxy: CacheProxy;
  readonly fetch: (request: Request) => Response | Promise<Response>;
  readonly logger: Logger;
}

/** Streams go straight to the proxy; everything else becomes a web request for the API. */
function requestHandler({ access, proxy, fetch, logger }: HandlerParts): (request: IncomingMessage, response: ServerResponse) => void {
  const listener = getRequestListener(fetch, {
    overrideGlobalObjects: false,
    hostname: 'localhost',
    errorHandler: (error) => {
      logger.debug({ error: (error as Error).name }, 'a request could not be read');
      const problem = new SeekwellError('BAD_REQUEST', 'the request cannot be read');
      return new Response(JSON.stringify(problemOf(problem)), { status: problem.kind.status, headers: problemHeaders(problem) });
    },
  });
  return (request, response) => {
    if (!readTarget(request))
      return refuse(request, response, new SeekwellError('BAD_REQUEST', 'the request does not say which host it means'));
    const [path = '/'] = (request.url ?? '/').split('?', 1);
    const refusal = access.refusalOf(request, path);
    if (refusal !== null) return refuse(request, response, refusal);
    if (path.startsWith('/stream/')) void proxy.handle(request, response);
    else void listener(request, response);
  };
}

function refuse(request: IncomingMessage, response: ServerResponse, error: SeekwellError): void {
  const text = JSON.stringify(problemOf(error));
  response.writeHead(error.kind.status, {
    ...problemHeaders(error),
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(text),
    ...(error.code === 'UNAUTHORIZED' ? { 'www-authenticate': 'Bearer realm="seekwell"' } : {}),
    // The body of a refused request is not read.
    ...(request.method === 'GET' || request.method === 'HEAD' ? {} : { connection: 'close' }),
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

/** An IPv6 address may come as it stands in a URL. */
function withoutBrackets(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host);
}

/** `host` as it stands in a URL that works on this machine. */
function hostInUrl(host: string): string {
  if (isWildcard(host)) return isIPv6(host) ? '[::1]' : '127.0.0.1';
  return isIPv6(host) ? `[${host}]` : host;
}

/** @throws SeekwellError BAD_OPTION */
function checkToken(token: string | null, host: string): void {
  if (!isLoopback(host) && token === null) {
    throw new SeekwellError('BAD_OPTION', `${host} can be reached from other machines`, {
      hint: 'Set a token (--token), or listen on 127.0.0.1.',
    });
  }
  // An empty one would sign with what everybody knows; with a space in it no header carries it.
  if (token !== null && !/^[\x21-\x7e]+$/.test(token)) {
    throw new SeekwellError('BAD_OPTION', 'the token is empty, or has other characters than visible ASCII', {
      hint: 'Use letters, digits and punctuation without spaces.',
    });
  }
}

function checkPublicUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new SeekwellError('BAD_OPTION', 'the public URL is not a plain http:// or https:// URL', { hint: 'Correct --public-url.' });
  }
  return url;
}

const LISTEN_FAILURES: Readonly<Record<string, { readonly what: string; readonly hint: string }>> = {
  EADDRINUSE: {
    what: 'is in use already',
    hint: 'Another program, perhaps another seekwell, listens there: choose another --port, or 0 for any free one.',
  },
  EACCES: { what: 'needs more rights', hint: 'Choose a --port above 1023.' },
  EADDRNOTAVAIL: { what: 'is no address of this machine', hint: 'Give --host an address of this machine, as in 127.0.0.1.' },
  ENOTFOUND: { what: 'names no address', hint: 'Give --host an address of this machine, as in 127.0.0.1.' },
};

/** Returns the port. */
async function listen(server: PlainServer, host: string, port: number): Promise<number> {
  try {
    const listening = once(server, 'listening');
    server.listen({ host, port });
    await listening;
  } catch (error) {
    const failure = LISTEN_FAILURES[(error as NodeJS.ErrnoException).code ?? ''];
    const address = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
    const details = failure === undefined ? {} : { hint: failure.hint };
    throw new SeekwellError('ADDRESS_UNUSABLE', `${address} ${failure?.what ?? 'cannot be listened on'}`, { cause: error, ...details });
  }
  return (server.address() as AddressInfo).port;
}
