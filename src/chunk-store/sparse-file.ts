import { fstat, read, readSync, writev } from 'node:fs';
import { promisify } from 'node:util';
import type { Clock } from '../clock.ts';
import { type ByteRange, lengthOf } from '../core/byte-ranges.ts';
import { SeekwellError } from '../errors.ts';
import type { ChecksumThread } from './checksum-thread.ts';
import type { Checksum, ChunkFile, FileSend, Urgency } from './chunk-store.ts';
import type { ResidentPages } from './resident-pages.ts';
import type { SyncThread } from './sync-thread.ts';

const statFile = promisify(fstat);

/** A descriptor that its users share. */
export interface SharedFile {
  readonly path: string;
  readonly fd: number;
  readonly resident: ResidentPages;
  users: number;
  /** When the last user left, monotonic milliseconds. */
  idleSince: number;
  /** Folders that hold a name the disk may not have yet. */
  unsyncedFolders: readonly string[];
  /** Unlinked, or a write failed: never handed out again. */
  removed: boolean;
  /** A sync failed. The system reports that once, to one of the users: what the others wrote before may be lost too. */
  unsound: boolean;
}
export function storageFailure(doing: string, error: unknown): SeekwellError {
  return new SeekwellError(
    'STORAGE_FAILED',
    `the cache file could not be ${doing}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    {
      cause: error,
    },
  );
}
/** Has `send` take what of the bytes is most likely in memory; null where nothing is. */
export function sendNow(
  { fd, resident }: SharedFile,
  clock: Clock,
  { position, length }: { readonly position: number; readonly length: number },
  send: FileSend,
): number | null {
  const there = resident.count(position, length);
  if (there === 0) return null;
  const began = clock.monotonic();
  try {
    return send(fd, position, there);
  } catch {
    // `read` says what is wrong.
    return null;
  } finally {
    resident.took(clock.monotonic() - began);
  }
}

/** What works beside the thread that serves. */
export interface FileThreads {
  /** Null: nothing is synced. */
  readonly sync: SyncThread | null;
  readonly checksums: ChecksumThread;
}

/** What a file asks of its store. */
export interface FileOwner {
  release(): Promise<void>;
  discard(): void;
}

/** One user's hold on a shared descriptor. */
export class SparseFile implements ChunkFile {
  readonly path: string;
  readonly #shared: SharedFile;
  readonly #clock: Clock;
  readonly #threads: FileThreads;
  readonly #owner: FileOwner;
  /** Calls under way: the descriptor's number must not be reused before they end. */
  #underWay = 0;
  #closed = false;

  constructor(shared: SharedFile, clock: Clock, threads: FileThreads, owner: FileOwner) {
    this.path = shared.path;
    this.#shared = shared;
    this.#clock = clock;
    this.#threads = threads;
    this.#owner = owner;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    return this.#holding('read', async () => {
      let done = 0;
      while (done < into.length) {
        const count = await this.#readOnce(into, done, position + done);
        if (count === 0) break;
        done += count;
      }
      if (done > 0) this.#shared.resident.mark(position, done);
      return done;
    });
  }

  readNow(into: Uint8Array, position: number): number {
    const read = (fd: number, _: number, length: number): number => readSync(fd, into, 0, length, position);
    return this.sendNow(position, into.length, read) ?? 0;
  }

  sendNow(position: number, length: number, send: FileSend): number | null {
    return this.#closed ? null : sendNow(this.#shared, this.#clock, { position, length }, send);
  }

  async write(chunks: readonly Uint8Array[], position: number): Promise<void> {
    return this.#holding('written', async () => {
      let rest = chunks;
      let at = position;
      while (rest.length > 0) {
        const count = await this.#writeOnce(rest, at);
        this.#shared.resident.mark(at, count);
        at += count;
        rest = without(rest, count);
      }
    });
  }

  async sync(): Promise<void> {
    return this.#holding('synced', async () => {
      const { unsyncedFolders: folders, fd } = this.#shared;
      try {
        this.#refuseUnsound();
        await this.#threads.sync?.sync(fd, folders);
        // Another user's sync failed meanwhile: then this one passed because it came second.
        this.#refuseUnsound();
      } catch (error) {
        this.#shared.unsound = true;
        throw error;
      }
      if (this.#shared.unsyncedFolders === folders) this.#shared.unsyncedFolders = [];
      // A new file of the same name would have holes where this one has bytes.
      if ((await statFile(fd)).nlink === 0) throw new SeekwellError('STORAGE_FAILED', 'the cache file was removed while it was written');
    });
  }

  async checksum(range: ByteRange, urgency: Urgency): Promise<Checksum> {
    return this.#holding('read', async () => {
      const sum = await this.#threads.checksums.checksum(this.#shared.fd, range, urgency);
      // What another thread has read is in the system's memory for this one too.
      if (sum.kind === 'whole') this.#shared.resident.mark(range.start, lengthOf(range));
      return sum;
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#underWay === 0) await this.#owner.release();
  }

  #refuseUnsound(): void {
    if (this.#shared.unsound) throw new SeekwellError('STORAGE_FAILED', 'the cache file could not be synced before');
  }

  async #holding<Result>(doing: string, work: () => Promise<Result>): Promise<Result> {
    if (this.#closed) throw new SeekwellError('STORAGE_FAILED', 'the cache file is closed');
    this.#underWay++;
    try {
      return await work();
    } catch (error) {
      if (doing === 'written' || doing === 'synced') this.#owner.discard();
      throw error instanceof SeekwellError ? error : storageFailure(doing, error);
    } finally {
      this.#underWay--;
      if (this.#closed && this.#underWay === 0) await this.#owner.release();
    }
  }

  #readOnce(into: Uint8Array, offset: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#shared.fd, into, offset, into.length - offset, position, (error, count) =>
        error === null ? resolve(count) : reject(error),
      );
    });
  }

  #writeOnce(chunks: readonly Uint8Array[], position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      writev(this.#shared.fd, chunks as Uint8Array[], position, (error, count) => (error === null ? resolve(count) : reject(error)));
    });
  }
}

/** `chunks` without their first `count` bytes: a write may take less than it was given. */
function without(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count;
  let index = 0;
  for (; index < chunks.length; index++) {
    const { length } = chunks[index] as Uint8Array;
    if (skip < length) break;
    skip -= length;
  }
  const [first, ...others] = chunks.slice(index);
  return first === undefined ? [] : [skip === 0 ? first : first.subarray(skip), ...others];
}
