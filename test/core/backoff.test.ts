import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs, backoffRest } from '#seekwell/core/backoff';

const attempts = fc.integer({ min: 1, max: 10_000 });
/** What `Randomness.fraction` gives: [0, 1). */
const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const MINUTE = 60_000;

describe('backoffMs', () => {
  test('is a whole number of milliseconds that never exceeds a minute', () => {
    fc.assert(
      fc.property(attempts, fraction, (tries, random) => {
        const pause = backoffMs(tries, random, null);
        expect(Number.isSafeInteger(pause)).toBe(true);
        expect(pause).toBeGreaterThanOrEqual(0);
        expect(pause).toBeLessThanOrEqual(MINUTE);
      }),
    );
  });

  test('doubles its ceiling with each try: 0.5, 1, 2, … 32, 60, 60 s', () => {
    const almostOne = 1 - Number.EPSILON;
    const ceilings = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1000].map((tries) => backoffMs(tries, almostOne, null));
    expect(ceilings).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, MINUTE, MINUTE, MINUTE]);
  });

  test('has full jitter: the whole way down to no pause, in proportion', () => {
    fc.assert(
      fc.property(attempts, fraction, (tries, random) => {
        const ceiling = Math.min(MINUTE, 500 * 2 ** (tries - 1));
        expect(Math.abs(backoffMs(tries, random, null) - ceiling * random)).toBeLessThanOrEqual(0.5);
      }),
    );
    expect(backoffMs(5, 0, null)).toBe(0);
  });

  test('never undercuts Retry-After, up to a quarter of an hour', () => {
    fc.assert(
      fc.property(attempts, fraction, fc.nat({ max: 15 * MINUTE }), (tries, random, retryAfter) => {
        expect(backoffMs(tries, random, retryAfter)).toBe(Math.max(retryAfter, backoffMs(tries, random, null)));
      }),
    );
  });

  test('does not let an origin stop an entry for ever', () => {
    fc.assert(
      fc.property(attempts, fraction, fc.integer({ min: 15 * MINUTE }), (tries, random, retryAfter) => {
        expect(backoffMs(tries, random, retryAfter)).toBe(15 * MINUTE);
      }),
    );
    expect(backoffMs(1, 0.5, Number.POSITIVE_INFINITY)).toBe(15 * MINUTE);
  });
});

describe('backoffRest', () => {
  test.each([
    [null, 0],
    [999_999, 0],
    [1_000_000, 0],
    [1_000_001, 1],
    [1_000_000 + 15 * MINUTE, 15 * MINUTE],
    // No pause lasts as long: the clock was set back since.
    [1_000_001 + 15 * MINUTE, 0],
  ])('until %s, at 1000000, is %i ms', (retryAt, rest) => {
    expect(backoffRest(retryAt, 1_000_000)).toBe(rest);
  });
});
