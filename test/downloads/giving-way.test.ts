import { expect, test } from 'vitest';
import { PRIORITY, type Priority } from '#seekwell/core/priority';
import type { ChunkDownloader } from '#seekwell/downloads/chunk-downloader';
import { ConnectionLimits } from '#seekwell/downloads/connection-limits';
import type { DownloadSettings } from '#seekwell/downloads/download-settings';
import { FetchTable } from '#seekwell/downloads/fetch-table';
import { GivingWay } from '#seekwell/downloads/giving-way';
import { Signal } from '#seekwell/downloads/signal';
import type { EntryRow } from '#seekwell/repository/cache-repository';
import { CacheServer } from '../support/cache-server.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;
const ORIGIN = 'http://films.test';
const entry = { id: 1, originalUrl: `${ORIGIN}/film.mkv`, retryAt: null } as EntryRow;

/** A fetch as far as those who give way look at it. */
class Fetch {
  readonly entry = entry;
  readonly origin = ORIGIN;
  readonly wholeBody: boolean;
  priority: Priority;
  heard: object | null = null;
  stopping = false;
  readonly #told = new Signal();

  constructor(priority: Priority, wholeBody = false) {
    this.priority = priority;
    this.wholeBody = wholeBody;
  }

  stop(): void {
    this.stopping = true;
  }

  hear(): void {
    this.heard = {};
    this.#told.fire();
  }

  async untilHeard(): Promise<object | null> {
    while (this.heard === null) await this.#told.next();
    return this.heard;
  }
}

function stage() {
  const clock = new ManualClock();
  const fetches = new FetchTable();
  const settings = { connections: 4, connectionsPerOrigin: 8 } as DownloadSettings;
  const limits = new ConnectionLimits({ fetches, settings, clock, readersWait: () => false, eased: () => {} });
  const givingWay = new GivingWay({ fetches, limits, clock, freed: new Signal(), room: () => {} });
  const add = (priority: Priority, wholeBody = false): Fetch => {
    const fetch = new Fetch(priority, wholeBody);
    fetches.add(fetch as unknown as ChunkDownloader, { kind: 'from', start: 0, end: null });
    givingWay.watch(fetch as unknown as ChunkDownloader);
    return fetch;
  };
  const leave = (...gone: Fetch[]): void => {
    for (const fetch of gone) fetches.delete(fetch as unknown as ChunkDownloader);
  };
  return { clock, limits, givingWay, add, leave };
}

test('what no reader waits for gives way to a reader whose origin is silent for a second', async () => {
  const { clock, limits, add, leave } = stage();
  const fills = [add(PRIORITY.LOW), add(PRIORITY.HIGH)];
  for (const fill of fills) fill.hear();
  const read = add(PRIORITY.CRITICAL);
  clock.advance(999);
  expect(fills.map(({ stopping }) => stopping)).toEqual([false, false]);
  clock.advance(1);
  expect(fills.map(({ stopping }) => stopping)).toEqual([true, true]);
  // Nothing new begins before the reader was answered.
  leave(...fills);
  expect(limits.allows(entry, PRIORITY.HIGH)).toBe(false);
  clock.advance(499);
  read.hear();
  await new Promise((resolve) => setImmediate(resolve));
  // Three were too many: it takes one.
  expect(limits.allows(entry, PRIORITY.HIGH)).toBe(false);
  leave(read);
  expect(limits.allows(entry, PRIORITY.LOW)).toBe(true);
});

test('an origin that is slow to answer is not one that takes few connections', async () => {
  const { clock, limits, add, leave } = stage();
  const fill = add(PRIORITY.LOW);
  const read = add(PRIORITY.CRITICAL);
  clock.advance(1_000);
  expect(fill.stopping).toBe(true);
  leave(fill);
  clock.advance(500);
  read.hear();
  await new Promise((resolve) => setImmediate(resolve));
  expect(limits.allows(entry, PRIORITY.HIGH)).toBe(true);
});

test('nothing gives way to what was answered, is over, or is not waited for; a reader may come later', () => {
  const { clock, add } = stage();
  const fill = add(PRIORITY.LOW);
  const [answered, over, ahead] = [add(PRIORITY.CRITICAL), add(PRIORITY.CRITICAL), add(PRIORITY.HIGH)];
  answered.hear();
  over.stop();
  clock.advance(1_999);
  expect(fill.stopping).toBe(false);
  ahead.priority = PRIORITY.CRITICAL;
  clock.advance(1);
  expect(fill.stopping).toBe(true);
});

test('the whole body of an origin without ranges goes on: its bytes could not be had again', () => {
  const { clock, add } = stage();
  const whole = add(PRIORITY.LOW, true);
  add(PRIORITY.CRITICAL);
  clock.advance(3_000);
  expect(whole.stopping).toBe(false);
});

test('closed, nothing gives way any more', () => {
  const { clock, add, givingWay } = stage();
  const fill = add(PRIORITY.LOW);
  add(PRIORITY.CRITICAL);
  givingWay.close();
  clock.advance(10_000);
  expect(fill.stopping).toBe(false);
  expect(clock.timers).toBe(0);
});

test('where an origin was found to take no more, background work ends for a reader that comes', () => {
  const { limits, add } = stage();
  const fills = [add(PRIORITY.LOW), add(PRIORITY.LOW)];
  limits.admit(entry)?.();
  expect(fills.some(({ stopping }) => stopping)).toBe(false);
  limits.overloaded(fills[0] as unknown as ChunkDownloader, 4);
  limits.admit(entry)?.();
  expect(fills.filter(({ stopping }) => stopping)).toHaveLength(1);
});

test('a reader gets its bytes from an origin that serves one connection after the other', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 64 * MIB, rate: 8 * MIB, parallel: { limit: 1, status: 'waits' } });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder() });
  const url = await server.streamOf(film.url);
  const leave = new AbortController();
  afterThisTest(() => leave.abort());
  for (const at of [0, 60 * MIB, 20 * MIB, 40 * MIB]) {
    const response = await fetch(url, { headers: { range: `bytes=${at}-${at + 99}` }, signal: leave.signal });
    expect(Buffer.from(await response.arrayBuffer()).equals(film.bytes(at, at + 99))).toBe(true);
    // The background fill begins, and holds the one place.
    await film.waitForRequests(film.requests.length + 1);
  }
});
