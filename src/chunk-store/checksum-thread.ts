import { Worker } from 'node:worker_threads';
import type { ByteRange } from '../core/byte-ranges.ts';
import { THREAD_OPTIONS } from '../core/thread-options.ts';
import { SeekwellError } from '../errors.ts';
import { ThreadClient } from '../thread-client.ts';
import type { Checksum, Urgency } from './chunk-store.ts';

/** Bytes of one file to read and add up. Descriptors are the process's, so that a thread can read what another opened. */
export interface ChecksumCall extends ByteRange {
  readonly id: number;
  readonly fd: number;
}

/** Calls that travel together: waking a thread costs a fifth of what adding up a MiB does. An urgent one passes those that are not. */
export interface ChecksumMessage {
  readonly calls: readonly ChecksumCall[];
  readonly urgent: boolean;
}

/** The result, or the system's error code. */
export type ChecksumReply = { readonly id: number } & ({ readonly result: Checksum } | { readonly failure: string });

/** How many messages may be under way before one of this urgency is sent, and how many calls it may have. */
const MESSAGES: Record<Urgency, { readonly underWay: number; readonly calls: number }> = {
  now: { underWay: Number.POSITIVE_INFINITY, calls: 1 },
  soon: { underWay: 2, calls: 4 },
  idle: { underWay: 1, calls: 4 },
};

/**
 * The thread that reads blocks back and adds them up. Not the serving thread: 0.4 ms a MiB. Not the sync thread: a reader that waits for its first block
 * would stand behind the disk (docs/decisions/0005-checksums.md).
 */
export class ChecksumThread {
  readonly #thread: ThreadClient<ChecksumMessage, readonly ChecksumReply[], Checksum>;
  readonly #queues: Record<Urgency, ChecksumCall[]> = { now: [], soon: [], idle: [] };
  #underWay = 0;
  /** Those that are asked for together are about to be sent together. */
  #sending = false;

  constructor() {
    this.#thread = new ThreadClient({
      start: () => new Worker(new URL('./checksum-worker.js', import.meta.url), THREAD_OPTIONS),
      replied: (replies) => this.#settle(replies),
      ended: (error) => this.#ended(error?.message ?? 'the checksum thread ended'),
    });
  }

  /** @throws SeekwellError STORAGE_FAILED */
  checksum(fd: number, { start, end }: ByteRange, urgency: Urgency): Promise<Checksum> {
    return this.#thread.call((id) => {
      this.#queues[urgency].push({ id, fd, start, end });
      if (urgency === 'now') this.#send();
      else this.#sendSoon();
    });
  }

  /** Starts the thread before its first call. */
  prepare(): void {
    this.#thread.prepare();
  }

  close(): Promise<void> {
    return this.#thread.terminate();
  }

  #sendSoon(): void {
    if (this.#sending) return;
    this.#sending = true;
    queueMicrotask(() => {
      this.#sending = false;
      this.#send();
    });
  }

  #send(): void {
    for (const urgency of ['now', 'soon', 'idle'] as const) {
      const { underWay, calls: most } = MESSAGES[urgency];
      while (this.#underWay < underWay && this.#queues[urgency].length > 0) {
        this.#underWay++;
        this.#thread.post({ calls: this.#queues[urgency].splice(0, most), urgent: urgency === 'now' });
      }
    }
  }

  #settle(replies: readonly ChecksumReply[]): void {
    this.#underWay--;
    this.#send();
    for (const reply of replies) {
      if ('result' in reply) this.#thread.resolve(reply.id, reply.result);
      else this.#thread.reject(reply.id, new SeekwellError('STORAGE_FAILED', `the cache file could not be read: ${reply.failure}`));
    }
  }

  /** What was not sent yet fails with the rest. */
  #ended(reason: string): SeekwellError {
    this.#underWay = 0;
    for (const queue of Object.values(this.#queues)) queue.length = 0;
    return new SeekwellError('STORAGE_FAILED', reason);
  }
}
