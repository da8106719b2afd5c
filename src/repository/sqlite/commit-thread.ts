import { Worker } from 'node:worker_threads';
import { THREAD_OPTIONS } from '../../core/thread-options.ts';
import { isErrorCode, SeekwellError } from '../../errors.ts';
import { databaseError } from './sqlite-errors.ts';
import type { WriteCall, WriteReply } from './sqlite-writer.ts';
import type { WriteArguments, WriteName, WriteResult } from './write-table.ts';

/** What the serving thread tells the commit thread at its start. */
export interface CommitWorkerData {
  readonly path: string;
  readonly owner: string;
  readonly driver: string | null;
  /** Of the database that the serving thread reads. */
  readonly identity: string | null;
}

/** The message that ends the commit thread, after everything that was sent before it. */
export const END = 'end';

interface Waiter {
  resolve(result: unknown): void;
  reject(error: SeekwellError): void;
}

/**
 * The one thread of this process that writes the database. It is started by the first change, so that commands which only read do without. The thread
 * that serves bytes never waits for a lock: it sends a change here and goes on.
 */
export class CommitThread {
  readonly #data: CommitWorkerData;
  readonly #waiters = new Map<number, Waiter>();
  #worker: Worker | null = null;
  #lastId = 0;
  #closed = false;

  constructor(data: CommitWorkerData) {
    this.#data = data;
  }

  /** Sends a change. Changes are carried out in the order of the calls. */
  call<Name extends WriteName>(name: Name, ...args: WriteArguments<Name>): Promise<WriteResult<Name>> {
    if (this.#closed) return Promise.reject(new SeekwellError('CLOSED', 'the cache is closed'));
    this.#worker ??= this.#start();
    const worker = this.#worker;
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve: resolve as (result: unknown) => void, reject });
      // A process may end only when nobody waits for a change any more.
      worker.ref();
      worker.postMessage({ id, name, args } satisfies WriteCall);
    });
  }

  /** Carries out what was sent, then ends the thread. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const worker = this.#worker;
    if (worker === null) return;
    worker.ref();
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage(END);
    await exited;
  }

  #start(): Worker {
    const worker = new Worker(new URL('./commit-worker.js', import.meta.url), { ...THREAD_OPTIONS, workerData: this.#data });
    worker.on('message', (replies: WriteReply[]) => this.#settle(replies));
    worker.on('error', (error) => this.#die(worker, asCommitError(error)));
    worker.on('exit', () => this.#die(worker, new SeekwellError('CLOSED', 'the cache is closed')));
    return worker;
  }

  #settle(replies: readonly WriteReply[]): void {
    for (const reply of replies) {
      const waiter = this.#waiters.get(reply.id);
      this.#waiters.delete(reply.id);
      if (reply.ok) waiter?.resolve(reply.result);
      else waiter?.reject(new SeekwellError(reply.code, reply.message));
    }
    if (this.#waiters.size === 0) this.#worker?.unref();
  }

  /** The next change starts a new thread: what waited is lost, and its callers are told. */
  #die(worker: Worker, error: SeekwellError): void {
    // A thread that failed also exits: by then another may run.
    if (this.#worker !== worker) return;
    this.#worker = null;
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(error);
  }
}

/** Why the thread failed: mostly because it could not open the database. Errors that cross threads keep their `code`. */
function asCommitError(error: Error): SeekwellError {
  const { code } = error as { code?: unknown };
  if (isErrorCode(code)) return new SeekwellError(code, error.message);
  const known = databaseError(error);
  if (known.code !== 'INTERNAL') return known;
  return new SeekwellError('DATABASE_UNUSABLE', `the commit thread ended: ${error.message}`, { cause: error });
}
