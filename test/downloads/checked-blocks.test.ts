import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { CheckedBlocks } from '#seekwell/downloads/checked-blocks';

const block = fc.integer({ min: 0, max: 3000 });
const step = fc.oneof(
  fc.record({ kind: fc.constant('add' as const), path: fc.constantFrom('a', 'b'), block }),
  fc.record({ kind: fc.constant('delete' as const), path: fc.constantFrom('a', 'b'), block, to: block }),
);

test('holds what a set would hold', () => {
  fc.assert(
    fc.property(fc.array(step), block, (steps, asked) => {
      const checked = new CheckedBlocks();
      const model = new Set<string>();
      for (const done of steps) {
        if (done.kind === 'add') {
          checked.add(done.path, done.block);
          model.add(`${done.path}${done.block}`);
          expect(checked.has(done.path, done.block)).toBe(true);
          continue;
        }
        checked.delete(done.path, done.block, done.to);
        for (let gone = done.block; gone <= done.to; gone++) model.delete(`${done.path}${gone}`);
      }
      for (const path of ['a', 'b']) {
        const near = steps.flatMap((done) => [done.block - 1, done.block, done.block + 1]).filter((at) => at >= 0);
        for (const at of [asked, ...near]) expect(checked.has(path, at)).toBe(model.has(`${path}${at}`));
      }
    }),
  );
});

test('forgets the file that came first rather than grow for ever', () => {
  const checked = new CheckedBlocks();
  for (let file = 0; file <= 8192; file++) checked.add(`file ${file}`, 5);
  expect([checked.has('file 0', 5), checked.has('file 1', 5), checked.has('file 8192', 5)]).toEqual([false, true, true]);
});

test('forgets everything from a block on', () => {
  const checked = new CheckedBlocks();
  for (const block of [5, 6, 2 ** 33]) checked.add('file', block);
  checked.delete('file', 6, Number.MAX_SAFE_INTEGER);
  expect([5, 6, 2 ** 33].map((block) => checked.has('file', block))).toEqual([true, false, false]);
});
