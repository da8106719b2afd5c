import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ByteRange } from '../core/byte-ranges.ts';
import { type Ending, EndSignal } from '../core/ending.ts';
import type { EntryReader } from '../downloads/entry-reader.ts';
import { chunksOf } from '../downloads/reading.ts';
import { isSeekwellError, type SeekwellError } from '../errors.ts';
import type { FileCache } from '../file-cache.ts';
import type { Logger } from '../logger.ts';
import type { ReadView } from '../repository/cache-repository.ts';
import { BodyPump } from './body-pump.ts';
import { BufferPool } from './buffer-pool.ts';
import type { Outlet } from './outlet.ts';
import type { PlainRequest } from './plain-request.ts';
import { QuickAnswers } from './quick-answer.ts';
import { ResponseOutlet } from './response-outlet.ts';
import type { SocketOutlet } from './socket-outlet.ts';
import { answerStream, type StreamAnswer, type StreamRequest } from './stream-answer.ts';

export interface ProxyOptions {
  readonly logger: Logger;
}

/** One answer, as events tell of it. */
interface Stream {
  readonly entryId: number;
  readonly streamId: number;
}

/**
 * Answers requests for streams. A player that does not read holds nothing else back. A failure after the first byte ends the connection, so that a client sees a short body and never wrong bytes.
 */
export class CacheProxy {
  readonly #cache: FileCache;
  readonly #logger: Logger;
  readonly #pool = new BufferPool();
  readonly #quick: QuickAnswers;
  readonly #streams = new Set<EndSignal>();
  #lastStreamId = 0;

  constructor(cache: FileCache, options: ProxyOptions) {
    this.#cache = cache;
    this.#quick = new QuickAnswers(cache);
    this.#logger = options.logger;
  }

  /** How many requests are being answered. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Ends every stream at once. */
  endAll(): void {
    for (const stream of this.#streams) stream.abort();
  }

  /** Answers one request of a node:http server; never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers, method = 'GET', url = '/' } = request;
    const stream = { method, path: url.split('?', 1)[0] ?? url, header: (name: string) => headers[name]?.toString() };
    await this.#serve(stream, new ResponseOutlet(response, method), response);
  }

  /** Answers one plain request on its socket; never rejects. Null: it is answered already. */
  handlePlain(request: PlainRequest, outlet: SocketOutlet, socket: Socket): Promise<void> | null {
    const rest = this.#quick.begin(request, outlet);
    if (rest === null) {
      const { method, path, headers } = request;
      return this.#serve({ method, path, header: (name) => headers[name] }, outlet, socket);
    }
    const stream = { entryId: rest.view.entry.id, streamId: ++this.#lastStreamId };
    this.#cache.emitter.emit('streamOpened', stream);
    if (rest.range !== null) return this.#finish(rest.view, rest.range, stream, outlet, socket);
    outlet.end();
    this.#cache.emitter.emit('streamClosed', stream);
    return null;
  }

  /** Answers a web request, for Electron's protocol.handle, Hono and service code. Rejects with the reason of the request's signal only, once that aborted. */
  async fetch(request: Request): Promise<Response> {
    request.signal.throwIfAborted();
    const ended = new EndSignal();
    const end = (): void => ended.abort();
    request.signal.addEventListener('abort', end);
    this.#streams.add(ended);
    const over = (): void => {
      request.signal.removeEventListener('abort', end);
      this.#streams.delete(ended);
    };
    const answer = await answerStream(this.#cache, {
      method: request.method,
      path: new URL(request.url).pathname,
      header: (name) => request.headers.get(name) ?? undefined,
      signal: ended,
    });
    const { status, headers, reader, text } = answer;
    if (reader === null) {
      over();
      request.signal.throwIfAborted();
      return new Response(status === 204 || status === 304 || request.method === 'HEAD' ? null : text, { status, headers });
    }
    return new Response(this.#webBody(answer, reader, request.signal, over), { status, headers });
  }

  /** The body of `answer` as a web stream, with the events around it. */
  #webBody(answer: StreamAnswer, reader: EntryReader, signal: AbortSignal, over: () => void): ReadableStream<Uint8Array> {
    const stream = { entryId: answer.entryId ?? 0, streamId: ++this.#lastStreamId };
    const chunks = chunksOf(reader);
    let finished = false;
    const finish = async (): Promise<void> => {
      if (finished) return;
      finished = true;
      over();
      await reader.close();
      this.#cache.emitter.emit('streamClosed', stream);
    };
    this.#cache.emitter.emit('streamOpened', stream);
    return new ReadableStream({
      async pull(controller) {
        try {
          const { done, value } = await chunks.next();
          if (done !== true) return controller.enqueue(value);
          controller.close();
        } catch (error) {
          controller.error(signal.aborted ? signal.reason : error);
        }
        await finish();
      },
      cancel: finish,
    });
  }

  async #serve(request: Omit<StreamRequest, 'signal'>, outlet: Outlet, client: ServerResponse | Socket): Promise<void> {
    await this.#whileThere(client, outlet, async (ended) =>
      this.#send(await answerStream(this.#cache, { ...request, signal: ended }), outlet, ended),
    );
  }

