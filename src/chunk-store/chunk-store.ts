import type { ByteRange } from '../core/byte-ranges.ts';

/** How soon a checksum is wanted: a reader waits for it, will come to it, or nobody does either. */
export type Urgency = 'now' | 'soon' | 'idle';

/** What a range of a file adds up to. */
export type Checksum =
  /** All of it was read. CRC-32 as in zlib and PNG. */
  | { readonly kind: 'whole'; readonly crc32: number }
  /** The file has `size` bytes, and ends within the range or before it. */
  | { readonly kind: 'short'; readonly size: number }
  /** The disk cannot give these bytes any more. */
  | { readonly kind: 'unreadable' };

/** Takes `length` bytes from `position` on out of the file `descriptor`, which is good for nothing once it returned. Returns how many it took. */
export type FileSend = (descriptor: number, position: number, length: number) => number;

/** An open file of the store. Positions are the resource's own: byte N of the resource is at position N. */
export interface ChunkFile {
  /** The file's path, relative to the cache folder. */
  readonly path: string;
  /**
   * Reads into `into`, from `position` on. Returns how many bytes it read: fewer than asked only at the end of the file.
   * @throws SeekwellError STORAGE_FAILED
   */
  read(into: Uint8Array, position: number): Promise<number>;
  /**
   * Reads at once what the system most likely holds in memory: from `position` on, as much as fits. 0: nothing is known to be there, `read` must tell.
   * A read that has to wait for the disk after all costs everybody that wait; it makes the file forget what it took for granted.
   */
  readNow(into: Uint8Array, position: number): number;
  /**
   * As `readNow`, without a copy: `send` takes at most `length` bytes from `position` on out of the descriptor, at once. Returns what it returned; null:
   * nothing is known to be there, `send` was not called.
   */
  sendNow(position: number, length: number, send: FileSend): number | null;
  /**
   * Writes `chunks`, one after the other, from `position` on. They are readable at once, durable only after `sync`.
   * @throws SeekwellError STORAGE_FAILED; part of the bytes may have been written
   */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>;
  /** Makes everything that was written before the call durable. @throws SeekwellError STORAGE_FAILED, also where the file was unlinked meanwhile */
  sync(): Promise<void>;
  /**
   * Reads `range` back and adds it up, beside the thread that serves: at most one range that is less urgent is waited for.
   * @throws SeekwellError STORAGE_FAILED
   */
  checksum(range: ByteRange, urgency: Urgency): Promise<Checksum>;
  /** Gives the file back; further calls on this object fail. The same file may stay open for others. */
  close(): Promise<void>;
}

/** Keeps resources' bytes in sparse files below the cache folder. */
export interface ChunkStore {
  /**
   * Opens `path` for reading and writing; null where there is no such file.
   * @throws SeekwellError STORAGE_FAILED
   */
  open(path: string): Promise<ChunkFile | null>;
  /** As `open`, where somebody has the file open already; null where that is not so: `open` must tell. */
  openNow(path: string): ChunkFile | null;
  /** As `ChunkFile.sendNow`, of the file at `path`; null also where nobody has it open. */
  sendNow(path: string, position: number, length: number, send: FileSend): number | null;
  /**
   * Opens `path`, creating it where it does not exist.
   * @throws SeekwellError STORAGE_FAILED
   */
  create(path: string): Promise<ChunkFile>;
  /** Unlinks `path`; one that is gone is fine. Files that are open stay readable. @throws SeekwellError STORAGE_FAILED */
  remove(path: string): Promise<void>;
  /** The paths of all files in the store. */
  list(): AsyncIterable<string>;
  /** Makes ready what checksums need, beside the caller: the first reader would wait 50 ms for it. */
  prepare(): void;
  close(): Promise<void>;
}

/** `random` (32 hexadecimal digits) as a path of the store: spread over 256 folders, with the resource's extension. */
export function storePath(random: string, extension: string): string {
  return `files/${random.slice(0, 2)}/${random}${extension}`;
}
