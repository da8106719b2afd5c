import type { ChunkFile, ChunkStore } from '../chunk-store/chunk-store.ts';

/** The file one reader reads from: an entry gets another one when its bytes are removed. */
export class EntryFile {
  readonly #store: ChunkStore;
  #file: ChunkFile | null = null;

  constructor(store: ChunkStore) {
    this.#store = store;
  }

  /** Reads from the file at `path`. Returns how many bytes it read; 0 where the file is gone or ends before `position`. */
  async read(path: string, into: Uint8Array, position: number): Promise<number> {
    if (this.#file?.path !== path) {
      await this.close();
      this.#file = await this.#store.open(path);
    }
    return (await this.#file?.read(into, position)) ?? 0;
  }

  /** As `read`, without waiting: 0 where it is not known to be in memory. */
  readNow(path: string, into: Uint8Array, position: number): number {
    if (this.#file?.path !== path) {
      if (this.#file !== null) return 0;
      this.#file = this.#store.openNow(path);
    }
    return this.#file?.readNow(into, position) ?? 0;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }
}
