import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { CacheEvent } from 'seekwell';
import { isSeekwellError } from 'seekwell';
import { expect, test } from 'vitest';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';
import { openCache } from './open-library-cache.ts';

const MIB = 1024 * 1024;

async function film(size = 2 * MIB): Promise<ScriptedResource> {
  return (await ScriptedOrigin.start()).add('/film.mkv', { size });
}

test('what a program does with a cache, from opening to closing', async () => {
  const resource = await film();
  await using cache = await openCache();
  const entry = await cache.add({ url: resource.url });

  expect((await entry.info()).state).toBe('Initializing');
  expect(await entry.filePath()).toBeNull();
  const some = new Uint8Array(100);
  expect(await entry.readAt(some, MIB)).toBe(100);
  expect(Buffer.from(some).equals(resource.bytes(MIB, MIB + 99))).toBe(true);
  await entry.prefetch();

  expect(await cache.state(entry.key)).toMatchObject({ state: 'Complete', downloadedBytes: 2 * MIB, percent: 100 });
  expect(await entry.spans()).toStrictEqual([{ start: 0, end: 2 * MIB - 1 }]);
  expect((await readFile((await entry.filePath()) ?? '')).equals(resource.bytes())).toBe(true);
  expect((await cache.get(resource.url))?.id).toBe(entry.id);
  await cache.remove(entry.id);
  expect(await cache.get(entry.id)).toBeNull();
  expect(await cache.state(entry.key)).toMatchObject({ state: 'NotStarted' });
});

test('listen serves streams, the API and the page', async () => {
  const resource = await film();
  const cache = await openCache();
  const entry = await cache.add({ url: resource.url });
  expect(() => entry.url()).toThrow(expect.objectContaining({ hint: expect.stringContaining('listen') }));

  const server = await cache.listen();
  expect(Buffer.from(await (await fetch(entry.url())).arrayBuffer()).equals(resource.bytes())).toBe(true);
  expect((await fetch(`${server.url}/api/v1/entries/${entry.id}`)).status).toBe(200);
  expect((await fetch(server.url)).headers.get('content-type')).toContain('text/html');
  await server.close();
  await expect(fetch(server.url)).rejects.toThrow();
  expect(() => entry.url()).toThrow();
});

test('closing the cache closes what listens', async () => {
  const cache = await openCache();
  const server = await cache.listen({ host: 'localhost' });
  await cache.close();
  await expect(fetch(server.url)).rejects.toThrow();
});

test('listen with a token', async () => {
  const resource = await film();
  const cache = await openCache();
  const entry = await cache.add({ url: resource.url });
  const server = await cache.listen({ token: 'secret' });
  expect((await fetch(`${server.url}/api/v1/entries`)).status).toBe(401);
  expect((await fetch(entry.url())).status).toBe(200);
});

test.each(['http://localhost', 'https://service.example/some/mount', 'media://cache'])('fetch answers requests below %s', async (base) => {
  const resource = await film();
  const cache = await openCache();
  await cache.add({ url: resource.url, source: 'films', media: '42' });

  const ranged = await cache.fetch(new Request(`${base}/stream/films/42/original/film.mkv`, { headers: { range: 'bytes=10-19' } }));
  expect([ranged.status, ranged.headers.get('content-range')]).toStrictEqual([206, `bytes 10-19/${2 * MIB}`]);
  expect(Buffer.from(await ranged.arrayBuffer()).equals(resource.bytes(10, 19))).toBe(true);

  const whole = await cache.fetch(new Request(`${base}/stream/films/42/original`));
  expect(Buffer.from(await whole.arrayBuffer()).equals(resource.bytes())).toBe(true);

  const head = await cache.fetch(new Request(`${base}/stream/films/42/original`, { method: 'HEAD' }));
  expect([head.status, head.headers.get('content-length'), await head.text()]).toStrictEqual([200, String(2 * MIB), '']);

  for (const path of ['/stream/films/43/original', '/elsewhere', '/stream/']) {
    const answer = await cache.fetch(new Request(base + path));
    expect([path, answer.status]).toStrictEqual([path, 404]);
    expect(await answer.json()).toMatchObject({ code: expect.stringMatching(/^(?:ENTRY_NOT_FOUND|NO_SUCH_PATH)$/) });
  }
});

