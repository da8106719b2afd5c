import { expect, test } from 'vitest';
import { CacheServer } from '../support/cache-server.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;

/** A player that opens `url` at `start`, takes what comes, and leaves at the end of the test, or when told. */
class Reader {
  readonly #abort = new AbortController();
  readonly #response: Promise<Response>;

  constructor(url: string, start: number, end: number | null = null) {
    this.#response = fetch(url, { headers: { range: `bytes=${start}-${end ?? ''}` }, signal: this.#abort.signal });
    this.#response.catch(() => {});
    afterThisTest(() => this.leave());
  }

  async body(): Promise<Buffer> {
    return Buffer.from(await (await this.#response).arrayBuffer());
  }

  leave(): void {
    this.#abort.abort();
  }
}

/** Stands still until `release`, with every connection it may have taken by background work. */
async function saturated(server: CacheServer, film: ScriptedResource, connections: number): Promise<void> {
  film.behave({ fault: { kind: 'stall', after: MIB } });
  await (await server.cache.add({ url: film.url })).requestPrefetch(null);
  await film.changes.until(() => film.requests.filter((request) => request.held).length === connections);
  film.behave({ fault: null });
}

test('every waiting reader gets a connection before any gets a second, also beyond --connections', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 64 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 2 });
  const url = await server.streamOf(film.url);
  // The total is known, so that what comes could be planned before the readers are served.
  await new Reader(url, 0, 0).body();
  await film.untilIdle();
  await server.cache.pause(1);
  await eventually('nothing is fetched', () => server.cache.activeFetches === 0);
  const before = film.requests.length;
  film.behave({ hold: true });
  const starts = [40 * MIB, 48 * MIB, 56 * MIB, 60 * MIB];
  for (const start of starts) new Reader(url, start);
  await film.waitForRequests(before + starts.length);
  expect(
    film.requests
      .slice(before)
      .map(({ rangeHeader }) => Number(rangeHeader?.slice('bytes='.length).split('-')[0]))
      .sort((a, b) => a - b),
  ).toEqual(starts);
  film.release();
});

test.each([
  ['the same entry', true],
  ['another entry of the same origin', false],
])('a reader of %s asks the origin while every connection is taken by background work', async (_, same) => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 64 * MIB });
  const other = same ? film : origin.add('/other.mkv', { size: 64 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 3, connectionsPerOrigin: 3 });
  await saturated(server, film, 3);
  const before = film.bytesSent;
  // Not where any of the three is.
  const start = 63 * MIB;
  const body = await new Reader(await server.streamOf(other.url), start, start + 99_999).body();
  expect(body.equals(other.bytes(start, start + 99_999))).toBe(true);
  // The reader had all its bytes before the background had one more.
  const sentToReader = same
    ? other.requests.filter(({ range }) => range?.start === start).reduce((sum, { bytesSent }) => sum + bytesSent, 0)
    : 0;
  expect(film.bytesSent - sentToReader).toBe(before);
  expect(film.requests.filter((request) => request.held)).toHaveLength(3);
  expect(other.requests.filter(({ range }) => range?.start === start)).toHaveLength(1);
  film.release();
});

test('a reader in the middle of what a background fetch holds does not wait for it', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 64 * MIB });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), connections: 3 });
  await saturated(server, film, 3);
  const [held] = film.requests.filter((request) => request.held);
  const range = held!.range!;
  const start = range.start + MIB + 300_000;
  expect(start).toBeLessThan(range.end);
  const body = await new Reader(await server.streamOf(film.url), start, start + 999).body();
  expect(body.equals(film.bytes(start, start + 999))).toBe(true);
  expect(held!.bytesSent).toBe(MIB);
  film.release();
  await eventually('the film is complete', async () => (await server.cache.infoOf(1)).state === 'Complete');
  expect(film.distinctBytes()).toBe(film.size);
});

test('background fill stands back while a reader is fetched for, and comes back when it left', async () => {
  const origin = await ScriptedOrigin.start();
  const [film, other] = [origin.add('/film.mkv', { size: 16 * MIB }), origin.add('/other.mkv', { size: 16 * MIB })];
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), lookahead: 0 });
  // A reader of the one stands still in the middle of a fetch.
  const url = await server.streamOf(film.url);
  film.next(1, { fault: { kind: 'stall', after: 2 * MIB } });
  const reader = new Reader(url, 0);
  await film.changes.until(() => film.requests.some((request) => request.held));
  // The other one is opened and left: its fill is planned, and waits. What was asked for with the reader's bytes still comes.
  await new Reader(await server.streamOf(other.url), 0, 99).body();
  await other.untilIdle();
  await eventually('the fill is planned', async () => (await server.cache.infoOf(2)).pendingChunks > 0);
  // Claims are made in order: by the time another reader has its own, the fill had its chance.
  await new Reader(url, 12 * MIB, 12 * MIB + 99).body();
  expect(other.requests).toHaveLength(1);
  reader.leave();
  film.release();
  await eventually('the other one is complete', async () => (await server.cache.infoOf(2)).state === 'Complete');
  expect(other.distinctBytes()).toBe(other.size);
});

test('background fill of one process stands back while a reader of another one is fetched for', async () => {
  const cacheDir = await temporaryFolder();
  const origin = await ScriptedOrigin.start();
  const [film, other] = [origin.add('/film.mkv', { size: 16 * MIB }), origin.add('/other.mkv', { size: 16 * MIB })];
  const elsewhere = await ScriptedOrigin.start();
  const apart = elsewhere.add('/apart.mkv', { size: 9 * MIB });
  const first = await CacheServer.start({ cacheDir, lookahead: 0 });
  const second = await CacheServer.start({ cacheDir, lookahead: 0 });
  // A reader of the first process stands still in the middle of a fetch.
  film.next(1, { fault: { kind: 'stall', after: 2 * MIB } });
  const reader = new Reader(await first.streamOf(film.url), 0);
  await film.changes.until(() => film.requests.some((request) => request.held));
  // In the second one two films are opened and left, of the same origin and of another: what is planned of the one waits, the other one is filled.
  await new Reader(await second.streamOf(other.url), 0, 99).body();
  await other.untilIdle();
  await new Reader(await second.streamOf(apart.url), 0, 99).body();
  await eventually('the one of another origin is complete', async () => (await second.cache.infoOf(3)).state === 'Complete');
  expect(await second.cache.infoOf(2)).toMatchObject({ state: 'Downloading', downloadedBytes: 4 * MIB });
  expect(other.requests).toHaveLength(1);
  reader.leave();
  film.release();
  await eventually('the other one is complete', async () => (await second.cache.infoOf(2)).state === 'Complete');
  expect(other.distinctBytes()).toBe(other.size);
});
