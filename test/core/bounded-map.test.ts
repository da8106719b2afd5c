import { expect, test } from 'vitest';
import { BoundedMap } from '#seekwell/core/bounded-map';

function full(): BoundedMap<string, number> {
  const map = new BoundedMap<string, number>(3);
  for (const [index, key] of ['a', 'b', 'c'].entries()) map.set(key, index);
  return map;
}

test('up to its limit it forgets nothing', () => {
  const map = full();
  expect(['a', 'b', 'c', 'd'].map((key) => map.get(key))).toEqual([0, 1, 2, undefined]);
  expect(map.has('a')).toBe(true);
});

test('one key more, and it holds that one only', () => {
  const map = full();
  map.set('d', 3);
  expect(['a', 'b', 'c', 'd'].map((key) => map.get(key))).toEqual([undefined, undefined, undefined, 3]);
});

test('a key that it holds already takes no room', () => {
  const map = full();
  map.set('b', 7);
  expect(['a', 'b', 'c'].map((key) => map.get(key))).toEqual([0, 7, 2]);
});

test('what is deleted is gone and makes room', () => {
  const map = full();
  expect([map.delete('a'), map.delete('a')]).toEqual([true, false]);
  map.set('d', 3);
  expect(['a', 'b', 'c', 'd'].map((key) => map.get(key))).toEqual([undefined, 1, 2, 3]);
  map.clear();
  expect(map.has('d')).toBe(false);
});
