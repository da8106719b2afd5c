import type { StatsFs } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { SeekwellError } from '../errors.ts';
import type { DiskSpace } from './disk-space.ts';

/** The disk that a folder is on, as the system reports it. */
export class FolderDiskSpace implements DiskSpace {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async free(): Promise<number> {
    const { bavail, bsize } = await this.#look();
    return bavail * bsize;
  }

  async size(): Promise<number> {
    const { blocks, bsize } = await this.#look();
    return blocks * bsize;
  }

  async #look(): Promise<StatsFs> {
    try {
      return await statfs(this.#folder);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new SeekwellError('STORAGE_FAILED', `the free space of the disk could not be read: ${code}`, { cause: error });
    }
  }
}
