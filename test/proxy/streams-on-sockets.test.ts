import { describe, expect, test } from 'vitest';
import { streamUrl } from '#seekwell/stream-url';
import { type ApiServer, type ApiServerOptions, apiServer } from '../api/api-server.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type RawAnswer, RawClient } from '../support/raw-client.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ResourceOptions, ScriptedResource } from '../support/scripted-resource.ts';

const MIB = 1024 * 1024;
const SIZE = 2 * MIB + 7;

interface Scene extends ApiServer {
  readonly film: ScriptedResource;
  /** The path of the film's stream, with its signature where there is a token. */
  readonly path: string;
  client(): Promise<RawClient>;
}

async function scene(options: Partial<ResourceOptions> = {}, serverOptions: ApiServerOptions = {}): Promise<Scene> {
  const origin = await ScriptedOrigin.start();
  const api = await apiServer(serverOptions);
  const film = origin.add('/film.mkv', { size: SIZE, ...options });
  const { key } = await api.cache.add({ url: film.url, fill: false });
  const path = streamUrl('', key, null, serverOptions.token ?? null);
  return { ...api, film, path, client: () => RawClient.connect(api.url) };
}

/** Whether node:http wrote an answer: it writes its own fields' names in capitals. */
function byNode({ head }: RawAnswer): boolean {
  return head.includes('\r\nDate: ');
}

