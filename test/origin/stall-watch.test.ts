import { describe, expect, it } from 'vitest';
import { StallWatch } from '#seekwell/origin/stall-watch';
import { ManualClock } from '../support/manual-clock.ts';

function setUp(): { clock: ManualClock; watch: StallWatch; expiries: () => number } {
  const clock = new ManualClock();
  let count = 0;
  const watch = new StallWatch(clock, 1000, () => {
    count += 1;
  });
  return { clock, watch, expiries: () => count };
}

describe('StallWatch', () => {
  it('expires once, exactly at its limit', () => {
    const { clock, watch, expiries } = setUp();
    watch.watch();
    clock.advance(999);
    expect(expiries()).toBe(0);
    clock.advance(1);
    expect(expiries()).toBe(1);
    clock.advance(100_000);
    expect(expiries()).toBe(1);
  });

  it('counts from the last sign of life, with one timer', () => {
    const { clock, watch, expiries } = setUp();
    watch.watch();
    for (let i = 0; i < 10; i += 1) {
      clock.advance(900);
      watch.beat();
      expect(clock.timers).toBe(1);
    }
    clock.advance(999);
    expect(expiries()).toBe(0);
    clock.advance(1);
    expect(expiries()).toBe(1);
  });

  it('does not count while suspended, and counts anew afterwards', () => {
    const { clock, watch, expiries } = setUp();
    watch.watch();
    clock.advance(900);
    watch.suspend();
    clock.advance(50_000);
    expect(expiries()).toBe(0);
    watch.watch();
    clock.advance(999);
    expect(expiries()).toBe(0);
    clock.advance(1);
    expect(expiries()).toBe(1);
  });

  it('sets no further timer when it is suspended and watched again and again', () => {
    const { clock, watch } = setUp();
    watch.watch();
    for (let i = 0; i < 5; i += 1) {
      watch.suspend();
      watch.watch();
    }
    expect(clock.timers).toBe(1);
  });

  it('leaves no timer behind when stopped', () => {
    const { clock, watch, expiries } = setUp();
    watch.watch();
    watch.stop();
    expect(clock.timers).toBe(0);
    clock.advance(10_000);
    expect(expiries()).toBe(0);
  });
});
