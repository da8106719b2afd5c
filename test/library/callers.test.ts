import { once } from 'node:events';
import type { CacheOptions, ReadOptions } from 'seekwell';
import { describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ResourceOptions, ScriptedResource } from '../support/scripted-resource.ts';
import { openCache } from './open-library-cache.ts';

const MIB = 1024 * 1024;

async function film(behaviour: Partial<ResourceOptions> = {}): Promise<ScriptedResource> {
  return (await ScriptedOrigin.start()).add('/film.mkv', { size: 2 * MIB, ...behaviour });
}

describe('a caller that leaves while the origin says nothing', () => {
  test('of a stream: waits for nothing, and the fetch ends', async () => {
    const resource = await film({ hold: true });
    const cache = await openCache({ fill: 'never' });
    const stream = (await cache.add({ url: resource.url })).stream().getReader();
    const read = stream.read();
    await resource.waitForRequests(1);
    await stream.cancel();
    expect(await read).toStrictEqual({ done: true, value: undefined });
    await eventually('the fetch has ended', () => cache.activeFetches === 0);
  });

  test.each(['read', 'readAt', 'prefetch', 'fetch'] as const)('by its signal, of %s: hears its own reason', async (what) => {
    const resource = await film({ hold: true });
    const cache = await openCache({ fill: 'never' });
    const entry = await cache.add({ url: resource.url, source: 'films', media: '42' });
    const { signal, ...caller } = abortable();
    const calls = {
      read: async () => entry.read({ signal })[Symbol.asyncIterator]().next(),
      readAt: () => entry.readAt(new Uint8Array(10), 0, { signal }),
      prefetch: () => entry.prefetch({ signal }),
      fetch: () => cache.fetch(new Request('media://cache/stream/films/42/original', { signal })),
    };
    const failure = expect(calls[what]()).rejects.toBe(caller.reason);
    await resource.waitForRequests(1);
    caller.abort();
    await failure;
    await expect(calls[what]()).rejects.toBe(caller.reason);
    expect(resource.requests).toHaveLength(1);
  });

  test.each(['read', 'fetch'] as const)(
    'of %s, whose length nobody knows and nothing is kept of: half of it is not taken for all',
    async (what) => {
      const resource = await film({ lengthKnown: false, ranges: false, fault: { kind: 'stall', after: MIB } });
      const cache = await openCache({ fill: 'never', maxSize: 1 });
      const entry = await cache.add({ url: resource.url, source: 'films', media: '42' });
      const { signal, ...caller } = abortable();
      const calls = {
        read: async () => entry.read({ signal }),
        fetch: async () => (await cache.fetch(new Request('media://cache/stream/films/42/original', { signal }))).body ?? [],
      };
      let got = 0;
      const reading = (async () => {
        for await (const bytes of await calls[what]()) got += bytes.length;
      })();
      const failure = expect(reading).rejects.toBe(caller.reason);
      await eventually('half of it is there', () => got === MIB);
      caller.abort();
      await failure;
    },
  );

  test('in the middle of a body of fetch', async () => {
    const resource = await film({ fault: { kind: 'stall', after: MIB } });
    const cache = await openCache();
    await cache.add({ url: resource.url, source: 'films', media: '42' });
    const { signal, ...caller } = abortable();
    const answer = await cache.fetch(new Request('media://cache/stream/films/42/original', { signal }));
    const failure = expect(answer.arrayBuffer()).rejects.toBe(caller.reason);
    caller.abort();
    await failure;
  });
});

function abortable(): { readonly signal: AbortSignal; readonly reason: Error; abort(): void } {
  const controller = new AbortController();
  const reason = new Error('the caller has enough');
  return { signal: controller.signal, reason, abort: () => controller.abort(reason) };
}

