import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Arrivals } from '#seekwell/downloads/arrivals';
import { ManualClock } from '../support/manual-clock.ts';

function watched() {
  const clock = new ManualClock();
  const told: string[] = [];
  const arrivals = new Arrivals(clock, { came: () => told.push('came'), gathered: () => told.push('gathered') });
  return { clock, told, arrivals };
}

test('what a reader waits for is told of in the same turn, once for all that came in it; its writing is not', async () => {
  const { told, arrivals, clock } = watched();
  for (let piece = 0; piece < 5; piece++) arrivals.came(true, false);
  expect(told).toEqual([]);
  await setImmediate();
  expect([told, arrivals.due]).toEqual([['came'], false]);
  clock.advance(19);
  expect(told).toEqual(['came']);
  clock.advance(1);
  expect([told, arrivals.due]).toEqual([['came', 'gathered'], true]);
});

test('what nobody waits for is gathered for 20 ms', () => {
  const { told, arrivals, clock } = watched();
  for (let ms = 0; ms < 100; ms++) {
    arrivals.came(false, false);
    clock.advance(1);
    if (arrivals.due) arrivals.taken();
  }
  expect(told).toEqual(Array.from({ length: 5 }, () => 'gathered'));
});

test('enough is written in the same turn, after who waits for it has heard', async () => {
  const { told, arrivals, clock } = watched();
  arrivals.came(true, false);
  arrivals.came(true, true);
  arrivals.came(true, true);
  await setImmediate();
  expect(told).toEqual(['came', 'gathered']);
  expect(clock.timers).toBe(0);
});

test('until it is taken all that comes is told of in its turn: what was due may have been thrown away', async () => {
  const { told, arrivals, clock } = watched();
  arrivals.came(false, true);
  await setImmediate();
  arrivals.came(false, false);
  arrivals.came(false, true);
  await setImmediate();
  expect([told, clock.timers]).toEqual([['gathered', 'gathered'], 0]);
  arrivals.taken();
  expect(arrivals.due).toBe(false);
  arrivals.came(false, false);
  clock.advance(20);
  expect([told, arrivals.due]).toEqual([['gathered', 'gathered', 'gathered'], true]);
});
