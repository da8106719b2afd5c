import { expect, test } from 'vitest';
import type { ChunkDownloader } from '#seekwell/downloads/chunk-downloader';
import type { EntryRemoval } from '#seekwell/downloads/entry-removal';
import { FetchConsequences } from '#seekwell/downloads/fetch-consequences';
import type { FetchEnd } from '#seekwell/downloads/fetch-end';
import { silentLogger } from '#seekwell/logger';
import type { CacheRepository, ReleaseRequest } from '#seekwell/repository/cache-repository';
import { ManualClock } from '../support/manual-clock.ts';

/** What is given back when a fetch of 100 to 199 ends as `end` says. */
async function givenBack(end: FetchEnd): Promise<ReleaseRequest[]> {
  const released: ReleaseRequest[] = [];
  const consequences = new FetchConsequences({
    repository: { release: async (request: ReleaseRequest) => void released.push(request) } as unknown as CacheRepository,
    removal: {} as EntryRemoval,
    clock: new ManualClock(),
    randomness: { fraction: () => 0, hex: () => '' },
    logger: silentLogger,
    events: { emit: () => true } as never,
    fill: true,
  });
  const fetch = { entry: { id: 7, epoch: 3, originalUrl: 'http://origin.test/film.mkv' }, start: 100, limit: 199, purpose: null };
  await consequences.settle(fetch as unknown as ChunkDownloader, end);
  return released;
}

// A commit is refused as 'gone', too, where somebody else took a part of what was leased and the quota has no room for it: the rest is held as before.
test('a fetch gives back what it holds however it ends; the epoch decides what that is', async () => {
  const held = { entryId: 7, epoch: 3, range: { start: 100, end: 199 }, fill: true };
  expect(await givenBack({ kind: 'done' })).toEqual([held]);
  expect(await givenBack({ kind: 'gone' })).toEqual([held]);
});
