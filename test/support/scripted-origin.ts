import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Changes, RecordedRequest, RequestLog } from './recorded-request.ts';
import { answerTo } from './scripted-answer.ts';
import { breakOff, sendBody, sendGzipped } from './scripted-body.ts';
import type { Behaviour, ResourceOptions } from './scripted-resource.ts';
import { ScriptedResource } from './scripted-resource.ts';
import { afterThisTest } from './temp-folder.ts';

/** A real HTTP server on 127.0.0.1 whose resources do what a test says. It keeps nothing of a resource in memory. */
export class ScriptedOrigin extends RequestLog {
  readonly port: number;
  /** Connections that were ever accepted. */
  connections = 0;
  /** The most answers that were under way at the same time. */
  mostAtOnce = 0;
  readonly #server: Server;
  readonly #resources = new Map<string, ScriptedResource>();
  #opened = 0;

  private constructor(server: Server) {
    super(new Changes());
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('request', (request, response) => void this.#handle(request, response));
    server.on('connection', (socket) => {
      this.connections += 1;
      this.#opened += 1;
      // What a broken connection reports is what the script asked for.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#opened -= 1;
        this.changes.notify();
      });
    });
  }

  /** Starts one on a free port. Within a test it is closed at the end of it. */
  static async start(): Promise<ScriptedOrigin> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const origin = new ScriptedOrigin(server);
    afterThisTest(() => origin.close());
    return origin;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Connections that are open now. */
  get openConnections(): number {
    return this.#opened;
  }

  /** Bytes that were sent at least once, of every resource's current version. */
  distinctBytes(): number {
    return [...this.#resources.values()].reduce((sum, resource) => sum + resource.distinctBytes(), 0);
  }

  /** Adds a resource at `path`, which begins with a slash. It answers properly unless `options` say otherwise. */
  add(path: string, options: ResourceOptions): ScriptedResource {
    const resource = new ScriptedResource(this.baseUrl, path, options, this.changes);
    this.#resources.set(path, resource);
    return resource;
  }

  /** Every resource gets a new version. */
  change(): void {
    for (const resource of this.#resources.values()) resource.change();
  }

  /** Lets every answer go on that stands still. */
  release(): void {
    for (const resource of this.#resources.values()) resource.release();
  }

  /** From now on connections are refused; those that are open are reset. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.dropConnections();
    await closed;
  }

  /** Takes connections again, on the same port. */
  async accept(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** Closes every open connection. */
  dropConnections(): void {
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    if (this.#server.listening) await this.refuse();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.baseUrl);
    const resource = this.#resources.get(url.pathname);
    const behaviour = resource?.takeBehaviour();
    const record = new RecordedRequest(request.method ?? '', request.url ?? '', request.headers, resource?.version ?? 0, this.changes);
    response.on('error', () => undefined);
    response.on('close', () => record.noteEnd(response.writableFinished ? 'complete' : 'client-closed'));
    this.requests.push(record);
    resource?.requests.push(record);
    this.mostAtOnce = Math.max(this.mostAtOnce, this.running);
    this.changes.notify();
    if (resource === undefined || behaviour === undefined) {
      record.status = 404;
      response.writeHead(404, { 'content-length': '0' }).end();
      return;
    }
    await this.#answer(resource, behaviour, record, request, response, url);
  }

  /** Resolves when fewer than `limit` of the requests that came before are under way. */
  #turn({ requests }: ScriptedResource, record: RecordedRequest, limit: number): Promise<void> {
    const before = requests.slice(0, requests.indexOf(record));
    return this.changes.until(() => before.filter(({ outcome }) => outcome === 'running').length < limit);
  }

  async #answer(
    resource: ScriptedResource,
    behaviour: Behaviour,
    record: RecordedRequest,
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
  ): Promise<void> {
    // Which version answers, and how many are under way, is settled on arrival: `change` during the latency is a change after the answer.
    const { seed, running } = resource;
    const { parallel } = behaviour;
    if (parallel?.status === null && running > parallel.limit) return breakOff(response, record, false);
    const answer = answerTo(resource, behaviour, request, url, running);
    if (parallel?.status === 'waits') await this.#turn(resource, record, parallel.limit);
    if (behaviour.latency > 0) await passed(behaviour.latency, response);
    if (behaviour.hold) await record.hold();
    if (response.destroyed) return;
    if (behaviour.fault?.kind === 'drop') return breakOff(response, record, false);
    record.status = answer.status;
    response.writeHead(answer.status, answer.headers);
    if (request.method === 'HEAD' || answer.body === null) {
      response.end(answer.text);
    } else if (answer.headers['content-encoding'] !== undefined) {
      await sendGzipped(response, seed, answer.body);
    } else {
      record.range = answer.body;
      await sendBody(response, record, behaviour, seed, answer.body);
    }
  }
}

/** Resolves after `milliseconds`, or when the connection is gone. The script's latency, not a wait for something to happen. */
function passed(milliseconds: number, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    response.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
