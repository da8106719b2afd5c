import { existsSync, statSync, truncateSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { databaseIdentity } from '#seekwell/repository/sqlite/database-identity';
import { DiskReserve } from '#seekwell/repository/sqlite/disk-reserve';
import type { SqliteDriver } from '#seekwell/repository/sqlite/sqlite-driver';
import { SqliteWriter } from '#seekwell/repository/sqlite/sqlite-writer';
import strictDriver from './strict-driver.ts';
import { newDatabase } from './test-database.ts';

/** A disk on which nothing can be committed while `isFull` says so. */
function driverOn(isFull: () => boolean): SqliteDriver {
  return {
    open(path) {
      const connection = strictDriver.open(path);
      const exec = (sql: string): void => {
        if (sql === 'COMMIT' && isFull()) throw Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
        connection.exec(sql);
      };
      return { prepare: connection.prepare, close: connection.close, exec };
    },
  };
}

test('a full disk takes removals by giving up the reserve, and few other changes; the reserve comes back', async () => {
  const path = await newDatabase();
  const reserve = `${path}-reserve`;
  let full = false;
  // Full as long as the reserve is there: what removals find is what it leaves.
  const driver = driverOn(() => full && existsSync(reserve));
  const writer = new SqliteWriter(driver, path, 'me', databaseIdentity(path), new DiskReserve(path));
  const size = (await stat(reserve)).size;
  expect(size).toBe(1024 * 1024);
  const names = { sourceId: 'url', mediaId: 'm', quality: 'original', originalUrl: 'http://127.0.0.1:9/', requestHeaders: {} };
  const rest = { filename: null, filePath: 'files/a', fillAllowed: true, pinned: false };
  expect(writer.run([{ id: 1, name: 'addEntry', args: [{ ...names, ...rest }, 1] }])[0]).toMatchObject({ ok: true });
  full = true;
  expect(writer.run([{ id: 2, name: 'touch', args: [1, 2] }])[0]).toMatchObject({ ok: false, code: 'STORAGE_FAILED' });
  expect(existsSync(reserve)).toBe(true);
  expect(writer.run([{ id: 3, name: 'deleteEntry', args: [1, 2] }])[0]).toMatchObject({ ok: true, result: true });
  expect((await stat(reserve)).size).toBe(size);
  await rm(reserve);
  full = false;
  writer.close();
});

test('a full disk takes new entries as long as half of the reserve is left for removals', async () => {
  const path = await newDatabase();
  const reserve = `${path}-reserve`;
  let room = 1024 * 1024;
  // Each commit needs 64 KiB more than the one before, all of which the reserve has to give.
  const driver = driverOn(() => (statSync(reserve, { throwIfNoEntry: false })?.size ?? 0) > room);
  const writer = new SqliteWriter(driver, path, 'me', databaseIdentity(path), new DiskReserve(path));
  const add = (media: number) => {
    room -= 64 * 1024;
    const names = { sourceId: 'url', mediaId: `${media}`, quality: 'original', originalUrl: 'http://127.0.0.1:9/', requestHeaders: {} };
    const entry = { ...names, filename: null, filePath: `files/${media}`, fillAllowed: true, pinned: false };
    const answer = writer.run([{ id: media, name: 'addEntry', args: [entry, 1] }])[0];
    // What nobody took of the room is held again at once: here somebody has.
    truncateSync(reserve, Math.max(room, 512 * 1024));
    return answer?.ok;
  };
  expect(Array.from({ length: 9 }, (_, media) => add(media))).toEqual([true, true, true, true, true, true, true, true, false]);
  expect((await stat(reserve)).size).toBe(512 * 1024);
  expect(writer.run([{ id: 99, name: 'deleteEntry', args: [1, 2] }])[0]).toMatchObject({ ok: true, result: true });
  writer.close();
});

test('where the reserve is gone too, a removal says that the disk is full', async () => {
  const path = await newDatabase();
  const writer = new SqliteWriter(
    driverOn(() => true),
    path,
    'me',
    databaseIdentity(path),
    new DiskReserve(path),
  );
  expect(writer.run([{ id: 1, name: 'deleteEntry', args: [1, 2] }])[0]).toMatchObject({ ok: false, code: 'STORAGE_FAILED' });
  writer.close();
});
