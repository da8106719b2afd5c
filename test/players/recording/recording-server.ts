import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { parseRange, resolveRange } from '#seekwell/core/http-range';
import type { Film } from '../../support/films.ts';
import type { PlayerRequest } from '../fixture.ts';

/** How often an answer sends, and how often it is looked at what the player took, in milliseconds. */
const TICK_MS = 2;
/** A player may leave an answer as soon as it has seen its first bytes: until then it is looked at all the time, in milliseconds. */
const CLOSE_LOOK_MS = 100;
/** What is sent at once, as by a server whose system takes it: the pace is kept from then on. Bytes. */
const BURST = 64 * 1024;
/** What a fixture keeps of a request's headers: what may change the answer, and nothing that tells of the machine. */
const KEPT_HEADERS = [
  'range',
  'if-range',
  'if-none-match',
  'if-modified-since',
  'connection',
  'accept-encoding',
  'cache-control',
  'icy-metadata',
];
const TYPES: Readonly<Record<string, string>> = { mp4: 'video/mp4', mkv: 'video/x-matroska' };

type Growing = { -readonly [Key in keyof PlayerRequest]: PlayerRequest[Key] };

/** Serves films at the pace of a distant origin, and notes what a player asks for and how much of it it takes. Linux only: it reads /proc/net/tcp. */
export class RecordingServer {
  readonly #server: Server;
  readonly #film: Film;
  readonly #file: FileHandle;
  readonly #rate: number;
  readonly #requests: Growing[] = [];
  readonly #connections: Socket[] = [];
  #startedAt = 0;
  #running = 0;

  private constructor(server: Server, film: Film, file: FileHandle, rate: number) {
    this.#server = server;
    this.#film = film;
    this.#file = file;
    this.#rate = rate;
    server.on('request', (request, response) => void this.#answer(request, response));
  }

  /** @param rate bytes a second for each answer */
  static async start(film: Film, rate: number): Promise<RecordingServer> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    const recording = new RecordingServer(server, film, await open(film.path), rate);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return recording;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/${this.#film.name}`;
  }

  /** Ends the recording: what is under way counts as left. */
  async stop(): Promise<PlayerRequest[]> {
    this.#server.closeAllConnections();
    this.#server.close();
    while (this.#running > 0) await delay(TICK_MS);
    await this.#file.close();
    return this.#requests;
  }

  get #port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url !== `/${this.#film.name}`) {
      response.writeHead(404).end();
      return;
    }
    this.#running += 1;
    try {
      await this.#send(request, response);
    } finally {
      this.#running -= 1;
    }
  }

  async #send(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { size, name } = this.#film;
    const [spec = null] = parseRange(request.headers.range ?? '') ?? [];
    const range = spec === null ? { start: 0, end: size - 1 } : resolveRange(spec, size);
    const validators = { etag: '"film"', 'last-modified': 'Mon, 01 Jan 2024 00:00:00 GMT' };
    if (range === null) {
      response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
      return;
    }
    const record = this.#note(request, range.start);
    response.writeHead(spec === null ? 200 : 206, {
      ...validators,
      'content-type': TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
      'accept-ranges': 'bytes',
      'content-length': String(range.end - range.start + 1),
      ...(spec === null ? {} : { 'content-range': `bytes ${range.start}-${range.end}/${size}` }),
    });
    if (request.method !== 'HEAD') await this.#sendBody(response, record, range.end);
    response.end();
    record.until = this.#now();
    record.end = record.taken === range.end - range.start + 1 ? 'complete' : 'left';
  }

  /** Sends at the rate and no faster than the player takes it, and notes what it took. */
  async #sendBody(response: ServerResponse, record: Growing, end: number): Promise<void> {
    const began = performance.now();
    const { start } = record;
    let sent = 0;
    while (!response.destroyed && start + sent <= end) {
      const due = BURST + Math.floor(((performance.now() - began) / 1000) * this.#rate);
      const count = Math.min(due - sent, this.#rate, end - start - sent + 1);
      // A player that reads nothing for a while is sent nothing, as with any server.
      if (count > 0 && response.writableLength === 0) {
        const { buffer } = await this.#file.read(Buffer.alloc(count), 0, count, start + sent);
        response.write(buffer);
        sent += count;
      }
      await this.#look(response, record, sent, began);
    }
    while (!response.destroyed && record.taken < sent) await this.#look(response, record, sent, began);
  }

  /** Notes what the player has taken of `sent` bytes, a moment from now. */
  async #look(response: ServerResponse, record: Growing, sent: number, began: number): Promise<void> {
    if (performance.now() - began < CLOSE_LOOK_MS) await nextTurn();
    else await delay(TICK_MS);
    if (!response.destroyed) record.taken = Math.max(record.taken, sent - response.writableLength - unread(response.socket));
  }

  #note(request: IncomingMessage, start: number): Growing {
    if (!this.#connections.includes(request.socket)) this.#connections.push(request.socket);
    if (this.#requests.length === 0) this.#startedAt = performance.now();
    const headers = Object.fromEntries(
      KEPT_HEADERS.flatMap((name) => (typeof request.headers[name] === 'string' ? [[name, request.headers[name]]] : [])),
    );
    const connection = this.#connections.indexOf(request.socket) + 1;
    const record: Growing = { at: this.#now(), until: 0, connection, headers, start, taken: 0, end: 'left' };
    this.#requests.push(record);
    return record;
  }

  #now(): number {
    return Math.round(performance.now() - this.#startedAt);
  }
}

/** Bytes that are in the system's hands on either side of `socket`: sent, and not read by the player. */
function unread(socket: Socket | null): number {
  const { localPort, remotePort } = socket ?? {};
  let bytes = 0;
  for (const line of readFileSync('/proc/net/tcp', 'utf8').split('\n').slice(1)) {
    const [, local = '', remote = '', , queues = ''] = line.trim().split(/\s+/);
    const [from, to] = [local, remote].map((address) => Number.parseInt(address.split(':')[1] ?? '', 16));
    const [sending = 0, receiving = 0] = queues.split(':').map((count) => Number.parseInt(count, 16));
    if (from === localPort && to === remotePort) bytes += sending;
    if (from === remotePort && to === localPort) bytes += receiving;
  }
  return bytes;
}
