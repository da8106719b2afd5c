import { expect, test } from 'vitest';
import { ConnectionLimits } from '#seekwell/downloads/connection-limits';
import type { DownloadSettings } from '#seekwell/downloads/download-settings';
import { FetchTable } from '#seekwell/downloads/fetch-table';
import type { FetchUnderWay } from '#seekwell/downloads/fetch-task';
import type { EntryRow } from '#seekwell/repository/cache-repository';
import { CacheServer } from '../support/cache-server.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;

test('a player that leaves and seeks goes on over a connection that was opened ahead', async () => {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: 64 * MIB, hold: true });
  const server = await CacheServer.start({ cacheDir: await temporaryFolder(), fill: 'never', lookahead: 0 });
  const url = await server.streamOf(film.url);
  const leave = new AbortController();
  afterThisTest(() => leave.abort());
  const first = fetch(url, { headers: { range: 'bytes=0-' }, signal: leave.signal });
  await film.waitForRequests(1);
  expect(origin.connections).toBe(1);
  film.behave({ rate: MIB });
  film.release();
  await first;
  await eventually('a connection is ready', () => origin.openConnections === 2);
  leave.abort();
  film.behave({ hold: true });
  const seek = fetch(url, { headers: { range: `bytes=${40 * MIB}-${40 * MIB + 99}` } });
  await film.waitForRequests(2);
  expect(origin.connections).toBe(2);
  film.release();
  expect(Buffer.from(await (await seek).arrayBuffer()).equals(film.bytes(40 * MIB, 40 * MIB + 99))).toBe(true);
});

const entry = { id: 1, originalUrl: 'http://films.test/film.mkv' } as EntryRow;

function limitsOf(settings: Partial<DownloadSettings> = {}) {
  const clock = new ManualClock();
  const limits = new ConnectionLimits({
    fetches: new FetchTable(),
    settings: { connections: 4, connectionsPerOrigin: 8, ...settings } as DownloadSettings,
    clock,
    readersWait: () => false,
    eased: () => {},
  });
  return { limits, clock };
}

test('one may be ready as long as the origin has fewer than are allowed', () => {
  const { limits } = limitsOf({ connectionsPerOrigin: 2 });
  expect(limits.allowsSpare(entry)).toBe(true);
  limits.admit(entry);
  expect(limits.allowsSpare(entry)).toBe(true);
  const end = limits.admit(entry);
  expect(limits.allowsSpare(entry)).toBe(false);
  end?.();
  expect(limits.allowsSpare(entry)).toBe(true);
});

test('none is ready for who allows one connection', () => {
  expect(limitsOf({ connections: 1 }).limits.allowsSpare(entry)).toBe(false);
});

test('none is ready while a reader waits for a place', () => {
  const { limits } = limitsOf();
  const over = limits.waits(entry);
  expect(limits.allowsSpare(entry)).toBe(false);
  over();
  expect(limits.allowsSpare(entry)).toBe(true);
});

test('none is ready for five minutes after the origin said that it is asked too much', () => {
  const { limits, clock } = limitsOf();
  limits.overloaded({ origin: 'http://films.test' } as FetchUnderWay);
  clock.advance(299_999);
  expect(limits.allowsSpare(entry)).toBe(false);
  clock.advance(1);
  expect(limits.allowsSpare(entry)).toBe(true);
});
