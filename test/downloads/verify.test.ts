import { readFile, rm, truncate } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { FileCache } from '#seekwell/file-cache';
import { PlainDatabase } from '../../scripts/plain-database.mjs';
import { apiServer } from '../api/api-server.ts';
import { type CachedFilm, cachedFilm } from '../support/cached-film.ts';
import { Daemon, seekwell } from '../support/daemon.ts';
import { flipByte, forgetChecksums, recordedChecksums } from '../support/damage.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { firstDifference } from '../support/seeded-bytes.ts';
import { afterThisTest } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;
/** Four whole blocks and a last one of 700 bytes. */
const SIZE = 4 * MIB + 700;

function verify(cacheDir: string, ...args: string[]): ReturnType<typeof seekwell> {
  return seekwell(['verify', '--cache-dir', cacheDir, ...args]);
}

async function streamed(daemon: Daemon, { film }: CachedFilm): Promise<{ length: number; wrongAt: number | null }> {
  const { streamUrl } = await daemon.register(film.url);
  const body = Buffer.from(await (await fetch(streamUrl)).arrayBuffer());
  return { length: body.length, wrongAt: firstDifference(film.seed, 0, body) };
}

describe('the command', () => {
  test('finds nothing in an empty cache, and nothing bad in a good one', async () => {
    const { cacheDir } = await cachedFilm(SIZE);
    expect(await verify(`${cacheDir}/none`)).toMatchObject({ code: 0, stdout: 'Verified 0 entries: 0 B right; nothing bad.\n' });
    expect(await verify(cacheDir)).toMatchObject({ code: 0, stdout: 'Verified 1 entry: 4.00 MiB right; nothing bad.\n', stderr: '' });
  });

  test('names each bad block and exits with 1; with --repair it fetches them again, and then all is well', async () => {
    const { cacheDir, film, path } = await cachedFilm(SIZE);
    const sent = film.bytesSent;
    await flipByte(path, MIB + 3);
    await flipByte(path, SIZE - 1);
    const bad = [
      `1 film.mkv: bytes ${MIB}-${2 * MIB - 1} do not match their checksum`,
      `1 film.mkv: bytes ${4 * MIB}-${SIZE - 1} do not match their checksum`,
    ];
    // Without --repair nothing is changed: the second look finds the same.
    for (let look = 1; look <= 2; look++) {
      const { code, stdout } = await verify(cacheDir);
      expect([code, stdout]).toEqual([1, [...bad, 'Verified 1 entry: 3.00 MiB right; 1.00 MiB bad.', ''].join('\n')]);
    }
    const repaired = await verify(cacheDir, '--repair', '1');
    expect([repaired.code, repaired.stdout]).toEqual([
      1,
      [...bad, 'Verified 1 entry: 3.00 MiB right; 1.00 MiB bad, fetched again.', ''].join('\n'),
    ]);
    expect(film.bytesSent - sent).toBe(MIB + 700);
    const { code, stdout } = await verify(cacheDir, '--json', film.url);
    expect([code, JSON.parse(stdout)]).toEqual([
      0,
      [{ id: 1, name: 'film.mkv', checkedBytes: SIZE, newChecksums: 0, partialBytes: 0, bad: [], repaired: false, failure: null }],
    ]);
  });

  test('--repair without the origin: the bad block is cut, and that it could not be fetched is said', async () => {
    const { cacheDir, origin, path } = await cachedFilm(SIZE);
    await flipByte(path, MIB + 3);
    await origin.close();
    const { code, stdout, stderr } = await verify(cacheDir, '--repair', '--json');
    const [report] = JSON.parse(stdout) as { bad: unknown[]; repaired: boolean }[];
    expect([code, report?.bad, report?.repaired]).toEqual([1, [{ start: MIB, end: 2 * MIB - 1, why: 'checksum' }], false]);
    expect(stderr).toContain('not fetched again');
    const [entry] = JSON.parse((await seekwell(['ls', '--json', '--cache-dir', cacheDir])).stdout) as { downloadedBytes: number }[];
    expect(entry?.downloadedBytes).toBe(SIZE - MIB);
  });

  test.each([
    // With the rest of its block, which nothing speaks for any more.
    ['cut short', 2 * MIB, 'short'],
    ['removed', 0, 'missing'],
  ])('a file that was %s', async (damage, start, why) => {
    const { cacheDir, path } = await cachedFilm(SIZE);
    if (damage === 'removed') await rm(path);
    else await truncate(path, start + 5);
    const bad = [{ start, end: SIZE - 1, why }];
    const first = await verify(cacheDir, '--json');
    expect([first.code, JSON.parse(first.stdout)]).toMatchObject([1, [{ bad, repaired: false }]]);
    const repaired = await verify(cacheDir, '--repair', '--json');
    expect([repaired.code, JSON.parse(repaired.stdout)]).toMatchObject([1, [{ bad, repaired: true, failure: null }]]);
    expect((await verify(cacheDir)).code).toBe(0);
  });

  test('get -o exports no damaged byte', async () => {
    const { cacheDir, film, path } = await cachedFilm(SIZE);
    await flipByte(path, MIB + 3);
    const output = `${cacheDir}/out.mkv`;
    expect((await seekwell(['get', film.url, '-o', output, '--cache-dir', cacheDir])).code).toBe(0);
    expect(firstDifference(film.seed, 0, await readFile(output))).toBeNull();
  });

  test('while a daemon runs: it serves right bytes before and after', async () => {
    const cached = await cachedFilm(SIZE);
    const daemon = await Daemon.start({ cacheDir: cached.cacheDir });
    expect(await streamed(daemon, cached)).toEqual({ length: SIZE, wrongAt: null });
    // The daemon has looked at this block and takes it for right: only who reads it back sees what became of it.
    await flipByte(cached.path, 3 * MIB);
    expect((await verify(cached.cacheDir, '--repair')).code).toBe(1);
    expect(await streamed(daemon, cached)).toEqual({ length: SIZE, wrongAt: null });
    expect((await verify(cached.cacheDir)).code).toBe(0);
  });

  test('blocks without a checksum get one; what is not whole is counted apart', async () => {
    const { cacheDir } = await cachedFilm(SIZE);
    const before = recordedChecksums(cacheDir);
    forgetChecksums(cacheDir);
    expect((await verify(cacheDir)).stdout).toBe('Verified 1 entry: 0 B right; nothing bad; 5 blocks had no checksum before.\n');
    expect(recordedChecksums(cacheDir)).toEqual(before);
    const database = new PlainDatabase(`${cacheDir}/seekwell.db`);
    database.exec('UPDATE cache_chunks SET end_byte = 1100000; UPDATE cache_entries SET is_complete = 0');
    database.exec('DELETE FROM cache_block_checksums WHERE block > 0');
    database.close();
    const [report] = JSON.parse((await verify(cacheDir, '--json')).stdout) as object[];
    expect(report).toMatchObject({ checkedBytes: MIB, newChecksums: 0, partialBytes: 1_100_001 - MIB, bad: [] });
  });
});

