import type { Worker } from 'node:worker_threads';
import type { SeekwellError } from './errors.ts';

interface Waiter<Result> {
  resolve(result: Result): void;
  reject(error: SeekwellError): void;
}

export interface ThreadParts<Reply> {
  start(): Worker;
  /** A message of the thread: answers calls, with `resolve` and `reject`. */
  replied(reply: Reply): void;
  /** Why every call that waits fails, once the thread ended. @param error what it threw; null when it only ended */
  ended(error: Error | null): SeekwellError;
}

/**
 * The near side of a thread that answers numbered calls. The thread is started by the first message, keeps the process alive only while a call waits, and
 * when it ends the next message starts another.
 */
export class ThreadClient<Message, Reply, Result> {
  readonly #parts: ThreadParts<Reply>;
  readonly #waiters = new Map<number, Waiter<Result>>();
  #worker: Worker | null = null;
  #lastId = 0;

  constructor(parts: ThreadParts<Reply>) {
    this.#parts = parts;
  }

  /** A call that waits until it is answered. @param send posts it under its number, now or later */
  call(send: (id: number) => void): Promise<Result> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject });
      send(id);
    });
  }

  post(message: Message): void {
    this.#worker ??= this.#start();
    this.#worker.ref();
    this.#worker.postMessage(message);
  }

  resolve(id: number, result: Result): void {
    this.#take(id)?.resolve(result);
  }

  reject(id: number, error: SeekwellError): void {
    this.#take(id)?.reject(error);
  }

  /** Starts the thread before its first message. */
  prepare(): void {
    if (this.#worker !== null) return;
    this.#worker = this.#start();
    this.#worker.unref();
  }

  /** Ends the thread at once. */
  async terminate(): Promise<void> {
    await this.#worker?.terminate();
  }

  /** Sends `message`, which makes the thread end after all that was sent before it, and waits for that. */
  async end(message: Message): Promise<void> {
    const worker = this.#worker;
    if (worker === null) return;
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    this.post(message);
    await exited;
  }

  #take(id: number): Waiter<Result> | undefined {
    const waiter = this.#waiters.get(id);
    this.#waiters.delete(id);
    if (this.#waiters.size === 0) this.#worker?.unref();
    return waiter;
  }

  #start(): Worker {
    const worker = this.#parts.start();
    worker.on('message', (reply: Reply) => this.#parts.replied(reply));
    worker.on('error', (error) => this.#end(worker, error));
    worker.on('exit', () => this.#end(worker, null));
    return worker;
  }

  #end(worker: Worker, reason: Error | null): void {
    // A thread that failed also exits: by then another may run.
    if (this.#worker !== worker) return;
    this.#worker = null;
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    const error = this.#parts.ended(reason);
    for (const waiter of waiters) waiter.reject(error);
  }
}
