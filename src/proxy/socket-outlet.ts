import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../clock.ts';
import { HEAD_ROOM } from './buffer-pool.ts';
import type { Outlet } from './outlet.ts';

/** What may not stand in a field's value (RFC 9110, section 5.5). */
const FORBIDDEN = /[^\t\x20-\x7e\x80-\xff]/;

/** The Date field changes once a second. */
class DateField {
  #second = 0;
  #text = '';

  at(now: number): string {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#text = new Date(now).toUTCString();
    }
    return this.#text;
  }
}

const date = new DateField();

export interface SocketAnswer {
  readonly clock: Clock;
  /** Seconds for which the connection is kept after the answer; null: it is ended. Asked when the answer begins: it may have waited for long. */
  keepAliveSeconds(): number | null;
}

/** An answer to a GET over HTTP/1.1 (RFC 9112), written to the socket itself: head and first bytes in one write. */
export class SocketOutlet implements Outlet {
  readonly #socket: Socket;
  readonly #answer: SocketAnswer;
  #head: string | null = null;
  /** The body's length is not known beforehand. */
  #chunked = false;
  /** The answer is whole. */
  #ended = false;

  constructor(socket: Socket, answer: SocketAnswer) {
    this.#socket = socket;
    this.#answer = answer;
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  get flushed(): boolean {
    return this.#socket.writableLength === 0 && !this.#socket.destroyed;
  }

  /** Whether the answer was written as a whole: else the connection is of no use any more. */
  get ended(): boolean {
    return this.#ended;
  }

  begin(status: number, headers: Readonly<Record<string, string>>): void {
    const keepAliveSeconds = this.#answer.keepAliveSeconds();
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
    for (const name in headers) {
      const value = headers[name] as string;
      if (FORBIDDEN.test(value)) continue;
      head += `${name}: ${value}\r\n`;
    }
    this.#chunked = headers['content-length'] === undefined && status !== 204 && status !== 304;
    if (this.#chunked) head += 'transfer-encoding: chunked\r\n';
    head += `date: ${date.at(this.#answer.clock.now())}\r\n`;
    head +=
      keepAliveSeconds === null ? 'connection: close\r\n\r\n' : `connection: keep-alive\r\nkeep-alive: timeout=${keepAliveSeconds}\r\n\r\n`;
    this.#head = head;
  }

  write(buffer: Buffer, count: number, taken: (error?: Error | null) => void): void {
    if (this.#chunked) {
      this.#writeChunk(buffer.subarray(HEAD_ROOM, HEAD_ROOM + count), taken);
      return;
    }
    const head = this.#takeHead();
    let start = HEAD_ROOM;
    if (head.length <= HEAD_ROOM) {
      start -= head.length;
      buffer.write(head, start, 'latin1');
    } else {
      this.#socket.write(head, 'latin1');
    }
    this.#socket.write(buffer.subarray(start, HEAD_ROOM + count), taken);
  }

  end(text?: string): void {
    const head = this.#takeHead();
    this.#ended = true;
    if (this.#chunked) this.#socket.write(`${head}0\r\n\r\n`, 'latin1');
    else if (head !== '' || text !== undefined) this.#socket.write(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(text ?? '')]));
  }

  destroy(): void {
    if (!this.#ended) this.#socket.destroy();
  }

  #takeHead(): string {
    const head = this.#head ?? '';
    this.#head = null;
    return head;
  }

  #writeChunk(bytes: Buffer, taken: (error?: Error | null) => void): void {
    this.#socket.cork();
    this.#socket.write(`${this.#takeHead()}${bytes.length.toString(16)}\r\n`, 'latin1');
    this.#socket.write(bytes);
    this.#socket.write('\r\n', 'latin1', taken);
    this.#socket.uncork();
  }
}