describe('the API', () => {
  test('tells what is bad, repairs it where that is asked for, and refuses what it does not know', async () => {
    const { cacheDir, path } = await cachedFilm(SIZE);
    const api = await apiServer({ cacheOptions: { cacheDir } });
    await flipByte(path, 5);
    const bad = [{ start: 0, end: MIB - 1, why: 'checksum' }];
    const told = await api.call('POST', '/api/v1/entries/1/verify');
    expect([told.status, told.json]).toMatchObject([200, { id: 1, state: 'Complete', verification: { bad, repaired: false } }]);
    const repaired = await api.call('POST', '/api/v1/entries/1/verify', { repair: true });
    expect(repaired.json).toMatchObject({ state: 'Complete', verification: { bad, repaired: true, failure: null } });
    expect((await api.call('POST', '/api/v1/entries/1/verify')).json.verification).toMatchObject({ checkedBytes: SIZE, bad: [] });
    expect((await api.call('POST', '/api/v1/entries/2/verify')).status).toBe(404);
    expect((await api.call('POST', '/api/v1/entries/1/verify', { mend: true })).status).toBe(400);
  });

  test('a reader after a verification that only told gets right bytes', async () => {
    const cached = await cachedFilm(SIZE);
    const daemon = await Daemon.start({ cacheDir: cached.cacheDir });
    await streamed(daemon, cached);
    await flipByte(cached.path, MIB);
    await daemon.act(1, 'verify');
    expect(await streamed(daemon, cached)).toEqual({ length: SIZE, wrongAt: null });
  });
});

describe('the background check', () => {
  const DAYS = 24 * 60 * 60_000;

  /** A cache in this process whose time stands still; blocks were recorded 40 days before. */
  async function scrubbed(cacheDir: string): Promise<{ cache: FileCache; clock: ManualClock }> {
    const clock = new ManualClock(Date.now() + 40 * DAYS);
    const cache = await FileCache.open({ cacheDir, maxSize: 'unlimited', fill: 'never', scrubRate: MIB, clock });
    afterThisTest(() => cache.close());
    return { cache, clock };
  }

  function checkedAt(cacheDir: string): number[] {
    const database = new PlainDatabase(`${cacheDir}/seekwell.db`, { readonly: true });
    const times = database.column('SELECT checked_at FROM cache_block_checksums ORDER BY block') as number[];
    database.close();
    return times;
  }

  test('finds a bad block while nobody reads, has it fetched again, and notes what it checked', async () => {
    const { cacheDir, path } = await cachedFilm(SIZE);
    await flipByte(path, 2 * MIB + 1);
    const { cache, clock } = await scrubbed(cacheDir);
    await eventually('the bad block is cut', async () => {
      clock.advance(1_000);
      return (await cache.find(1))?.epoch === 1;
    });
    await eventually('it is there again', async () => {
      clock.advance(1_000);
      return (await cache.infoOf(1)).state === 'Complete';
    });
    await eventually('all is checked', () => {
      clock.advance(1_000);
      const times = checkedAt(cacheDir);
      return times.length === 5 && times.every((time) => time > Date.now() + 39 * DAYS);
    });
  });

  test('leaves the disk alone while somebody reads', async () => {
    const { cacheDir, path } = await cachedFilm(SIZE);
    const { cache, clock } = await scrubbed(cacheDir);
    const reading = (await cache.get(1))?.read()[Symbol.asyncIterator]();
    await reading?.next();
    await flipByte(path, 3 * MIB + 1);
    for (let second = 0; second < 100; second++) {
      clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([(await cache.find(1))?.epoch, checkedAt(cacheDir).every((time) => time < Date.now() + DAYS)]).toEqual([0, true]);
    await reading?.return?.();
    await eventually('then it goes on', async () => {
      clock.advance(1_000);
      return (await cache.find(1))?.epoch === 1;
    });
  });

  test('does not begin where nobody asked for it', async () => {
    const { cacheDir } = await cachedFilm(SIZE);
    const clock = new ManualClock(Date.now() + 40 * DAYS);
    const cache = await FileCache.open({ cacheDir, maxSize: 'unlimited', clock });
    afterThisTest(() => cache.close());
    for (let second = 0; second < 50; second++) {
      clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(checkedAt(cacheDir).every((time) => time < Date.now() + DAYS)).toBe(true);
  });
});
