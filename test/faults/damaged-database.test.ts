import { copyFile, cp, open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isSeekwellError } from '#seekwell/errors';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { PlainDatabase } from '../../scripts/plain-database.mjs';
import { falseSpans, recordedSpans } from '../support/cache-folder.ts';
import { CacheServer } from '../support/cache-server.ts';
import { runToSuccess } from '../support/child-process.ts';
import { seekwell } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { bytesOf, firstDifference } from '../support/seeded-bytes.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

const ENTRIES = 200;
const PAGE = 4_096;

/** A database with entries and spans, closed. */
async function filled(name = 'a'): Promise<string> {
  const path = join(await temporaryFolder('damaged'), 'seekwell.db');
  const repository = await SqliteRepository.open({ path, owner: 'me' });
  const rest = { sourceId: 'url', quality: 'original', requestHeaders: {}, filename: null, fillAllowed: true, pinned: false };
  const version = { description: { validator: { etag: '"v"', lastModified: null }, total: 10_000, mimeType: null }, headers: {} };
  for (let number = 0; number < ENTRIES; number++) {
    const names = { mediaId: `${name}${number}`, originalUrl: `http://127.0.0.1:9/${name}${number}`, filePath: `files/${name}${number}` };
    const { entry } = await repository.addEntry({ ...rest, ...names }, 1);
    await repository.commit({ entryId: entry.id, epoch: 0, range: { start: 0, end: 99 }, ...version }, 1);
  }
  await repository.close();
  return path;
}

