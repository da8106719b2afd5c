import { expect, test } from 'vitest';
import { CacheServer } from '../support/cache-server.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;

async function read(url: string, range: string): Promise<Buffer> {
  return Buffer.from(await (await fetch(url, { headers: { range } })).arrayBuffer());
}

test('a prefetch uses the connections it may use, to the end, and asks for each byte once', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 20 * MIB, rate: 4 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder() });
  const entry = await server.cache.add({ url: film.url });
  await entry.prefetch();
  expect(origin.mostAtOnce).toBe(4);
  expect(film.distinctBytes()).toBe(film.size);
  // What a connection had on its way when another took half of its rest.
  expect(film.bytesSent / film.size).toBeLessThan(1.1);
});

test('--connections bounds them', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 20 * MIB, rate: 20 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 2 });
  await (await server.cache.add({ url: film.url })).prefetch();
  expect(origin.mostAtOnce).toBe(2);
});

test('a reader that takes bytes as they come gets several connections', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 24 * MIB, rate: 8 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder() });
  const url = await server.streamOf(film.url);
  expect((await read(url, 'bytes=0-')).equals(film.bytes())).toBe(true);
  expect(origin.mostAtOnce).toBeGreaterThan(2);
  expect(film.bytesSent).toBe(film.size);
});

test('a reader in the middle gets its connections to what lies ahead of it, filled or not', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 64 * MIB, rate: 8 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), fill: 'never' });
  const url = await server.streamOf(film.url);
  const range = { start: 32 * MIB, end: 56 * MIB - 1 };
  expect((await read(url, `bytes=${range.start}-${range.end}`)).equals(film.bytes(range.start, range.end))).toBe(true);
  expect(origin.mostAtOnce).toBeGreaterThan(2);
  expect(film.bytesSent).toBe(24 * MIB);
});

test('a player that takes a little of each place opens one connection at a time', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 64 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), fill: 'never' });
  const url = await server.streamOf(film.url);
  for (const at of [0, 60 * MIB, 20 * MIB]) await read(url, `bytes=${at}-${at + 256 * 1024}`);
  expect(origin.mostAtOnce).toBe(1);
  expect(film.requests).toHaveLength(3);
});

test('readers that wait go beyond the limit per origin, up to twice it; the next one waits, and background work gives way', async () => {
  const origin = await ScriptedOrigin.start();
  const films = [0, 1, 2, 3, 4].map((index) => origin.add(`/film-${index}.mkv`, { size: 8 * MIB }));
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 2, connectionsPerOrigin: 2, fill: 'never' });
  const urls = await Promise.all(films.map(({ url }) => server.streamOf(url)));
  for (const film of films) film.behave({ fault: { kind: 'stall', after: 64 * 1024 } });
  await (await server.cache.get(5))?.requestPrefetch(null);
  await films[4]?.waitForBytes(64 * 1024);
  const leave = new AbortController();
  const waiting = urls.slice(0, 4).map(async (url) => {
    const response = await fetch(url, { signal: leave.signal, headers: { range: 'bytes=0-' } });
    return response.body?.getReader().read();
  });
  await Promise.all(waiting);
  expect(origin.mostAtOnce).toBeLessThanOrEqual(4);
  for (const film of films) film.behave({ fault: null });
  const fifth = read(urls[4] ?? '', 'bytes=4000000-4000099');
  leave.abort();
  expect((await fifth).equals(films[4]?.bytes(4_000_000, 4_000_099) ?? Buffer.alloc(0))).toBe(true);
  expect(origin.mostAtOnce).toBeLessThanOrEqual(4);
});

test('a reader that waits for a connection hears of it when another one had no use for its own', async () => {
  const origin = await ScriptedOrigin.start();
  const films = [0, 1, 2, 3, 4, 5].map((index) => origin.add(`/film-${index}.mkv`, { size: 2 * MIB }));
  // Nothing can be kept: each claim comes to nothing, and no fetch is there whose end could tell those who wait.
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connectionsPerOrigin: 1, maxSize: 1 });
  const urls = await Promise.all(films.map(({ url }) => server.streamOf(url)));
  const answers = await Promise.all(urls.map((url) => read(url, 'bytes=0-')));
  for (const [index, bytes] of answers.entries()) expect(bytes.equals(films[index]?.bytes() ?? Buffer.alloc(0))).toBe(true);
});

test('without look-ahead a reader still gets its bytes', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 9 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), lookahead: 0, fill: 'never' });
  const url = await server.streamOf(film.url);
  expect((await read(url, 'bytes=0-')).equals(film.bytes())).toBe(true);
  await (await server.cache.get(1))?.prefetch();
  await eventually('all is recorded', async () => (await server.cache.infoOf(1)).state === 'Complete');
});

test('a waiting reader takes over from background work at the exact byte', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 32 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 1 });
  const entry = await server.cache.add({ url: film.url });
  film.behave({ fault: { kind: 'stall', after: MIB } });
  await entry.requestPrefetch(null);
  await film.waitForBytes(MIB);
  film.behave({ fault: null });
  const bytes = await read(await server.streamOf(film.url), `bytes=${3 * MIB}-${3 * MIB + 99}`);
  expect(bytes.equals(film.bytes(3 * MIB, 3 * MIB + 99))).toBe(true);
  expect(film.requests.some(({ range }) => range?.start === 3 * MIB)).toBe(true);
  film.release();
});

test('a reader that takes a few bytes and leaves starts the fill all the same', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 9 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder() });
  await read(await server.streamOf(film.url), 'bytes=0-99');
  await eventually('the fill is done', async () => (await server.cache.infoOf(1)).state === 'Complete');
  expect(film.bytesSent).toBe(film.size);
});

test('a cache that closes while claims are made leaves no lease behind', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 9 * MIB, rate: MIB });
  const cacheDir = await temporaryFolder();
  const server = await CacheServer.start({ cacheDir });
  const reading = read(await server.streamOf(film.url), 'bytes=0-').catch(() => null);
  await film.waitForBytes(1);
  await server.stop();
  await reading;
  const other = await CacheServer.start({ cacheDir, background: false });
  expect((await other.cache.statistics()).leasedBytes).toBe(0);
});
