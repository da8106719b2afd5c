import { extname } from 'node:path';
import { type ChunkStore, storePath } from '../chunk-store/chunk-store.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { Randomness } from '../randomness.ts';
import type { CacheRepository, EntryRow } from '../repository/cache-repository.ts';

export interface RemovalParts {
  readonly repository: CacheRepository;
  readonly store: ChunkStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

/** A new file's path: 128 random bits, so that no name ever serves twice. `like` gives the extension. */
export function newFilePath(randomness: Randomness, like: string): string {
  return storePath(randomness.hex(16), extname(like));
}

/** Takes bytes away: the rows first and durably, then the file. A death in between leaves a file that `emptyTrash` finds. */
export class EntryRemoval {
  readonly #parts: RemovalParts;

  constructor(parts: RemovalParts) {
    this.#parts = parts;
  }

  /** Forgets the bytes of `entry` as it was read; false where somebody else already did. */
  async removeBytes(entry: EntryRow): Promise<boolean> {
    const { repository, clock, randomness } = this.#parts;
    const path = newFilePath(randomness, entry.filePath);
    const removed = await repository.removeBytes({ entryId: entry.id, epoch: entry.epoch, newFilePath: path }, clock.now());
    await this.emptyTrash();
    return removed;
  }

  /** Deletes the entry with its bytes; false where there is none. */
  async deleteEntry(id: number): Promise<boolean> {
    const deleted = await this.#parts.repository.deleteEntry(id, this.#parts.clock.now());
    await this.emptyTrash();
    return deleted;
  }

  /** Unlinks every file whose removal is recorded, and returns how many. What cannot be unlinked now stays in the trash. */
  async emptyTrash(): Promise<number> {
    const { repository, store, logger } = this.#parts;
    let count = 0;
    for (const { id, filePath } of await repository.trash()) {
      try {
        await store.remove(filePath);
        await repository.forgetTrash(id);
        count++;
      } catch (error) {
        logger.warn({ filePath, error: (error as Error).message }, 'a removed file could not be unlinked');
      }
    }
    return count;
  }
}
