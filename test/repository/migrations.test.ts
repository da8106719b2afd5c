import { copyFile, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { isSeekwellError } from '#seekwell/errors';
import { APPLICATION_ID, SCHEMA_VERSIONS } from '#seekwell/repository/sqlite/schema';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { PlainDatabase } from '../../scripts/plain-database.mjs';
import { runToSuccess } from '../support/child-process.ts';
import { temporaryFolder } from '../support/temp-folder.ts';
import { newDatabase } from './test-database.ts';

const addEntry = fileURLToPath(new URL('./add-entry.mjs', import.meta.url));

async function emptyPath(): Promise<string> {
  return join(await temporaryFolder('migrations'), 'seekwell.db');
}

/** Every file of the folder that a database is in, with its bytes. */
async function folderOf(path: string): Promise<Record<string, string>> {
  const folder = dirname(path);
  const names = (await readdir(folder)).sort();
  const bytes = await Promise.all(names.map((name) => readFile(join(folder, name), 'base64')));
  return Object.fromEntries(names.map((name, index) => [name, bytes[index] ?? '']));
}

/** The code of the error that opening raises; null where it raises none. */
async function codeOfOpening(path: string): Promise<string | null> {
  try {
    await (await SqliteRepository.open({ path, owner: 'me' })).close();
    return null;
  } catch (error) {
    return isSeekwellError(error) ? error.code : `not one of ours: ${error}`;
  }
}

async function expectRefused(path: string, code: string): Promise<void> {
  const before = await folderOf(path);
  expect(await codeOfOpening(path)).toBe(code);
  expect(await folderOf(path)).toEqual(before);
}

function change(path: string, sql: string): void {
  const database = new PlainDatabase(path);
  database.exec(sql);
  database.close();
}

describe('a new database', () => {
  test('has the newest schema, is marked as ours, and is written ahead', async () => {
    const path = await emptyPath();
    const repository = await SqliteRepository.open({ path, owner: 'me' });
    const database = new PlainDatabase(path, { readonly: true });
    const pragma = (name: string): unknown => database.column(`PRAGMA ${name}`)[0];
    expect([pragma('application_id'), pragma('user_version'), pragma('journal_mode')]).toEqual([
      APPLICATION_ID,
      SCHEMA_VERSIONS.length,
      'wal',
    ]);
    expect(pragma('integrity_check')).toBe('ok');
    database.close();
    // An older version reads this from the file itself.
    const header = await readFile(path);
    expect([header.readUInt32BE(60), header.readUInt32BE(68)]).toEqual([SCHEMA_VERSIONS.length, APPLICATION_ID]);
    await repository.close();
  });

  test('is made of an empty file too', async () => {
    const path = await emptyPath();
    await writeFile(path, '');
    expect(await codeOfOpening(path)).toBeNull();
  });

  test('opened again, it is the same', async () => {
    const path = await newDatabase();
    const before = await folderOf(path);
    expect(await codeOfOpening(path)).toBeNull();
    expect(await folderOf(path)).toEqual(before);
  });

  test('a cache of version 1 keeps its checksums, which count as never checked', async () => {
    const path = await emptyPath();
    const entry = "INSERT INTO cache_entries (id, source_id, media_id) VALUES (1, 'url', 'm')";
    change(
      path,
      `${SCHEMA_VERSIONS[0]} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 1; ${entry};
      INSERT INTO cache_block_checksums (cache_entry_id, block, crc32) VALUES (1, 0, 7)`,
    );
    const repository = await SqliteRepository.open({ path, owner: 'me' });
    expect(await repository.oldestChecks(1, 10)).toEqual([{ entryId: 1, block: 0 }]);
    expect((await repository.blocks({ entryId: 1, epoch: 0, first: 0, last: 0 }))?.[0]?.crc32).toBe(7);
    await repository.close();
  });

  test('has the public tables and the public columns', async () => {
    const database = new PlainDatabase(await newDatabase(), { readonly: true });
    const columns = (table: string): unknown => database.column(`SELECT name FROM pragma_table_xinfo('${table}')`);
    expect(columns('cache_chunks')).toEqual(['cache_entry_id', 'start_byte', 'end_byte']);
    expect(columns('cache_download_queue')).toEqual(
      expect.arrayContaining(['cache_entry_id', 'start_byte', 'end_byte', 'priority', 'status']),
    );
    expect(columns('cache_entries')).toEqual(expect.arrayContaining(['id', 'source_id', 'media_id', 'quality', 'file_path']));
    expect(columns('cache_entry_states')).toEqual([
      'cache_entry_id',
      'source_id',
      'media_id',
      'quality',
      'state',
      'downloaded_bytes',
      'expected_total_size',
      'span_count',
      'pending_chunks',
      'error_message',
    ]);
    database.close();
  });

  test('processes that start at once make it once', async () => {
    const path = await emptyPath();
    const names = ['a', 'b', 'c', 'd', 'e'];
    const counts = await Promise.all(names.map((name) => runToSuccess(process.execPath, [addEntry, path, name])));
    expect(Math.max(...counts.map(Number))).toBe(names.length);
    const repository = await SqliteRepository.open({ path, owner: 'me' });
    expect((await repository.statistics()).entries).toBe(names.length);
    await repository.close();
  });
});

describe('refused, and left as it was', () => {
  test('a database of a newer version', async () => {
    const path = await newDatabase();
    change(path, `PRAGMA user_version = ${SCHEMA_VERSIONS.length + 1}`);
    await expectRefused(path, 'DATABASE_TOO_NEW');
  });

  test('a file that is not a database', async () => {
    const path = await emptyPath();
    for (const content of ['x', 'a text that somebody wrote\n'.repeat(50), 'SQLite format 3\0']) {
      await writeFile(path, content);
      await expectRefused(path, 'DATABASE_UNUSABLE');
    }
  });

  test('the database of another program, whether it marks its own or not', async () => {
    const marks = ['PRAGMA user_version = 1', 'PRAGMA application_id = 7', `PRAGMA application_id = 7; PRAGMA user_version = 99`, ''];
    for (const mark of marks) {
      const path = await emptyPath();
      change(path, `CREATE TABLE notes (text); INSERT INTO notes VALUES ('x'); ${mark}`);
      await expectRefused(path, 'DATABASE_UNUSABLE');
    }
  });

  test('a database of which the end is missing', async () => {
    const path = await newDatabase();
    const whole = await readFile(path);
    for (const length of [100, 4_096, 8_192, Math.floor(whole.length / 2), whole.length - 4_096]) {
      await writeFile(path, whole);
      await truncate(path, length);
      expect(await codeOfOpening(path), `cut to ${length} of ${whole.length} bytes`).toBe('DATABASE_UNUSABLE');
      expect((await readFile(path)).length).toBe(length);
    }
  });

  test('a folder where the file should be', async () => {
    const path = await emptyPath();
    await mkdir(path);
    expect(await codeOfOpening(path)).toBe('CACHE_DIR_UNUSABLE');
  });

  test('a database of a newer version of which the log still has to be read', async () => {
    const original = await newDatabase();
    const path = await emptyPath();
    const database = new PlainDatabase(original);
    database.exec('PRAGMA wal_autocheckpoint = 0');
    database.exec(`PRAGMA user_version = ${SCHEMA_VERSIONS.length + 1}`);
    // As it lies there when that version is killed.
    for (const suffix of ['', '-wal']) await copyFile(original + suffix, path + suffix);
    database.close();
    expect(await codeOfOpening(path)).toBe('DATABASE_TOO_NEW');
  });
});

describe('while another program', () => {
  test('writes, opening and reading go on, and changes wait, then are busy', async () => {
    const path = await newDatabase();
    const database = new PlainDatabase(path);
    database.exec('BEGIN IMMEDIATE');
    const repository = await SqliteRepository.open({ path, owner: 'me' });
    expect((await repository.statistics()).entries).toBe(0);
    const changes = [repository.touch(1, 1), repository.pause(1, 1), repository.setPinned(1, true)];
    const codes = (await Promise.allSettled(changes)).map((result) => result.status === 'rejected' && result.reason.code);
    expect(codes).toEqual(['DATABASE_BUSY', 'DATABASE_BUSY', 'DATABASE_BUSY']);
    database.exec('ROLLBACK');
    database.close();
    expect(await repository.pause(1, 1)).toBe(false);
    await repository.close();
  });
});
