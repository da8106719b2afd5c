import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CacheOptions } from '#seekwell/cache-options';
import { FileCache } from '#seekwell/file-cache';
import { CacheProxy } from '#seekwell/proxy/cache-proxy';
import { streamUrl } from '#seekwell/stream-url';
import { afterThisTest } from './temp-folder.ts';

/** A cache in this process with its stream endpoint on a free port; closed at the end of the test. */
export class CacheServer {
  readonly cache: FileCache;
  readonly proxy: CacheProxy;
  readonly #server: Server;

  private constructor(cache: FileCache, proxy: CacheProxy, server: Server) {
    this.cache = cache;
    this.proxy = proxy;
    this.#server = server;
  }

  static async start(options: CacheOptions): Promise<CacheServer> {
    const cache = await FileCache.open({ maxSize: 'unlimited', ...options });
    const proxy = new CacheProxy(cache, { logger: cache.logger });
    const server = createServer((request, response) => void proxy.handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const started = new CacheServer(cache, proxy, server);
    afterThisTest(() => started.stop());
    return started;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Registers `url` and gives the URL of its stream. */
  async streamOf(url: string, options: { readonly fill?: boolean; readonly headers?: Record<string, string> } = {}): Promise<string> {
    const entry = await this.cache.add({ url, ...options });
    return streamUrl(this.baseUrl, entry.key, null, null);
  }

  async stop(): Promise<void> {
    this.proxy.endAll();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await this.cache.close();
  }
}
