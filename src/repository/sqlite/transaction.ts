import type { SqliteConnection } from './sqlite-driver.ts';

/** Takes back what the open transaction did. */
export function rollBack(connection: SqliteConnection): void {
  try {
    connection.exec('ROLLBACK');
  } catch {
    // A full disk makes SQLite roll back by itself: then there is nothing left to roll back.
  }
}

/** Runs `work` in one transaction, which is taken back where it throws. */
export function inTransaction<Result>(connection: SqliteConnection, begin: 'BEGIN' | 'BEGIN IMMEDIATE', work: () => Result): Result {
  connection.exec(begin);
  try {
    const result = work();
    connection.exec('COMMIT');
    return result;
  } catch (error) {
    rollBack(connection);
    throw error;
  }
}