test.each(['', '/some/mount'])('handler answers requests of a node:http server below "%s"', async (mount) => {
  const resource = await film();
  const cache = await openCache();
  await cache.add({ url: resource.url, source: 'films', media: '42' });
  const server = createServer((request, response) => void cache.handler(request, response)).listen(0, '127.0.0.1');
  afterThisTest(() => server.close());
  await once(server, 'listening');
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}${mount}`;

  const response = await fetch(`${base}/stream/films/42/original?from=5`, { headers: { range: 'bytes=-100' } });
  expect(response.status).toBe(206);
  expect(Buffer.from(await response.arrayBuffer()).equals(resource.bytes(2 * MIB - 100))).toBe(true);
  expect(await (await fetch(`${base}/elsewhere?a=/stream/films/42/original`)).json()).toMatchObject({ status: 404, code: 'NO_SUCH_PATH' });
});

test('events tell what happens, until the loop is left', async () => {
  const resource = await film();
  const cache = await openCache();
  const events = cache.events()[Symbol.asyncIterator]();
  const entry = await cache.add({ url: resource.url });
  expect(await events.next()).toStrictEqual({ done: false, value: { type: 'entryChanged', entryId: entry.id } });
  await entry.prefetch();
  await cache.remove(entry.id);

  const types = new Set<CacheEvent['type']>();
  for await (const event of { [Symbol.asyncIterator]: () => events }) {
    expect(event.entryId).toBe(entry.id);
    types.add(event.type);
    if (event.type === 'entryRemoved') break;
  }
  expect(types).toContain('rangesAdded');
  expect(await events.next()).toStrictEqual({ done: true, value: undefined });
  expect(cache.emitter.listenerCount('streamOpened')).toBe(0);
});

test('an event that waits already is not told twice', async () => {
  const cache = await openCache();
  const events = cache.events()[Symbol.asyncIterator]();
  for (let time = 0; time < 10; time++) cache.emitter.emit('entryChanged', { entryId: 1 });
  cache.emitter.emit('streamOpened', { entryId: 1, streamId: 5 });
  expect((await events.next()).value).toStrictEqual({ type: 'entryChanged', entryId: 1 });
  expect((await events.next()).value).toStrictEqual({ type: 'streamOpened', entryId: 1, streamId: 5 });
  await events.return?.();
});

test.each(['the signal aborts', 'the cache closes'])('events end when %s', async (why) => {
  const cache = await openCache();
  const signal = new AbortController();
  const waiting = cache.events({ signal: signal.signal })[Symbol.asyncIterator]();
  const next = waiting.next();
  if (why === 'the signal aborts') signal.abort();
  else await cache.close();
  expect(await next).toStrictEqual({ done: true, value: undefined });
  const after: CacheEvent[] = [];
  for await (const event of cache.events({ signal: signal.signal })) after.push(event);
  expect(after).toStrictEqual([]);
});

test('errors are told apart by their codes', async () => {
  const cache = await openCache();
  const failure = await cache.add({ url: 'film.mkv' }).catch((error: unknown) => error);
  expect(isSeekwellError(failure, 'BAD_URL')).toBe(true);
  expect(isSeekwellError(failure, 'INTERNAL')).toBe(false);
  await expect(cache.remove(5)).rejects.toMatchObject({ code: 'ENTRY_NOT_FOUND', hint: expect.any(String) });
});

test('a listener that waits before it is asked misses nothing', async () => {
  const cache = await openCache();
  const events = cache.events();
  const { id } = await cache.add({ url: 'http://127.0.0.1:9/film.mkv' });
  for await (const event of events) {
    expect(event).toStrictEqual({ type: 'entryChanged', entryId: id });
    break;
  }
});

test('closing one of two servers leaves the other its stream URLs', async () => {
  const cache = await openCache();
  const entry = await cache.add({ url: 'http://127.0.0.1:9/film.mkv' });
  const [first, second] = [await cache.listen(), await cache.listen()];
  expect(entry.url()).toContain(second.url);
  await second.close();
  expect(entry.url()).toContain(first.url);
  expect(await cache.servedAt()).toBe(first.url);
  await first.close();
  expect(await cache.servedAt()).toBeNull();
});

test('two caches on one folder see the same', async () => {
  const cacheDir = await temporaryFolder('shared');
  const resource = await film();
  const [one, other] = [await openCache({ cacheDir }), await openCache({ cacheDir })];
  const entry = await one.add({ url: resource.url });
  await entry.prefetch();
  expect((await (await other.get(resource.url))?.info())?.state).toBe('Complete');
  const server = await one.listen();
  expect(await other.servedAt()).toBe(server.url);
});

test.each(['prefetch', 'read'])('the file of an empty resource is there after %s', async (how) => {
  const resource = (await ScriptedOrigin.start()).add('/empty.mp4', { size: 0 });
  const entry = await (await openCache()).add({ url: resource.url });
  if (how === 'prefetch') await entry.prefetch();
  else for await (const _ of entry.read()) expect.unreachable();
  expect((await entry.info()).state).toBe('Complete');
  expect(await readFile((await entry.filePath()) ?? '')).toHaveLength(0);
});

// An SQLite of another program that finds no lock takes itself for the only one, and deletes the log when it leaves.
test.skipIf(process.platform !== 'linux')('a second cache of one process on one folder takes no lock from the first', async () => {
  const folder = await temporaryFolder('library');
  const first = await openCache({ cacheDir: folder });
  await first.add({ url: 'http://127.0.0.1:9/film.mkv' });
  const { ino } = await stat(join(folder, 'seekwell.db'));
  const locks = async (): Promise<string[]> =>
    (await readFile('/proc/locks', 'utf8')).split('\n').filter((line) => line.includes(` ${process.pid} `) && line.includes(`:${ino} `));
  expect(await locks()).toHaveLength(1);
  const second = await openCache({ cacheDir: folder });
  expect(await locks()).toHaveLength(1);
  await second.close();
  expect(await locks()).toHaveLength(1);
});
