import { expect, test } from 'vitest';
import { EventFeed, type FeedParts } from '#seekwell/api/event-feed';
import type { StatsJson } from '#seekwell/api/schemas';
import { CacheEvents } from '#seekwell/downloads/cache-events';
import type { EntryInfo } from '#seekwell/entry-info';
import { SeekwellError } from '#seekwell/errors';
import { silentLogger } from '#seekwell/logger';
import { ManualClock } from '../support/manual-clock.ts';

interface Setting {
  readonly clock: ManualClock;
  readonly emitter: CacheEvents;
  /** How often an entry was read. */
  readonly looks: number[];
  readonly end: AbortController;
  readonly reader: ReadableStreamDefaultReader<Uint8Array>;
  /** What comes after `milliseconds`, without the stats. */
  after(milliseconds: number): Promise<string[]>;
}

/** Lets promises settle: nothing here waits for anything but promises. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setting(parts: Partial<FeedParts> = {}): Setting {
  const clock = new ManualClock();
  const emitter = new CacheEvents();
  const looks: number[] = [];
  const end = new AbortController();
  const stream = EventFeed.open({
    emitter,
    clock,
    logger: silentLogger,
    infoOf: async (id) => {
      looks.push(id);
      return { id, downloadedBytes: looks.length } as EntryInfo;
    },
    stats: async () => ({}) as StatsJson,
    toJson: (info) => ({ id: info.id }) as never,
    signal: end.signal,
    ...parts,
  });
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let reads = false;
  const read = async (): Promise<void> => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += decoder.decode(part.value);
  };
  const after = async (milliseconds: number): Promise<string[]> => {
    if (!reads) void read();
    reads = true;
    await settled();
    text = '';
    clock.advance(milliseconds);
    await settled();
    return text.split('\n\n').filter((block) => block !== '' && !block.startsWith('event: stats'));
  };
  return { clock, emitter, looks, end, reader, after };
}

test('an entry that changes all the time is told of four times a second', async () => {
  const { emitter, looks, after } = setting();
  await after(0);
  const told: string[] = [];
  for (let tick = 0; tick < 100; tick++) {
    emitter.emit('entryChanged', { entryId: 7 });
    emitter.emit('rangesAdded', { entryId: 7 });
    told.push(...(await after(10)));
  }
  expect(told.filter((block) => block.startsWith('event: entryChanged'))).toHaveLength(4);
  expect(told.filter((block) => block.startsWith('event: rangesAdded'))).toHaveLength(4);
  expect(looks).toHaveLength(4);
});

test('stats are told each second', async () => {
  let asked = 0;
  const { after } = setting({
    stats: async () => {
      asked++;
      return {} as StatsJson;
    },
  });
  await after(0);
  for (let tick = 0; tick < 40; tick++) await after(250);
  // One at once, one each second; the last is due with the next look.
  expect(asked).toBeGreaterThanOrEqual(10);
  expect(asked).toBeLessThanOrEqual(11);
});

test('a client that does not read makes nothing pile up, and sees the latest when it reads on', async () => {
  const { clock, emitter, looks, after } = setting({ toJson: (info) => ({ id: info.id, padding: 'x'.repeat(10_000) }) as never });
  for (let round = 0; round < 100; round++) {
    for (let entryId = 1; entryId <= 3; entryId++) emitter.emit('entryChanged', { entryId });
    clock.advance(250);
    await settled();
  }
  // 64 KiB are buffered, and what the last look added.
  expect(looks.length).toBeLessThanOrEqual(9);

  await after(0);
  const told = await after(250);
  expect(told.map((block) => JSON.parse(block.split('data: ')[1] ?? '').entryId).sort()).toStrictEqual([1, 2, 3]);
});

test('more changes than can be told one by one become one reload', async () => {
  const { emitter, looks, after } = setting();
  await after(0);
  for (let entryId = 1; entryId <= 1500; entryId++) emitter.emit('entryChanged', { entryId });
  const told = await after(250);
  expect(told[0]).toBe('event: reload\ndata: {}');
  expect(looks.length).toBeLessThanOrEqual(1000);
});

test('an entry that is gone when it is told of is passed over; another failure asks the client to look again', async () => {
  let failure: Error = new SeekwellError('ENTRY_NOT_FOUND', 'gone');
  const { emitter, after } = setting({ infoOf: () => Promise.reject(failure) });
  await after(0);
  emitter.emit('entryChanged', { entryId: 1 });
  expect(await after(250)).toStrictEqual([]);
  failure = new SeekwellError('DATABASE_BUSY', 'locked');
  emitter.emit('entryChanged', { entryId: 1 });
  await after(250);
  expect(await after(250)).toStrictEqual(['event: reload\ndata: {}']);
});

test('an entry that was removed is told of as such, whatever came before', async () => {
  const { emitter, looks, after } = setting();
  await after(0);
  emitter.emit('entryChanged', { entryId: 5 });
  emitter.emit('entryRemoved', { entryId: 5 });
  expect(await after(250)).toStrictEqual(['event: entryRemoved\ndata: {"entryId":5}']);
  expect(looks).toStrictEqual([]);
});

test.each(['the client goes', 'the server closes'])('no timer and no listener is left when %s', async (who) => {
  const { clock, emitter, end, reader } = setting();
  await settled();
  expect(clock.timers).toBe(2);
  if (who === 'the client goes') await reader.cancel();
  else end.abort();
  expect(clock.timers).toBe(0);
  expect(emitter.eventNames()).toStrictEqual([]);
});

test('a feed of a server that closes already ends at once', async () => {
  const closed = new AbortController();
  closed.abort();
  const { reader, emitter } = setting({ signal: closed.signal });
  await reader.read();
  expect(await reader.read()).toMatchObject({ done: true });
  expect(emitter.eventNames()).toStrictEqual([]);
});
