import { expect, test } from 'vitest';
import { BackgroundWork } from '#seekwell/downloads/background-work';
import type { ChunkManager } from '#seekwell/downloads/chunk-manager';
import { SeekwellError } from '#seekwell/errors';
import { silentLogger } from '#seekwell/logger';
import type { CacheRepository } from '#seekwell/repository/cache-repository';
import { ManualClock } from '../support/manual-clock.ts';

/** Lets what was started run as far as it can without time passing. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Background work on a queue without work. `sweep` is called at each look. */
function workOn(clock: ManualClock, sweep: () => number, nextWorkAt: (now: number) => number | null): BackgroundWork {
  const queue = { pendingWork: async () => [], readerLeases: async () => [], nextWorkAt: async (now: number) => nextWorkAt(now) };
  const repository = { ...queue, sweep: async () => sweep() };
  const limits = { noteReaders: () => {} };
  const lookAhead = { spread: async () => {} };
  const manager = { onRoom: () => {}, limits, lookAhead, fetchedEntries: () => [], storage: { failed: () => {} } };
  return new BackgroundWork({
    repository: repository as unknown as CacheRepository,
    manager: manager as unknown as ChunkManager,
    clock,
    logger: silentLogger,
    fill: true,
    only: null,
    plan: async () => {},
  });
}

test('the queue is looked at again when a lease or a backoff ends, though nobody says anything; without one no timer runs', async () => {
  const clock = new ManualClock();
  let looks = 0;
  let leaseEnd: number | null = clock.now() + 2_001;
  const work = workOn(
    clock,
    () => ++looks,
    () => leaseEnd,
  );
  work.wake();
  await settled();
  clock.advance(2_000);
  await settled();
  expect(looks).toBe(1);
  leaseEnd = null;
  clock.advance(1);
  await settled();
  expect(looks).toBe(2);
  clock.advance(3_600_000);
  await settled();
  expect(looks).toBe(2);
  await work.close();
});

test('a lease that the sweep still found live, and that ends before the look is over, is not forgotten', async () => {
  const clock = new ManualClock();
  const leaseEnd = clock.now() + 100;
  let looks = 0;
  const work = workOn(
    clock,
    () => {
      // The sweep has to wait for its turn at the database.
      if (++looks === 1) clock.advance(3_000);
      return 0;
    },
    (now) => (leaseEnd >= now ? leaseEnd + 1 : null),
  );
  work.wake();
  await settled();
  clock.advance(0);
  await settled();
  expect(looks).toBe(2);
  clock.advance(3_600_000);
  await settled();
  expect(looks).toBe(2);
  await work.close();
});

test('a queue that could not be looked at is looked at again after a while, but not once it is closed', async () => {
  const clock = new ManualClock();
  let looks = 0;
  const work = workOn(
    clock,
    () => {
      looks++;
      throw new SeekwellError('DATABASE_BUSY', 'another program holds the database');
    },
    () => null,
  );
  work.wake();
  await settled();
  for (let minute = 0; minute < 3; minute++) {
    clock.advance(60_000);
    await settled();
  }
  expect(looks).toBe(4);
  await work.close();
  clock.advance(60_000);
  await settled();
  expect(looks).toBe(4);
});
