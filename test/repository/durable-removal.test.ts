import { expect, test } from 'vitest';
import type { SqliteDriver } from '#seekwell/repository/sqlite/sqlite-driver';
import { SqliteWriter } from '#seekwell/repository/sqlite/sqlite-writer';
import driver from './strict-driver.ts';
import { newDatabase } from './test-database.ts';

/** What `PRAGMA synchronous` says. */
const NORMAL = 1;
const FULL = 2;

/** Notes every statement that changes something, with how its connection waits for the disk. */
function noting(notes: { sql: string; synchronous: number }[]): SqliteDriver {
  return {
    open(path) {
      const connection = driver.open(path);
      return {
        ...connection,
        prepare(sql) {
          const statement = connection.prepare(sql);
          const run: typeof statement.run = (params) => {
            const { synchronous } = connection.prepare('PRAGMA synchronous').get() as { synchronous: number };
            notes.push({ sql, synchronous });
            return statement.run(params);
          };
          return { ...statement, run };
        },
      };
    },
  };
}

test('removals wait for the disk, and nothing else does, in whatever order they come', async () => {
  const notes: { sql: string; synchronous: number }[] = [];
  const writer = new SqliteWriter(noting(notes), await newDatabase(), 'me');
  const key = { sourceId: 'url', mediaId: 'm', quality: 'original', originalUrl: '', requestHeaders: {}, filename: null };
  const entry = { ...key, filePath: 'files/1', fillAllowed: true, pinned: false };
  const calls = [
    { id: 1, name: 'addEntry', args: [entry, 1] },
    { id: 2, name: 'touch', args: [1, 1] },
    { id: 3, name: 'cut', args: [{ entryId: 1, epoch: 0, range: { start: 0, end: 9 }, fill: true }, 1] },
    { id: 4, name: 'touch', args: [1, 1] },
    { id: 5, name: 'removeBytes', args: [{ entryId: 1, epoch: 1, newFilePath: 'files/2' }, 1] },
    { id: 6, name: 'touch', args: [1, 1] },
    { id: 7, name: 'deleteEntry', args: [1, 1] },
  ] as const;
  const replies = writer.run(calls);
  writer.close();
  expect(replies.map(({ id, ok }) => [id, ok])).toEqual(calls.map(({ id }) => [id, true]));
  const removing = /^\s*(?:DELETE|INSERT INTO cache_trash)|epoch = epoch \+ 1/;
  expect(notes.length).toBeGreaterThan(10);
  for (const { sql, synchronous } of notes) expect([sql, synchronous]).toEqual([sql, removing.test(sql) ? FULL : NORMAL]);
});
