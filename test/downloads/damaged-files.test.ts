import { rm, truncate } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Logger } from '#seekwell/logger';
import { CacheServer } from '../support/cache-server.ts';
import { cachedFilm } from '../support/cached-film.ts';
import { Daemon } from '../support/daemon.ts';
import { flipByte, forgetChecksums, recordedChecksums } from '../support/damage.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { firstDifference } from '../support/seeded-bytes.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;
/** Six whole blocks and a last one of 700 bytes. */
const SIZE = 6 * MIB + 700;

async function get(url: string, range?: string): Promise<{ status: number; body: Buffer }> {
  const response = await fetch(url, range === undefined ? {} : { headers: { range } });
  return { status: response.status, body: Buffer.from(await response.arrayBuffer()) };
}

/** What arrives of a body that is perhaps cut. */
async function received(url: string): Promise<{ status: number; bytes: Buffer; cut: boolean }> {
  const response = await fetch(url);
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of response.body ?? []) chunks.push(chunk);
    return { status: response.status, bytes: Buffer.concat(chunks), cut: false };
  } catch {
    return { status: response.status, bytes: Buffer.concat(chunks), cut: true };
  }
}

function noting(warnings: string[]): Logger {
  const nothing = (): void => {};
  return { debug: nothing, info: nothing, error: nothing, warn: (_, message) => warnings.push(message) };
}

test('every block that becomes whole has its checksum, whoever completes it', async () => {
  const cacheDir = await temporaryFolder();
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: SIZE });
  const server = await CacheServer.start({ cacheDir });
  const url = await server.streamOf(film.url);
  // Halves of blocks, in parallel and out of order: most blocks are completed by another fetch than the one that began them.
  const starts = [3.5, 0.5, 5.5, 1.5, 0, 4.5, 2.5].map((block) => block * MIB);
  await Promise.all(starts.map((start) => get(url, `bytes=${start}-${start + MIB - 1}`)));
  await eventually('everything', async () => (await server.cache.infoOf(1)).state === 'Complete');
  await server.stop();
  const expected = Array.from({ length: 7 }, (_, block) => crc32(film.bytes(block * MIB, Math.min(SIZE, (block + 1) * MIB) - 1)));
  expect(recordedChecksums(cacheDir)).toEqual({ ...expected });
});

test.each([0, 2.5 * MIB, SIZE - 1])('a flipped byte at %i: right bytes, fetched again, and one warning', async (at) => {
  const { cacheDir, film, path } = await cachedFilm(SIZE);
  const sent = film.bytesSent;
  await flipByte(path, at);
  const warnings: string[] = [];
  const server = await CacheServer.start({ cacheDir, logger: noting(warnings) });
  const url = await server.streamOf(film.url);
  const bodies = await Promise.all([get(url), get(url), get(url)]);
  for (const { body } of bodies) expect(firstDifference(film.seed, 0, body)).toBeNull();
  expect(warnings).toEqual(['cached bytes are damaged: they are fetched anew']);
  expect((await server.cache.find(1))?.epoch).toBe(1);
  await eventually('everything', async () => (await server.cache.infoOf(1)).state === 'Complete');
  expect(film.bytesSent - sent).toBe(at === SIZE - 1 ? 700 : MIB);
  await server.stop();
  expect(Object.keys(recordedChecksums(cacheDir))).toHaveLength(7);
});

test('a seek into a damaged block', async () => {
  const { cacheDir, film, path } = await cachedFilm(SIZE);
  await flipByte(path, 3 * MIB + 5);
  const server = await CacheServer.start({ cacheDir, fill: 'never' });
  const { body } = await get(await server.streamOf(film.url), `bytes=${3 * MIB + 1000}-${3 * MIB + 1999}`);
  expect(firstDifference(film.seed, 3 * MIB + 1000, body)).toBeNull();
});

test('without its origin a damaged block is no wrong byte: an error before the first one, a cut body after it', async () => {
  const { cacheDir, origin, film, path } = await cachedFilm(SIZE);
  await flipByte(path, 2 * MIB + 5);
  await origin.close();
  const server = await CacheServer.start({ cacheDir });
  const url = await server.streamOf(film.url);
  expect((await get(url, `bytes=${2 * MIB + 100}-`)).status).toBe(503);
  const entry = await server.cache.get(1);
  const chunks: Uint8Array[] = [];
  const reading = async (): Promise<void> => {
    for await (const chunk of entry?.read({ cachedOnly: true }) ?? []) chunks.push(chunk);
  };
  await expect(reading()).rejects.toMatchObject({ code: 'INCOMPLETE' });
  const bytes = Buffer.concat(chunks);
  expect([bytes.length, firstDifference(film.seed, 0, bytes)]).toEqual([2 * MIB, null]);
});

