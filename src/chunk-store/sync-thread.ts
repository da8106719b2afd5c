import { Worker } from 'node:worker_threads';
import { THREAD_OPTIONS } from '../core/thread-options.ts';
import { SeekwellError } from '../errors.ts';

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

interface Waiter {
  resolve(): void;
  reject(error: SeekwellError): void;
}

/**
 * The thread that waits for the disk. Not libuv's pool: eight files syncing there made a warm 64 KiB read 100 times slower. Not the database's commit
 * thread either: a waiting reader's claim would stand behind the sync of what others fetched (docs/decisions/0001-two-threads.md).
 */
export class SyncThread {
  readonly #waiters = new Map<number, Waiter>();
  #worker: Worker | null = null;
  #lastId = 0;

  /** Resolves when what was written to `fd` before the call is durable. @throws SeekwellError STORAGE_FAILED */
  sync(fd: number, folders: readonly string[]): Promise<void> {
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({ id, fd, folders } satisfies SyncCall);
    });
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./sync-worker.js', import.meta.url), THREAD_OPTIONS);
    worker.on('message', (replies: SyncReply[]) => this.#settle(replies));
    worker.on('error', (error) => this.#die(error.message));
    worker.on('exit', () => this.#die('the sync thread ended'));
    return worker;
  }

  #settle(replies: readonly SyncReply[]): void {
    for (const { id, failure } of replies) {
      const waiter = this.#waiters.get(id);
      this.#waiters.delete(id);
      if (failure === null) waiter?.resolve();
      else waiter?.reject(new SeekwellError('STORAGE_FAILED', `the cache folder could not be synced: ${failure}`));
    }
    if (this.#waiters.size === 0) this.#worker?.unref();
  }

  #die(reason: string): void {
    this.#worker = null;
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(new SeekwellError('STORAGE_FAILED', reason));
  }
}
