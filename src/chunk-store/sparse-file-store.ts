import { close, constants, fstat, open, read, readSync, writev } from 'node:fs';
import { mkdir, readdir, unlink } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import type { Clock, Timer } from '../clock.ts';
import { type ByteRange, lengthOf } from '../core/byte-ranges.ts';
import { SeekwellError } from '../errors.ts';
import { ChecksumThread } from './checksum-thread.ts';
import type { Checksum, ChunkFile, ChunkStore, Urgency } from './chunk-store.ts';
import { ResidentPages } from './resident-pages.ts';
import { SyncThread } from './sync-thread.ts';

const openFile = promisify(open);
const closeFile = promisify(close);
const statFile = promisify(fstat);

/** Files stay open this long after their last use, in milliseconds: the next range of a film needs no open. */
const IDLE_MS = 5_000;
/** The most files that stay open without a user. */
const MAX_IDLE = 256;

/** What only this store makes: the folder may have been somebody's before it was a cache, with files of their own below. */
const OURS = /^files\/(?:[0-9a-f]{2}\/[^/]+|[0-9a-f]{32}[^/]*)$/;

export interface SparseFileStoreOptions {
  /** The cache folder. */
  readonly folder: string;
  readonly clock: Clock;
  /** False: `sync` returns at once; a power cut may take what the system had not written. */
  readonly durable: boolean;
}