/** What a user of the database gets: how many entries a list shows, or the code of the error that opening or listing raises. */
async function listed(path: string): Promise<number | string> {
  let repository: SqliteRepository | undefined;
  try {
    repository = await SqliteRepository.open({ path, owner: 'me' });
    let count = 0;
    let cursor: string | undefined;
    do {
      const page = await repository.entriesWithState({ limit: 50, ...(cursor === undefined ? {} : { cursor }) }, 1);
      count += page.entries.length;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
    return count;
  } catch (error) {
    return isSeekwellError(error) ? error.code : String(error);
  } finally {
    await repository?.close();
  }
}

/** Overwrites `length` bytes at `position` with noise. */
async function scramble(path: string, position: number, length: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(bytesOf(position + 1, 0, length - 1), 0, length, position);
  await file.close();
}

describe('a damaged database', () => {
  test('with noise in its first bytes is refused, in one line by the command, and left as it was', async () => {
    const path = await filled();
    await scramble(path, 0, 100);
    const before = await readFile(path);
    expect(await listed(path)).toBe('DATABASE_UNUSABLE');
    const { code, stderr } = await seekwell(['ls', '--cache-dir', join(path, '..')]);
    expect([code, stderr.trimEnd().split('\n').length]).toEqual([2, 1]);
    expect(stderr).toContain('Move seekwell.db away');
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  test('with noise in any page is refused, or shows what is left; it is never emptied', async () => {
    const original = await filled();
    const pages = (await stat(original)).size / PAGE;
    const outcomes = new Map<number | string, number>();
    for (let page = 0; page < pages; page++) {
      const path = join(await temporaryFolder('scrambled'), 'seekwell.db');
      await copyFile(original, path);
      await scramble(path, page * PAGE + (page === 0 ? 100 : 0), PAGE - 100);
      const outcome = await listed(path);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      expect((await stat(path)).size).toBe(pages * PAGE);
    }
    const others = [...outcomes.keys()].filter((outcome) => outcome !== ENTRIES && outcome !== 'DATABASE_UNUSABLE');
    expect(others).toEqual([]);
    expect(outcomes.get('DATABASE_UNUSABLE')).toBeGreaterThan(0);
  });

  test('whose log was cut short has what the log still holds', async () => {
    const source = await filled();
    const database = new PlainDatabase(source);
    database.exec('PRAGMA wal_autocheckpoint = 0');
    for (let i = 0; i < 10; i++) database.exec(`UPDATE cache_entries SET quality = 'v${i}' WHERE id = 1`);
    const path = join(await temporaryFolder('cut'), 'seekwell.db');
    for (const suffix of ['', '-wal']) await copyFile(source + suffix, path + suffix);
    database.close();
    const { size } = await stat(`${path}-wal`);
    for (const length of [size - 1, Math.floor(size / 2), 33, 31, 0]) {
      await truncate(`${path}-wal`, length);
      const copy = join(await temporaryFolder('cut'), 'seekwell.db');
      for (const suffix of ['', '-wal']) await copyFile(path + suffix, copy + suffix);
      expect(await listed(copy)).toBe(ENTRIES);
    }
  });

  test('with the log of another database is refused, or is one of the two; never a mixture that promises bytes', async () => {
    const [mine, other] = [await filled('a'), await filled('b')];
    const database = new PlainDatabase(other);
    database.exec('PRAGMA wal_autocheckpoint = 0');
    database.exec(`UPDATE cache_entries SET quality = 'other'`);
    await copyFile(`${other}-wal`, `${mine}-wal`);
    database.close();
    expect([ENTRIES, 'DATABASE_UNUSABLE']).toContain(await listed(mine));
  });
});

describe('a cache folder that is copied while it fills', () => {
  const SIZE = 8 * 1024 * 1024;

  test('the database first, then the files: every span of the copy is true', async () => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: SIZE, rate: 4 * 1024 * 1024 });
    const cacheDir = await temporaryFolder('live');
    const server = await CacheServer.start({ cacheDir });
    const body = fetch(await server.streamOf(film.url)).then((response) => response.arrayBuffer());
    await eventually('some is recorded', () => recordedSpans(cacheDir).some(({ end }) => end > 1024 * 1024));
    const copy = await temporaryFolder('copy');
    const live = new PlainDatabase(join(cacheDir, 'seekwell.db'), { readonly: true });
    live.exec(`VACUUM INTO '${join(copy, 'seekwell.db')}'`);
    live.close();
    await cp(join(cacheDir, 'files'), join(copy, 'files'), { recursive: true });
    await body;
    const original = join(await temporaryFolder('original'), 'film');
    await writeFile(original, film.bytes());
    const spans = recordedSpans(copy);
    expect(spans.length).toBeGreaterThan(0);
    expect(await falseSpans(spans, original)).toEqual([]);
    const second = await CacheServer.start({ cacheDir: copy });
    const bytes = new Uint8Array(await (await fetch(await second.streamOf(film.url))).arrayBuffer());
    expect([bytes.length, firstDifference(film.seed, 0, bytes)]).toEqual([SIZE, null]);
  });

  test('a file that was copied before the database is too short for its spans: its bytes are fetched anew', async () => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: SIZE });
    const cacheDir = await temporaryFolder('live');
    const server = await CacheServer.start({ cacheDir });
    await (await fetch(await server.streamOf(film.url))).arrayBuffer();
    await eventually('it is complete', () => recordedSpans(cacheDir).some(({ end }) => end === SIZE - 1));
    await server.stop();
    const [span] = recordedSpans(cacheDir);
    await truncate(span?.path ?? '', 1_000_000);
    const second = await CacheServer.start({ cacheDir });
    const bytes = new Uint8Array(await (await fetch(await second.streamOf(film.url))).arrayBuffer());
    expect([bytes.length, firstDifference(film.seed, 0, bytes)]).toEqual([SIZE, null]);
  });
});

describe('real kills', () => {
  test('leave no false span, and lose none', async () => {
    const script = new URL('../../scripts/kill-loop.mjs', import.meta.url).pathname;
    expect(await runToSuccess(process.execPath, [script, '--rounds', '4'])).toContain('4 kills: ');
    // A dozen starts of a daemon and whole readings of films: 5 s alone, much more beside everything else.
  }, 120_000);
});
