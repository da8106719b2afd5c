import { access, mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { CacheOptions } from '#seekwell/cache-options';
import { isSeekwellError } from '#seekwell/errors';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { falseSpans, filePathOf, recordedSpans } from '../support/cache-folder.ts';
import { CacheServer } from '../support/cache-server.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { firstDifference } from '../support/seeded-bytes.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;

async function get(url: string, range?: string): Promise<Buffer> {
  const response = await fetch(url, range === undefined ? {} : { headers: { range } });
  return Buffer.from(await response.arrayBuffer());
}

/** What of each entry is there, in MiB, in the order of their ids. */
async function cached({ cache }: CacheServer): Promise<number[]> {
  const sizes: number[] = [];
  for await (const { downloadedBytes } of cache.list({ sort: 'id' })) sizes.push(downloadedBytes / MIB);
  return sizes;
}

/** A disk of 100 MiB that other programs fill. */
class SharedDisk {
  freeBytes: number;
  looks = 0;

  constructor(freeBytes: number) {
    this.freeBytes = freeBytes;
  }

  async free(): Promise<number> {
    this.looks++;
    return this.freeBytes;
  }

  async size(): Promise<number> {
    return 100 * MIB;
  }
}

class Library {
  readonly cacheDir: string;
  readonly server: CacheServer;
  readonly films: ScriptedResource[];
  readonly urls: string[];

  private constructor(cacheDir: string, server: CacheServer, films: ScriptedResource[], urls: string[]) {
    this.cacheDir = cacheDir;
    this.server = server;
    this.films = films;
    this.urls = urls;
  }

  /** A cache with films of these sizes (MiB) registered, read by nobody. */
  static async open(sizes: readonly number[], options: Partial<CacheOptions> = {}): Promise<Library> {
    const origin = await ScriptedOrigin.start();
    const cacheDir = await temporaryFolder();
    const server = await CacheServer.start({ cacheDir, fill: 'never', chunkSize: MIB, ...options });
    const films = sizes.map((size, index) => origin.add(`/${index}.mkv`, { size: size * MIB }));
    const urls: string[] = [];
    for (const film of films) urls.push(await server.streamOf(film.url));
    return new Library(cacheDir, server, films, urls);
  }

  /** Reads the film, all of it or some, and holds its bytes against the origin's. */
  async play(index: number, start = 0, end = (this.films[index]?.size ?? 0) - 1): Promise<void> {
    const bytes = await get(this.urls[index] ?? '', `bytes=${start}-${end}`);
    expect(bytes.length).toBe(end - start + 1);
    expect(firstDifference(this.films[index]?.seed ?? 0, start, bytes)).toBeNull();
    await eventually('no lease is left', async () => (await this.server.cache.statistics()).leasedBytes === 0);
  }
}

describe('a reader finds the cache full', () => {
  test('the least recently read film goes, whole, with its file; its entry stays, and plays again', async () => {
    const library = await Library.open([3, 3, 3], { maxSize: 8 * MIB });
    const { server } = library;
    await library.play(0);
    const evicted = filePathOf(library.cacheDir, 1);
    await library.play(1);
    await library.play(2);
    expect(await cached(server)).toEqual([0, 3, 3]);
    await expect(access(evicted)).rejects.toThrow();
    expect(await server.cache.statistics()).toMatchObject({ entries: 3, recordedBytes: 6 * MIB, trashBytes: 0 });
    await library.play(0);
    expect(await cached(server)).toEqual([3, 0, 3]);
  });

  test('pinned films stay; when nothing may go, the rest is passed through', async () => {
    const library = await Library.open([3, 3, 4], { maxSize: 7 * MIB });
    await library.play(0);
    await library.play(1);
    await (await library.server.cache.get(1))?.pin();
    await library.play(2);
    expect(await cached(library.server)).toEqual([3, 0, 4]);
    await (await library.server.cache.get(3))?.pin();
    await library.play(1);
    expect(await cached(library.server)).toEqual([3, 0, 4]);
    expect(library.films[1]?.bytesSent).toBe(6 * MIB);
  });

  test('a film larger than the quota plays, keeps what is free, and pushes nothing out', async () => {
    const library = await Library.open([3, 12], { maxSize: 6 * MIB });
    await library.play(0);
    await library.play(1);
    expect(await cached(library.server)).toEqual([3, 3]);
    expect(library.films[1]?.bytesSent).toBe(12 * MIB);
    await library.play(0);
    expect(library.films[0]?.bytesSent).toBe(3 * MIB);
  });
});

describe('background work finds the cache full', () => {
  test('a fill takes what was read before its film, and nothing that is being read', async () => {
    const library = await Library.open([3, 3, 6], { maxSize: 8 * MIB, fill: 'always' });
    const { cache } = library.server;
    await (await cache.get(1))?.prefetch();
    await library.play(1);
    await library.play(2, 0, 99);
    await eventually('it fills', async () => (await cached(library.server))[2] === 5);
    expect(await cached(library.server)).toEqual([0, 3, 5]);
  });

  test('a prefetch for which nothing may go says so, and asks the origin for no more than what the resource is', async () => {
    const library = await Library.open([3, 3], { maxSize: 3 * MIB });
    await library.play(0);
    await (await library.server.cache.get(1))?.pin();
    const entry = await library.server.cache.get(2);
    const failure = await entry?.prefetch().catch((error: unknown) => error);
    expect(isSeekwellError(failure, 'QUOTA_EXCEEDED')).toBe(true);
    expect(await entry?.info()).toMatchObject({ downloadedBytes: 0, expectedTotalSize: 3 * MIB, pendingChunks: 3 });
    expect(library.films[1]?.requests.length).toBe(1);
  });

  test('what the user asks for takes what was only asked for earlier', async () => {
    const library = await Library.open([3, 3], { maxSize: 5 * MIB });
    for (const id of [1, 2]) await (await library.server.cache.get(id))?.prefetch();
    expect(await cached(library.server)).toEqual([0, 3]);
  });
});

describe('the disk fills from elsewhere', () => {
  test('the cache takes no more than leaves min-free, and gives back what is too much', async () => {
    const diskSpace = new SharedDisk(10 * MIB);
    const library = await Library.open([3, 3, 3], { maxSize: 'unlimited', minFree: 4 * MIB, diskSpace });
    const { cache } = library.server;
    await library.play(0);
    diskSpace.freeBytes = 7 * MIB;
    await library.play(1);
    diskSpace.freeBytes = 4 * MIB;
    expect(await cache.gc()).toMatchObject({ evictedEntries: 0, limitBytes: 6 * MIB, excessBytes: 0 });
    diskSpace.freeBytes = 3 * MIB;
    expect(await cache.gc()).toMatchObject({ evictedEntries: 1, evictedBytes: 3 * MIB, recordedBytes: 3 * MIB });
    expect(await cached(library.server)).toEqual([0, 3, 0]);
    diskSpace.freeBytes = 0;
    await cache.gc();
    await library.play(2);
    expect(await cached(library.server)).toEqual([0, 0, 0]);
  });

  test('a claim evicts for it too', async () => {
    const diskSpace = new SharedDisk(5 * MIB);
    const library = await Library.open([3, 3], { maxSize: 'unlimited', minFree: '1%', diskSpace, fill: 'never' });
    await library.play(0);
    diskSpace.freeBytes = 2 * MIB;
    // What the disk said is believed for a second.
    await library.server.cache.gc();
    await library.play(1);
    expect(await cached(library.server)).toEqual([0, 3]);
  });

  test('the disk is not asked for each claim', async () => {
    const diskSpace = new SharedDisk(90 * MIB);
    const library = await Library.open([12], { maxSize: 'unlimited', minFree: 0.01 * MIB, diskSpace, chunkSize: 64 * 1024 });
    const begun = performance.now();
    await library.play(0);
    expect(diskSpace.looks).toBeLessThanOrEqual(1 + (performance.now() - begun) / 1_000);
  });
});

describe('another process takes the bytes away', () => {
  test.each(['evicts', 'removes'])('that %s: who reads ends on the old file with right bytes, or is cut', async (how) => {
    const cacheDir = await temporaryFolder();
    const origin = await ScriptedOrigin.start();
    const [film, other] = [origin.add('/film.mkv', { size: 6 * MIB }), origin.add('/other.mkv', { size: 6 * MIB })];
    const first = await CacheServer.start({ cacheDir, fill: 'never', maxSize: 7 * MIB });
    const second = await CacheServer.start({ cacheDir, fill: 'never', maxSize: 7 * MIB });
    const url = await first.streamOf(film.url);
    await get(url, `bytes=0-${2 * MIB - 1}`);
    film.next(1, { fault: { kind: 'stall', after: MIB } });
    const reading = get(url).catch(() => Buffer.alloc(0));
    await film.waitForBytes(3 * MIB);
    // A reader has its bytes before they are recorded, and what is not recorded cannot go.
    await eventually('the first bytes are recorded', async () => (await first.cache.spansOf(1)).length > 0);
    if (how === 'removes') await second.cache.remove(1);
    else {
      const repository = await SqliteRepository.open({ path: join(cacheDir, 'seekwell.db'), owner: 'another' });
      // As an eviction by one that does not see the lease: late, or with a clock that is ahead.
      const request = { for: 'quota', entryId: null, quota: 0, bytes: 0, newFilePaths: ['files/00/0'] } as const;
      expect((await repository.evict(request, Date.now() + 60_000)).evicted).toEqual([{ entryId: 1, bytes: expect.any(Number) }]);
      await repository.close();
      await second.cache.gc();
    }
    await get(await second.streamOf(other.url), `bytes=0-${MIB - 1}`);
    film.release();
    const bytes = await reading;
    expect(firstDifference(film.seed, 0, bytes)).toBeNull();
    if (how === 'evicts') expect(bytes.length).toBe(film.size);
    await first.stop();
    await second.stop();
    const original = join(await temporaryFolder(), 'original');
    await writeFile(original, film.bytes());
    const spans = recordedSpans(cacheDir).filter(({ entryId }) => entryId === 1);
    expect(await falseSpans(spans, original)).toEqual([]);
  });
});

describe('gc', () => {
  test('finishes a removal that a crash cut short, and removes what no entry owns', async () => {
    const library = await Library.open([3, 3]);
    const { cache } = library.server;
    await library.play(0);
    await library.play(1);
    const [doomed, kept] = [filePathOf(library.cacheDir, 1), filePathOf(library.cacheDir, 2)];
    const stray = join(library.cacheDir, 'files/ff/stray.mkv');
    await mkdir(dirname(stray), { recursive: true });
    await writeFile(stray, 'x');
    const foreign = join(library.cacheDir, 'files/my films');
    await mkdir(foreign, { recursive: true });
    for (const name of ['holiday.mkv', '../notes.txt']) await writeFile(join(foreign, name), 'x');
    const repository = await SqliteRepository.open({ path: join(library.cacheDir, 'seekwell.db'), owner: 'killed' });
    await repository.removeBytes({ entryId: 1, epoch: 0, newFilePath: 'files/00/1' }, Date.now());
    // It is killed here: the file is still there.
    await repository.close();
    await access(doomed);
    expect(await cache.gc()).toEqual({
      evictedEntries: 0,
      evictedBytes: 0,
      finishedRemovals: 1,
      strayFiles: 1,
      recordedBytes: 3 * MIB,
      limitBytes: expect.any(Number),
      excessBytes: 0,
    });
    const files = await readdir(join(library.cacheDir, 'files'), { recursive: true });
    const left = files.filter((name) => name.includes('.')).map((name) => join(library.cacheDir, 'files', name));
    expect(left.sort()).toEqual([kept, join(foreign, 'holiday.mkv'), join(foreign, '../notes.txt')].sort());
    await library.play(1);
    expect(library.films[1]?.bytesSent).toBe(3 * MIB);
  });

  test('leaves alone what is being fetched, here and elsewhere', async () => {
    const library = await Library.open([6], { maxSize: 8 * MIB });
    const { films, urls } = library;
    films[0]?.next(1, { fault: { kind: 'stall', after: MIB / 2 } });
    const reading = get(urls[0] ?? '');
    await films[0]?.waitForBytes(MIB / 2);
    const other = await CacheServer.start({ cacheDir: library.cacheDir, maxSize: 1024, background: false });
    const file = filePathOf(library.cacheDir, 1);
    const report = await other.cache.gc();
    expect(report).toMatchObject({ evictedEntries: 0, strayFiles: 0 });
    expect(report.excessBytes).toBeGreaterThanOrEqual(MIB - 1024);
    films[0]?.release();
    expect((await reading).equals(films[0]?.bytes() ?? Buffer.alloc(0))).toBe(true);
    expect(filePathOf(library.cacheDir, 1)).toBe(file);
  });
});
