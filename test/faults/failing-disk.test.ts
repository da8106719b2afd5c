import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { falseSpans, recordedSpans } from '../support/cache-folder.ts';
import { Daemon, type EntryJson, seekwell } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { type DiskCall, FailingDisk } from '../support/failing-disk.ts';
import { requirePrograms } from '../support/require-program.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { firstDifference } from '../support/seeded-bytes.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

// The system answers EIO to real calls of a real daemon on real files: see failing-disk.cc.

const MIB = 1024 * 1024;
const SIZE = 8 * MIB;
const TIMEOUT_MS = 120_000;
/** A failed disk is tried again after 5 s. */
const PATIENCE_MS = 60_000;

interface Stage {
  readonly disk: FailingDisk;
  readonly cacheDir: string;
  readonly film: ScriptedResource;
  readonly daemon: Daemon;
  readonly entry: EntryJson;
}

async function stage(): Promise<Stage> {
  const disk = await FailingDisk.make(await temporaryFolder('failing'));
  const cacheDir = await temporaryFolder('faults');
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: SIZE });
  return { disk, cacheDir, film, ...(await startOn({ disk, cacheDir, film })) };
}

async function startOn({ disk, cacheDir, film }: Pick<Stage, 'disk' | 'cacheDir' | 'film'>): Promise<Pick<Stage, 'daemon' | 'entry'>> {
  const daemon = await Daemon.start({ cacheDir, args: ['--max-size', 'unlimited', '--min-free', '0'], env: disk.env });
  return { daemon, entry: await daemon.register(film.url, { fill: false }) };
}

/** Reads from `start` on and throws unless every byte is right. */
async function read({ film, entry }: Stage, start = 0, end = SIZE - 1): Promise<void> {
  const response = await fetch(entry.streamUrl, { headers: { range: `bytes=${start}-${end}` } });
  expect(response.status).toBe(206);
  const bytes = new Uint8Array(await response.arrayBuffer());
  expect([bytes.length, firstDifference(film.seed, start, bytes)]).toEqual([end - start + 1, null]);
}

async function readAround(it: Stage): Promise<void> {
  await read(it);
  await Promise.all([read(it, 1_000), read(it, 3 * MIB), read(it, SIZE - 10)]);
}

interface Warning {
  readonly level: number;
  readonly code?: string;
  readonly why?: string;
  readonly start?: number;
}

/** The answer to a request for a thousand bytes on a new connection. */
async function statusOnItsOwn(url: string): Promise<number | undefined> {
  const [response] = (await once(get(url, { agent: false, headers: { range: 'bytes=1000-1999' } }), 'response')) as [IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response.statusCode;
}

function warnings(daemon: Daemon): Warning[] {
  const lines = daemon.stderr.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line) as Warning).filter(({ level }) => level >= 40);
}

function untilComplete(it: Stage, readOn: boolean): Promise<unknown> {
  const isComplete = async (): Promise<boolean> => {
    if (readOn) await read(it);
    return (await it.daemon.entry(it.entry.id)).state === 'Complete';
  };
  return eventually('it is complete', isComplete, PATIENCE_MS);
}

async function falseOnes({ cacheDir, film }: Stage): Promise<unknown[]> {
  const original = join(await temporaryFolder('original'), 'film');
  await writeFile(original, film.bytes());
  return falseSpans(recordedSpans(cacheDir), original);
}

