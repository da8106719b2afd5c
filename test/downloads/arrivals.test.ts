import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Arrivals } from '#seekwell/downloads/arrivals';
import { ManualClock } from '../support/manual-clock.ts';

function watched() {
  const clock = new ManualClock();
  const told = { times: 0 };
  return { clock, told, arrivals: new Arrivals(clock, () => told.times++) };
}

test('what a reader waits for is told of in the same turn, once for all that came in it', async () => {
  const { told, arrivals, clock } = watched();
  for (let piece = 0; piece < 5; piece++) arrivals.came(true);
  expect(told.times).toBe(0);
  await setImmediate();
  expect(told.times).toBe(1);
  expect(clock.timers).toBe(0);
});

test('what nobody waits for is told of once in 20 ms', async () => {
  const { told, arrivals, clock } = watched();
  for (let ms = 0; ms < 100; ms++) {
    arrivals.came(false);
    clock.advance(1);
  }
  expect(told.times).toBe(5);
});

test('a reader that comes meanwhile waits no longer than others', async () => {
  const { told, arrivals, clock } = watched();
  arrivals.came(false);
  arrivals.came(true);
  await setImmediate();
  expect(told.times).toBe(1);
  clock.advance(1000);
  expect(told.times).toBe(1);
});
