import { access, constants, mkdir, stat, statfs } from 'node:fs/promises';
import { parseSize } from './config/byte-size.ts';
import { SeekwellError } from './errors.ts';

/**
 * Makes sure that the cache folder is there and can be written. Only the owner may enter a new one: the database holds URLs with their secrets.
 * @throws SeekwellError CACHE_DIR_UNUSABLE
 */
export async function prepareFolder(folder: string): Promise<void> {
  try {
    const found = await stat(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (found !== null && !found.isDirectory()) throw new SeekwellError('CACHE_DIR_UNUSABLE', `${folder} is a file, not a folder`);
    if (found === null) await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    if (error instanceof SeekwellError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === 'EACCES' || code === 'EPERM'
        ? 'may not be written'
        : code === 'EROFS'
          ? 'is on a read-only file system'
          : `cannot be used (${code})`;
    throw new SeekwellError('CACHE_DIR_UNUSABLE', `the cache folder ${folder} ${reason}`, { cause: error });
  }
}

/**
 * The quota in bytes that `maxSize` means for the disk of `folder`; null: no limit.
 * @throws SeekwellError BAD_OPTION
 */
export async function quotaOf(folder: string, maxSize: number | string): Promise<number | null> {
  const size = typeof maxSize === 'number' ? ({ kind: 'bytes', bytes: maxSize } as const) : parseSize(maxSize);
  if (size.kind === 'unlimited') return null;
  if (size.kind === 'bytes') return size.bytes;
  const { blocks, bsize } = await statfs(folder);
  return Math.floor((blocks * bsize * size.percent) / 100);
}
