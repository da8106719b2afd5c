import { describe, expect, test } from 'vitest';
import { formatSize, parseSize } from '#seekwell/config/byte-size';

describe('a size', () => {
  test.each([
    ['50GB', 50e9],
    ['500MiB', 500 * 1024 ** 2],
    ['4M', 4 * 1024 ** 2],
    ['1.5 GiB', 1.5 * 1024 ** 3],
    ['1048576', 1_048_576],
    ['7b', 7],
    ['0', 0],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toEqual({ kind: 'bytes', bytes });
  });

  test('may be a share of the disk, or no limit', () => {
    expect(parseSize('30%')).toEqual({ kind: 'percent', percent: 30 });
    expect(parseSize('Unlimited')).toEqual({ kind: 'unlimited' });
  });

  test.each(['', 'much', '-5', '0%', '101%', '5 XB', '1e9', '9999999TB', '5GBit'])('%j is none', (text) => {
    expect(() => parseSize(text)).toThrow('is not a size');
  });

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1_000, '0.98 KiB'],
    [1_536, '1.50 KiB'],
    [24_500_000, '23.4 MiB'],
    [1024 ** 3 * 250, '250 GiB'],
  ])('of %d bytes reads %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });
});
