import { expect, test } from 'vitest';
import { StorageHealth } from '#seekwell/downloads/storage-health';
import { SeekwellError } from '#seekwell/errors';
import type { Logger } from '#seekwell/logger';
import { ManualClock } from '../support/manual-clock.ts';

function watched() {
  const clock = new ManualClock();
  const logged: unknown[] = [];
  const logger = {
    warn: ({ code }: { code: string }) => logged.push(code),
    info: (_: object, message: string) => logged.push(message),
  } as unknown as Logger;
  const health = new StorageHealth(clock, logger);
  const fail = (code: 'STORAGE_FAILED' | 'DATABASE_BUSY' | 'DATABASE_GONE') => health.failed(new SeekwellError(code, 'x'));
  return { clock, logged, health, fail };
}

test('what failed is reported once, until bytes are kept again', () => {
  const { clock, logged, health, fail } = watched();
  let rested = 0;
  health.onRested(() => rested++);
  fail('STORAGE_FAILED');
  health.worked();
  clock.advance(3_000);
  fail('DATABASE_BUSY');
  expect([logged, health.rests]).toEqual([['STORAGE_FAILED'], true]);
  clock.advance(4_999);
  expect([rested, health.rests]).toEqual([0, true]);
  clock.advance(1);
  expect([rested, health.rests]).toEqual([1, false]);
  health.worked();
  health.worked();
  fail('DATABASE_BUSY');
  expect(logged).toEqual(['STORAGE_FAILED', 'bytes are kept again', 'DATABASE_BUSY']);
});

test('a database that is gone is reported also after a file that was missed before it, once', () => {
  const { logged, fail } = watched();
  for (const code of ['STORAGE_FAILED', 'DATABASE_GONE', 'STORAGE_FAILED', 'DATABASE_GONE'] as const) fail(code);
  expect(logged).toEqual(['STORAGE_FAILED', 'DATABASE_GONE']);
});
