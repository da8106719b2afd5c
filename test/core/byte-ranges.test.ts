import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ByteRange } from '#seekwell/core/byte-ranges';
import { intersect, lengthOf, missing, normalize, totalLength } from '#seekwell/core/byte-ranges';

/** Small enough that random ranges overlap, touch and nest often. */
const WORLD = 64;

const range = fc.tuple(fc.nat(WORLD - 1), fc.nat(WORLD - 1)).map(([a, b]): ByteRange => ({ start: Math.min(a, b), end: Math.max(a, b) }));
const ranges = fc.array(range, { maxLength: 12 });

/** The oracle: a range is nothing but the set of its bytes. */
function bitmap(of: readonly ByteRange[]): boolean[] {
  return Array.from({ length: WORLD }, (_, byte) => of.some(({ start, end }) => start <= byte && byte <= end));
}

function count(bits: readonly boolean[]): number {
  return bits.filter(Boolean).length;
}

/** Sorted, and neither overlapping nor touching: the form in which spans are kept. */
function expectNormal(of: readonly ByteRange[]): void {
  for (const [i, { start, end }] of of.entries()) {
    expect(start).toBeLessThanOrEqual(end);
    const before = of[i - 1];
    if (before !== undefined) expect(start).toBeGreaterThan(before.end + 1);
  }
}

describe('normalize', () => {
  test('keeps exactly the bytes, in runs that neither overlap nor touch', () => {
    fc.assert(
      fc.property(ranges, (given) => {
        const normal = normalize(given);
        expectNormal(normal);
        expect(bitmap(normal)).toEqual(bitmap(given));
      }),
    );
  });

  test('does not depend on the order, and changes nothing the second time', () => {
    fc.assert(
      fc.property(
        ranges.chain((given) => fc.tuple(fc.constant(given), fc.shuffledSubarray(given, { minLength: given.length }))),
        ([given, shuffled]) => {
          expect(normalize(shuffled)).toEqual(normalize(given));
          expect(normalize(normalize(given))).toEqual(normalize(given));
        },
      ),
    );
  });

  test('leaves its argument as it was', () => {
    fc.assert(
      fc.property(ranges, (given) => {
        const before = structuredClone(given);
        normalize(given);
        expect(given).toEqual(before);
      }),
    );
  });

  test('joins what touches and leaves a hole of one byte', () => {
    expect(
      normalize([
        { start: 4, end: 7 },
        { start: 0, end: 3 },
      ]),
    ).toEqual([{ start: 0, end: 7 }]);
    expect(
      normalize([
        { start: 5, end: 7 },
        { start: 0, end: 3 },
      ]),
    ).toEqual([
      { start: 0, end: 3 },
      { start: 5, end: 7 },
    ]);
    expect(normalize([])).toEqual([]);
  });
});

describe('missing', () => {
  test('is exactly what is within and not present', () => {
    fc.assert(
      fc.property(ranges, range, (given, within) => {
        const present = normalize(given);
        const holes = missing(present, within);
        expectNormal(holes);
        const [has, wanted] = [bitmap(present), bitmap([within])];
        expect(bitmap(holes)).toEqual(wanted.map((is, byte) => is && !has[byte]));
      }),
    );
  });

  test('and what is present share the range between them', () => {
    fc.assert(
      fc.property(ranges, range, (given, within) => {
        const present = normalize(given);
        const inside = present.map((span) => intersect(span, within)).filter((span) => span !== null);
        expect(totalLength(missing(present, within)) + totalLength(inside)).toBe(lengthOf(within));
      }),
    );
  });
});

describe('intersect', () => {
  test('is exactly the bytes that are in both', () => {
    fc.assert(
      fc.property(range, range, (a, b) => {
        const both = intersect(a, b);
        const [inA, inB] = [bitmap([a]), bitmap([b])];
        expect(bitmap(both === null ? [] : [both])).toEqual(inA.map((is, byte) => is && inB[byte]));
        expect(intersect(b, a)).toEqual(both);
      }),
    );
  });

  test('is null where ranges only touch', () => {
    expect(intersect({ start: 0, end: 3 }, { start: 4, end: 7 })).toBeNull();
    expect(intersect({ start: 0, end: 4 }, { start: 4, end: 7 })).toEqual({ start: 4, end: 4 });
  });
});

describe('lengths', () => {
  test('count the bytes', () => {
    fc.assert(
      fc.property(ranges, range, (given, one) => {
        expect(lengthOf(one)).toBe(count(bitmap([one])));
        expect(totalLength(normalize(given))).toBe(count(bitmap(given)));
      }),
    );
  });

  test('stay exact where 32 bits end and beyond', () => {
    const tail = { start: 2 ** 52, end: 2 ** 53 - 2 };
    expect(lengthOf(tail)).toBe(2 ** 52 - 1);
    expect(missing([{ start: 2 ** 32, end: 2 ** 33 }], { start: 0, end: 2 ** 40 - 1 })).toEqual([
      { start: 0, end: 2 ** 32 - 1 },
      { start: 2 ** 33 + 1, end: 2 ** 40 - 1 },
    ]);
  });
});
