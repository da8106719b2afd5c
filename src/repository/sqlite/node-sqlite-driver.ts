import { createRequire } from 'node:module';
import type { SqliteDriver, SqliteParams } from './sqlite-driver.ts';

/** What is used of `node:sqlite`, whose types come with Node 22. */
interface NodeSqlite {
  DatabaseSync: new (
    path: string,
  ) => {
    prepare(sql: string): {
      get(params?: SqliteParams): unknown;
      all(params?: SqliteParams): unknown[];
      run(params?: SqliteParams): { changes: number | bigint };
    };
    exec(sql: string): void;
    close(): void;
  };
}

/** Node's own SQLite, the driver from Node 24 on. */
const driver: SqliteDriver = {
  open(path) {
    // Not a static import: this module also loads where node:sqlite does not exist.
    const { DatabaseSync } = createRequire(import.meta.url)('node:sqlite') as NodeSqlite;
    const database = new DatabaseSync(path);
    return {
      prepare(sql) {
        const statement = database.prepare(sql);
        return {
          get: (params) => (params === undefined ? statement.get() : statement.get(params)),
          all: (params) => (params === undefined ? statement.all() : statement.all(params)),
          run: (params) => ({ changes: Number((params === undefined ? statement.run() : statement.run(params)).changes) }),
        };
      },
      exec: (sql) => database.exec(sql),
      close: () => database.close(),
    };
  },
};

export default driver;
