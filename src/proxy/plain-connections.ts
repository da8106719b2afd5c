import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import type { KernelSender } from './kernel-sender.ts';
import { type PlainRequest, readPlainRequest } from './plain-request.ts';
import { type SocketAnswer, SocketOutlet } from './socket-outlet.ts';

/** What a client may send while its answer is under way, in bytes; then nothing more is read from it until the answer is whole. */
const MAX_WAITING_BYTES = 64 * 1024;

export interface PlainParts {
  readonly clock: Clock;
  /** How long a connection without a request is kept, in milliseconds. */
  readonly keepAliveMs: number;
  /** Null: bytes are copied. */
  readonly sender: KernelSender | null;
  /** Whether a request may be answered here; else node:http gets it. */
  accepts(request: PlainRequest): boolean;
  /** Answers a request. Resolves when the answer is written or the connection destroyed; never rejects. Null: that is so already. */
  answer(request: PlainRequest, outlet: SocketOutlet, socket: Socket): Promise<void> | null;
}

interface Connection {
  readonly socket: Socket;
  answering: boolean;
  /** What came while an answer was under way. */
  waiting: Buffer[];
  release(): void;
}

/**
 * Answers plain GETs of streams on their sockets: with many small ranges most of the work of node:http is its own (docs/decisions/0006). At the first request
 * that is anything else the connection goes to node:http for good, with what it sent.
 */
export class PlainConnections {
  readonly #parts: PlainParts;
  readonly #answers: SocketAnswer;
  /** Of connections that end with the answer. */
  readonly #lastAnswers: SocketAnswer;
  readonly #connections = new Set<Connection>();
  readonly #toHttp: (socket: Socket) => void;
  #closing = false;

  /** @param server gets what is not plain; its connections come through here from now on */
  constructor(server: Server, parts: PlainParts) {
    this.#parts = parts;
    const { clock, sender, keepAliveMs } = parts;
    const seconds = Math.floor(keepAliveMs / 1000);
    this.#answers = { clock, sender, keepAliveSeconds: () => (this.#closing ? null : seconds) };
    this.#lastAnswers = { clock, sender, keepAliveSeconds: () => null };
    const [toHttp] = server.listeners('connection') as ((socket: Socket) => void)[];
    if (toHttp === undefined) throw new Error('the server takes no connections');
    server.removeListener('connection', toHttp);
    this.#toHttp = (socket) => toHttp.call(server, socket);
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** Ends connections without a request, and those with one when it is answered. */
  close(): void {
    this.#closing = true;
    for (const { socket, answering } of this.#connections) if (!answering) socket.destroy();
  }

  /** Ends all connections. */
  closeAll(): void {
    this.close();
    for (const { socket } of this.#connections) socket.destroy();
  }

  #accept(socket: Socket): void {
    const connection: Connection = {
      socket,
      answering: false,
      waiting: [],
      release: () => {
        this.#connections.delete(connection);
        socket.setTimeout(0);
        for (const [event, listener] of Object.entries(listeners)) socket.removeListener(event, listener);
      },
    };
    const destroy = (): void => void socket.destroy();
    const listeners = {
      data: (bytes: Buffer): void => this.#received(connection, bytes),
      // A player that leaves closes both directions: nothing tells it from one that only sends no more.
      end: destroy,
      error: destroy,
      timeout: () => connection.answering || destroy(),
      close: () => this.#connections.delete(connection),
    };
    for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
    socket.setTimeout(this.#parts.keepAliveMs);
    this.#connections.add(connection);
  }

  #received(connection: Connection, bytes: Buffer): void {
    if (connection.answering) {
      connection.waiting.push(bytes);
      const waiting = connection.waiting.reduce((sum, { length }) => sum + length, 0);
      if (waiting > MAX_WAITING_BYTES) connection.socket.pause();
      return;
    }
    const request = readPlainRequest(bytes);
    if (request === null || !this.#parts.accepts(request)) this.#handOver(connection, bytes);
    else this.#answer(connection, request);
  }

  #answer(connection: Connection, request: PlainRequest): void {
    connection.answering = true;
    const outlet = new SocketOutlet(connection.socket, request.closes ? this.#lastAnswers : this.#answers);
    const answering = this.#parts.answer(request, outlet, connection.socket);
    if (answering === null) this.#answered(connection, request, outlet);
    else void answering.then(() => this.#answered(connection, request, outlet));
  }

  #answered(connection: Connection, { closes }: PlainRequest, outlet: SocketOutlet): void {
    const { socket } = connection;
    connection.answering = false;
    if (!outlet.ended) socket.destroy();
    if (socket.destroyed) return;
    if (this.#closing || closes) {
      socket.end();
      return;
    }
    if (connection.waiting.length === 0) return;
    const next = Buffer.concat(connection.waiting);
    connection.waiting = [];
    socket.resume();
    this.#received(connection, next);
  }

  #handOver(connection: Connection, bytes: Buffer): void {
    const { socket } = connection;
    connection.release();
    socket.pause();
    socket.unshift(bytes);
    this.#toHttp(socket);
    socket.resume();
  }
}
