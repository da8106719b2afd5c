import type { FileSend } from '../chunk-store/chunk-store.ts';

/** Where one answer goes: a response of node:http, or a socket that this project writes to itself. */
export interface Outlet {
  /** The client is gone. */
  readonly destroyed: boolean;
  /** Everything that was written is out of this process: buffers may be reused. */
  readonly flushed: boolean;
  /** Sets status and headers; they leave with the first bytes. */
  begin(status: number, headers: Readonly<Record<string, string>>): void;
  /**
   * Writes bytes of the body: `count` of them, from `HEAD_ROOM` on in `buffer`; what lies before may be written over.
   * @param taken called when the buffer may be reused, with an error when the client is gone
   */
  write(buffer: Buffer, count: number, taken: (error?: Error | null) => void): void;
  /** Whether `sendFile` may be called now. */
  readonly takesFiles: boolean;
  /** Has the system send bytes of the body out of a file, without a wait. Returns how many left; 0 where no more fit for now. */
  readonly sendFile: FileSend;
  /** Ends the answer, with `text` as its body where it has one of that kind. */
  end(text?: string): void;
  /** Ends the connection: the client sees that the body is not whole. */
  destroy(): void;
}
