import { statSync } from 'node:fs';
import { SeekwellError } from '../../errors.ts';

/**
 * Names the file at `path`; null where there is none. SQLite itself goes on reading and writing a file that was unlinked under it, and what is recorded there is
 * lost; a new file at the same place counts its entries from 1 again, so that neither may be taken for the other.
 */
export function databaseIdentity(path: string): string | null {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? null : `${stats.dev}:${stats.ino}`;
}

/** @throws SeekwellError DATABASE_GONE unless the file at `path` still is the one that `identity` names */
export function refuseOtherDatabase(path: string, identity: string | null): void {
  const now = databaseIdentity(path);
  if (now === identity) return;
  throw new SeekwellError(
    'DATABASE_GONE',
    now === null ? 'seekwell.db was removed while it was used' : 'seekwell.db was replaced while it was used',
  );
}
