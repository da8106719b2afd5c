import { describe, expect, test } from 'vitest';
import { entryJson, entryTable, percentText } from '#seekwell/cli/entry-text';
import type { EntryInfo } from '#seekwell/entry-info';

function entry(known: Partial<EntryInfo> = {}): EntryInfo {
  return {
    id: 7,
    source: 'url',
    media: 'b1946ac92492',
    quality: 'original',
    filename: 'film.mkv',
    url: 'http://example.org/film.mkv',
    state: 'Downloading',
    error: null,
    lastError: null,
    retryAt: null,
    expectedTotalSize: 3_221_225_472,
    downloadedBytes: 41_943_040,
    progress: 41_943_040 / 3_221_225_472,
    pendingChunks: 758,
    spanCount: 2,
    mimeType: 'video/x-matroska',
    pinned: false,
    fill: true,
    active: true,
    createdAt: '2026-01-31T12:00:00.000Z',
    lastAccessed: '2026-01-31T12:00:09.000Z',
    ...known,
  };
}

describe('the table of entries', () => {
  test('has one line for each, in columns', () => {
    const complete = entry({
      id: 12,
      state: 'Complete',
      downloadedBytes: 1024,
      expectedTotalSize: 1024,
      progress: 1,
      filename: null,
      pinned: true,
    });
    expect(entryTable([entry(), complete], 200)).toEqual([
      'ID  STATE             PROGRESS                  SIZE  NAME',
      ' 7  Downloading             1%  40.0 MiB of 3.00 GiB  film.mkv',
      '12  Complete, pinned      100%              1.00 KiB  url/b1946ac92492/original',
    ]);
  });

  test('tells whether anybody works on it', () => {
    expect(entryTable([entry({ active: false })], 200)[1]).toContain('Downloading, waiting');
  });

  test('is no wider than the terminal', () => {
    for (const line of entryTable([entry({ filename: 'x'.repeat(300) })], 60)) expect(line.length).toBeLessThanOrEqual(60);
  });

  test('holds nothing that a terminal would obey', () => {
    const text = entryTable([entry({ filename: 'a\u001b[2Jb\nc\u202ed.mkv' })], 200).join('\n');
    expect(text).toMatch(/a\ufffd\[2Jb c\ufffdd\.mkv$/);
  });

  test('says nothing of a size that is not known', () => {
    const line = entryTable([entry({ state: 'Initializing', expectedTotalSize: null, downloadedBytes: 0, progress: null })], 200)[1];
    expect(line).toBe(' 7  Initializing         -  0 B of ?  film.mkv');
  });
});

test.each([
  [null, '-'],
  [0, '0%'],
  [0.4399, '43%'],
  [0.999_99, '99%'],
  [1, '100%'],
])('progress %s reads %s', (progress, text) => {
  expect(percentText(progress)).toBe(text);
});

describe('JSON', () => {
  test('is an entry as in the contract, with its stream URL', () => {
    expect(entryJson(entry(), { url: 'http://127.0.0.1:7335', isServed: true, token: null })).toMatchObject({
      id: 7,
      source: 'url',
      progress: 0.013,
      streamUrl: 'http://127.0.0.1:7335/stream/url/b1946ac92492/original/film.mkv',
    });
  });

  test('never shows less than all as 1', () => {
    expect(entryJson(entry({ progress: 0.99999 }), { url: 'http://h', isServed: true, token: null }).progress).toBe(0.999);
  });

  test('signs the stream URL where there is a token', () => {
    expect(entryJson(entry(), { url: 'http://h', isServed: true, token: 'abc' }).streamUrl).toMatch(/film\.mkv\?sig=[\w-]+$/);
  });
});
