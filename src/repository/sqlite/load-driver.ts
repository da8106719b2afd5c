import type { SqliteDriver } from './sqlite-driver.ts';

/** The first major version of Node whose built-in SQLite is as fast as better-sqlite3. */
const BUILT_IN_FROM = 24;

/** Loads the driver that the module `specifier` default-exports; null: the one for this version of Node. */
export async function loadDriver(specifier: string | null): Promise<SqliteDriver> {
  if (specifier !== null) return ((await import(specifier)) as { default: SqliteDriver }).default;
  const major = Number.parseInt(process.versions.node, 10);
  const module = major >= BUILT_IN_FROM ? await import('./node-sqlite-driver.ts') : await import('./better-sqlite3-driver.ts');
  return module.default;
}
