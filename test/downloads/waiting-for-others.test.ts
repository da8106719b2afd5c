import { expect, test } from 'vitest';
import { EndSignal } from '#seekwell/core/ending';
import type { ReaderDemand } from '#seekwell/downloads/reader-demand';
import { waitForOthers } from '#seekwell/downloads/waiting-for-others';
import { type CacheRepository, LEASE_REACH_MS } from '#seekwell/repository/cache-repository';
import { ManualClock } from '../support/manual-clock.ts';

/** Lets what was started run as far as it can without time passing. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** How many milliseconds a reader waits for a lease that ends in `lease` ms, while nothing is committed; `meanwhile` is called after the first of them. */
async function waited(lease: number, meanwhile: (clock: ManualClock) => void = () => {}): Promise<number> {
  const clock = new ManualClock();
  const repository = { changeToken: () => 1 } as unknown as CacheRepository;
  let over = false;
  void waitForOthers({ repository, clock }, {} as ReaderDemand, new EndSignal(), clock.now() + lease).then(() => {
    over = true;
  });
  for (let passed = 0; passed < 60_000; passed += 10) {
    await settled();
    if (over) return passed;
    if (passed === 10) meanwhile(clock);
    clock.advance(10);
  }
  throw new Error('it waits for ever');
}

test('a reader waits for another process until its lease ends, whatever becomes of the time of day', async () => {
  expect(await waited(1_000)).toBe(1_020);
  expect(await waited(1_000, (clock) => clock.jump(-86_400_000))).toBe(1_020);
  // The lease was looked at before the clock was set back.
  expect(await waited(86_400_000)).toBe(LEASE_REACH_MS + 20);
});
