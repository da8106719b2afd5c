import Database from 'better-sqlite3';
import type { SqliteDriver } from './sqlite-driver.ts';

/** better-sqlite3 12, the driver below Node 24. */
const driver: SqliteDriver = {
  open(path) {
    const database = new Database(path);
    return {
      prepare(sql) {
        const statement = database.prepare(sql);
        return {
          get: (params) => (params === undefined ? statement.get() : statement.get(params)),
          all: (params) => (params === undefined ? statement.all() : statement.all(params)),
          run: (params) => ({ changes: (params === undefined ? statement.run() : statement.run(params)).changes }),
        };
      },
      exec: (sql) => void database.exec(sql),
      close: () => void database.close(),
    };
  },
};

export default driver;
