import type { ChunkFile, ChunkStore, FileSend } from '../chunk-store/chunk-store.ts';
import { SeekwellError } from '../errors.ts';

/** The file one reader reads from: an entry gets another one when its bytes are removed. */
export class EntryFile {
  readonly #store: ChunkStore;
  #file: ChunkFile | null = null;
  #closed = false;

  constructor(store: ChunkStore) {
    this.#store = store;
  }

  /**
   * Reads from the file at `path`. Returns how many bytes it read; 0 where the file is gone or ends before `position`.
   * @throws SeekwellError STORAGE_FAILED; CLOSED when it is closed meanwhile
   */
  async read(path: string, into: Uint8Array, position: number): Promise<number> {
    if (this.#file?.path !== path) {
      await this.#letGo();
      const file = await this.#store.open(path);
      if (this.#closed) {
        await file?.close();
        throw new SeekwellError('CLOSED', 'the reading was ended');
      }
      this.#file = file;
    }
    return (await this.#file?.read(into, position)) ?? 0;
  }

  /** As `read`, without waiting: 0 where it is not known to be in memory. */
  readNow(path: string, into: Uint8Array, position: number): number {
    return this.#fileNow(path)?.readNow(into, position) ?? 0;
  }

  /** As `ChunkFile.sendNow` of the file at `path`, where it is open. */
  sendNow(path: string, position: number, length: number, send: FileSend): number | null {
    return this.#fileNow(path)?.sendNow(position, length, send) ?? null;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#letGo();
  }

  /** The file at `path`, where somebody has it open. */
  #fileNow(path: string): ChunkFile | null {
    if (this.#file?.path === path) return this.#file;
    if (this.#file !== null || this.#closed) return null;
    this.#file = this.#store.openNow(path);
    return this.#file;
  }

  async #letGo(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }
}
