import { randomBytes } from 'node:crypto';
import { constants, createReadStream, createWriteStream } from 'node:fs';
import { access, chmod, copyFile, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SeekwellError } from '../errors.ts';

/** Where a complete resource goes. */
export interface OutputFile {
  /** Absolute; the target of a symbolic link. */
  readonly path: string;
  /** A device or a pipe: it is written to, not replaced. */
  readonly special: boolean;
}

function unusable(path: string, error: unknown): SeekwellError {
  const { code } = error as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOENT: 'lies in a folder that does not exist',
    ENOTDIR: 'lies in what is not a folder',
    EACCES: 'may not be written',
    EPERM: 'may not be written',
    EROFS: 'lies on a read-only file system',
    ENOSPC: 'does not fit on the disk',
    EDQUOT: 'does not fit on the disk',
  };
  return new SeekwellError('OUTPUT_UNUSABLE', `${path} ${reasons[code ?? ''] ?? `cannot be written (${code})`}`, { cause: error });
}

/**
 * Finds out whether `file` can be written, before anything is fetched for it.
 * @throws SeekwellError OUTPUT_UNUSABLE
 */
export async function checkOutput(file: string): Promise<OutputFile> {
  const path = resolve(file);
  try {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    if (found?.isDirectory() === true || file.endsWith('/')) {
      throw new SeekwellError('OUTPUT_UNUSABLE', `${path} is a folder`, { hint: 'Name a file in it with -o.' });
    }
    if (found !== null && !found.isFile()) {
      await access(path, constants.W_OK);
      return { path, special: true };
    }
    const target = found === null ? path : await realpath(path);
    if (found !== null) await access(target, constants.W_OK);
    await access(dirname(target), constants.W_OK | constants.X_OK);
    return { path: target, special: false };
  } catch (error) {
    throw error instanceof SeekwellError ? error : unusable(path, error);
  }
}

/** Copies `source`, sharing its blocks where the file system can. What was at the output before is there until all of the new is. */
export async function exportFile(source: string, { path, special }: OutputFile): Promise<void> {
  if (special) {
    await pipeline(createReadStream(source), createWriteStream(path, { flags: 'w' })).catch((error) =>
      Promise.reject(unusable(path, error)),
    );
    return;
  }
  const partial = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.part`);
  try {
    await copyFile(source, partial, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    // The copy has the mode of the cache's file, which nobody else may read.
    await chmod(partial, 0o666 & ~process.umask());
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw unusable(path, error);
  }
}
