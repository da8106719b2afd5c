import { expect, test } from 'vitest';
import type { CacheOptions } from '#seekwell/cache-options';
import { FileCache } from '#seekwell/file-cache';
import { filePathOf } from '../support/cache-folder.ts';
import { flipByte, recordedChecksums } from '../support/damage.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

// What cannot be kept is still served. Each of these was first met by a simulation (test/simulation).

const MIB = 1024 * 1024;

async function openCache(options: CacheOptions): Promise<FileCache> {
  const cache = await FileCache.open({ durability: 'process-crash', background: false, ...options });
  afterThisTest(() => cache.close());
  return cache;
}

test('a resource that changed is served from a cache that has no room to keep it', async () => {
  const cacheDir = await temporaryFolder();
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 100_000 });
  const roomy = await openCache({ cacheDir, maxSize: 'unlimited', fill: 'never' });
  await (await roomy.add({ url: film.url })).readAt(new Uint8Array(1_000), 0);
  await roomy.close();
  film.change();

  const full = await openCache({ cacheDir, maxSize: 1, fill: 'never' });
  const entry = await full.add({ url: film.url });
  const some = new Uint8Array(1_000);
  // Whoever has been told of the old version is not given the new one.
  await expect(entry.readAt(some, 50_000)).rejects.toMatchObject({ code: 'ORIGIN_CHANGED' });
  expect(await entry.readAt(some, 50_000)).toBe(1_000);
  expect(Buffer.from(some).equals(film.bytes(50_000, 50_999))).toBe(true);
});

test('an origin without ranges is asked once for a body that the cache has no room for', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: MIB, ranges: false });
  const cache = await openCache({ cacheDir: await temporaryFolder(), maxSize: 100_000, fill: 'never' });
  const entry = await cache.add({ url: film.url });
  const some = new Uint8Array(1_000);
  // What is asked for has room, and what comes has not: it begins at the start.
  expect(await entry.readAt(some, 500_000)).toBe(1_000);
  expect(Buffer.from(some).equals(film.bytes(500_000, 500_999))).toBe(true);
  // The second one is passed through.
  expect(film.requests.length).toBe(2);
});

test('an origin without ranges is not asked again and again when its body outgrows the room', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: MIB, ranges: false });
  const cache = await openCache({ cacheDir: await temporaryFolder(), maxSize: 200_000, chunkSize: 150_000, fill: 'never' });
  const entry = await cache.add({ url: film.url });
  expect(await entry.readAt(new Uint8Array(1_000), 0)).toBe(1_000);
  const some = new Uint8Array(1_000);
  expect(await entry.readAt(some, 500_000)).toBe(1_000);
  expect(Buffer.from(some).equals(film.bytes(500_000, 500_999))).toBe(true);
  expect(film.requests.length).toBeLessThanOrEqual(4);
});

test('bytes that another process recorded are not taken for those of a version that is just heard of', async () => {
  const cacheDir = await temporaryFolder();
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: MIB, ranges: false, lengthKnown: false });
  const [first, second] = [await openCache({ cacheDir, fill: 'never' }), await openCache({ cacheDir, fill: 'never' })];
  const entry = await first.add({ url: film.url });
  const view = await second.viewOf(entry.key, 0);
  if (view === null) throw new Error('the entry is not there');
  await entry.readAt(new Uint8Array(100_000), 0);
  film.change();

  // It looked before anything was known, and asks for what the other one has not recorded.
  const reader = await second.openReader(view, { spec: { kind: 'from', start: 900_000, end: null }, mayFetch: true });
  afterThisTest(() => reader.close());
  reader.begin({ start: 0, end: MIB - 1 });
  const some = Buffer.alloc(1_000);
  const got = await reader.read(some).catch(() => 0);
  expect(some.subarray(0, got).equals(film.bytes(0, got - 1))).toBe(true);
});

test('more readers than an origin may have connections are all served, though none of their fetches ends: there are none', async () => {
  const origin = await ScriptedOrigin.start();
  const films = Array.from({ length: 6 }, (_, index) => origin.add(`/film-${index}.mkv`, { size: 100_000 }));
  const cache = await openCache({ cacheDir: await temporaryFolder(), maxSize: 1, connectionsPerOrigin: 1, fill: 'never' });
  const entries = await Promise.all(films.map(({ url }) => cache.add({ url })));
  const some = await Promise.all(
    entries.map(async (entry) => {
      const bytes = Buffer.alloc(1_000);
      await entry.readAt(bytes, 50_000);
      return bytes;
    }),
  );
  for (const [index, film] of films.entries()) expect(some[index]?.equals(film.bytes(50_000, 50_999))).toBe(true);
});

test('a reader is told the version that is passed through to it, not another one that was just recorded', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 100_000, ranges: false, lengthKnown: false });
  film.behave({
    // The first answer is described in the database, and cannot be kept; the next one is of another version.
    guard: () => {
      if (film.requests.length === 1) setImmediate(() => film.change());
      return null;
    },
  });
  const cache = await openCache({ cacheDir: await temporaryFolder(), maxSize: 1, fill: 'never' });
  const { key } = await cache.add({ url: film.url });
  const view = await cache.viewOf(key, 0);
  if (view === null) throw new Error('the entry is not there');
  const reader = await cache.openReader(view, { spec: { kind: 'suffix', length: 50_000 }, mayFetch: true });
  afterThisTest(() => reader.close());
  const { etag } = reader.opened.description.validator;
  reader.begin({ start: 0, end: Number.MAX_SAFE_INTEGER - 1 });
  const some = Buffer.alloc(1_000);
  const count = await reader.read(some);
  expect([film.requests.length, film.version, etag]).toEqual([2, 2, film.etag]);
  expect(some.subarray(0, count).equals(film.bytes(0, count - 1))).toBe(true);
});

test('a reader of a resource without a length knows its end though bytes were taken out since it was found', async () => {
  const cacheDir = await temporaryFolder();
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: MIB + 1_000, ranges: false, lengthKnown: false });
  const cache = await openCache({ cacheDir, maxSize: 'unlimited' });
  const { id, key } = await cache.add({ url: film.url });
  const view = await cache.viewOf(key, 0);
  if (view === null) throw new Error('the entry is not there');
  const reader = await cache.openReader(view, { spec: null, mayFetch: true });
  afterThisTest(() => reader.close());
  expect(reader.opened.description.total).toBeNull();
  reader.begin({ start: 0, end: Number.MAX_SAFE_INTEGER - 1 });
  const buffer = Buffer.alloc(64 * 1024);
  while (reader.position < film.size) await reader.read(buffer);
  await eventually('it has a checksum', () => Object.keys(recordedChecksums(cacheDir)).length > 0);
  expect((await cache.infoOf(id)).state).toBe('Complete');
  await flipByte(filePathOf(cacheDir, id), 5);
  film.behave({ status: 404 });
  expect(await cache.verify(id, { repair: true })).toMatchObject({ repaired: false, bad: [{}] });
  expect((await cache.infoOf(id)).state).not.toBe('Complete');
  expect(await reader.read(buffer)).toBe(0);
});
