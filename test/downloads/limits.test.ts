import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CacheServer } from '../support/cache-server.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;

/**
 * The most requests that may be under way at one origin, waiting readers included, for `--connections-per-origin` of `perOrigin`. HARD_FACTOR in
 * connection-limits.ts.
 */
function hardLimit(perOrigin: number): number {
  return 2 * perOrigin;
}

test('waiting readers go beyond --connections-per-origin, up to a hard limit', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 200 * MIB, hold: true });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 2, connectionsPerOrigin: 2, fill: 'never' });
  const url = await server.streamOf(film.url);
  const limit = hardLimit(2);
  const readers = Array.from({ length: 24 }, async (_, i) => {
    const start = i * 8 * MIB;
    const response = await fetch(url, { headers: { range: `bytes=${start}-${start + 99}` } });
    return Buffer.from(await response.arrayBuffer()).equals(film.bytes(start, start + 99));
  });
  await film.waitForRequests(limit);
  await eventually('every reader is there', () => server.proxy.openStreams === readers.length);
  film.release();
  expect(await Promise.all(readers)).toEqual(readers.map(() => true));
  expect(origin.mostAtOnce).toBe(limit);
});

test.each([429, 503])(
  '%d halves the connections: the refused are not asked for all at once again',
  async (status) => {
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 48 * MIB, rate: 8 * MIB, parallel: { limit: 2, status } });
    const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 8, connectionsPerOrigin: 8 });
    await (await server.cache.add({ url: film.url })).prefetch();
    const refused = film.requests.filter((request) => request.status === status);
    expect(refused.length).toBeGreaterThan(0);
    // 8 at first (6 refused), then 4 (2 refused), then 2, and now and then a try with one more. Without halving: 115 of 128.
    expect(refused.length).toBeLessThanOrEqual(24);
    expect(film.distinctBytes()).toBe(film.size);
    expect(film.bytesSent / film.size).toBeLessThan(1.1);
  },
  60_000,
);

test.each([500, 429])(
  'an origin that answers %d is asked now and then, however much a reader could use',
  async (status) => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 256 * MIB, rate: 4 * MIB });
    const server = await CacheServer.start({ cacheDir: await temporaryFolder(), chunkSize: MIB, fill: 'never' });
    const leave = new AbortController();
    afterThisTest(() => leave.abort());
    const answer = await fetch(await server.streamOf(film.url), { headers: { range: 'bytes=0-' }, signal: leave.signal });
    const reading = answer.arrayBuffer().catch(() => {});
    await film.changes.until(() => film.running >= 3 && film.bytesSent > 16 * MIB);
    film.behave({ status });
    const failed = (): number => film.requests.filter((request) => request.status === status).length;
    await film.changes.until(() => failed() > 0);
    const began = performance.now();
    // Those that were due together, and then the reader's own, each after a second.
    await film.changes.until(() => failed() >= 9);
    expect(performance.now() - began).toBeGreaterThan(2_500);
    leave.abort();
    await reading;
  },
  60_000,
);

test('connections that fail while nothing else flows are an outage, and not too many', async () => {
  const origin = await ScriptedOrigin.start();
  let until = Number.POSITIVE_INFINITY;
  const film = origin.add('/film.mkv', { size: 256 * MIB, rate: 4 * MIB, gate: () => until });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), chunkSize: MIB, fill: 'never' });
  const url = await server.streamOf(film.url);
  const leave = new AbortController();
  afterThisTest(() => leave.abort());
  const read = (start: number, { signal }: AbortController): Promise<unknown> =>
    fetch(url, { headers: { range: `bytes=${start}-` }, signal })
      .then((answer) => answer.arrayBuffer())
      .catch(() => {});
  const reading = [read(0, leave)];
  await film.changes.until(() => film.running >= 3 && film.bytesSent > 16 * MIB);
  until = 0;
  film.behave({ fault: { kind: 'drop' } });
  // For so long nothing comes.
  await setTimeout(1_000);
  const asked = film.requests.length;
  const seek = new AbortController();
  reading.push(read(128 * MIB, seek), read(192 * MIB, seek));
  await film.changes.until(() => film.requests.length >= asked + 3);
  seek.abort();
  until = Number.POSITIVE_INFINITY;
  film.behave({ fault: null });
  origin.changes.notify();
  await eventually('all connections are in use again', () => film.running >= 4);
  leave.abort();
  await Promise.all(reading);
}, 60_000);

test.each([
  ['that takes one connection, whoever reads on', {}, 8],
  ['asked over one connection, by the user’s wish', { connections: 1 }, 0],
])('an origin %s is asked for the next bytes when the last have come', async (_, options, mostRefused) => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 48 * MIB, rate: 16 * MIB, parallel: { limit: 1, status: 503 } });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), chunkSize: MIB, ...options });
  const response = await fetch(await server.streamOf(film.url), { headers: { range: 'bytes=0-' } });
  expect(Buffer.from(await response.arrayBuffer()).equals(film.bytes())).toBe(true);
  expect(film.bytesSent).toBe(film.size);
  const refused = film.requests.filter(({ status }) => status === 503).length;
  expect(refused).toBeLessThanOrEqual(mostRefused);
  // Runs are as long as if the next had been asked for before the last one ended.
  expect(film.requests.length - refused).toBeLessThan(20);
});