test('cut short: right bytes, and only what is missing is fetched, with the rest of its block', async () => {
  const { cacheDir, film, path } = await cachedFilm(SIZE);
  const sent = film.bytesSent;
  await truncate(path, 4 * MIB + 100);
  const server = await CacheServer.start({ cacheDir });
  const { status, bytes, cut } = await received(await server.streamOf(film.url));
  expect([status, cut, firstDifference(film.seed, 0, bytes), bytes.length]).toEqual([200, false, null, SIZE]);
  await eventually('everything', async () => (await server.cache.infoOf(1)).state === 'Complete');
  expect(film.bytesSent - sent).toBe(2 * MIB + 700);
});

test('cut short and damaged before the new end: right bytes', async () => {
  const { cacheDir, film, path } = await cachedFilm(SIZE);
  await flipByte(path, 4 * MIB + 50);
  await truncate(path, 4 * MIB + 100);
  const server = await CacheServer.start({ cacheDir });
  const { body } = await get(await server.streamOf(film.url));
  expect([body.length, firstDifference(film.seed, 0, body)]).toEqual([SIZE, null]);
});

test('cut short while it is read: right bytes', async () => {
  const { cacheDir, film, path } = await cachedFilm(SIZE);
  const server = await CacheServer.start({ cacheDir });
  const url = await server.streamOf(film.url);
  await get(url);
  await truncate(path, 4 * MIB + 100);
  const { body } = await get(url);
  expect([body.length, firstDifference(film.seed, 0, body)]).toEqual([SIZE, null]);
});

test('removed: right bytes', async () => {
  const { cacheDir, film, path } = await cachedFilm(SIZE);
  await rm(path);
  const server = await CacheServer.start({ cacheDir });
  const { body } = await get(await server.streamOf(film.url));
  expect([body.length, firstDifference(film.seed, 0, body)]).toEqual([SIZE, null]);
});

test('two processes read a damaged block at once: both get right bytes, and it is cut once', async () => {
  const { cacheDir, film, path } = await cachedFilm(SIZE);
  await flipByte(path, 2 * MIB + 5);
  const servers = [await CacheServer.start({ cacheDir }), await CacheServer.start({ cacheDir })];
  const urls = await Promise.all(servers.map((server) => server.streamOf(film.url)));
  const bodies = await Promise.all([...urls, ...urls].map((url) => get(url)));
  for (const { body } of bodies) expect([body.length, firstDifference(film.seed, 0, body)]).toEqual([SIZE, null]);
  expect((await servers[0]?.cache.find(1))?.epoch).toBe(1);
});

test('killed after the cut, before the block is there again: the next process fetches it', async () => {
  const { cacheDir, film, path } = await cachedFilm(SIZE);
  await flipByte(path, 2 * MIB + 5);
  film.behave({ hold: true });
  const daemon = await Daemon.start({ cacheDir });
  const { streamUrl } = await daemon.register(film.url);
  const reading = get(streamUrl).catch(() => null);
  await eventually('the cut', async () => (await daemon.ranges(1)).length === 2);
  await daemon.kill9();
  await reading;
  film.behave({ hold: false });
  film.release();
  const server = await CacheServer.start({ cacheDir });
  expect((await server.cache.infoOf(1)).downloadedBytes).toBe(SIZE - MIB);
  const { body } = await get(await server.streamOf(film.url));
  expect(firstDifference(film.seed, 0, body)).toBeNull();
});

test('blocks without a checksum get one from their first reader', async () => {
  const { cacheDir, film } = await cachedFilm(SIZE);
  const before = recordedChecksums(cacheDir);
  forgetChecksums(cacheDir);
  const server = await CacheServer.start({ cacheDir });
  await get(await server.streamOf(film.url), `bytes=0-${2 * MIB}`);
  await server.stop();
  expect(recordedChecksums(cacheDir)).toEqual({ 0: before[0], 1: before[1], 2: before[2] });
});
