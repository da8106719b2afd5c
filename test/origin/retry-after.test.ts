import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseRetryAfter } from '#seekwell/origin/retry-after';

const NOW = Date.UTC(1994, 10, 6, 8, 49, 37);

describe('parseRetryAfter', () => {
  // A date without a zone means UTC wherever it is read.
  beforeEach(() => void vi.stubEnv('TZ', 'America/New_York'));
  afterEach(() => void vi.unstubAllEnvs());

  it.each([
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7000],
    ['Sun, 06 Nov 1994 08:50:37 GMT', 60_000],
    ['Sunday, 06-Nov-94 08:50:37 GMT', 60_000],
    ['Sun Nov  6 08:50:37 1994', 60_000],
    ['Sun, 06 Nov 1994 08:49:37 GMT', 0],
    ['Sun, 06 Nov 1994 07:00:00 GMT', 0],
    ['99999999999999999999999', Number.MAX_SAFE_INTEGER],
  ])('reads %j as %j ms', (header, milliseconds) => {
    expect(parseRetryAfter(header, NOW)).toBe(milliseconds);
  });

  it.each(['', '-1', '1.5', '1e3', 'soon', '2030', 'Nov 1994', 'Sun, 99 Foo 1994 08:50:37 GMT', '1994-11-06T08:50:37Z', '0x10'])(
    'takes %j for no time, but a bare number for seconds',
    (header) => {
      expect(parseRetryAfter(header, NOW)).toBe(/^\d+$/.test(header) ? Number(header) * 1000 : null);
    },
  );
});
