import { describe, expect, test } from 'vitest';
import { CacheServer } from '../support/cache-server.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;
const SIZE = 10 * MIB + 7;

interface Scene {
  readonly origin: ScriptedOrigin;
  readonly server: CacheServer;
  readonly film: ScriptedResource;
  /** The film's stream. */
  readonly url: string;
}

async function scene(options: Partial<Parameters<ScriptedOrigin['add']>[1]> = {}, fill = false): Promise<Scene> {
  const origin = await ScriptedOrigin.start();
  const server = await CacheServer.start({ cacheDir: await temporaryFolder() });
  const film = origin.add('/film.mkv', { size: SIZE, ...options });
  return { origin, server, film, url: await server.streamOf(film.url, { fill }) };
}

async function bytesOf(response: Response): Promise<Buffer> {
  return Buffer.from(await response.arrayBuffer());
}

async function get(url: string, headers: Record<string, string> = {}): Promise<{ status: number; headers: Headers; body: Buffer }> {
  const response = await fetch(url, { headers });
  return { status: response.status, headers: response.headers, body: await bytesOf(response) };
}

/** The last bytes reach a client a moment before they are recorded. */
async function becomes(server: CacheServer, expected: Record<string, unknown>): Promise<void> {
  await eventually('the recorded state', async () => {
    try {
      expect(await server.cache.infoOf(1)).toMatchObject(expected);
      return true;
    } catch {
      return false;
    }
  });
}

describe('ranges', () => {
  test('a cold resource is answered whole, and then from the cache without the origin', async () => {
    const { origin, film, url } = await scene({}, true);
    const cold = await get(url);
    expect(cold.status).toBe(200);
    expect(cold.headers.get('content-length')).toBe(String(SIZE));
    expect(cold.headers.get('content-type')).toBe('video/x-matroska');
    expect(cold.headers.get('etag')).toBe(film.etag);
    expect(cold.headers.get('last-modified')).toBe(film.lastModified);
    expect(cold.headers.get('accept-ranges')).toBe('bytes');
    expect(cold.body.equals(film.bytes())).toBe(true);
    await origin.refuse();
    expect((await get(url)).body.equals(film.bytes())).toBe(true);
    expect(film.bytesSent).toBe(SIZE);
  });

  const cases: [range: string, start: number, end: number][] = [
    ['bytes=0-0', 0, 0],
    ['bytes=100-199', 100, 199],
    [`bytes=${5 * MIB}-`, 5 * MIB, SIZE - 1],
    ['bytes=-1000', SIZE - 1000, SIZE - 1],
    [`bytes=${SIZE - 1}-${SIZE + 5}`, SIZE - 1, SIZE - 1],
    [`bytes=-${SIZE + 1}`, 0, SIZE - 1],
    [`bytes=${4 * MIB - 1}-${4 * MIB}`, 4 * MIB - 1, 4 * MIB],
  ];
  test.each(cases)('%s, cold and warm', async (range, start, end) => {
    const { film, url } = await scene();
    for (const temperature of ['cold', 'warm']) {
      const answer = await get(url, { range });
      expect(answer.status, temperature).toBe(206);
      expect(answer.headers.get('content-range')).toBe(`bytes ${start}-${end}/${SIZE}`);
      expect(answer.body.equals(film.bytes(start, end))).toBe(true);
    }
    expect(film.requests).toHaveLength(range.startsWith('bytes=5242880') ? 2 : 1);
    expect(film.bytesSent).toBe(end - start + 1);
    expect(film.requests.every(({ method }) => method === 'GET')).toBe(true);
  });

  test('the first contact is the ranged request itself', async () => {
    const { film, url } = await scene();
    await get(url, { range: 'bytes=7000000-7000009' });
    expect(film.requests.map(({ range }) => range)).toEqual([{ start: 7_000_000, end: 7_000_009 }]);
  });

  test.each(['bytes=20000000-', 'bytes=-0', `bytes=${SIZE}-`])('%s lies outside: 416 with the length', async (range) => {
    const { url } = await scene();
    for (const _ of ['cold', 'warm']) {
      const answer = await get(url, { range });
      expect(answer.status).toBe(416);
      expect(answer.headers.get('content-range')).toBe(`bytes */${SIZE}`);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      await get(url, { range: 'bytes=0-0' });
    }
  });

  test.each(['lines=0-5', 'bytes=5-2', 'bytes=abc', 'bytes='])('%s is no range: the whole', async (range) => {
    const { url } = await scene({ size: 1000 });
    expect((await get(url, { range })).status).toBe(200);
  });

  test('HEAD tells the length and the type, and has no body', async () => {
    const { url } = await scene({ headStatus: 500 });
    for (const _ of ['cold', 'warm']) {
      const answer = await fetch(url, { method: 'HEAD' });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-length')).toBe(String(SIZE));
      expect(await answer.text()).toBe('');
      await get(url, { range: 'bytes=0-0' });
    }
  });

  test('If-Range: the range for this version, the whole for another', async () => {
    const { film, url } = await scene({ size: 5000 });
    const range = 'bytes=10-19';
    expect((await get(url, { range, 'if-range': film.etag })).status).toBe(206);
    expect((await get(url, { range, 'if-range': film.lastModified })).status).toBe(206);
    expect((await get(url, { range, 'if-range': '"other"' })).status).toBe(200);
    expect((await get(url, { range, 'if-range': `W/${film.etag}` })).status).toBe(200);
  });

  test('conditions: 304 for what the client has, 412 for what it does not', async () => {
    const { film, url } = await scene({ size: 5000 });
    await get(url);
    expect((await get(url, { 'if-none-match': film.etag })).status).toBe(304);
    expect((await get(url, { 'if-none-match': `W/${film.etag}` })).status).toBe(304);
    expect((await get(url, { 'if-none-match': '"other"' })).status).toBe(200);
    expect((await get(url, { 'if-modified-since': film.lastModified })).status).toBe(304);
    expect((await get(url, { 'if-match': '"other"' })).status).toBe(412);
  });

  test('an empty resource is complete', async () => {
    for (const emptyStatus of [200, 416] as const) {
      const { server, url } = await scene({ size: 0, emptyStatus });
      const answer = await get(url);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-length')).toBe('0');
      expect((await get(url, { range: 'bytes=0-' })).status).toBe(416);
      expect(await server.cache.infoOf(1)).toMatchObject({ state: 'Complete', expectedTotalSize: 0, downloadedBytes: 0 });
    }
  });
});