describe('one connection', () => {
  test('serves range after range', async () => {
    const { film, path, client } = await scene();
    const player = await client();
    for (const [start, end] of [
      [0, 99],
      [MIB, MIB + 199_999],
      [SIZE - 1, SIZE - 1],
      [50, 149],
    ] as const) {
      player.get(path, `Range: bytes=${start}-${end}`);
      const answer = await player.answer();
      expect([answer.status, byNode(answer)]).toEqual([206, false]);
      expect(answer.headers['content-range']).toBe(`bytes ${start}-${end}/${SIZE}`);
      expect(answer.body.equals(film.bytes(start, end))).toBe(true);
    }
  });

  test('serves what is no stream after one that is, and streams after that', async () => {
    const { film, path, client } = await scene();
    const player = await client();
    player.get(path, 'Range: bytes=0-9');
    expect(byNode(await player.answer())).toBe(false);
    player.get('/health/live');
    const health = await player.answer();
    expect([health.status, byNode(health)]).toEqual([200, true]);
    player.send(`HEAD ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    const head = await player.answer(true);
    expect([head.status, head.headers['content-length']]).toEqual([200, String(SIZE)]);
    player.get(path, 'Range: bytes=10-19');
    expect((await player.answer()).body.equals(film.bytes(10, 19))).toBe(true);
    player.send(`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody`);
    expect((await player.answer()).status).toBe(405);
  });

  test('streams after a request of the API, and pipelined ones, come in their order', async () => {
    const { film, path, client } = await scene();
    const player = await client();
    player.get('/health/live');
    expect((await player.answer()).status).toBe(200);
    for (let i = 0; i < 8; i++) player.get(path, `Range: bytes=${i * 1000}-${i * 1000 + 999}`);
    for (let i = 0; i < 8; i++) expect((await player.answer()).body.equals(film.bytes(i * 1000, i * 1000 + 999))).toBe(true);
    const other = await client();
    for (let i = 0; i < 8; i++) other.get(path, `Range: bytes=${i * 1000}-${i * 1000 + 999}`);
    for (let i = 0; i < 8; i++) expect((await other.answer()).body.equals(film.bytes(i * 1000, i * 1000 + 999))).toBe(true);
  });

  test.each([
    ['Connection: close', 'HTTP/1.1\r\nHost: localhost\r\nConnection: close', false],
    ['HTTP/1.0', 'HTTP/1.0', true],
  ])('is closed after the answer to %s', async (_, rest, isByNode) => {
    const { film, path, client } = await scene();
    const player = await client();
    player.send(`GET ${path} ${rest}\r\nRange: bytes=0-99\r\n\r\n`);
    const answer = await player.answer();
    const { status, headers, body } = answer;
    expect([status, headers.connection, byNode(answer)]).toEqual([206, 'close', isByNode]);
    expect(body.equals(film.bytes(0, 99))).toBe(true);
    expect(await player.untilClosed()).toHaveLength(0);
  });
});

describe('who may ask', () => {
  test('another host name is refused, and nothing is opened for it', async () => {
    const { film, path, client } = await scene();
    const player = await client();
    player.send(`GET ${path} HTTP/1.1\r\nHost: evil.example\r\n\r\n`);
    const answer = await player.answer();
    expect([answer.status, JSON.parse(answer.body.toString()).code]).toEqual([421, 'MISDIRECTED']);
    expect(film.requests).toHaveLength(0);
  });

  test('without a token or signature nobody gets a stream; with either, on its socket', async () => {
    const { film, path, client } = await scene({}, { token: 'secret' });
    const player = await client();
    player.get(path.split('?', 1)[0] as string);
    const refused = await player.answer();
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'Bearer realm="seekwell"']);
    player.get(`${path}x`);
    expect((await player.answer()).status).toBe(401);
    expect(film.requests).toHaveLength(0);
    for (const [url, ...lines] of [
      [path, 'Range: bytes=0-9'],
      [path.split('?', 1)[0] as string, 'Range: bytes=0-9', 'Authorization: Bearer secret'],
    ] as [string, ...string[]][]) {
      const other = await client();
      other.get(url, ...lines);
      const answer = await other.answer();
      expect([answer.status, byNode(answer), answer.body.equals(film.bytes(0, 9))]).toEqual([206, false, true]);
    }
  });
});

test('a resource of unknown length is chunked to the client', async () => {
  const { film, path, client } = await scene({ ranges: false, lengthKnown: false });
  const player = await client();
  player.get(path);
  const answer = await player.answer();
  expect([answer.headers['transfer-encoding'], answer.headers['content-length'], byNode(answer)]).toEqual(['chunked', undefined, false]);
  expect(answer.body.equals(film.bytes())).toBe(true);
  player.get(path, 'Range: bytes=0-9');
  expect((await player.answer()).body.length).toBeGreaterThan(0);
});

test('a failure before the first byte is a problem, and the connection lives on', async () => {
  const { film, path, client } = await scene();
  const player = await client();
  player.get('/stream/url/none/original');
  const missing = await player.answer();
  expect([missing.status, missing.headers['content-type'], byNode(missing)]).toEqual([404, 'application/problem+json', false]);
  expect(JSON.parse(missing.body.toString())).toMatchObject({ status: 404, code: 'ENTRY_NOT_FOUND' });
  player.get(path, 'Range: bytes=0-9');
  expect((await player.answer()).body.equals(film.bytes(0, 9))).toBe(true);
});

test('a failure after the first byte cuts the connection off', async () => {
  const { film, path, client, cache } = await scene({ fault: { kind: 'stall', after: 300_000 } });
  const player = await client();
  player.get(path);
  await player.untilReceived(100_000);
  await cache.remove(1);
  film.release();
  const received = await player.untilClosed();
  const body = received.subarray(received.indexOf('\r\n\r\n') + 4);
  expect(body.length).toBeLessThan(SIZE);
  expect(body.equals(film.bytes(0, body.length - 1))).toBe(true);
});

test('a client that leaves in the middle of a body ends its reader and what only it wanted', async () => {
  const { film, path, client, cache } = await scene({ size: 64 * MIB, fault: { kind: 'stall', after: MIB } });
  const player = await client();
  player.get(path);
  await player.untilReceived(500_000);
  expect([cache.traffic.openReaders, cache.activeFetches]).toEqual([1, 1]);
  player.socket.destroy();
  await film.requests[0]?.untilEnded();
  expect(film.requests[0]?.outcome).toBe('client-closed');
  await eventually('the reader is closed', () => cache.traffic.openReaders === 0 && cache.activeFetches === 0);
});

test('a client that leaves before the first byte ends its reader too', async () => {
  const { film, path, client, cache } = await scene({ hold: true });
  const player = await client();
  player.get(path);
  await eventually('the origin is asked', () => film.requests.length === 1);
  player.socket.destroy();
  await film.requests[0]?.untilEnded();
  await eventually('the reader is closed', () => cache.traffic.openReaders === 0 && cache.activeFetches === 0);
});

describe('when the server closes', () => {
  test('idle connections end at once; a stream that runs is finished, one that had not begun says that it is the last', async () => {
    const { film, path, client, server } = await scene({ fault: { kind: 'stall', after: MIB } });
    const [idle, running, waiting] = [await client(), await client(), await client()];
    idle.get('/stream/url/none/original');
    await idle.answer();
    running.get(path);
    await running.untilReceived(500_000);
    film.next(1, { hold: true });
    waiting.get(path, `Range: bytes=${SIZE - 100_000}-`);
    await eventually('the origin is asked for the end', () => film.requests[1]?.held);
    const closed = server.close(60_000);
    expect(await idle.untilClosed()).toHaveLength(0);
    expect([running.socket.closed, waiting.socket.closed]).toEqual([false, false]);
    film.behave({ fault: null });
    film.release();
    expect((await running.answer()).body.equals(film.bytes())).toBe(true);
    const last = await waiting.answer();
    expect([last.headers.connection, last.body.equals(film.bytes(SIZE - 100_000))]).toEqual(['close', true]);
    expect([(await running.untilClosed()).length, (await waiting.untilClosed()).length]).toEqual([0, 0]);
    await closed;
  });

  test('a stream that is not over in time is cut off', async () => {
    const clock = new ManualClock();
    const { film, path, client, server, cache } = await scene({ fault: { kind: 'stall', after: MIB } }, { cacheOptions: { clock } });
    const player = await client();
    player.get(path);
    await player.untilReceived(500_000);
    const closed = server.close(5_000);
    clock.advance(4_999);
    expect(player.socket.closed).toBe(false);
    clock.advance(1);
    const received = await player.untilClosed();
    expect(received.length).toBeLessThan(SIZE);
    await eventually('the reader is closed', () => cache.traffic.openReaders === 0);
    await closed;
    film.release();
  });
});
