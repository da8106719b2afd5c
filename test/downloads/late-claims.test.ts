import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { CacheServer } from '../support/cache-server.ts';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

// Claims that are answered late, because another process writes: what they were made for may be over by then, or others may have been made meanwhile.

const MIB = 1024 * 1024;

/** Keeps everybody from writing until it is called again. */
function holdDatabase(cacheDir: string): () => void {
  const database = new Database(join(cacheDir, 'seekwell.db'));
  afterThisTest(() => database.close());
  database.exec('BEGIN IMMEDIATE');
  return () => database.exec('COMMIT');
}

test('two readers that seek into one run of background work keep a request each', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 256 * MIB, rate: 2 * MIB });
  const cacheDir = await temporaryFolder();
  const server = await CacheServer.start({ cacheDir, connections: 1 });
  const url = await server.streamOf(film.url);
  await (await server.cache.add({ url: film.url })).requestPrefetch(null);
  const long = () =>
    film.requests.find(
      ({ range, outcome, bytesSent }) => range !== null && outcome === 'running' && bytesSent > 0 && range.end - range.start >= 12 * MIB,
    );
  await film.changes.until(() => long() !== undefined);
  const from = long()?.range?.start ?? 0;
  const before = film.requests.length;
  const release = holdDatabase(cacheDir);
  const seek = async (start: number): Promise<boolean> => {
    const answer = await fetch(url, { headers: { range: `bytes=${start}-${start + MIB - 1}` } });
    return Buffer.from(await answer.arrayBuffer()).equals(film.bytes(start, start + MIB - 1));
  };
  const places = [from + 6 * MIB, from + 10 * MIB];
  const readers = [seek(places[0] as number)];
  await eventually('one is there', () => server.cache.traffic.openReaders === 1);
  readers.push(seek(places[1] as number));
  await eventually('both are there', () => server.cache.traffic.openReaders === 2);
  // Their claims are on their way: both wait for the same transaction.
  await setTimeout(50);
  release();
  expect(await Promise.all(readers)).toEqual([true, true]);
  for (const place of places) {
    const asked = film.requests.slice(before).filter(({ range }) => range !== null && range.start >= place && range.start < place + MIB);
    expect(asked).toHaveLength(1);
  }
});

test('what was claimed ahead of a reader that left meanwhile is fetched for nobody', async () => {
  const film = (await ScriptedOrigin.start()).add('/film.mkv', { size: 256 * MIB, rate: MIB });
  const cacheDir = await temporaryFolder();
  const server = await CacheServer.start({ cacheDir, fill: 'never', connections: 1 });
  const leave = new AbortController();
  const answer = await fetch(await server.streamOf(film.url), { signal: leave.signal });
  let got = 0;
  const playing = (async () => {
    for await (const chunk of answer.body ?? []) got += chunk.length;
  })().catch(() => {});
  // Short of the end of the run, before which the next one is claimed.
  await eventually('most of the first run is there', () => got > 2.7 * MIB);
  const release = holdDatabase(cacheDir);
  await eventually('the next one is asked for', () => got > 3.2 * MIB);
  leave.abort();
  await playing;
  await eventually('the reader is gone', () => server.cache.traffic.openReaders === 0);
  release();
  await eventually('nothing is fetched', () => server.cache.activeFetches === 0, 5_000);
});
