import type { PlainDatabase, PlainStatement, Value } from '../../scripts/plain-database.mjs';

/** Every row of every table, in the order in which `Tables` has them. */
export type Image = readonly (readonly Record<string, Value>[])[];

interface Table {
  readonly name: string;
  readonly read: PlainStatement<Record<string, Value>>;
  readonly insert: PlainStatement<unknown>;
}

/** The tables of a database, to take an image of and to put back. */
export class Tables {
  readonly #database: PlainDatabase;
  readonly #tables: readonly Table[];

  constructor(database: PlainDatabase) {
    this.#database = database;
    const names = database.column<string>(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND (name NOT LIKE 'sqlite_%' OR name = 'sqlite_sequence') ORDER BY name",
    );
    // The sums that triggers keep come last.
    this.#tables = [...names.filter((name) => name !== 'cache_statistics'), 'cache_statistics'].map((name) => tableOf(database, name));
  }

  image(): Image {
    return this.#tables.map(({ read }) => read.all());
  }

  /** Every row goes, and those of the image come. */
  restore(image: Image): void {
    this.#database.exec('PRAGMA foreign_keys = OFF');
    this.#database.transaction(() => {
      for (const [index, { name, insert }] of this.#tables.entries()) {
        this.#database.exec(`DELETE FROM ${name}`);
        for (const row of image[index] ?? []) insert.run(row);
      }
    });
    this.#database.exec('PRAGMA foreign_keys = ON');
  }
}

function tableOf(database: PlainDatabase, name: string): Table {
  const columns = database.column<string>('SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0', name);
  const list = columns.map((column) => `"${column}"`).join(', ');
  return {
    name,
    read: database.prepare(`SELECT ${list} FROM ${name}`),
    insert: database.prepare(`INSERT INTO ${name} (${list}) VALUES (${columns.map((column) => `$${column}`).join(', ')})`),
  };
}
