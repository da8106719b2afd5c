/** What SQLite stores and gives back here. Integers stay below 2^53. */
export type SqliteValue = string | number | null;

/** Named parameters, without their `$`. */
export type SqliteParams = Readonly<Record<string, SqliteValue>>;

export interface SqliteStatement {
  get(params?: SqliteParams): unknown;
  all(params?: SqliteParams): unknown[];
  /** Returns how many rows the statement itself changed (triggers not counted). */
  run(params?: SqliteParams): { changes: number };
}

/** One connection. Synchronous. */
export interface SqliteConnection {
  prepare(sql: string): SqliteStatement;
  exec(sql: string): void;
  close(): void;
}

/**
 * The seam between Seekwell and a SQLite library. A module that default-exports one can be named as `sqliteDriver`; it is loaded once in the
 * serving thread and once in the commit thread.
 */
export interface SqliteDriver {
  /** Opens or creates the database file. Errors carry SQLite's name of the result in `code`, as in SQLITE_BUSY. */
  open(path: string): SqliteConnection;
}
