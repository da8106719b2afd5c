import { expect, test } from 'vitest';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { apiServer } from './api-server.ts';

const MIB = 1024 * 1024;

test('registers a resource, without a request to its origin', async () => {
  const api = await apiServer();
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/films/Big%20film.mkv', { size: 10 });

  const answer = await api.call('POST', '/api/v1/entries', { url: film.url });

  expect(answer.status).toBe(201);
  expect(answer.headers.get('location')).toBe(`/api/v1/entries/${answer.json.id}`);
  expect(answer.json).toStrictEqual({
    id: 1,
    source: 'url',
    media: expect.stringMatching(/^[0-9a-f]{16}$/),
    quality: 'original',
    filename: 'Big film.mkv',
    url: film.url,
    state: 'Initializing',
    error: null,
    lastError: null,
    retryAt: null,
    expectedTotalSize: null,
    downloadedBytes: 0,
    progress: null,
    pendingChunks: 0,
    spanCount: 0,
    mimeType: null,
    pinned: false,
    fill: true,
    active: false,
    createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    lastAccessed: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    streamUrl: `${api.url}/stream/url/${answer.json.media}/original/Big%20film.mkv`,
  });
  expect(origin.requests).toHaveLength(0);
});

test('takes every name and wish, and answers 200 for a key that exists, bound to the new URL', async () => {
  const api = await apiServer();
  const names = { source: 'films & more', media: '42/a', quality: '4K é', filename: 'Größe.mkv' };
  const first = await api.call('POST', '/api/v1/entries', { url: 'http://127.0.0.1:1/a?sig=1', ...names, pinned: true, fill: false });
  const second = await api.call('POST', '/api/v1/entries', { url: 'http://127.0.0.1:1/b?sig=2', ...names, headers: { Referer: 'x' } });

  expect(first.status).toBe(201);
  expect(first.json).toMatchObject({ ...names, pinned: true, fill: false });
  expect(first.json.streamUrl).toBe(`${api.url}/stream/films%20%26%20more/42%2Fa/4K%20%C3%A9/Gr%C3%B6%C3%9Fe.mkv`);
  expect(second.status).toBe(200);
  expect(second.json).toMatchObject({ id: first.json.id, url: 'http://127.0.0.1:1/b' });
});

test('streams what it registered, at the stream URL it gave', async () => {
  const api = await apiServer();
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 3 * MIB, guard: (_query, headers) => (headers['x-key'] === 'open' ? null : 403) });
  const entry = await api.register(film.url, { source: 'a/b', media: 'c?d', quality: 'e#f', headers: { 'X-Key': 'open' } });

  const response = await fetch(entry.streamUrl, { headers: { range: 'bytes=1000-1999' } });

  expect(response.status).toBe(206);
  expect(Buffer.from(await response.arrayBuffer()).equals(film.bytes(1000, 1999))).toBe(true);
});

test('prefetches everything at once where the registration asks for it', async () => {
  const api = await apiServer();
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 3 * MIB });

  const entry = await api.register(film.url, { prefetch: true });
  await (await api.cache.get(entry.id))?.prefetch();

  const { json } = await api.call('GET', `/api/v1/entries/${entry.id}`);
  expect(json).toMatchObject({ state: 'Complete', progress: 1, downloadedBytes: 3 * MIB, expectedTotalSize: 3 * MIB, spanCount: 1 });
  expect((await api.call('GET', `/api/v1/entries/${entry.id}/ranges`)).json).toStrictEqual({ ranges: [[0, 3 * MIB - 1]] });
});

test('prefetches only the ranges that are asked for, by registration and by action', async () => {
  const api = await apiServer({ cacheOptions: { chunkSize: MIB, fill: 'never' } });
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 16 * MIB });
  const entry = await api.register(film.url, { fill: false, prefetch: [`0-${MIB - 1}`] });
  await (await api.cache.get(entry.id))?.prefetch({ ranges: [{ start: 0, end: MIB - 1 }] });

  const answer = await api.call('POST', `/api/v1/entries/${entry.id}/prefetch`, { ranges: [`-${MIB}`, `${4 * MIB}-${5 * MIB - 1}`] });
  await (await api.cache.get(entry.id))?.prefetch({
    ranges: [
      { start: 4 * MIB, end: 5 * MIB - 1 },
      { start: 15 * MIB, end: 16 * MIB - 1 },
    ],
  });

  expect(answer.status).toBe(200);
  expect(answer.json.id).toBe(entry.id);
  expect((await api.call('GET', `/api/v1/entries/${entry.id}/ranges`)).json.ranges).toStrictEqual([
    [0, MIB - 1],
    [4 * MIB, 5 * MIB - 1],
    [15 * MIB, 16 * MIB - 1],
  ]);
});

test.each([
  ['no body at all', undefined, {}],
  ['an empty body that says it is JSON', '', { 'content-type': 'application/json' }],
  ['an empty object', {}, {}],
])('prefetch with %s asks for everything', async (_what, body, headers) => {
  const api = await apiServer();
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 2 * MIB });
  const entry = await api.register(film.url);

  const answer = await api.call('POST', `/api/v1/entries/${entry.id}/prefetch`, body, headers);
  await (await api.cache.get(entry.id))?.prefetch();

  expect(answer.status).toBe(200);
  expect((await api.call('GET', `/api/v1/entries/${entry.id}`)).json.state).toBe('Complete');
});