describe('origins as they are', () => {
  test('one that refuses ranges is kept front to back; a seek waits for it', async () => {
    const { film, url } = await scene({ ranges: false }, true);
    const seek = await get(url, { range: `bytes=${6 * MIB}-${6 * MIB + 99}` });
    expect(seek.status).toBe(206);
    expect(seek.body.equals(film.bytes(6 * MIB, 6 * MIB + 99))).toBe(true);
    const whole = await get(url);
    expect(whole.body.equals(film.bytes())).toBe(true);
    expect(film.requests).toHaveLength(1);
  });

  test('one without a length: chunked, the total known at the end', async () => {
    const { server, film, url, origin } = await scene({ lengthKnown: false, ranges: false }, true);
    const cold = await get(url);
    expect(cold.headers.get('content-length')).toBeNull();
    expect(cold.body.equals(film.bytes())).toBe(true);
    await becomes(server, { state: 'Complete', expectedTotalSize: SIZE });
    await origin.refuse();
    expect((await get(url, { range: 'bytes=-10' })).body.equals(film.bytes(SIZE - 10, SIZE - 1))).toBe(true);
  });

  test('redirects are followed', async () => {
    const { film, url } = await scene({ redirect: { hops: 3 } });
    expect((await get(url)).body.equals(film.bytes())).toBe(true);
  });

  test.each([404, 410])('%d: Failed with its reason, and the stream says 404', async (status) => {
    const { server, film, url } = await scene({ status });
    const answer = await get(url);
    expect(answer.status).toBe(404);
    expect(JSON.parse(answer.body.toString())).toMatchObject({ status: 404, code: 'ORIGIN_MISSING' });
    expect(await server.cache.infoOf(1)).toMatchObject({ state: 'Failed', error: expect.stringContaining(String(status)) });
    film.behave({ status: null });
    expect((await get(url)).status).toBe(200);
    await becomes(server, { state: 'Complete', error: null });
  });

  test('a body that breaks off is resumed at the exact byte, and no byte comes twice', async () => {
    const { film, url } = await scene({ size: 4 * MIB });
    film.next(1, { fault: { kind: 'short', after: 3 * MIB } });
    expect((await get(url)).body.equals(film.bytes())).toBe(true);
    expect(film.requests).toHaveLength(2);
    expect(film.bytesSent).toBe(4 * MIB);
  });

  test('a passing failure is tried again before the client hears of it', async () => {
    const { film, url } = await scene({ size: 1000 });
    film.next(1, { status: 503 });
    expect((await get(url)).body.equals(film.bytes())).toBe(true);
  });

  test('an origin that is down: 503 with Retry-After, never Failed, its backoff in the entry', async () => {
    const { server, origin, url } = await scene({ size: 1000 });
    await origin.refuse();
    const answer = await get(url);
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    const info = await server.cache.infoOf(1);
    expect(info.state).toBe('Initializing');
    expect(info.error).toBeNull();
    expect(info.lastError).not.toBeNull();
    expect(info.retryAt).not.toBeNull();
  });

  test('what is cached is served while the origin is down', async () => {
    const { origin, film, url } = await scene();
    await get(url, { range: 'bytes=1000-1999' });
    await origin.refuse();
    const answer = await get(url, { range: 'bytes=1200-1299' });
    expect(answer.body.equals(film.bytes(1200, 1299))).toBe(true);
    expect((await get(url, { range: 'bytes=5000-5001' })).status).toBe(503);
  });

  test('a new version is a removal with a new file; versions never mix', async () => {
    const { server, film, url } = await scene();
    await get(url, { range: 'bytes=0-999999' });
    const before = (await server.cache.find(1))?.filePath;
    film.change(SIZE - 5);
    const answer = await get(url, { range: 'bytes=2000000-2000099' });
    expect(answer.status).toBe(206);
    expect(answer.headers.get('content-range')).toBe(`bytes 2000000-2000099/${SIZE - 5}`);
    expect(answer.body.equals(film.bytes(2_000_000, 2_000_099))).toBe(true);
    expect((await get(url, { range: 'bytes=0-99' })).body.equals(film.bytes(0, 99))).toBe(true);
    expect((await server.cache.find(1))?.filePath).not.toBe(before);
  });

  test('a resource that changes while it is read ends the answer short', async () => {
    const { film, url } = await scene();
    film.next(1, { fault: { kind: 'stall', after: 2 * MIB } });
    const response = await fetch(url);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const first = await reader.read();
    expect(first.done).toBe(false);
    const old = film.bytes(0, 99);
    film.change();
    film.next(0, {});
    film.requests[0]?.release();
    expect(
      Buffer.from(first.value as Uint8Array)
        .subarray(0, 100)
        .equals(old),
    ).toBe(true);
    await reader.cancel();
  });
});

