import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Changes } from './recorded-request.ts';
import { afterThisTest } from './temp-folder.ts';

/** An answer as it came over the wire. */
export interface RawAnswer {
  readonly statusLine: string;
  readonly status: number;
  /** With the status line, as it came: node:http writes the names of its own fields in capitals. */
  readonly head: string;
  /** By lower-case name; fields that came twice are joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  /** Without the framing of chunks. */
  readonly body: Buffer;
}

const END_OF_HEAD = '\r\n\r\n';

/** A client on one connection that sends exactly the bytes it is told and takes answers apart itself. */
export class RawClient {
  readonly socket: Socket;
  readonly #changes = new Changes();
  #received = Buffer.alloc(0);
  #ended = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#changes.notify();
    });
    // A server that cuts an answer off may reset the connection.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#ended = true;
      this.#changes.notify();
    });
  }

  /** Connects to the server at `url`; the connection ends with the running test. */
  static async connect(url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    afterThisTest(() => socket.destroy());
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** Bytes that came and no answer took yet. */
  get unread(): number {
    return this.#received.length;
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes, 'latin1');
  }

  /** Sends a GET of `path` with `lines` as further fields. */
  get(path: string, ...lines: string[]): void {
    this.send([`GET ${path} HTTP/1.1`, 'Host: localhost', ...lines, '', ''].join('\r\n'));
  }

  /** Resolves when at least `count` bytes came that no answer took yet. */
  async untilReceived(count: number): Promise<void> {
    await this.#until(() => this.#received.length >= count);
  }

  /** The next answer. @param bodiless the answer to a HEAD. Rejects when the connection ends before it is whole. */
  async answer(bodiless = false): Promise<RawAnswer> {
    await this.#until(() => this.#received.includes(END_OF_HEAD));
    const head = this.#take(this.#received.indexOf(END_OF_HEAD) + END_OF_HEAD.length).toString('latin1');
    const [statusLine = '', ...lines] = head.slice(0, -END_OF_HEAD.length).split('\r\n');
    const headers: Record<string, string> = {};
    for (const line of lines) {
      const name = line.slice(0, line.indexOf(':')).toLowerCase();
      const value = line.slice(name.length + 1).trim();
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
    }
    const status = Number(statusLine.split(' ')[1]);
    const body = bodiless || status === 204 || status === 304 ? Buffer.alloc(0) : await this.#body(headers);
    return { statusLine, status, head, headers, body };
  }

  /** Resolves when the server ended the connection, with what no answer took. */
  async untilClosed(): Promise<Buffer> {
    await this.#changes.until(() => this.#ended);
    return this.#received;
  }

  async #body(headers: Readonly<Record<string, string>>): Promise<Buffer> {
    const length = headers['content-length'];
    if (length !== undefined) return await this.#bytes(Number(length));
    // Else it ends with the connection (RFC 9112, section 6.3).
    if (headers['transfer-encoding'] !== 'chunked') return this.#take((await this.untilClosed()).length);
    const pieces: Buffer[] = [];
    for (;;) {
      await this.#until(() => this.#received.includes('\r\n'));
      const line = this.#take(this.#received.indexOf('\r\n') + 2).toString('latin1');
      const chunk = await this.#bytes(Number.parseInt(line, 16) + 2);
      if (chunk.length === 2) return Buffer.concat(pieces);
      pieces.push(chunk.subarray(0, -2));
    }
  }

  async #bytes(count: number): Promise<Buffer> {
    await this.#until(() => this.#received.length >= count);
    return this.#take(count);
  }

  #take(count: number): Buffer {
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken;
  }

  async #until(condition: () => boolean): Promise<void> {
    await this.#changes.until(() => condition() || this.#ended);
    if (!condition()) throw new Error(`the connection ended; ${this.#received.length} bytes were left`);
  }
}
