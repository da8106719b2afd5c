import { Worker } from 'node:worker_threads';
import { THREAD_OPTIONS } from '../../core/thread-options.ts';
import { isErrorCode, SeekwellError } from '../../errors.ts';
import { ThreadClient } from '../../thread-client.ts';
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

/**
 * The one thread of this process that writes the database. It is started by the first change, so that commands which only read do without. The thread
 * that serves bytes never waits for a lock: it sends a change here and goes on.
 */
export class CommitThread {
  readonly #thread: ThreadClient<WriteCall | typeof END, readonly WriteReply[], unknown>;
  #closed = false;

  constructor(data: CommitWorkerData) {
    this.#thread = new ThreadClient({
      start: () => new Worker(new URL('./commit-worker.js', import.meta.url), { ...THREAD_OPTIONS, workerData: data }),
      replied: (replies) => this.#settle(replies),
      ended: (error) => (error === null ? closedError() : asCommitError(error)),
    });
  }

  /** Sends a change. Changes are carried out in the order of the calls. */
  call<Name extends WriteName>(name: Name, ...args: WriteArguments<Name>): Promise<WriteResult<Name>> {
    if (this.#closed) return Promise.reject(closedError());
    return this.#thread.call((id) => this.#thread.post({ id, name, args })) as Promise<WriteResult<Name>>;
  }

  /** Carries out what was sent, then ends the thread. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#thread.end(END);
  }

  #settle(replies: readonly WriteReply[]): void {
    for (const reply of replies) {
      if (reply.ok) this.#thread.resolve(reply.id, reply.result);
      else this.#thread.reject(reply.id, new SeekwellError(reply.code, reply.message));
    }
  }
}

function closedError(): SeekwellError {
  return new SeekwellError('CLOSED', 'the cache is closed');
}

/** Why the thread failed: mostly because it could not open the database. Errors that cross threads keep their `code`. */
function asCommitError(error: Error): SeekwellError {
  const { code } = error as { code?: unknown };
  if (isErrorCode(code)) return new SeekwellError(code, error.message);
  const known = databaseError(error);
  if (known.code !== 'INTERNAL') return known;
  return new SeekwellError('DATABASE_UNUSABLE', `the commit thread ended: ${error.message}`, { cause: error });
}