test('pauses, resumes, pins and unpins; each answers with the entry afterwards', async () => {
  const api = await apiServer();
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 4 * MIB });
  const entry = await api.register(film.url, { fill: false });
  await (await api.cache.get(entry.id))?.prefetch({ ranges: [{ start: 0, end: MIB - 1 }] });
  film.behave({ hold: true });
  const act = async (action: string) => (await api.call('POST', `/api/v1/entries/${entry.id}/${action}`)).json;

  expect(await act('resume')).toMatchObject({ id: entry.id, state: 'Downloading', fill: true });
  expect(await act('pause')).toMatchObject({ id: entry.id, state: 'Paused', pendingChunks: 0, fill: false });
  expect(await act('pin')).toMatchObject({ id: entry.id, pinned: true });
  expect(await act('unpin')).toMatchObject({ id: entry.id, pinned: false });
  film.release();
  await (await api.cache.get(entry.id))?.prefetch();
  expect(await act('pause')).toMatchObject({ id: entry.id, state: 'Complete' });
});

test('retry forgets a failure', async () => {
  const api = await apiServer();
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 100, status: 404 });
  const entry = await api.register(film.url);
  await expect((await api.cache.get(entry.id))?.prefetch()).rejects.toMatchObject({ code: 'ORIGIN_MISSING' });
  expect((await api.call('GET', `/api/v1/entries/${entry.id}`)).json).toMatchObject({
    state: 'Failed',
    error: expect.stringContaining('404'),
  });

  film.behave({ status: null });
  const answer = await api.call('POST', `/api/v1/entries/${entry.id}/retry`);
  await (await api.cache.get(entry.id))?.prefetch();

  expect(answer.json).toMatchObject({ error: null });
  expect((await api.call('GET', `/api/v1/entries/${entry.id}`)).json.state).toBe('Complete');
});

test('never shows a progress of 1 before all is there', async () => {
  const api = await apiServer({ cacheOptions: { fill: 'never' } });
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 10 * MIB });
  const entry = await api.register(film.url, { fill: false });
  await (await api.cache.get(entry.id))?.prefetch({ ranges: [{ start: 0, end: 10 * MIB - 101 }] });

  expect((await api.call('GET', `/api/v1/entries/${entry.id}`)).json).toMatchObject({ progress: 0.999, downloadedBytes: 10 * MIB - 100 });
});

test('removes an entry', async () => {
  const api = await apiServer();
  const entry = await api.register('http://127.0.0.1:1/a.mkv');

  const answer = await api.call('DELETE', `/api/v1/entries/${entry.id}`);

  expect([answer.status, answer.text]).toStrictEqual([204, '']);
  expect((await api.call('GET', `/api/v1/entries/${entry.id}`)).status).toBe(404);
  expect((await api.call('DELETE', `/api/v1/entries/${entry.id}`)).json.code).toBe('ENTRY_NOT_FOUND');
});

test('lists by state, source and text, in order, page by page', async () => {
  const api = await apiServer();
  for (const name of ['c', 'a', 'b']) await api.register(`http://127.0.0.1:1/${name}.mkv`, { source: name === 'b' ? 'other' : 'films' });
  const names = async (query: string) =>
    (await api.call('GET', `/api/v1/entries?${query}`)).json.entries.map((entry: { filename: string }) => entry.filename);

  expect(await names('')).toStrictEqual(['c.mkv', 'a.mkv', 'b.mkv']);
  expect(await names('sort=name')).toStrictEqual(['a.mkv', 'b.mkv', 'c.mkv']);
  expect(await names('source=films&sort=name')).toStrictEqual(['a.mkv', 'c.mkv']);
  expect(await names('q=b.m')).toStrictEqual(['b.mkv']);
  expect(await names('state=Complete')).toStrictEqual([]);
  expect(await names('state=Initializing')).toHaveLength(3);

  const first = (await api.call('GET', '/api/v1/entries?sort=name&limit=2')).json;
  const second = (await api.call('GET', `/api/v1/entries?sort=name&limit=2&cursor=${first.nextCursor}`)).json;
  expect(first.entries.map((entry: { filename: string }) => entry.filename)).toStrictEqual(['a.mkv', 'b.mkv']);
  expect(second.entries.map((entry: { filename: string }) => entry.filename)).toStrictEqual(['c.mkv']);
  expect(second.nextCursor).toBeNull();
});

test('answers HEAD as GET, without a body', async () => {
  const api = await apiServer();
  await api.register('http://127.0.0.1:1/a.mkv');
  for (const path of [
    '/api/v1/entries',
    '/api/v1/entries/1',
    '/api/v1/entries/1/ranges',
    '/api/v1/stats',
    '/api/v1/events',
    '/metrics',
    '/',
  ]) {
    const [head, type] = [await api.call('HEAD', path), path === '/api/v1/events' ? 'text/event-stream' : null];
    expect([path, head.status, head.text]).toStrictEqual([path, 200, '']);
    expect(head.headers.get('content-type')).toBe(type ?? (await api.call('GET', path)).headers.get('content-type'));
  }
  expect((await api.call('HEAD', '/api/v1/entries/99')).status).toBe(404);
});
