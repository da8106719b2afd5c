import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { BLOCK_BYTES, blockAt, blocksWithin, rangeOfBlock } from '#seekwell/core/blocks';

const offset = fc.integer({ min: 0, max: 8 * BLOCK_BYTES });

test('every byte lies in the range of its block', () => {
  fc.assert(
    fc.property(offset, (at) => {
      const { start, end } = rangeOfBlock(blockAt(at), null);
      expect(at >= start && at <= end).toBe(true);
      expect(end - start + 1).toBe(BLOCK_BYTES);
    }),
  );
});

test('the last block ends with the resource', () => {
  expect(rangeOfBlock(2, 2 * BLOCK_BYTES + 7)).toEqual({ start: 2 * BLOCK_BYTES, end: 2 * BLOCK_BYTES + 6 });
  expect(rangeOfBlock(1, 2 * BLOCK_BYTES)).toEqual({ start: BLOCK_BYTES, end: 2 * BLOCK_BYTES - 1 });
});

test('the blocks within a range are those that lie wholly in it, one by one', () => {
  fc.assert(
    fc.property(offset, offset, fc.option(fc.integer({ min: 1, max: 8 * BLOCK_BYTES })), (a, b, total) => {
      const range = { start: Math.min(a, b), end: Math.min(Math.max(a, b), (total ?? Number.MAX_SAFE_INTEGER) - 1) };
      fc.pre(range.start <= range.end);
      const expected = Array.from({ length: 9 }, (_, block) => block).filter((block) => {
        const { start, end } = rangeOfBlock(block, total);
        return start <= end && start >= range.start && end <= range.end;
      });
      const found = blocksWithin(range, total);
      expect(found === null ? [] : expected).toEqual(expected);
      if (found !== null) expect([found.first, found.last]).toEqual([expected[0], expected.at(-1)]);
    }),
  );
});
