import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export type Script = (request: IncomingMessage, response: ServerResponse) => void;

interface Waiting {
  readonly holds: () => boolean;
  readonly resolve: () => void;
}

/** A connection as the server sees it. */
export interface ServerSocket extends Socket {
  /** Resolves when it is closed, whenever that was. */
  readonly gone: Promise<void>;
}

/** A real HTTP server on a free port of the loopback that answers by script and keeps what it was asked. */
export class BareOrigin {
  readonly requests: IncomingMessage[] = [];
  readonly responses: ServerResponse[] = [];
  readonly sockets: ServerSocket[] = [];
  readonly #server: Server;
  #waiting: Waiting[] = [];

  private constructor(server: Server, script: Script) {
    this.#server = server;
    server.on('connection', (socket) => {
      const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
      this.sockets.push(Object.assign(socket, { gone }));
      this.#wake();
    });
    server.on('request', (request, response) => {
      this.requests.push(request);
      this.responses.push(response);
      script(request, response);
      this.#wake();
      response.once('finish', () => this.#wake());
    });
  }

  static async open(script: Script): Promise<BareOrigin> {
    const server = createServer();
    const origin = new BareOrigin(server, script);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return origin;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  url(path = '/film.mkv'): string {
    return `http://${this.host}${path}`;
  }

  /** The last request's header. */
  lastHeader(name: string): string | string[] | undefined {
    return this.requests.at(-1)?.headers[name];
  }

  socket(index: number): ServerSocket {
    const socket = this.sockets[index];
    if (socket === undefined) throw new Error(`there is no connection ${index}`);
    return socket;
  }

  response(index: number): ServerResponse {
    const response = this.responses[index];
    if (response === undefined) throw new Error(`there is no request ${index}`);
    return response;
  }

  /** Resolves when it has had `count` connections. */
  async connected(count: number): Promise<void> {
    await this.#until(() => this.sockets.length >= count);
  }

  /** Resolves when it has been asked `count` times. */
  async asked(count: number): Promise<void> {
    await this.#until(() => this.requests.length >= count);
  }

  /** Resolves when `count` answers have been handed to the network completely. */
  async finished(count: number): Promise<void> {
    await this.#until(() => this.responses.filter((response) => response.writableFinished).length >= count);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #until(holds: () => boolean): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push({ holds, resolve });
    });
  }

  #wake(): void {
    const met = this.#waiting.filter((waiting) => waiting.holds());
    this.#waiting = this.#waiting.filter((waiting) => !met.includes(waiting));
    for (const waiting of met) waiting.resolve();
  }
}

const opened: BareOrigin[] = [];

/** A server that `closeOrigins` closes. */
export async function serve(script: Script): Promise<BareOrigin> {
  const origin = await BareOrigin.open(script);
  opened.push(origin);
  return origin;
}

/** Closes every server that `serve` opened. */
export async function closeOrigins(): Promise<void> {
  await Promise.all(opened.splice(0).map((origin) => origin.close()));
}

/** Answers a request for one range of `content`, or for all of it, as a good server does. */
export function serveRange(content: Buffer, headers: Record<string, string> = {}): Script {
  return (request, response) => {
    const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
    if (match === null) {
      response.writeHead(200, { 'content-length': content.length, ...headers }).end(content);
      return;
    }
    const [, first = '', last = ''] = match;
    const start = first === '' ? Math.max(0, content.length - Number(last)) : Number(first);
    const end = first === '' || last === '' ? content.length - 1 : Math.min(Number(last), content.length - 1);
    if (start >= content.length) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
      return;
    }
    const range = { 'content-range': `bytes ${start}-${end}/${content.length}`, 'content-length': end - start + 1 };
    response.writeHead(206, { ...range, ...headers }).end(content.subarray(start, end + 1));
  };
}

/** Writes as fast as the network takes it, up to `limit` bytes; tells how many it took. */
export function writeEndlessly(response: ServerResponse, limit = 50 << 20): { readonly taken: number } {
  const block = Buffer.alloc(64 * 1024, 1);
  const progress = { taken: 0 };
  const next = (): void => {
    if (response.destroyed) return;
    if (progress.taken >= limit) {
      response.end();
      return;
    }
    response.write(block, (error) => {
      if (error) return;
      progress.taken += block.length;
      next();
    });
  };
  next();
  return progress;
}

/** Lets the event loop go round once: whatever was ready to happen has happened. */
export async function macrotask(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}