  /** Sends what is left of an answer that has begun. */
  async #finish(view: ReadView, range: ByteRange, stream: Stream, outlet: Outlet, client: Socket): Promise<void> {
    await this.#whileThere(client, outlet, async (signal) => {
      try {
        const reader = await this.#cache.openReader(view, { spec: { kind: 'from', ...range }, mayFetch: true, signal });
        reader.begin(range);
        await this.#pour(reader, stream, outlet, signal);
      } catch (error) {
        this.#failed(error, stream, outlet, signal);
      }
    });
  }

  /** @param client tells when it leaves */
  async #whileThere(client: ServerResponse | Socket, outlet: Outlet, work: (ended: Ending) => Promise<void>): Promise<void> {
    const ended = new EndSignal();
    this.#streams.add(ended);
    const end = (): void => ended.abort();
    const destroy = (): void => outlet.destroy();
    client.once('close', end);
    ended.addEventListener('abort', destroy);
    try {
      await work(ended);
    } finally {
      ended.removeEventListener('abort', destroy);
      client.removeListener('close', end);
      this.#streams.delete(ended);
    }
  }

  async #send(answer: StreamAnswer, outlet: Outlet, ended: Ending): Promise<void> {
    const { status, headers, text, reader } = answer;
    if (outlet.destroyed) {
      await reader?.close();
      return;
    }
    if (text !== null) headers['content-length'] = String(answer.length);
    outlet.begin(status, headers);
    if (reader === null) return outlet.end(text ?? undefined);
    const stream = { entryId: answer.entryId ?? 0, streamId: ++this.#lastStreamId };
    this.#cache.emitter.emit('streamOpened', stream);
    await this.#pour(reader, stream, outlet, ended);
  }

  /** Sends what the reader gives, and ends the answer. */
  async #pour(reader: EntryReader, stream: Stream, outlet: Outlet, ended: Ending): Promise<void> {
    try {
      await new BodyPump(reader, outlet, this.#pool, this.#cache.clock).run();
      outlet.end();
    } catch (error) {
      this.#failed(error, stream, outlet, ended);
    } finally {
      await reader.close();
      this.#cache.emitter.emit('streamClosed', stream);
    }
  }

  #failed(error: unknown, { entryId }: Stream, outlet: Outlet, ended: Ending): void {
    // What is not one of ours comes from the socket: the client left.
    if (!ended.aborted && isSeekwellError(error)) this.#note(error, entryId);
    outlet.destroy();
  }

  #note({ code, message }: SeekwellError, entryId: number): void {
    this.#logger.warn({ entryId, code }, `a stream ended early: ${message}`);
  }
}
