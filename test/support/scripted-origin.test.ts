import { describe, expect, test } from 'vitest';
import { ScriptedOrigin } from './scripted-origin.ts';
import { byteAt, bytesOf, firstDifference } from './seeded-bytes.ts';

const GIB = 2 ** 30;

async function read(url: string, headers: Record<string, string> = {}): Promise<{ response: Response; body: Buffer }> {
  const response = await fetch(url, { headers });
  return { response, body: Buffer.from(await response.arrayBuffer()) };
}

describe('seeded bytes', () => {
  test('are the same in whatever pieces they are computed', () => {
    const whole = bytesOf(7, 16 * GIB - 50, 16 * GIB + 49);
    expect(bytesOf(7, 16 * GIB - 13, 16 * GIB + 20)).toEqual(whole.subarray(37, 71));
    expect(byteAt(7, 16 * GIB)).toBe(whole[50]);
  });

  test('differ from place to place and from seed to seed', () => {
    const pieces = [0, 1, 4 * GIB, 16 * GIB, 32 * GIB].map((start) => bytesOf(7, start, start + 31).toString('hex'));
    expect(new Set([...pieces, bytesOf(8, 0, 31).toString('hex')]).size).toBe(6);
    const counts = new Array<number>(256).fill(0);
    for (const byte of bytesOf(7, 0, 65_535)) counts[byte] = (counts[byte] ?? 0) + 1;
    expect(Math.min(...counts)).toBeGreaterThan(150);
    expect(Math.max(...counts)).toBeLessThan(370);
  });

  test('a wrong byte is found', () => {
    const bytes = bytesOf(7, 1000, 1000 + 3 * 2 ** 20);
    expect(firstDifference(7, 1000, bytes)).toBeNull();
    bytes[2 * 2 ** 20] = (bytes[2 * 2 ** 20] ?? 0) ^ 1;
    expect(firstDifference(7, 1000, bytes)).toBe(1000 + 2 * 2 ** 20);
  });
});

describe('a scripted origin answers properly', () => {
  test('a range of a resource that fits in no memory', async () => {
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 12 * GIB });
    const { response, body } = await read(film.url, { range: 'bytes=-100000' });
    expect(response.status).toBe(206);
    expect(response.headers.get('content-range')).toBe(`bytes ${12 * GIB - 100_000}-${12 * GIB - 1}/${12 * GIB}`);
    expect(firstDifference(film.seed, 12 * GIB - 100_000, body)).toBeNull();
    expect(film.fetchedRanges()).toEqual([{ start: 12 * GIB - 100_000, end: 12 * GIB - 1 }]);
  });

  test.each([
    ['bytes=0-0', 206, 'bytes 0-0/1000'],
    ['bytes=900-5000', 206, 'bytes 900-999/1000'],
    ['bytes=-5000', 206, 'bytes 0-999/1000'],
    ['bytes=1000-', 416, 'bytes */1000'],
    ['bytes=-0', 416, 'bytes */1000'],
    ['bytes=5-4', 200, null],
    ['bytes=0-1,5-6', 200, null],
    ['lines=1-2', 200, null],
  ])('%s gets %i', async (range, status, contentRange) => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 1000 });
    const { response } = await read(film.url, { range });
    expect([response.status, response.headers.get('content-range')]).toEqual([status, contentRange]);
  });

  test('If-Range: the strong tag and the exact date hold, all else voids the range', async () => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 1000 });
    const statusOf = async (ifRange: string): Promise<number> =>
      (await read(film.url, { range: 'bytes=5-9', 'if-range': ifRange })).response.status;
    const [etag, date] = [film.etag, film.lastModified];
    expect(await Promise.all([etag, date, `W/${etag}`, '"other"'].map(statusOf))).toEqual([206, 206, 200, 200]);
    film.change();
    expect(await Promise.all([etag, date, film.etag].map(statusOf))).toEqual([200, 200, 206]);
    film.behave({ validator: 'weak-etag' });
    expect(await statusOf(`W/${film.etag}`)).toBe(200);
  });

  test('an empty resource', async () => {
    const film = (await ScriptedOrigin.start()).add('/empty', { size: 0 });
    expect((await read(film.url)).response.status).toBe(200);
    expect((await read(film.url, { range: 'bytes=0-' })).response.headers.get('content-range')).toBe('bytes */0');
    film.behave({ emptyStatus: 200 });
    expect((await read(film.url, { range: 'bytes=0-' })).response.status).toBe(200);
  });
});

