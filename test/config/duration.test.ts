import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration } from '#seekwell/config/duration';

describe('a duration', () => {
  test.each([
    ['5s', 5_000],
    ['5', 5_000],
    ['0', 0],
    ['500ms', 500],
    ['1.5s', 1_500],
    ['2m', 120_000],
    ['2min', 120_000],
    ['1h', 3_600_000],
    [' 5 S ', 5_000],
    ['none', null],
  ])('%s is %s ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each(['', 'soon', '-1s', '5 parsecs', '1e3', 's', '5s5'])('%j is none', (text) => {
    expect(() => parseDuration(text)).toThrow('is not a duration');
  });

  test.each([
    [0, '0:00'],
    [7.4, '0:07'],
    [59.6, '1:00'],
    [750, '12:30'],
    [11_100, '3:05:00'],
    [-3, '0:00'],
  ])('of %d seconds reads %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});
