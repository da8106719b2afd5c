import type { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { apiServer } from './api-server.ts';
import { EventReader } from './event-reader.ts';

const MIB = 1024 * 1024;

test('tells of a download from its registration to its removal', async () => {
  const api = await apiServer();
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 2 * MIB });
  const events = await EventReader.open(`${api.url}/api/v1/events`);
  expect(events.headers.get('content-type')).toBe('text/event-stream');

  const entry = await api.register(film.url);
  const changed = await events.until(({ type }) => type === 'entryChanged');
  expect(changed.data).toMatchObject({ entryId: entry.id, entry: { id: entry.id, state: 'Initializing', streamUrl: entry.streamUrl } });

  await (await fetch(entry.streamUrl)).arrayBuffer();
  const opened = await events.until(({ type }) => type === 'streamOpened');
  expect(opened.data).toStrictEqual({ entryId: entry.id, streamId: expect.any(Number) });
  const closed = await events.until(({ type }) => type === 'streamClosed');
  expect(closed.data).toStrictEqual(opened.data);
  const added = await events.until(({ type, data }) => type === 'rangesAdded' && data.downloadedBytes === 2 * MIB);
  expect(added.data).toStrictEqual({ entryId: entry.id, downloadedBytes: 2 * MIB });

  await api.call('DELETE', `/api/v1/entries/${entry.id}`);
  const removed = await events.until(({ type }) => type === 'entryRemoved');
  expect(removed.data).toStrictEqual({ entryId: entry.id });
  const stats = await events.until(({ type, data }) => type === 'stats' && data.entries === 0);
  expect(stats.data).toMatchObject({ cacheBytes: 0, missBytes: 2 * MIB, originBytes: 2 * MIB, activeStreams: 0 });
  await events.close();
});

test('a client that goes away leaves nothing behind', async () => {
  const api = await apiServer();
  const names = ['entryChanged', 'entryRemoved', 'rangesAdded', 'streamOpened', 'streamClosed'] as const;
  const before = names.map((name) => api.cache.emitter.listenerCount(name));
  const events = await EventReader.open(`${api.url}/api/v1/events`);
  expect(names.map((name) => api.cache.emitter.listenerCount(name))).toStrictEqual(before.map((count) => count + 1));

  const gone = new Promise<void>((resolve) => {
    const emitter: EventEmitter = api.cache.emitter;
    emitter.on('removeListener', (name: string) => {
      if (name === 'streamClosed') resolve();
    });
  });
  await events.close();
  await gone;
  expect(names.map((name) => api.cache.emitter.listenerCount(name))).toStrictEqual(before);
});

test('events end when the server closes', async () => {
  const api = await apiServer();
  const events = await EventReader.open(`${api.url}/api/v1/events`);
  const ended = (async () => {
    while ((await events.next()) !== null);
  })();
  await api.server.close(60_000);
  await ended;
});
