import { request } from 'node:http';
import type { CacheOptions } from '#seekwell/cache-options';
import { FileCache } from '#seekwell/file-cache';
import { silentLogger } from '#seekwell/logger';
import type { RunningServer, ServerOptions } from '#seekwell/server';
import { startServer } from '#seekwell/server';
import type { EntryJson } from '../support/daemon.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

/** An answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever came
  readonly json: any;
}

/** A cache and its server, in this process, on a free port. */
export interface ApiServer {
  readonly cache: FileCache;
  readonly server: RunningServer;
  readonly url: string;
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  register(url: string, more?: object): Promise<EntryJson>;
}

export interface ApiServerOptions extends Partial<ServerOptions> {
  readonly cacheOptions?: Partial<CacheOptions>;
}

/** Starts one; it ends with the running test. */
export async function apiServer({ cacheOptions, ...options }: ApiServerOptions = {}): Promise<ApiServer> {
  const cacheDir = await temporaryFolder('api');
  const cache = await FileCache.open({ cacheDir, maxSize: 'unlimited', durability: 'process-crash', ...cacheOptions });
  afterThisTest(() => cache.close());
  const defaults = { host: '127.0.0.1', port: 0, token: null, allowedHosts: [], publicUrl: null, logger: silentLogger };
  const server = await startServer(cache, { ...defaults, ...options });
  afterThisTest(() => server.close(null));
  const authorization = options.token == null ? {} : { authorization: `Bearer ${options.token}` };
  const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
    send(server.url + path, { method, headers: { ...authorization, ...headers }, body });
  return {
    cache,
    server,
    url: server.url,
    call,
    register: async (url, more = {}) => (await call('POST', '/api/v1/entries', { url, ...more })).json,
  };
}

export interface Sent {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** A text as it is, anything else as JSON. */
  readonly body?: unknown;
}

/** One request as it is: `fetch` would not let a test choose Host and Origin. */
export function send(url: string, { method = 'GET', headers = {}, body }: Sent = {}): Promise<Answer> {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const type = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text ?? '')) };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers: { ...type, ...headers }, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const got = Buffer.concat(chunks).toString();
        const list = Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]);
        const answer = { status: response.statusCode ?? 0, headers: new Headers(list), text: got };
        resolve({
          ...answer,
          get json() {
            return JSON.parse(got);
          },
        });
      });
    });
    sent.on('error', reject);
    sent.end(text);
  });
}