describe.skipIf(!requirePrograms('c++'))('a disk that answers EIO', () => {
  test.each<[string, DiskCall, string]>([
    ['writes to a cache file', 'w', '/files/'],
    ['syncs of a cache file', 's', '/files/'],
    ['writes to the database', 'w', '/seekwell.db'],
  ])(
    'to %s: what is not kept is passed through with one warning, and kept when it is over',
    async (_what, call, where) => {
      const it = await stage();
      await read(it, 0, 2 * MIB - 1);
      await it.disk.fail([call], where);
      await readAround(it);
      expect(await it.disk.failures(call)).toBeGreaterThan(0);
      expect(warnings(it.daemon)).toMatchObject([{ code: 'STORAGE_FAILED' }]);
      await it.disk.mend();
      await untilComplete(it, true);
      expect(warnings(it.daemon)).toHaveLength(1);
      expect(await falseOnes(it)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'to reads of a cache file: its bytes come from the origin with one warning, and from the file when it is over',
    async () => {
      const it = await stage();
      await read(it);
      await untilComplete(it, false);
      await it.disk.fail(['r'], '/files/');
      await readAround(it);
      expect(await it.disk.failures('r')).toBeGreaterThan(0);
      expect(warnings(it.daemon)).toMatchObject([{ code: 'STORAGE_FAILED' }]);
      await it.disk.mend();
      await untilComplete(it, true);
      const { length } = it.film.requests;
      await readAround(it);
      expect(it.film.requests.length).toBe(length);
      expect(warnings(it.daemon)).toHaveLength(1);
      expect(await falseOnes(it)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'to reads of blocks that nobody has checked yet: each is named once for each time that it is fetched anew, and is whole when it is over',
    async () => {
      const before = await stage();
      await read(before);
      await untilComplete(before, false);
      expect(await before.daemon.stop()).toBe(0);
      const it = { ...before, ...(await startOn(before)) };
      await it.disk.fail(['r'], '/files/');
      await readAround(it);
      expect(await it.disk.failures('r')).toBeGreaterThan(0);
      const said = warnings(it.daemon);
      expect(said.filter(({ why }) => why === 'unreadable').length).toBeGreaterThan(0);
      expect(said.filter(({ why, code }) => why !== 'unreadable' && code !== 'STORAGE_FAILED')).toEqual([]);
      await it.disk.mend();
      await untilComplete(it, true);
      expect(await falseOnes(it)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'to closing of a cache file: nothing is lost, and nobody hears of it',
    async () => {
      const it = await stage();
      await it.disk.fail(['c'], '/files/');
      await read(it);
      // Files that nobody reads are closed after 5 s.
      await eventually('a file was closed', async () => (await it.disk.failures('c')) > 0, PATIENCE_MS);
      await readAround(it);
      expect(await it.daemon.stop()).toBe(0);
      expect(warnings(it.daemon)).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'to reads of the database, right when another process has written: short ranges are refused, and served when it is over',
    async () => {
      const it = await stage();
      await read(it);
      await untilComplete(it, false);
      // What was asked a moment ago is remembered, as long as nobody writes.
      for (let time = 0; time < 5; time++) expect(await statusOnItsOwn(it.entry.streamUrl)).toBe(206);
      await it.disk.fail(['r'], '/seekwell.db');
      const database = new Database(join(it.cacheDir, 'seekwell.db'));
      database.exec('UPDATE cache_entries SET access_count = access_count + 1');
      database.close();
      // On connections of their own: one on which something else was asked takes another way.
      expect(await statusOnItsOwn(it.entry.streamUrl)).toBeGreaterThanOrEqual(500);
      expect(await it.disk.failures('r')).toBeGreaterThan(0);
      await it.disk.mend();
      await eventually('it is served', async () => (await statusOnItsOwn(it.entry.streamUrl)) === 206, PATIENCE_MS);
      await readAround(it);
    },
    TIMEOUT_MS,
  );

  test(
    'to writes to the database, while commands look at what a killed daemon was fetching',
    async () => {
      const it = await stage();
      it.film.behave({ fault: { kind: 'stall', after: MIB } });
      // One stays, so that nobody has to mend the database when it is opened.
      const other = await startOn(it);
      const reading = fetch(other.entry.streamUrl)
        .then((answer) => answer.arrayBuffer())
        .catch(() => {});
      await eventually('it fetches', async () => (await it.daemon.entry(it.entry.id)).downloadedBytes > 0);
      await it.disk.fail(['w'], '/seekwell.db');
      await other.daemon.kill9();
      await reading;
      for (const command of ['ls', 'status']) {
        const ended = await seekwell([command, '--cache-dir', it.cacheDir], { env: it.disk.env });
        expect(ended).toMatchObject({ code: 0 });
        expect(ended.stderr).not.toMatch(/^\s+at /m);
      }
    },
    TIMEOUT_MS,
  );
});
