import { Worker } from 'node:worker_threads';
import type { ByteRange } from '../core/byte-ranges.ts';
import { THREAD_OPTIONS } from '../core/thread-options.ts';
import { SeekwellError } from '../errors.ts';
import type { Checksum, Urgency } from './chunk-store.ts';

/** Bytes of one file to read and add up. Descriptors are the process's, so that a thread can read what another opened. */
export interface ChecksumCall extends ByteRange {
  readonly id: number;
  readonly fd: number;
}

/** The result, or the system's error code. */
export type ChecksumReply = { readonly id: number } & ({ readonly result: Checksum } | { readonly failure: string });

interface Waiter {
  resolve(result: Checksum): void;
  reject(error: SeekwellError): void;
}

/** What may be under way before a call of this urgency is sent: the urgent one that comes next waits for that much. */
const UNDER_WAY: Record<Urgency, number> = { now: Number.POSITIVE_INFINITY, soon: 2, idle: 1 };

/**
 * The thread that reads blocks back and adds them up. Not the serving thread: 0.4 ms a MiB. Not the sync thread: a reader that waits for its first block
 * would stand behind the disk (docs/decisions/0005-checksums.md).
 */
export class ChecksumThread {
  readonly #waiters = new Map<number, Waiter>();
  readonly #queues: Record<Urgency, ChecksumCall[]> = { now: [], soon: [], idle: [] };
  #worker: Worker | null = null;
  #underWay = 0;
  #lastId = 0;

  /** @throws SeekwellError STORAGE_FAILED */
  checksum(fd: number, { start, end }: ByteRange, urgency: Urgency): Promise<Checksum> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiters.set(id, { resolve, reject });
      this.#queues[urgency].push({ id, fd, start, end });
      this.#send();
    });
  }

  /** Starts the thread before its first call. */
  prepare(): void {
    if (this.#worker !== null) return;
    this.#worker = this.#start();
    this.#worker.unref();
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #send(): void {
    for (const urgency of ['now', 'soon', 'idle'] as const) {
      while (this.#underWay < UNDER_WAY[urgency]) {
        const call = this.#queues[urgency].shift();
        if (call === undefined) break;
        this.#underWay++;
        this.#worker ??= this.#start();
        this.#worker.ref();
        this.#worker.postMessage(call);
      }
    }
  }

  #start(): Worker {
    const worker = new Worker(new URL('./checksum-worker.js', import.meta.url), THREAD_OPTIONS);
    worker.on('message', (reply: ChecksumReply) => this.#settle(reply));
    worker.on('error', (error) => this.#die(worker, error.message));
    worker.on('exit', () => this.#die(worker, 'the checksum thread ended'));
    return worker;
  }

  #settle(reply: ChecksumReply): void {
    const waiter = this.#waiters.get(reply.id);
    this.#waiters.delete(reply.id);
    this.#underWay--;
    this.#send();
    if (this.#waiters.size === 0) this.#worker?.unref();
    if ('result' in reply) waiter?.resolve(reply.result);
    else waiter?.reject(new SeekwellError('STORAGE_FAILED', `the cache file could not be read: ${reply.failure}`));
  }

  /** The next call starts a new thread. */
  #die(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#underWay = 0;
    for (const queue of Object.values(this.#queues)) queue.length = 0;
    const waiters = [...this.#waiters.values()];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.reject(new SeekwellError('STORAGE_FAILED', reason));
  }
}
