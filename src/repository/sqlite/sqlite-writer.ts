import type { ErrorCode } from '../../errors.ts';
import { databaseIdentity, refuseOtherDatabase } from './database-identity.ts';
import type { DiskReserve } from './disk-reserve.ts';
import { openConnection } from './open-database.ts';
import type { SqliteConnection, SqliteDriver } from './sqlite-driver.ts';
import { databaseError, isFull } from './sqlite-errors.ts';
import { rollBack } from './transaction.ts';
import { mustBeDurable, type WriteName, type WriteTable, writeTable } from './write-table.ts';

/** One change that waits for its transaction. */
export interface WriteCall {
  readonly id: number;
  readonly name: WriteName;
  readonly args: readonly unknown[];
}

/** What became of a change. Errors cross threads as code and message. */
export type WriteReply =
  | { readonly id: number; readonly ok: true; readonly result: unknown }
  | { readonly id: number; readonly ok: false; readonly code: ErrorCode; readonly message: string };

interface Lane {
  readonly connection: SqliteConnection;
  readonly table: WriteTable;
}

/**
 * Carries out changes in the order they come, all that wait in one transaction: group commit. Synchronous, so that a simulation can run it in place of
 * the commit thread. Two connections, because `synchronous` cannot change within a transaction.
 */
export class SqliteWriter {
  readonly #normal: Lane;
  readonly #durable: Lane;

  readonly #path: string;
  readonly #identity: string | null;

  readonly #reserve: DiskReserve | null;

  /**
   * @param identity of the database that readers have open; left out: whatever is there
   * @param reserve given back for removals on a full disk, and a little of it for new entries
   */
  constructor(driver: SqliteDriver, path: string, owner: string, identity = databaseIdentity(path), reserve: DiskReserve | null = null) {
    this.#reserve = reserve;
    this.#path = path;
    this.#identity = identity;
    refuseOtherDatabase(path, identity);
    const normal = openConnection(driver, path, 'write');
    const durable = openConnection(driver, path, 'durable-write');
    this.#normal = { connection: normal, table: writeTable(normal, owner) };
    this.#durable = { connection: durable, table: writeTable(durable, owner) };
  }

  /** Carries out `calls` in order. Never throws. */
  run(calls: readonly WriteCall[]): WriteReply[] {
    const replies: WriteReply[] = [];
    let from = 0;
    while (from < calls.length) {
      const durable = mustBeDurable((calls[from] as WriteCall).name);
      let to = from + 1;
      while (to < calls.length && mustBeDurable((calls[to] as WriteCall).name) === durable) to++;
      replies.push(...this.#runTogether(durable ? this.#durable : this.#normal, calls.slice(from, to)));
      from = to;
    }
    return replies;
  }

  close(): void {
    this.#normal.connection.close();
    this.#durable.connection.close();
  }

  /** One transaction for all; where one change fails, one for each, so that it takes no other with it. */
  #runTogether(lane: Lane, calls: readonly WriteCall[]): WriteReply[] {
    try {
      refuseOtherDatabase(this.#path, this.#identity);
      lane.connection.exec('BEGIN IMMEDIATE');
    } catch (error) {
      // Nobody gets the lock: each one's own try would wait as long again.
      return calls.map((call) => failed(call, error));
    }
    try {
      const replies = calls.map((call) => carryOut(lane.table, call));
      lane.connection.exec('COMMIT');
      this.#reserve?.restore();
      return replies;
    } catch (error) {
      rollBack(lane.connection);
      const [only, ...others] = calls;
      if (only === undefined || others.length > 0) return calls.flatMap((call) => this.#runTogether(lane, [call]));
      return isFull(error) && this.#relieves(only.name) ? this.#runTogether(lane, calls) : [failed(only, error)];
    }
  }

  /** Whether the reserve gave a change that finds the disk full any room. */
  #relieves(name: WriteName): boolean {
    if (mustBeDurable(name)) return this.#reserve?.give() === true;
    return (name === 'addEntry' || name === 'rebind') && this.#reserve?.lend() === true;
  }
}

function carryOut(table: WriteTable, { id, name, args }: WriteCall): WriteReply {
  const change = table[name] as (...args: readonly unknown[]) => unknown;
  return { id, ok: true, result: change(...args) };
}

function failed({ id }: WriteCall, error: unknown): WriteReply {
  const { code, message } = databaseError(error);
  return { id, ok: false, code, message };
}
