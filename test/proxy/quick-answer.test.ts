import { truncate } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FileCache } from '#seekwell/file-cache';
import { QuickAnswers, type Rest } from '#seekwell/proxy/quick-answer';
import { SocketOutlet } from '#seekwell/proxy/socket-outlet';
import { type ApiServer, apiServer } from '../api/api-server.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { RawClient } from '../support/raw-client.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';

const MIB = 1024 * 1024;
const SIZE = 5 * MIB + 11;

interface Quick {
  readonly rest: Rest | null;
  readonly sent: number;
  /** Through this process. */
  readonly copied: Buffer;
}

interface Scene extends ApiServer {
  readonly origin: ScriptedOrigin;
  readonly film: ScriptedResource;
  readonly path: string;
  /** The entry is read through once, which makes it complete, and a second time, which opens its file. */
  fill(): Promise<void>;
  /** Waits until the quick way knows the entry. It does so until the caller waits for something. */
  remembered(): Promise<void>;
  /** What the quick way makes of a request, and how many bytes of the file the system sent where `room` fit. */
  quick(range: string, fields?: Readonly<Record<string, string>>, room?: number): Quick;
}

async function scene(): Promise<Scene> {
  const origin = await ScriptedOrigin.start();
  const api = await apiServer();
  const film = origin.add('/film.mkv', { size: SIZE });
  const { key } = await api.cache.add({ url: film.url });
  const path = `/stream/${key.sourceId}/${key.mediaId}/${key.quality}`;
  const answers = new QuickAnswers(api.cache);
  const fill = async (): Promise<void> => {
    const client = await RawClient.connect(api.url);
    await eventually('the entry is complete', async () => {
      client.get(path);
      expect((await client.answer()).body.equals(film.bytes(0))).toBe(true);
      return (await api.cache.infoOf(1)).state === 'Complete';
    });
    await remembered();
  };
  const remembered = async (): Promise<void> => {
    const client = await RawClient.connect(api.url);
    // What was under way may be committed still: then the next look is remembered. In the turn in which one is, the database is not asked again.
    await eventually('the entry is remembered', async () => {
      client.get(path, 'Range: bytes=0-0');
      await client.answer();
      return quick('bytes=0-0').rest !== null;
    });
  };
  const quick: Scene['quick'] = (range, fields = {}, room = Number.POSITIVE_INFINITY) => {
    let sent = 0;
    const sendFile = (_socket: number, _file: number, _position: number, length: number): number => {
      const count = Math.min(length, room - sent);
      sent += count;
      return count;
    };
    const sender = { sendHead: (_: number, head: string) => head.length, sendFile };
    const copied: Buffer[] = [];
    const write = (bytes: Buffer): number => copied.push(bytes);
    const socket = { _handle: { fd: 1 }, writableLength: 0, destroyed: false, write } as unknown as Socket;
    const outlet = new SocketOutlet(socket, { clock: new ManualClock(), sender, keepAliveSeconds: () => 30 });
    const headers = { host: 'localhost', range, ...fields };
    const rest = answers.begin({ method: 'GET', url: path, path, headers, closes: false }, outlet);
    return { rest, sent, copied: Buffer.concat(copied) };
  };
  return { ...api, origin, film, path, fill, remembered, quick };
}

