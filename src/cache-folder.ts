import { access, constants, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseSize } from './config/byte-size.ts';
import { SeekwellError } from './errors.ts';

/** As `mkdir` with `recursive`, which in Node 20 never comes back from below a folder that answers ENOENT to all that is made in it, as /proc does. */
async function makeFolder(folder: string): Promise<void> {
  const parent = dirname(folder);
  if (parent !== folder && !(await isThere(parent))) await makeFolder(parent);
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    // Another process that starts now was quicker.
    if (error.code !== 'EEXIST') throw error;
  });
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

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
    if (found === null) await makeFolder(folder);
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

/** The bytes that a number, a size or a share of a disk of `diskSize` bytes mean; null: no limit. */
function bytesOf(text: number | string, diskSize: number): number | null {
  const size = typeof text === 'number' ? ({ kind: 'bytes', bytes: text } as const) : parseSize(text);
  if (size.kind === 'unlimited') return null;
  return size.kind === 'bytes' ? size.bytes : Math.floor((diskSize * size.percent) / 100);
}

/**
 * The limits of a cache on a disk of `diskSize` bytes. A `quota` of null: none.
 * @throws SeekwellError BAD_OPTION
 */
export function limitsOf(
  { maxSize = '20%', minFree = '5%' }: { readonly maxSize?: number | string; readonly minFree?: number | string },
  diskSize: number,
): { readonly quota: number | null; readonly minFree: number } {
  return { quota: bytesOf(maxSize, diskSize), minFree: bytesOf(minFree, diskSize) ?? 0 };
}
