import { readSync } from 'node:fs';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FileSend } from '../chunk-store/chunk-store.ts';
import type { Clock } from '../clock.ts';
import { type ByteRange, lengthOf } from '../core/byte-ranges.ts';
import { contentRangeOf } from '../core/http-range.ts';
import { HEAD_ROOM, SMALL_BYTES } from './buffer-pool.ts';
import type { KernelSender } from './kernel-sender.ts';
import type { Outlet } from './outlet.ts';

/**
 * Before as many bytes of a file the head leaves in a packet of its own. Behind it in one packet pages would lie askew in all that follow: ranges of 4 MiB took
 * 1.4 times the CPU time. Before fewer, a packet less is worth more.
 */
const LONG_BYTES = 256 * 1024;

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

/** `headers` as they stand in an answer. */
export function fieldsOf(headers: Readonly<Record<string, string>>): string {
  let fields = '';
  for (const name in headers) {
    const value = headers[name] as string;
    if (!FORBIDDEN.test(value)) fields += `${name}: ${value}\r\n`;
  }
  return fields;
}

export interface SocketAnswer {
  readonly clock: Clock;
  /** Null: bytes are copied. */
  readonly sender: KernelSender | null;
  /** Seconds for which the connection is kept after the answer; null: it is ended. Asked when the answer begins: it may have waited for long. */
  keepAliveSeconds(): number | null;
}

/** The system's number of a connected socket. Node.js names it nowhere else; without it bytes are copied. */
function descriptorOf(socket: Socket): number | null {
  const { _handle: handle } = socket as { readonly _handle?: { readonly fd?: number } | null };
  return handle?.fd === undefined || handle.fd < 0 ? null : handle.fd;
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
    this.#chunked = headers['content-length'] === undefined && status !== 204 && status !== 304;
    const fields = fieldsOf(headers);
    this.#begin(status, this.#chunked ? `${fields}transfer-encoding: chunked\r\n` : fields);
  }

  /** Begins an answer with a part of a resource of `total` bytes. @param fields what else it says, as `fieldsOf` makes it */
  beginPart(fields: string, range: ByteRange, total: number): void {
    this.#begin(206, `${fields}content-range: ${contentRangeOf(range, total)}\r\ncontent-length: ${lengthOf(range)}\r\n`);
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

  get takesFiles(): boolean {
    return this.#answer.sender !== null && !this.#chunked && this.flushed && descriptorOf(this.#socket) !== null;
  }

  readonly sendFile: FileSend = (file, position, length) => {
    const { sender } = this.#answer;
    const socket = descriptorOf(this.#socket);
    const leaves = length < LONG_BYTES ? 'with the rest' : 'at once';
    if (sender === null || socket === null || !this.#sendHead(sender, socket, leaves)) return 0;
    return sender.sendFile(socket, file, position, length);
  };

  /** As `sendFile`, for the last bytes of an answer: few that the socket has no room for are copied, and leave when it has. */
  readonly sendLast: FileSend = (file, position, length) => {
    const sent = this.sendFile(file, position, length);
    const rest = length - sent;
    return rest === 0 || rest > SMALL_BYTES ? sent : sent + this.#copy(file, position + sent, rest);
  };

  end(text?: string): void {
    const head = this.#takeHead();
    this.#ended = true;
    if (this.#chunked) this.#socket.write(`${head}0\r\n\r\n`, 'latin1');
    else if (head !== '' || text !== undefined) this.#socket.write(Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(text ?? '')]));
  }

  destroy(): void {
    if (!this.#ended) this.#socket.destroy();
  }

  #begin(status: number, fields: string): void {
    const { clock, keepAliveSeconds } = this.#answer;
    const kept = keepAliveSeconds();
    const connection = kept === null ? 'close\r\n\r\n' : `keep-alive\r\nkeep-alive: timeout=${kept}\r\n\r\n`;
    this.#head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fields}date: ${date.at(clock.now())}\r\nconnection: ${connection}`;
  }

  /** Returns how many bytes it wrote. */
  #copy(file: number, position: number, length: number): number {
    const bytes = Buffer.allocUnsafe(length);
    try {
      const count = readSync(file, bytes, 0, length, position);
      if (count > 0) this.#socket.write(bytes.subarray(0, count));
      return count;
    } catch {
      // A reader, which gets what is left, says what is wrong.
      return 0;
    }
  }

  /** Returns whether all of the head is out. */
  #sendHead(sender: KernelSender, socket: number, leaves: 'at once' | 'with the rest'): boolean {
    const head = this.#takeHead();
    if (head === '') return true;
    const sent = sender.sendHead(socket, head, leaves);
    if (sent === head.length) return true;
    this.#socket.write(head.slice(sent), 'latin1');
    return this.flushed;
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
