import { close, constants, open } from 'node:fs';
import { mkdir, readdir, unlink } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { promisify } from 'node:util';
import type { Clock, Timer } from '../clock.ts';
import { SeekwellError } from '../errors.ts';
import { ChecksumThread } from './checksum-thread.ts';
import type { ChunkFile, ChunkStore, FileSend } from './chunk-store.ts';
import { ResidentPages } from './resident-pages.ts';
import { type SharedFile, SparseFile, sendNow, storageFailure } from './sparse-file.ts';
import { SyncThread } from './sync-thread.ts';

const openFile = promisify(open);
/** Never rejects: the descriptor is gone whatever the system says, and what was promised was synced. */
const closeFile = (fd: number): Promise<void> => new Promise((resolve) => close(fd, () => resolve()));

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
  readonly #open = new Map<string, SharedFile>();
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

  sendNow(path: string, position: number, length: number, send: FileSend): number | null {
    const shared = this.#open.get(path);
    if (shared === undefined) return null;
    if (shared.users === 0) shared.idleSince = this.#clock.monotonic();
    return sendNow(shared, this.#clock, { position, length }, send);
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
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw storageFailure('created', error);
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
      if (!isMissing(error)) throw storageFailure('removed', error);
    }
  }

  async *list(): AsyncIterable<string> {
    try {
      for (const entry of await readdir(join(this.#folder, 'files'), { recursive: true, withFileTypes: true })) {
        const path = relative(this.#folder, join(entry.parentPath, entry.name)).split(sep).join('/');
        if (entry.isFile() && OURS.test(path)) yield path;
      }
    } catch (error) {
      if (!isMissing(error)) throw storageFailure('listed', error);
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
      throw storageFailure('opened', error);
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
    const shared: SharedFile = {
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

  #use(shared: SharedFile): ChunkFile {
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
  #discard(shared: SharedFile): void {
    shared.removed = true;
    if (this.#open.get(shared.path) === shared) this.#open.delete(shared.path);
  }

  async #release(shared: SharedFile): Promise<void> {
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
