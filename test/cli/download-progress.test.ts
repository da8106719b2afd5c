import { describe, expect, test } from 'vitest';
import { DownloadProgress, type ProgressSample } from '#seekwell/cli/download-progress';

const MIB = 1024 * 1024;

function sample(downloaded: number, known: Partial<ProgressSample> = {}): ProgressSample {
  const totalBytes = known.totalBytes === undefined ? 100 * MIB : known.totalBytes;
  return {
    downloadedBytes: downloaded,
    totalBytes,
    progress: totalBytes === null ? null : downloaded / totalBytes,
    connections: 4,
    active: true,
    trouble: null,
    retryAt: null,
    ...known,
  };
}

describe('the progress line', () => {
  test('before the origin was heard', () => {
    const progress = new DownloadProgress();
    expect(progress.line(0, 0, 80)).toBe('Asking the origin …');
    progress.add(sample(0, { totalBytes: null, connections: 0 }), 0);
    expect(progress.line(0, 0, 80)).toBe('Asking the origin …');
    progress.add(sample(0, { totalBytes: null, connections: 0, active: false, trouble: 'the origin cannot be reached' }), 0);
    expect(progress.line(0, 0, 80)).toContain('the origin cannot be reached');
  });

  test('tells bytes, percent, rate, time left and connections', () => {
    const progress = new DownloadProgress();
    progress.add(sample(10 * MIB), 0);
    progress.add(sample(20 * MIB), 1_000);
    expect(progress.line(1_000, 0, 80)).toBe(' 20%  20.0 MiB of 100 MiB  10.0 MiB/s  ETA 0:08  4 connections');
  });

  test('knows no rate in its first moments', () => {
    const progress = new DownloadProgress();
    progress.add(sample(10 * MIB), 0);
    expect(progress.line(100, 0, 80)).toBe(' 10%  10.0 MiB of 100 MiB  -- B/s  ETA --:--  4 connections');
  });

  test('looks at the last seconds, and sees a standstill', () => {
    const progress = new DownloadProgress();
    for (let second = 0; second <= 10; second++) progress.add(sample(second * MIB), second * 1_000);
    expect(progress.rate(10_000)).toBeCloseTo(MIB);
    progress.add(sample(10 * MIB), 16_000);
    expect(progress.rate(16_000)).toBeLessThan(MIB / 2);
    expect(progress.idleMs(16_000)).toBe(6_000);
  });

  test('tells why nobody works on it', () => {
    const progress = new DownloadProgress();
    progress.add(sample(10 * MIB, { connections: 0, active: false, trouble: 'the origin answered 503', retryAt: 12_000 }), 0);
    expect(progress.line(1_000, 2_000, 200)).toContain('the origin answered 503, tried again in 0:10');
    progress.add(sample(10 * MIB, { connections: 0 }), 0);
    expect(progress.line(1_000, 2_000, 200)).toContain('fetched by another process');
  });

  test('without a known length', () => {
    const progress = new DownloadProgress();
    progress.add(sample(0, { totalBytes: null }), 0);
    progress.add(sample(2 * MIB, { totalBytes: null, connections: 1 }), 1_000);
    expect(progress.line(1_000, 0, 80)).toBe('   -  2.00 MiB  2.00 MiB/s  1 connection');
  });

  test('is no wider than the terminal', () => {
    const progress = new DownloadProgress();
    progress.add(sample(10 * MIB), 0);
    expect(progress.line(0, 0, 20)).toHaveLength(20);
  });

  test('sums up what came', () => {
    const progress = new DownloadProgress();
    progress.add(sample(10 * MIB), 0);
    expect(progress.summary(0)).toBe('nothing was left to fetch');
    progress.add(sample(100 * MIB), 10_000);
    expect(progress.summary(10_000)).toBe('90.0 MiB in 0:10, 9.00 MiB/s');
  });
});