/** A descriptor that its users share. */
interface Shared {
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

function failed(doing: string, error: unknown): SeekwellError {
  return new SeekwellError(
    'STORAGE_FAILED',
    `the cache file could not be ${doing}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    {
      cause: error,
    },
  );
}

/** What cannot be written can still be read: a disk turns read-only when it fails. */
async function openToWrite(path: string): Promise<number> {
  try {
    return await openFile(path, constants.O_RDWR);
  } catch (error) {
    if (!['EROFS', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return openFile(path, constants.O_RDONLY);
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** The store on a file system with sparse files. One descriptor a file, shared by its users and kept open for a while. */
export class SparseFileStore implements ChunkStore {
  readonly #folder: string;
  readonly #clock: Clock;
  readonly #syncThread: SyncThread | null;
  readonly #checksums = new ChecksumThread();
  readonly #open = new Map<string, Shared>();
  #closing: Timer | null = null;

  constructor(options: SparseFileStoreOptions) {
    this.#folder = resolve(options.folder);
    this.#clock = options.clock;
    this.#syncThread = options.durable ? new SyncThread() : null;
  }

  async open(path: string): Promise<ChunkFile | null> {
    return this.#openExisting(path, []);
  }

  openNow(path: string): ChunkFile | null {
    const shared = this.#open.get(path);
    return shared === undefined ? null : this.#use(shared);
  }

  async create(path: string): Promise<ChunkFile> {
    const absolute = this.#absolute(path);
    const folder = dirname(absolute);
    const folders = [folder, dirname(folder), this.#folder];
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const fd = await openFile(absolute, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
      return this.#share(path, fd, folders);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw failed('created', error);
      // Whoever made it may not have synced its name.
      return (await this.#openExisting(path, folders)) ?? (await this.create(path));
    }
  }

  async remove(path: string): Promise<void> {
    const shared = this.#open.get(path);
    if (shared !== undefined) {
      shared.removed = true;
      this.#open.delete(path);
      if (shared.users === 0) await closeFile(shared.fd);
    }
    try {
      await unlink(this.#absolute(path));
    } catch (error) {
      if (!isMissing(error)) throw failed('removed', error);
    }
  }

  async *list(): AsyncIterable<string> {
    try {
      for (const entry of await readdir(join(this.#folder, 'files'), { recursive: true, withFileTypes: true })) {
        const path = relative(this.#folder, join(entry.parentPath, entry.name)).split(sep).join('/');
        if (entry.isFile() && OURS.test(path)) yield path;
      }
    } catch (error) {
      if (!isMissing(error)) throw failed('listed', error);
    }
  }

  prepare(): void {
    this.#checksums.prepare();
  }

  async close(): Promise<void> {
    this.#closing?.cancel();
    const idle = [...this.#open.values()].filter(({ users }) => users === 0);
    for (const shared of idle) this.#open.delete(shared.path);
    await Promise.all(idle.map(({ fd }) => closeFile(fd)));
    await this.#syncThread?.close();
    await this.#checksums.close();
  }

  /** A path of the store on this machine. Paths come from the database, which a user may edit: none may lead out of the folder. */
  #absolute(path: string): string {
    const absolute = resolve(this.#folder, path);
    if (!absolute.startsWith(this.#folder + sep))
      throw new SeekwellError('STORAGE_FAILED', `the path ${path} leads out of the cache folder`);
    return absolute;
  }

  async #openExisting(path: string, unsyncedFolders: readonly string[]): Promise<ChunkFile | null> {
    const shared = this.#open.get(path);
    if (shared !== undefined) return this.#use(shared);
    try {
      return this.#share(path, await openToWrite(this.#absolute(path)), unsyncedFolders);
    } catch (error) {
      if (isMissing(error)) return null;
      throw failed('opened', error);
    }
  }

  /** Two may have opened the file at the same time: the second descriptor is closed again. */
  async #share(path: string, fd: number, unsyncedFolders: readonly string[]): Promise<ChunkFile> {
    const other = this.#open.get(path);
    if (other !== undefined) {
      other.unsyncedFolders = [...other.unsyncedFolders, ...unsyncedFolders];
      const file = this.#use(other);
      await closeFile(fd);
      return file;
    }
    const shared: Shared = {
      path,
      fd,
      resident: new ResidentPages(),
      users: 0,
      idleSince: 0,
      unsyncedFolders,
      removed: false,
      unsound: false,
    };
    this.#open.set(path, shared);
    return this.#use(shared);
  }

  #use(shared: Shared): ChunkFile {
    shared.users++;
    return new SparseFile(
      shared,
      this.#clock,
      { sync: this.#syncThread, checksums: this.#checksums },
      {
        release: () => this.#release(shared),
        discard: () => this.#discard(shared),
      },
    );
  }

  /** Whoever opens the file from now on gets another descriptor: this one may be read-only, or its file unlinked. */
  #discard(shared: Shared): void {
    shared.removed = true;
    if (this.#open.get(shared.path) === shared) this.#open.delete(shared.path);
  }

  async #release(shared: Shared): Promise<void> {
    if (--shared.users > 0) return;
    if (shared.removed) return closeFile(shared.fd);
    shared.idleSince = this.#clock.monotonic();
    // Map order is the order of last use: the one that was idle longest comes first.
    this.#open.delete(shared.path);
    this.#open.set(shared.path, shared);
    if (this.#open.size > MAX_IDLE) await this.#closeIdle();
    else this.#closeIdleLater();
  }

  #closeIdleLater(): void {
    this.#closing ??= this.#clock.after(IDLE_MS, () => {
      this.#closing = null;
      void this.#closeIdle();
    });
  }

  async #closeIdle(): Promise<void> {
    const now = this.#clock.monotonic();
    const idle = [...this.#open.values()].filter(({ users }) => users === 0);
    const surplus = idle.filter(({ idleSince }, index) => index < idle.length - MAX_IDLE || now - idleSince >= IDLE_MS);
    for (const shared of surplus) this.#open.delete(shared.path);
    if (idle.length > surplus.length) this.#closeIdleLater();
    await Promise.all(surplus.map(({ fd }) => closeFile(fd)));
  }
}

/** What works beside the thread that serves. */
interface Threads {
  /** Null: nothing is synced. */
  readonly sync: SyncThread | null;
  readonly checksums: ChecksumThread;
}

/** What a file asks of its store. */
interface Owner {
  release(): Promise<void>;
  discard(): void;
}

/** One user's hold on a shared descriptor. */
class SparseFile implements ChunkFile {
  readonly path: string;
  readonly #shared: Shared;
  readonly #clock: Clock;
  readonly #threads: Threads;
  readonly #owner: Owner;
  /** Calls under way: the descriptor's number must not be reused before they end. */
  #underWay = 0;
  #closed = false;

  constructor(shared: Shared, clock: Clock, threads: Threads, owner: Owner) {
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
    const { fd, resident } = this.#shared;
    const length = this.#closed ? 0 : resident.count(position, into.length);
    if (length === 0) return 0;
    const began = this.#clock.monotonic();
    try {
      return readSync(fd, into, 0, length, position);
    } catch {
      // `read` says what is wrong.
      return 0;
    } finally {
      resident.took(this.#clock.monotonic() - began);
    }
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
      throw error instanceof SeekwellError ? error : failed(doing, error);
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
