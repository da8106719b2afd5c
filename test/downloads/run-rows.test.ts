import { expect, test } from 'vitest';
import { FetchRate } from '#seekwell/downloads/fetch-rate';
import { fairRows, rowsAfter } from '#seekwell/downloads/run-rows';
import { ManualClock } from '../support/manual-clock.ts';

const MIB = 1024 * 1024;
const CHUNK = 2 * MIB;
/** MiB a second, in bytes a millisecond. */
const at = (rate: number): number => (rate * MIB) / 1000;

function rows(held: number, rate: number): number {
  return rowsAfter({ start: 10 * MIB, limit: 10 * MIB + held - 1, rate: at(rate) }, CHUNK);
}

test('a reader that stays gets runs twice as long each, up to four rows', () => {
  expect([rows(100, 4), rows(CHUNK, 4), rows(2 * CHUNK, 4), rows(4 * CHUNK, 4), rows(64 * CHUNK, 4)]).toEqual([1, 2, 4, 4, 4]);
});

test('where four rows come in less than a quarter of a second, up to what comes in that; 64 at the most', () => {
  expect([rows(4 * CHUNK, 32), rows(4 * CHUNK, 100), rows(8 * CHUNK, 100), rows(16 * CHUNK, 100)]).toEqual([4, 8, 13, 13]);
  expect([rows(32 * CHUNK, 500), rows(64 * CHUNK, 500), rows(64 * CHUNK, 5000)]).toEqual([63, 63, 64]);
  // Nothing came yet, or all at once.
  expect([rows(CHUNK, 0), rows(64 * CHUNK, 0)]).toEqual([2, 4]);
});

test('connections take fair parts', () => {
  const settings = { connections: 4, chunkSize: CHUNK };
  expect([0, 8 * CHUNK - 1, 8 * CHUNK, 1000 * CHUNK].map((bytes) => fairRows(bytes, settings))).toEqual([1, 1, 2, 4]);
});

test('a rate counts from the first bytes; what remains is told after 300 ms', () => {
  const clock = new ManualClock();
  const rate = new FetchRate(clock);
  clock.advance(1_000);
  expect([rate.begun, rate.of(500), rate.remainingMs(500, 100)]).toEqual([false, 0, 0]);
  rate.came();
  expect([rate.begun, rate.of(500)]).toEqual([true, 0]);
  clock.advance(100);
  rate.came();
  expect([rate.of(500), rate.remainingMs(500, 100)]).toEqual([5, 0]);
  clock.advance(200);
  expect(rate.remainingMs(600, 100)).toBe(50);
});