describe('what is asked of the origin', () => {
  test('twelve overlapping readers cost the origin each byte once', async () => {
    const { film, url } = await scene({ size: 60 * MIB }, true);
    const starts = Array.from({ length: 12 }, (_, index) => index * 5 * MIB);
    const answers = await Promise.all(starts.map((start) => get(url, { range: `bytes=${start}-` })));
    for (const [index, answer] of answers.entries()) expect(answer.body.equals(film.bytes(starts[index]))).toBe(true);
    expect(film.distinctBytes()).toBe(film.size);
    expect(film.bytesSent).toBe(film.size);
  });

  test('bytes reach the client while they arrive', async () => {
    const { film, url } = await scene({ fault: { kind: 'stall', after: 100_000 } });
    const response = await fetch(url);
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    let received = 0;
    while (received < 100_000) received += (await reader.read()).value?.length ?? 0;
    expect(received).toBe(100_000);
    film.release();
    await reader.cancel();
  });

  test('a client that leaves stops what only it wanted', async () => {
    const { film, url } = await scene({ rate: MIB });
    const controller = new AbortController();
    const response = await fetch(url, { signal: controller.signal });
    await (response.body as ReadableStream<Uint8Array>).getReader().read();
    controller.abort();
    await film.untilIdle();
    expect(film.bytesSent).toBeLessThan(SIZE / 2);
  });

  test('background fill completes what a reader opened', async () => {
    const { server, film, url } = await scene({}, true);
    await get(url, { range: 'bytes=0-99' });
    await server.cache.get(1).then((entry) => entry?.prefetch());
    expect(await server.cache.infoOf(1)).toMatchObject({ state: 'Complete', spanCount: 1 });
    expect(film.bytesSent).toBe(SIZE);
  });

  test('with fill off only what is read is fetched', async () => {
    const { server, film, url } = await scene();
    await get(url, { range: 'bytes=1000-1999' });
    await becomes(server, { state: 'Paused', downloadedBytes: 1000, pendingChunks: 0 });
    expect(film.bytesSent).toBe(1000);
  });
});
