import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EntryReader } from '../downloads/entry-reader.ts';
import { chunksOf } from '../downloads/reading.ts';
import { isSeekwellError, type SeekwellError } from '../errors.ts';
import type { FileCache } from '../file-cache.ts';
import type { Logger } from '../logger.ts';
import { BufferPool } from './buffer-pool.ts';
import { answerStream, type StreamAnswer } from './stream-answer.ts';

/** Why a stream ends early. Given to each abort: without a reason Node makes an exception with a stack for each. */
const GONE = 'the client is gone';

export interface ProxyOptions {
  readonly logger: Logger;
}

/**
 * Answers requests for streams. Bytes go from the file to the socket through two buffers a stream, one being written while the next is read; a player that
 * does not read holds nothing else back. A failure after the first byte ends the connection, so that a client sees a short body and never wrong bytes.
 */
export class CacheProxy {
  readonly #cache: FileCache;
  readonly #logger: Logger;
  readonly #pool = new BufferPool();
  readonly #streams = new Set<AbortController>();
  #lastStreamId = 0;

  constructor(cache: FileCache, options: ProxyOptions) {
    this.#cache = cache;
    this.#logger = options.logger;
  }

  /** How many requests are being answered. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** Ends every stream at once. */
  endAll(): void {
    for (const stream of this.#streams) stream.abort(GONE);
  }

  /** Answers one request of a node:http server; never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const ended = new AbortController();
    this.#streams.add(ended);
    const end = (): void => ended.abort(GONE);
    response.once('close', end);
    const abortSocket = (): void => void (response.writableFinished || response.destroy());
    ended.signal.addEventListener('abort', abortSocket);
    try {
      const { headers, method = 'GET', url = '/' } = request;
      const answer = await answerStream(this.#cache, {
        method,
        path: url.split('?', 1)[0] ?? url,
        header: (name) => headers[name]?.toString(),
        signal: ended.signal,
      });
      await this.#send(answer, response, method, ended.signal);
    } finally {
      ended.signal.removeEventListener('abort', abortSocket);
      response.removeListener('close', end);
      this.#streams.delete(ended);
    }
  }

  /** Answers a web request, for Electron's protocol.handle, Hono and service code; never rejects. */
  async fetch(request: Request): Promise<Response> {
    const ended = new AbortController();
    const end = (): void => ended.abort(GONE);
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
      signal: ended.signal,
    });
    const { status, headers, reader, text } = answer;
    if (reader === null) {
      over();
      return new Response(status === 204 || status === 304 || request.method === 'HEAD' ? null : text, { status, headers });
    }
    return new Response(this.#webBody(answer, reader, over), { status, headers });
  }

  /** The body of `answer` as a web stream, with the events around it. */
  #webBody(answer: StreamAnswer, reader: EntryReader, over: () => void): ReadableStream<Uint8Array> {
    const stream = { entryId: answer.entryId ?? 0, streamId: ++this.#lastStreamId };
    const chunks = chunksOf(reader);
    const finish = async (): Promise<void> => {
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
          controller.error(error);
        }
        await finish();
      },
      cancel: finish,
    });
  }

  async #send(answer: StreamAnswer, response: ServerResponse, method: string, ended: AbortSignal): Promise<void> {
    const { status, headers, text, reader } = answer;
    if (response.destroyed) {
      await reader?.close();
      return;
    }
    if (text !== null) headers['content-length'] = String(answer.length);
    response.writeHead(status, headers);
    if (reader === null) {
      response.end(method === 'HEAD' || text === null ? undefined : text);
      return;
    }
    const stream = { entryId: answer.entryId ?? 0, streamId: ++this.#lastStreamId };
    this.#cache.emitter.emit('streamOpened', stream);
    try {
      await this.#pump(reader, response);
      response.end();
    } catch (error) {
      // What is not one of ours comes from the socket: the client left.
      if (!ended.aborted && isSeekwellError(error)) this.#note(error, stream.entryId);
      response.destroy();
    } finally {
      await reader.close();
      this.#cache.emitter.emit('streamClosed', stream);
    }
  }

  async #pump(reader: EntryReader, response: ServerResponse): Promise<void> {
    let current = this.#pool.take();
    let next = this.#pool.take();
    let count = await reader.read(current);
    while (count > 0) {
      const [following] = await Promise.all([reader.read(next), written(response, current.subarray(0, count))]);
      [current, next] = [next, current];
      count = following;
    }
    // Not after a failure: a read or a write may still be using them.
    this.#pool.giveBack(current);
    this.#pool.giveBack(next);
  }

  #note({ code, message }: SeekwellError, entryId: number): void {
    this.#logger.warn({ entryId, code }, `a stream ended early: ${message}`);
  }
}

/** Resolves when `bytes` may be reused; rejects when the client is gone. */
function written(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    response.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
