import { Worker } from 'node:worker_threads';
import type { ByteRange } from '../core/byte-ranges.ts';
import { SeekwellError } from '../errors.ts';
import { ThreadClient } from '../thread-client.ts';
import type { Checksum, Urgency } from './chunk-store.ts';

/** Bytes of one file to read and add up. Descriptors are the process's, so that a thread can read what another opened. */
export interface ChecksumCall extends ByteRange {
  readonly id: number;
  readonly fd: number;
}

/** The result, or the system's error code. */
export type ChecksumReply = { readonly id: number } & ({ readonly result: Checksum } | { readonly failure: string });

/** What may be under way before a call of this urgency is sent: the urgent one that comes next waits for that much. */
const UNDER_WAY: Record<Urgency, number> = { now: Number.POSITIVE_INFINITY, soon: 2, idle: 1 };

/**
 * The thread that reads blocks back and adds them up. Not the serving thread: 0.4 ms a MiB. Not the sync thread: a reader that waits for its first block
 * would stand behind the disk (docs/decisions/0005-checksums.md).
 */
export class ChecksumThread {
  readonly #thread: ThreadClient<ChecksumCall, ChecksumReply, Checksum>;
  readonly #queues: Record<Urgency, ChecksumCall[]> = { now: [], soon: [], idle: [] };
  #underWay = 0;

  constructor() {
    this.#thread = new ThreadClient({
      start: () => new Worker(new URL('./checksum-worker.js', import.meta.url)),
      replied: (reply) => this.#settle(reply),
      ended: (error) => this.#ended(error?.message ?? 'the checksum thread ended'),
    });
  }

  /** @throws SeekwellError STORAGE_FAILED */
  checksum(fd: number, { start, end }: ByteRange, urgency: Urgency): Promise<Checksum> {
    return this.#thread.call((id) => {
      this.#queues[urgency].push({ id, fd, start, end });
      this.#send();
    });
  }

  /** Starts the thread before its first call. */
  prepare(): void {
    this.#thread.prepare();
  }

  close(): Promise<void> {
    return this.#thread.terminate();
  }

  #send(): void {
    for (const urgency of ['now', 'soon', 'idle'] as const) {
      while (this.#underWay < UNDER_WAY[urgency]) {
        const call = this.#queues[urgency].shift();
        if (call === undefined) break;
        this.#underWay++;
        this.#thread.post(call);
      }
    }
  }

  #settle(reply: ChecksumReply): void {
    this.#underWay--;
    this.#send();
    if ('result' in reply) this.#thread.resolve(reply.id, reply.result);
    else this.#thread.reject(reply.id, new SeekwellError('STORAGE_FAILED', `the cache file could not be read: ${reply.failure}`));
  }

  /** What was not sent yet fails with the rest. */
  #ended(reason: string): SeekwellError {
    this.#underWay = 0;
    for (const queue of Object.values(this.#queues)) queue.length = 0;
    return new SeekwellError('STORAGE_FAILED', reason);
  }
}