describe('a small range of a complete entry', () => {
  test('is sent at once, to the last byte', async () => {
    const { quick, fill } = await scene();
    expect(quick('bytes=0-99').rest, 'nothing is known of it yet').toBeNull();
    await fill();
    expect(quick('bytes=0-99')).toMatchObject({ rest: { range: null }, sent: 100 });
    expect(quick(`bytes=${MIB - 5}-${2 * MIB - 6}`)).toMatchObject({ rest: { range: null }, sent: MIB });
    expect(quick(`bytes=${SIZE - 10}-${SIZE + 10}`)).toMatchObject({ rest: { range: null }, sent: 10 });
  });

  test('counts as what it is: bytes from the cache, and an access', async () => {
    const { quick, fill, cache } = await scene();
    await fill();
    const before = cache.traffic.hitBytes;
    quick('bytes=0-99');
    expect(cache.traffic.hitBytes - before).toBe(100);
  });

  test('of which only a part fits leaves the rest to a reader', async () => {
    const { quick, fill } = await scene();
    await fill();
    const range = { start: 1300, end: MIB };
    expect(quick(`bytes=1000-${MIB}`, {}, 300)).toMatchObject({ rest: { range }, sent: 300, copied: Buffer.alloc(0) });
    expect(quick(`bytes=1000-${MIB}`, {}, 0)).toMatchObject({ rest: { range: { ...range, start: 1000 } }, sent: 0 });
  });

  test('of which all but little fits needs no reader: the rest is copied', async () => {
    const { quick, fill, film, cache } = await scene();
    await fill();
    const before = cache.traffic.hitBytes;
    const answer = quick(`bytes=1000-${MIB + 999}`, {}, MIB - 3000);
    expect(answer).toMatchObject({ rest: { range: null }, sent: MIB - 3000 });
    expect(answer.copied.equals(film.bytes(1000 + MIB - 3000, MIB + 999))).toBe(true);
    expect(cache.traffic.hitBytes - before).toBe(MIB);
  });

  test.each([
    ['without an end', 'bytes=5-', {}],
    ['a suffix', 'bytes=-5', {}],
    ['several', 'bytes=0-1,5-6', {}],
    ['an end before its start', 'bytes=9-5', {}],
    ['behind the end', `bytes=${SIZE}-${SIZE + 5}`, {}],
    ['of more than 4 MiB', `bytes=0-${4 * MIB}`, {}],
    ['with If-Range', 'bytes=0-9', { 'if-range': '"x"' }],
    ['with If-None-Match', 'bytes=0-9', { 'if-none-match': '"x"' }],
    ['with If-Match', 'bytes=0-9', { 'if-match': '"x"' }],
    ['with If-Modified-Since', 'bytes=0-9', { 'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' }],
    ['with If-Unmodified-Since', 'bytes=0-9', { 'if-unmodified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' }],
  ])('%s takes the ordinary way', async (_, range, fields) => {
    const { quick, fill } = await scene();
    await fill();
    expect(quick(range, fields as Record<string, string>)).toMatchObject({ rest: null, sent: 0 });
  });

  test('is asked of the database again once anything was committed, by whatever process', async () => {
    const { quick, fill, remembered, cache } = await scene();
    await fill();
    const cacheDir = join((await cache.completeFileOf(1)) ?? '', '../../..');
    await using other = await FileCache.open({ cacheDir, maxSize: 'unlimited', background: false });
    await remembered();
    expect(quick('bytes=0-9').sent).toBe(10);
    await other.setPinned(1, true);
    await nextTurn();
    expect(quick('bytes=0-9').rest).toBeNull();
    await remembered();
    expect(quick('bytes=0-9').sent).toBe(10);
    await other.remove(1);
    await nextTurn();
    expect(quick('bytes=0-9').rest).toBeNull();
  });
});

/** A request that comes now is one of the next turn of the event loop. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('over a connection, quick and ordinary answers say the same, one after the other', async () => {
  const { url, path, film, fill } = await scene();
  await fill();
  const client = await RawClient.connect(url);
  const heads: unknown[] = [];
  for (const fields of [[], [`If-Range: ${film.etag}`], []]) {
    client.get(path, 'Range: bytes=5000-69999', ...fields);
    const { statusLine, headers, body } = await client.answer();
    expect(body.equals(film.bytes(5000, 69_999))).toBe(true);
    const { date, ...others } = headers;
    heads.push({ statusLine, others });
  }
  expect(heads[1]).toEqual(heads[0]);
  expect(heads[2]).toEqual(heads[0]);
});

test('a file that was cut short is mended within the answer', async () => {
  const { url, path, film, fill, cache } = await scene();
  await fill();
  await truncate((await cache.completeFileOf(1)) ?? '', MIB + 100);
  const client = await RawClient.connect(url);
  client.get(path, `Range: bytes=${MIB}-${MIB + 999}`);
  expect((await client.answer()).body.equals(film.bytes(MIB, MIB + 999))).toBe(true);
});

test('a client that does not read gets the rest when it does', async () => {
  const { url, path, film, fill } = await scene();
  await fill();
  const client = await RawClient.connect(url);
  client.socket.pause();
  for (let i = 0; i < 12; i++) client.get(path, `Range: bytes=0-${MIB - 1}`);
  client.socket.resume();
  for (let i = 0; i < 12; i++) expect((await client.answer()).body.equals(film.bytes(0, MIB - 1))).toBe(true);
});
