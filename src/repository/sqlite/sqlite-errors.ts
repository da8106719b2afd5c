import { asSeekwellError, type ErrorCode, SeekwellError } from '../../errors.ts';

/** What SQLite's result codes mean to a user, by the name's beginning. */
const MEANINGS: readonly (readonly [prefix: string, code: ErrorCode, message: string])[] = [
  ['SQLITE_BUSY', 'DATABASE_BUSY', 'the database stayed locked by another program'],
  ['SQLITE_LOCKED', 'DATABASE_BUSY', 'the database stayed locked by another program'],
  ['SQLITE_CORRUPT', 'DATABASE_UNUSABLE', 'the database is damaged'],
  ['SQLITE_NOTADB', 'DATABASE_UNUSABLE', 'seekwell.db is not a database'],
  ['SQLITE_FULL', 'STORAGE_FAILED', 'the disk is full: the database could not be written'],
  ['SQLITE_IOERR', 'STORAGE_FAILED', 'the database could not be read or written'],
  ['SQLITE_READONLY', 'STORAGE_FAILED', 'the database is read-only'],
  ['SQLITE_CANTOPEN', 'STORAGE_FAILED', 'the database cannot be opened'],
  ['SQLITE_PERM', 'STORAGE_FAILED', 'the database may not be opened'],
];

/** The name of SQLite's result code in `error`, or null. */
function sqliteCodeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (typeof code === 'string' && code.startsWith('SQLITE_')) return code;
  // node:sqlite gives the number: the primary code is its low byte.
  if (typeof errcode === 'number') return PRIMARY_CODES.get(errcode & 0xff) ?? 'SQLITE_ERROR';
  return null;
}

const PRIMARY_CODES = new Map([
  [3, 'SQLITE_PERM'],
  [5, 'SQLITE_BUSY'],
  [6, 'SQLITE_LOCKED'],
  [8, 'SQLITE_READONLY'],
  [10, 'SQLITE_IOERR'],
  [11, 'SQLITE_CORRUPT'],
  [13, 'SQLITE_FULL'],
  [14, 'SQLITE_CANTOPEN'],
  [26, 'SQLITE_NOTADB'],
]);

/** Whether the disk had no room for a change. */
export function isFull(error: unknown): boolean {
  return sqliteCodeOf(error)?.startsWith('SQLITE_FULL') === true;
}

/** SQLite's `error` as one of ours. */
export function databaseError(error: unknown): SeekwellError {
  const name = sqliteCodeOf(error);
  const meaning = MEANINGS.find(([prefix]) => name?.startsWith(prefix));
  return meaning === undefined ? asSeekwellError(error) : new SeekwellError(meaning[1], meaning[2], { cause: error });
}
