import { createRequire } from 'node:module';
import { loadDriver } from '#seekwell/repository/sqlite/load-driver';
import nodeSqliteDriver from '#seekwell/repository/sqlite/node-sqlite-driver';

// A database as somebody with `sqlite3` has it, apart from the product's code: for tests, measurements and the kill loop. The library is the one that the
// product uses on this version of Node, since better-sqlite3 need not load on the others.

/** @typedef {string | number | null} Value */
/** @typedef {{ readonly: boolean }} Opening */
/** @typedef {{ get(...params: unknown[]): unknown, all(...params: unknown[]): unknown[], run(...params: unknown[]): unknown }} AnyStatement */
/** @typedef {{ prepare(sql: string): AnyStatement, exec(sql: string): unknown, close(): unknown }} AnyDatabase */

/**
 * Parameters are values for `?`, in order, or one object of named ones.
 *
 * @template Row
 * @typedef {object} PlainStatement
 * @property {(...params: Value[] | [Readonly<Record<string, Value>>]) => Row | undefined} get
 * @property {(...params: Value[] | [Readonly<Record<string, Value>>]) => Row[]} all
 * @property {(...params: Value[] | [Readonly<Record<string, Value>>]) => unknown} run
 */

const load = createRequire(import.meta.url);
const isBuiltIn = (await loadDriver(null)) === nodeSqliteDriver;

/** How long a statement waits for another process's lock, in milliseconds. */
const TIMEOUT_MS = 5_000;

/** @param {string} path @param {Opening} opening @returns {AnyDatabase} */
function open(path, { readonly }) {
  if (isBuiltIn) return new (load('node:sqlite').DatabaseSync)(path, { readOnly: readonly, timeout: TIMEOUT_MS });
  return new (load('better-sqlite3'))(path, { readonly, timeout: TIMEOUT_MS });
}

/** One connection. Synchronous. Foreign keys hold. */
export class PlainDatabase {
  #database;

  /** Creates the file where there is none, unless `readonly`: then it must exist. @param {string} path @param {Opening} [opening] */
  constructor(path, opening = { readonly: false }) {
    this.#database = open(path, opening);
  }

  /**
   * @template [Row=unknown]
   * @param {string} sql
   * @returns {PlainStatement<Row>}
   */
  prepare(sql) {
    return /** @type {PlainStatement<Row>} */ (this.#database.prepare(sql));
  }

  /**
   * What `sql` finds, of each row the first column.
   *
   * @template [Cell=unknown]
   * @param {string} sql
   * @param {...Value} params
   * @returns {Cell[]}
   */
  column(sql, ...params) {
    const rows = /** @type {PlainStatement<Record<string, Cell>>} */ (this.prepare(sql)).all(...params);
    return rows.flatMap((row) => Object.values(row).slice(0, 1));
  }

  /** Runs `work` in one transaction. @param {() => void} work */
  transaction(work) {
    this.exec('BEGIN');
    work();
    this.exec('COMMIT');
  }

  /** @param {string} sql */
  exec(sql) {
    this.#database.exec(sql);
  }

  close() {
    this.#database.close();
  }
}
