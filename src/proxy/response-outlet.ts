import type { ServerResponse } from 'node:http';
import { HEAD_ROOM } from './buffer-pool.ts';
import type { Outlet } from './outlet.ts';

/** An answer through node:http. */
export class ResponseOutlet implements Outlet {
  readonly #response: ServerResponse;
  readonly #method: string;

  /** @param method of the request: the answer to a HEAD has no body */
  constructor(response: ServerResponse, method: string) {
    this.#response = response;
    this.#method = method;
  }

  get destroyed(): boolean {
    return this.#response.destroyed;
  }

  get flushed(): boolean {
    return this.#response.writableLength === 0;
  }

  begin(status: number, headers: Readonly<Record<string, string>>): void {
    this.#response.writeHead(status, headers);
  }

  write(buffer: Buffer, count: number, taken: (error?: Error | null) => void): void {
    // What is written after the socket ended and before the response has heard of it, node:http keeps for ever without calling back.
    const gone = (): void => taken(new Error('the client is gone'));
    this.#response.once('close', gone);
    this.#response.write(buffer.subarray(HEAD_ROOM, HEAD_ROOM + count), (error) => {
      this.#response.removeListener('close', gone);
      taken(error);
    });
  }

  readonly takesFiles = false;

  readonly sendFile = (): number => 0;

  end(text?: string): void {
    this.#response.end(this.#method === 'HEAD' ? undefined : text);
  }

  destroy(): void {
    if (!this.#response.writableFinished) this.#response.destroy();
  }
}
