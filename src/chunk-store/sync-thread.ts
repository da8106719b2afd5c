import { Worker } from 'node:worker_threads';
import { THREAD_OPTIONS } from '../core/thread-options.ts';
import { SeekwellError } from '../errors.ts';
import { ThreadClient } from '../thread-client.ts';

/** One file to sync. Descriptors are the process's, so that a thread can sync what another opened. */
export interface SyncCall {
  readonly id: number;
  readonly fd: number;
  /** Folders whose new names must become durable too. */
  readonly folders: readonly string[];
}

export interface SyncReply {
  readonly id: number;
  /** The system's error code, or null. */
  readonly failure: string | null;
}

/**
 * The thread that waits for the disk. Not libuv's pool: reads would stand behind the syncs of others. Not the database's commit
 * thread either: a waiting reader's claim would stand behind the sync of what others fetched (docs/decisions/0001-two-threads.md).
 */
export class SyncThread {
  readonly #thread: ThreadClient<SyncCall, readonly SyncReply[], void>;

  constructor() {
    this.#thread = new ThreadClient({
      start: () => new Worker(new URL('./sync-worker.js', import.meta.url), THREAD_OPTIONS),
      replied: (replies) => this.#settle(replies),
      ended: (error) => new SeekwellError('STORAGE_FAILED', error?.message ?? 'the sync thread ended'),
    });
  }

  /** Resolves when what was written to `fd` before the call is durable. @throws SeekwellError STORAGE_FAILED */
  sync(fd: number, folders: readonly string[]): Promise<void> {
    return this.#thread.call((id) => this.#thread.post({ id, fd, folders }));
  }

  close(): Promise<void> {
    return this.#thread.terminate();
  }

  #settle(replies: readonly SyncReply[]): void {
    for (const { id, failure } of replies) {
      if (failure === null) this.#thread.resolve(id);
      else this.#thread.reject(id, new SeekwellError('STORAGE_FAILED', `the cache folder could not be synced: ${failure}`));
    }
  }
}
