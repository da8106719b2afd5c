import { describe, expect, test } from 'vitest';
import { CacheServer } from '../support/cache-server.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;

/** The bytes from `start` to `end` of `url`, as a player asks for them. */
async function bytesOf(url: string, start: number, end: number): Promise<Buffer> {
  const answer = await fetch(url, { headers: { range: `bytes=${start}-${end}` } });
  expect(answer.status).toBe(206);
  return Buffer.from(await answer.arrayBuffer());
}

/** A player that takes what comes from `start` on until the end of the test. Tells how much it got. */
function player(url: string, start: number): { bytes(): number } {
  const leave = new AbortController();
  afterThisTest(() => leave.abort());
  let got = 0;
  const play = async (): Promise<void> => {
    const answer = await fetch(url, { headers: { range: `bytes=${start}-` }, signal: leave.signal });
    for await (const chunk of answer.body ?? []) got += chunk.length;
  };
  play().catch(() => {});
  return { bytes: () => got };
}

/** All its connections send for background work. */
async function filling(server: CacheServer, film: ScriptedResource, connections: number): Promise<void> {
  await (await server.cache.add({ url: film.url })).requestPrefetch(null);
  await film.changes.until(
    () => film.requests.filter(({ outcome, bytesSent }) => outcome === 'running' && bytesSent > 0).length === connections,
  );
}

describe('an origin that takes so many connections and no more', () => {
  test.each([
    ['429', 1, 429],
    ['503', 2, 503],
    ['closing the rest', 4, null],
  ])('by %s: background work gives way to a reader', async (_how, limit, status) => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 64 * MIB, rate: 2 * MIB, parallel: { limit, status } });
    const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: limit, connectionsPerOrigin: limit });
    await filling(server, film, limit);
    const start = 60 * MIB;
    const body = await bytesOf(await server.streamOf(film.url), start, start + 99_999);
    expect(body.equals(film.bytes(start, start + 99_999))).toBe(true);
    expect((await server.cache.infoOf(1)).lastError).toBeNull();
  });

  test('by closing the rest: is not asked again and again for more', async () => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 16 * MIB, rate: 4 * MIB, parallel: { limit: 1, status: null } });
    const server = await CacheServer.start({ cacheDir: await temporaryFolder(), chunkSize: MIB });
    const body = Buffer.from(await (await fetch(await server.streamOf(film.url))).arrayBuffer());
    expect(body.equals(film.bytes())).toBe(true);
    // Sixteen runs at the most, before each of which a few may be refused.
    expect(film.requests.length).toBeLessThan(64);
  });
});

test('each of many readers is served, and none beyond the hard limit', async () => {
  const origin = await ScriptedOrigin.start();
  const films = Array.from({ length: 3 }, (_, index) => origin.add(`/${index}.mkv`, { size: 256 * MIB, rate: 8 * MIB }));
  const options = { connections: 1, connectionsPerOrigin: 1, chunkSize: MIB, fill: 'never' } as const;
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), ...options });
  let most = 0;
  const watch = origin.changes.until(() => {
    most = Math.max(
      most,
      films.reduce((sum, { running }) => sum + running, 0),
    );
    return false;
  });
  void watch;
  const players = await Promise.all(films.map(async ({ url }) => player(await server.streamOf(url), 0)));
  await eventually('each has got something', () => players.every(({ bytes }) => bytes() > 3 * MIB));
  // One more while an aborted one has not been noticed by the origin.
  expect(most).toBeLessThanOrEqual(3);
});

test('background work on another film stands still while a reader fetches from its origin, then goes on', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 64 * MIB, rate: 4 * MIB });
  const other = origin.add('/other.mkv', { size: 8 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 2 });
  await filling(server, film, 2);
  // The reader's bytes stop coming, but it waits for them.
  other.behave({ fault: { kind: 'stall', after: 100_000 } });
  const url = await server.streamOf(other.url);
  const reader = bytesOf(url, 0, MIB - 1);
  await other.changes.until(() => other.requests.some(({ held }) => held));
  // What was on its way, and what the system and the queue hold, still comes.
  await eventually('it stands still, and in the end gives its connections up', () => film.running === 0);
  const stood = (await server.cache.infoOf(1)).downloadedBytes;
  expect(stood).toBeLessThan(64 * MIB);
  other.release();
  await reader;
  await eventually('it has gone on', async () => (await server.cache.infoOf(1)).downloadedBytes > stood);
});

test('background work that a reader will come to goes on', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 16 * MIB, rate: 4 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 2, backgroundLimitRate: 64 * 1024 });
  await filling(server, film, 2);
  const begun = [...film.requests];
  const body = Buffer.from(await (await fetch(await server.streamOf(film.url))).arrayBuffer());
  expect(body.equals(film.bytes())).toBe(true);
  expect(begun.map(({ outcome }) => outcome)).not.toContain('client-closed');
});

test('of many short readings that ended no more goes on than the limits allow', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 256 * MIB, rate: MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 2 });
  const url = await server.streamOf(film.url);
  await bytesOf(url, 0, 0);
  await Promise.all(Array.from({ length: 10 }, (_, index) => bytesOf(url, (index + 1) * 20 * MIB, (index + 1) * 20 * MIB + 65_535)));
  await eventually('what nobody waits for has ended', () => server.cache.activeFetches <= 2);
  expect(film.requests.filter(({ outcome }) => outcome === 'running').length).toBeLessThanOrEqual(3);
});

test('readers of the end of a resource that nobody knows yet share a request', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 8 * MIB, hold: true });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), fill: 'never' });
  const url = await server.streamOf(film.url);
  const ask = async (length: number): Promise<Buffer> =>
    Buffer.from(await (await fetch(url, { headers: { range: `bytes=-${length}` } })).arrayBuffer());
  const first = ask(MIB);
  await film.waitForRequests(1);
  const others = [ask(MIB), ask(MIB / 2), ask(1000)];
  // The others have had their turn by then: their demands are there.
  await eventually('all are there', () => server.cache.traffic.openReaders === 4);
  film.behave({ hold: false });
  film.release();
  for (const body of await Promise.all([first, ...others])) expect(body.equals(film.bytes(film.size - body.length))).toBe(true);
  expect(film.distinctBytes()).toBe(film.bytesSent);
});

test('a resource that fails ends nothing that is fetched ahead of the readers of another one', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 256 * MIB, rate: 2 * MIB });
  const failing = origin.add('/failing.mkv', { size: MIB, status: 500 });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), fill: 'never' });
  player(await server.streamOf(film.url), 0);
  await film.changes.until(() => film.requests.filter(({ outcome, bytesSent }) => outcome === 'running' && bytesSent > MIB).length === 4);
  expect((await fetch(await server.streamOf(failing.url))).status).toBe(503);
  expect(film.requests.filter(({ outcome }) => outcome === 'client-closed')).toHaveLength(0);
});

test('a reader that has all connections of its film ends no work on another one at an origin that has room', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 256 * MIB, rate: 2 * MIB });
  const other = origin.add('/other.mkv', { size: 256 * MIB, rate: 2 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 2, connectionsPerOrigin: 16, fill: 'never' });
  await filling(server, film, 2);
  const reader = player(await server.streamOf(other.url), 0);
  await eventually('it has all its connections', () => other.running === 2 && reader.bytes() > 4 * MIB);
  expect(film.requests.filter(({ outcome }) => outcome === 'client-closed')).toHaveLength(0);
});
