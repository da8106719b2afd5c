import { describe, expect, test } from 'vitest';
import { Throughput } from '#seekwell/downloads/throughput';
import { ManualClock } from '../support/manual-clock.ts';

const ALLOWED = 4;
const TICK_MS = 50;

/**
 * Runs connections to an origin for `seconds`. Each ends after 2 s of its own, and is replaced where that is allowed.
 * @param rate bytes a millisecond of so many connections together
 * @returns how many connections were open, by tick
 */
function run(throughput: Throughput, clock: ManualClock, seconds: number, rate: (connections: number) => number): number[] {
  const open: number[] = [];
  let ages: number[] = [];
  for (let tick = 0; tick < (seconds * 1000) / TICK_MS; tick++) {
    ages = ages.map((age) => age + TICK_MS).filter((age) => age < 2_000);
    while (ages.length < ALLOWED && throughput.allows(ages.length)) ages.push(-ages.length * 500);
    clock.advance(TICK_MS);
    throughput.received(rate(ages.length) * TICK_MS, ages.length);
    open.push(ages.length);
  }
  return open;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe('connections to one origin', () => {
  test('an origin that gives each connection its own rate keeps all of them', () => {
    const clock = new ManualClock();
    const throughput = new Throughput(clock, () => {});
    const open = run(throughput, clock, 120, (connections) => connections * 3_000);
    expect(open.slice(0, 200).every((count) => count === ALLOWED)).toBe(true);
    expect(mean(open)).toBeGreaterThan(0.95 * ALLOWED);
  });

  test('an origin that is as fast with one keeps one, and is asked again from time to time', () => {
    const clock = new ManualClock();
    let eased = 0;
    const throughput = new Throughput(clock, () => eased++);
    const open = run(throughput, clock, 300, () => 10_000);
    const settled = open.slice(open.length / 3);
    expect(mean(settled)).toBeLessThan(1.6);
    expect(Math.min(...settled)).toBe(1);
    expect(Math.max(...settled)).toBeGreaterThan(1);
    expect(eased).toBeGreaterThan(2);
  });

  test('an origin that gives two connections all it has keeps two', () => {
    const clock = new ManualClock();
    const open = run(new Throughput(clock, () => {}), clock, 300, (connections) => Math.min(2, connections) * 5_000);
    const settled = open.slice(open.length / 3);
    expect(mean(settled)).toBeGreaterThan(1.8);
    expect(mean(settled)).toBeLessThan(2.6);
  });

  test('what was learnt is not forgotten when one less turns out to be too few', () => {
    const clock = new ManualClock();
    const open = run(new Throughput(clock, () => {}), clock, 300, (connections) => Math.min(2, connections) * 5_000);
    expect(Math.max(...open.slice(open.length / 3))).toBe(3);
  });

  test('an origin that gives more than before gets all connections again', () => {
    const clock = new ManualClock();
    const throughput = new Throughput(clock, () => {});
    run(throughput, clock, 200, () => 10_000);
    const open = run(throughput, clock, 120, (connections) => connections * 3_000);
    expect(mean(open.slice(open.length / 2))).toBeGreaterThan(0.9 * ALLOWED);
  });

  test('one that was asked too much is tried with one more at a time, however fast that is', () => {
    const clock = new ManualClock();
    const throughput = new Throughput(clock, () => {});
    throughput.halve(2);
    const open = run(throughput, clock, 120, (connections) => connections * 3_000);
    const most = [0, 1, 2, 3].map((step) => Math.max(...open.slice((step * 30_000 + 1_000) / TICK_MS, ((step + 1) * 30_000) / TICK_MS)));
    expect(most).toEqual([1, 2, 3, 4]);
  });

  test('a rate that a limit of ours makes tells nothing', () => {
    const clock = new ManualClock();
    const throughput = new Throughput(clock, () => {});
    for (let tick = 0; tick < 1_200; tick++) {
      clock.advance(TICK_MS);
      throughput.received(100, ALLOWED - (tick % 100 < 20 ? 1 : 0));
      if (tick % 2 === 0) throughput.slowed();
    }
    expect(throughput.allows(ALLOWED - 1)).toBe(true);
  });

  test('one that is asked too much gets half, and more again later', () => {
    const clock = new ManualClock();
    let eased = 0;
    const throughput = new Throughput(clock, () => eased++);
    throughput.halve(8);
    expect([throughput.allows(3), throughput.allows(4)]).toEqual([true, false]);
    throughput.halve(1);
    expect([throughput.allows(0), throughput.allows(1)]).toEqual([true, false]);
    clock.advance(30_000);
    expect(eased).toBe(1);
    expect([throughput.allows(1), throughput.allows(2)]).toEqual([true, false]);
    clock.advance(600_000);
    expect(clock.timers).toBe(0);
  });
});
