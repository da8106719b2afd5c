import type { ChunkStore, FileSend } from '../chunk-store/chunk-store.ts';
import type { ByteRange } from '../core/byte-ranges.ts';
import type { ChunkDownloader } from './chunk-downloader.ts';
import { EntryFile } from './entry-file.ts';
import type { PassThrough } from './pass-through.ts';
import type { Traffic } from './traffic.ts';

/** From where the byte at a reader's position comes. */
export type ByteSource =
  /** Up to `checkedEnd` its bytes were held against their checksums. */
  | { readonly kind: 'span'; readonly span: ByteRange; readonly checkedEnd: number }
  | { readonly kind: 'fetch'; readonly fetch: ChunkDownloader }
  | { readonly kind: 'through'; readonly through: PassThrough };

/** Takes bytes from where they are, and counts them. */
export class SourceBytes {
  readonly #file: EntryFile;
  readonly #traffic: Traffic;

  constructor(store: ChunkStore, traffic: Traffic) {
    this.#file = new EntryFile(store);
    this.#traffic = traffic;
  }

  /**
   * Copies what memory holds of the bytes at `position` into `into`, without a wait; 0 where it holds none.
   * @param path of the entry's file
   */
  takeNow(source: ByteSource, path: string, into: Uint8Array, position: number): number {
    let count = 0;
    if (source.kind === 'through') count = source.through.take(into);
    else if (source.kind === 'fetch') count = source.fetch.copyTo(into, position);
    const room = count > 0 ? 0 : roomInFile(source, position);
    if (room > 0) count = this.#file.readNow(path, room < into.length ? into.subarray(0, room) : into, position);
    this.#count(source, count);
    return count;
  }

  /** As `ChunkFile.sendNow`, of what the file has of the bytes at `position`. */
  sendNow(source: ByteSource, path: string, position: number, most: number, send: FileSend): number | null {
    const room = Math.min(most, roomInFile(source, position));
    if (room <= 0) return null;
    const count = this.#file.sendNow(path, position, room, send);
    if (count !== null) this.#count(source, count);
    return count;
  }

  /** As `takeNow`, from the file and with a wait; null where the file should not have the bytes, 0 where it should and has not. */
  async takeFromFile(source: ByteSource, path: string, into: Uint8Array, position: number): Promise<number | null> {
    const room = roomInFile(source, position);
    if (room <= 0) return null;
    const count = await this.#file.read(path, room < into.length ? into.subarray(0, room) : into, position);
    this.#count(source, count);
    return count;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #count(source: ByteSource, bytes: number): void {
    if (source.kind === 'span') this.#traffic.hitBytes += bytes;
    else this.#traffic.missBytes += bytes;
    if (source.kind === 'through') this.#traffic.originBytes += bytes;
  }
}

/** How many bytes from `position` on the file has. */
function roomInFile(source: ByteSource, position: number): number {
  if (source.kind === 'span') return source.checkedEnd - position + 1;
  return source.kind === 'fetch' && source.fetch.hasWritten(position) ? source.fetch.position - position : 0;
}
