import { loadDriver } from '#seekwell/repository/sqlite/load-driver';
import type { SqliteDriver, SqliteParams } from '#seekwell/repository/sqlite/sqlite-driver';

/** What the product uses on this version of Node. */
const driver = await loadDriver(null);

/** The parameters that `sql` names. */
export function parametersOf(sql: string): Set<string> {
  const withoutText = sql.replaceAll(/'(?:[^']|'')*'/g, '').replaceAll(/--.*$/gm, '');
  return new Set([...withoutText.matchAll(/\$(\w+)/g)].map((match) => match[1] ?? ''));
}

function check(sql: string, wanted: ReadonlySet<string>, params: SqliteParams | undefined): void {
  const given = Object.keys(params ?? {});
  if (given.length !== wanted.size || !given.every((name) => wanted.has(name))) {
    throw new Error(`parameters ${given.join()} for a statement that names ${[...wanted].join()}: ${sql}`);
  }
  for (const [name, value] of Object.entries(params ?? {})) {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new Error(`${name} is ${value}: ${sql}`);
  }
}

/**
 * The driver, as strict as node:sqlite is, and better-sqlite3 is not: a parameter that the statement does not name is an error. Here numbers that are not whole are too, since no
 * column has any.
 */
const strictDriver: SqliteDriver = {
  open(path) {
    const connection = driver.open(path);
    return {
      prepare(sql) {
        const statement = connection.prepare(sql);
        const wanted = parametersOf(sql);
        const checked =
          <Answer>(ask: (params?: SqliteParams) => Answer) =>
          (params?: SqliteParams): Answer => {
            check(sql, wanted, params);
            return ask(params);
          };
        return { get: checked(statement.get), all: checked(statement.all), run: checked(statement.run) };
      },
      exec: connection.exec,
      close: connection.close,
    };
  },
};

export default strictDriver;
