import { expect, test } from 'vitest';
import type { ChunkDownloader } from '#seekwell/downloads/chunk-downloader';
import { FetchTable } from '#seekwell/downloads/fetch-table';
import { LeaseKeeper } from '#seekwell/downloads/lease-keeper';
import { type CacheRepository, type HeldRow, RENEW_MS } from '#seekwell/repository/cache-repository';
import { ManualClock } from '../support/manual-clock.ts';

test('a row that nobody works off is given back, though other fetches go on', async () => {
  const clock = new ManualClock();
  const fetches = new FetchTable();
  const entry = { id: 1, epoch: 0, originalUrl: 'https://origin.test/film.mkv' };
  const fetch = { entry, start: 0, position: 10, limit: 99, truncate: () => {} } as unknown as ChunkDownloader;
  fetches.add(fetch, { kind: 'from', start: 0, end: 99 });
  const worked: HeldRow = { entryId: 1, epoch: 0, start: 10, end: 99, priority: 0 };
  // Its fetch has ended, and the database could not be written when it gave its row back.
  const left: HeldRow = { entryId: 1, epoch: 0, start: 200, end: 299, priority: 0 };
  const rows = [worked, left];
  const released: unknown[] = [];
  const repository = {
    renew: async () => [...rows],
    release: async (request: unknown) => {
      released.push(request);
      rows.pop();
    },
  } as unknown as CacheRepository;
  const leases = new LeaseKeeper(repository, clock, fetches, true);
  leases.keep();

  const renewals = [];
  for (let renewal = 0; renewal < 4; renewal++) {
    clock.advance(RENEW_MS);
    await new Promise((resolve) => setImmediate(resolve));
    renewals.push(released.length);
  }
  // What has just been claimed has no fetch either: only the second time it counts.
  expect(renewals).toStrictEqual([0, 1, 1, 1]);
  expect(released).toStrictEqual([{ entryId: 1, epoch: 0, range: left, fill: true }]);
  leases.close();
});
