import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { SeekwellError } from '../../errors.ts';
import { databaseIdentity } from './database-identity.ts';
import { APPLICATION_ID, SCHEMA_VERSIONS } from './schema.ts';
import type { SqliteConnection, SqliteDriver } from './sqlite-driver.ts';
import { databaseError } from './sqlite-errors.ts';
import { inTransaction } from './transaction.ts';

/** How long a statement waits for another process's write lock, in milliseconds. Write transactions here take under a millisecond. */
const BUSY_TIMEOUT_MS = 5_000;

/** How long to wait before another try where SQLite does not wait itself, in milliseconds. */
const RETRY_MS = 20;

/** How a connection is used. Only `durable` ones wait for the disk at each commit (`synchronous=FULL`). */
export type ConnectionUse = 'read' | 'write' | 'durable-write';

const PRAGMAS: Record<ConnectionUse, string> = {
  read: 'PRAGMA query_only = ON;',
  write: 'PRAGMA synchronous = NORMAL;',
  'durable-write': 'PRAGMA synchronous = FULL;',
};

/** Opens a database that `prepareDatabase` has seen. */
export function openConnection(driver: SqliteDriver, path: string, use: ConnectionUse): SqliteConnection {
  const connection = driver.open(path);
  connection.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; ${PRAGMAS[use]}`);
  return connection;
}

function pragma(connection: SqliteConnection, name: string): number {
  const row = connection.prepare(`PRAGMA ${name}`).get() as Record<string, number>;
  return Object.values(row)[0] ?? 0;
}

function foreign(): SeekwellError {
  return new SeekwellError('DATABASE_UNUSABLE', 'seekwell.db belongs to another program', {
    hint: 'Name another folder with --cache-dir.',
  });
}

/** @param isEmpty nobody made a table in it yet */
function refuse(version: number, applicationId: number, isEmpty: boolean): void {
  const isNew = version === 0 && applicationId === 0 && isEmpty;
  if (applicationId !== APPLICATION_ID && !isNew) throw foreign();
  if (version > SCHEMA_VERSIONS.length) {
    throw new SeekwellError(
      'DATABASE_TOO_NEW',
      `seekwell.db has version ${version}; this Seekwell knows versions up to ${SCHEMA_VERSIONS.length}`,
    );
  }
}

/** Whether this process has the file at `path` open, whoever opened it. Where the system does not list a process's descriptors it seems not to. */
function isOpenHere(path: string): boolean {
  const identity = databaseIdentity(path);
  try {
    return readdirSync('/dev/fd').some((descriptor) => identityOf(Number(descriptor)) === identity);
  } catch {
    return false;
  }
}

function identityOf(descriptor: number): string | undefined {
  try {
    const { dev, ino } = fstatSync(descriptor, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    // The one that listed the folder is closed by now.
    return undefined;
  }
}

/** The first bytes of the file, or null where there is none. @throws SeekwellError CACHE_DIR_UNUSABLE */
function readHeader(path: string): Buffer | null {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const header = Buffer.alloc(100);
    return header.subarray(0, readSync(file, header, 0, 100, 0));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw new SeekwellError('CACHE_DIR_UNUSABLE', `the database cannot be opened: ${code}`, { cause: error });
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/**
 * Looks at the file's header without SQLite, so that a file that is refused is not touched: opening it would leave a log beside it.
 * Offsets are SQLite's file format, section 1.3: schema cookie at 40, user_version at 60, application_id at 68.
 *
 * Not where this process has the file open: closing any descriptor of it gives up all locks of the process, of which SQLite does not know ("How To Corrupt An
 * SQLite Database File", section 2.2). Another program that leaves would then delete the log under us. In one go, so that nobody opens it in between.
 */
function refuseByHeader(path: string): void {
  if (isOpenHere(path)) return;
  const header = readHeader(path);
  if (header === null || header.length === 0) return;
  if (header.length < 100 || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') {
    throw new SeekwellError('DATABASE_UNUSABLE', 'seekwell.db is not a database');
  }
  refuse(header.readUInt32BE(60), header.readUInt32BE(68), header.readUInt32BE(40) === 0);
}

/** The version of the schema, 0 for a new file. Ask within a transaction. @throws SeekwellError when the database may not be used */
function usableVersion(connection: SqliteConnection): number {
  const version = pragma(connection, 'user_version');
  const isEmpty = connection.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
  refuse(version, pragma(connection, 'application_id'), isEmpty);
  return version;
}

/** Brings the schema to the newest version. Whoever comes second waits for the lock, then finds nothing left to do. */
function migrate(connection: SqliteConnection): void {
  // In a transaction: else another process could migrate between its questions.
  if (inTransaction(connection, 'BEGIN', () => usableVersion(connection)) === SCHEMA_VERSIONS.length) return;
  connection.exec('PRAGMA journal_mode = WAL');
  inTransaction(connection, 'BEGIN IMMEDIATE', () => {
    for (const sql of SCHEMA_VERSIONS.slice(usableVersion(connection))) connection.exec(sql);
    connection.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSIONS.length}`);
  });
  // An older Seekwell reads the version from the file itself, to refuse it without touching it: it must not stay in the log only.
  connection.exec('PRAGMA wal_checkpoint(TRUNCATE)');
}

/**
 * Creates the database or brings it to the newest schema. A file that is refused is left as it was.
 * @throws SeekwellError DATABASE_UNUSABLE, DATABASE_TOO_NEW, DATABASE_BUSY, CACHE_DIR_UNUSABLE
 */
export async function prepareDatabase(driver: SqliteDriver, path: string): Promise<void> {
  refuseByHeader(path);
  const deadline = performance.now() + BUSY_TIMEOUT_MS;
  for (;;) {
    const failure = tryToPrepare(driver, path);
    if (failure === null) return;
    // Two processes that both turn a new file to WAL block each other: SQLite then gives up at once, whatever the timeout says.
    if (failure.code !== 'DATABASE_BUSY' || performance.now() >= deadline) throw failure;
    await setTimeout(RETRY_MS);
  }
}

function tryToPrepare(driver: SqliteDriver, path: string): SeekwellError | null {
  let connection: SqliteConnection | undefined;
  try {
    connection = openConnection(driver, path, 'write');
    migrate(connection);
    return null;
  } catch (error) {
    return databaseError(error);
  } finally {
    connection?.close();
  }
}