describe('what makes no sense is refused before anything is asked', () => {
  const reads: ReadOptions[] = [
    { offset: -1 },
    { offset: 1.5 },
    { offset: Number.NaN },
    { length: -3 },
    { length: Number.NaN },
    { length: 0.5 },
  ];
  test.each(reads)('a reading of %o', async (options) => {
    const resource = await film();
    const entry = await (await openCache()).add({ url: resource.url });
    await expect(entry.read(options)[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'BAD_RANGE' });
    expect(resource.requests).toHaveLength(0);
  });

  test.each([
    [-5, 10],
    [0.5, 10.5],
    [10, 5],
    [0, Number.NaN],
  ])('a prefetch of %d to %d', async (start, end) => {
    const resource = await film();
    const entry = await (await openCache()).add({ url: resource.url });
    await expect(entry.prefetch({ ranges: [{ start, end }] })).rejects.toMatchObject({ code: 'BAD_RANGE' });
    expect(resource.requests).toHaveLength(0);
  });

  const options: Partial<CacheOptions>[] = [
    { connections: 0 },
    { connectionsPerOrigin: 0 },
    { chunkSize: -5 },
    { chunkSize: 1000.5 },
    { limitRate: 0 },
    { backgroundLimitRate: Number.NaN },
    { lookahead: -1 },
    { cacheDir: '' },
  ];
  test.each(options)('a cache with %o', async (wrong) => {
    await expect(openCache(wrong)).rejects.toMatchObject({ code: 'BAD_OPTION' });
  });

  test.each(['', '..', 'a\nb', 'x'.repeat(5000)])('a key with the name %j', async (mediaId) => {
    const cache = await openCache({ keyOf: () => ({ sourceId: 'films', mediaId, quality: 'original' }) });
    await expect(cache.add({ url: 'http://127.0.0.1:9/film.mkv' })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });

  test('another origin with a header that HTTP cannot carry', async () => {
    const entry = await (await openCache()).add({ url: 'http://127.0.0.1:9/film.mkv' });
    const origin = { url: 'http://127.0.0.1:9/film.mkv', headers: { 'x a': 'a\r\nb' } };
    await expect(entry.rebind(origin)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });
});

describe('a prefetch that is waited for', () => {
  test('rests while its entry is paused, and goes on when it is resumed', async () => {
    const resource = await film({ gate: (at) => (at < MIB ? MIB : 0) });
    const cache = await openCache({ chunkSize: MIB / 4 });
    const entry = await cache.add({ url: resource.url });
    const looks: string[] = [];
    const prefetch = entry.prefetch({ onProgress: ({ state }) => looks.push(state) });
    await eventually('half of it is there', async () => (await entry.info()).downloadedBytes === MIB);
    await entry.pause();
    looks.length = 0;
    await eventually('it has looked again', () => looks.length >= 3);
    expect(looks).not.toContain('Downloading');
    expect(await entry.info()).toMatchObject({ state: 'Paused', pendingChunks: 0 });
    resource.behave({ gate: null });
    await entry.resume();
    await prefetch;
    expect((await entry.info()).state).toBe('Complete');
  });

  test('of a range ends when the range is there, where the origin gives no length', async () => {
    const resource = await film({ lengthKnown: false, ranges: false, fault: { kind: 'stall', after: MIB } });
    const entry = await (await openCache()).add({ url: resource.url });
    await entry.prefetch({ ranges: [{ start: 0, end: 99 }] });
    expect((await entry.info()).state).toBe('Downloading');
  });

  test('may be one of many', async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error): unknown => warnings.push(warning);
    process.on('warning', warned);
    const cache = await openCache();
    const origin = await ScriptedOrigin.start();
    const films = await Promise.all(
      Array.from({ length: 12 }, (_, index) => cache.add({ url: origin.add(`/${index}.mkv`, { size: MIB, hold: true }).url })),
    );
    const leave = new AbortController();
    const waiting = films.map((entry) => entry.prefetch({ signal: leave.signal }).catch(() => {}));
    const listeners = films.map(() => once(cache.emitter, 'entryChanged', { signal: leave.signal }).catch(() => {}));
    leave.abort();
    await Promise.all([...waiting, ...listeners]);
    process.off('warning', warned);
    expect(warnings).toEqual([]);
  });
});