describe('a scripted origin misbehaves as told', () => {
  test('no ranges, no length, no HEAD, gzip', async () => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 300_000, ranges: false, lengthKnown: false, headStatus: 500 });
    const { response, body } = await read(film.url, { range: 'bytes=5-' });
    expect([response.status, response.headers.get('content-length')]).toEqual([200, null]);
    expect(firstDifference(film.seed, 0, body)).toBeNull();
    expect((await fetch(film.url, { method: 'HEAD' })).status).toBe(500);
    film.behave({ encoding: 'gzip' });
    const encoded = await read(film.url);
    expect(encoded.response.headers.get('content-encoding')).toBe('gzip');
    expect(encoded.body.equals(film.bytes())).toBe(true);
  });

  test('the next requests only', async () => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 1000 });
    film.next(2, { status: 429, headers: { 'retry-after': '2' } });
    film.next(1, { contentRange: (start, end) => `bytes ${start}-${end}/77` });
    const answers = [await read(film.url), await read(film.url), await read(film.url, { range: 'bytes=1-2' }), await read(film.url)];
    expect(answers.map(({ response }) => response.status)).toEqual([429, 429, 206, 200]);
    expect(answers[0]?.response.headers.get('retry-after')).toBe('2');
    expect(answers[2]?.response.headers.get('content-range')).toBe('bytes 1-2/77');
  });

  test('redirects to another host, and a guard that sees the query', async () => {
    const film = (await ScriptedOrigin.start()).add('/real.mkv', { size: 10 });
    film.behave({ guard: (query) => (query.get('token') === 'new' ? null : 403) });
    const door = (await ScriptedOrigin.start()).add('/film.mkv', { size: 10, redirect: { hops: 3, to: `${film.url}?token=new` } });
    const { response, body } = await read(door.url);
    expect([response.url, body.equals(film.bytes())]).toEqual([`${film.url}?token=new`, true]);
    expect(door.requests.map(({ status }) => status)).toEqual([302, 302, 302]);
    expect((await read(film.url)).response.status).toBe(403);
  });

  test.each(['reset', 'short'] as const)('%s in the middle of a body', async (kind) => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 100_000 });
    film.next(1, { fault: { kind, after: 40_000 } });
    await expect(read(film.url)).rejects.toThrow();
    expect(film.requests.map(({ bytesSent, outcome }) => [bytesSent, outcome])).toEqual([[40_000, 'broken']]);
    expect((await read(film.url)).body.equals(film.bytes())).toBe(true);
    expect(film.coverage()).toEqual([
      { start: 0, end: 39_999, times: 2 },
      { start: 40_000, end: 99_999, times: 1 },
    ]);
  });

  test('a stall until released, and headers held back', async () => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 1000, fault: { kind: 'stall', after: 10 } });
    const reading = read(film.url);
    const request = await film.nextRequest();
    await request.untilHeld();
    expect(request.bytesSent).toBe(10);
    request.release();
    expect((await reading).body.length).toBe(1000);
    film.behave({ fault: null, hold: true });
    const held = read(film.url);
    await (await film.nextRequest()).untilHeld();
    film.release();
    expect((await held).response.status).toBe(200);
  });

  test('connections refused, and taken again on the same port', async () => {
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 10 });
    await read(film.url);
    await origin.refuse();
    await expect(fetch(film.url)).rejects.toThrow(expect.objectContaining({ cause: expect.objectContaining({ code: 'ECONNREFUSED' }) }));
    await origin.accept();
    expect((await read(film.url)).body.length).toBe(10);
  });

  test('a rate, exact from the first byte', async () => {
    const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 2 ** 30, rate: 1_000_000 });
    const begun = performance.now();
    const { body } = await read(film.url, { range: 'bytes=0-399999' });
    const rate = body.length / ((performance.now() - begun) / 1000);
    // Never above; below only by what the machine loses.
    expect(rate).toBeLessThanOrEqual(1_000_000);
    expect(rate).toBeGreaterThan(100_000);
  });

  test('a client that goes is noticed, and what was sent to it is counted', async () => {
    const origin = await ScriptedOrigin.start();
    const film = origin.add('/film.mkv', { size: 10 * GIB });
    const client = new AbortController();
    const response = await fetch(film.url, { signal: client.signal });
    await film.waitForBytes(300_000);
    client.abort();
    await expect(response.arrayBuffer()).rejects.toThrow();
    await film.untilIdle();
    const [request] = film.requests;
    expect(request?.outcome).toBe('client-closed');
    expect(film.distinctBytes()).toBe(request?.bytesSent);
    expect(origin.bytesSent).toBe(request?.bytesSent);
  });
});
