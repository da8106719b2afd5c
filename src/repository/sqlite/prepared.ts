import type { SqliteConnection, SqliteStatement } from './sqlite-driver.ts';

export type Prepared<Table> = { readonly [Name in keyof Table]: SqliteStatement };

/** The statements of `table` on `connection`, each prepared at its first use. */
export function prepared<Table extends Readonly<Record<string, string>>>(connection: SqliteConnection, table: Table): Prepared<Table> {
  const statements: Record<string, SqliteStatement> = {};
  const lazily: Record<string, SqliteStatement> = {};
  for (const [name, sql] of Object.entries(table)) {
    Object.defineProperty(lazily, name, {
      get: () => {
        statements[name] ??= connection.prepare(sql);
        return statements[name];
      },
    });
  }
  return lazily as Prepared<Table>;
}
