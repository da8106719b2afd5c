import { expect, test } from 'vitest';
import { EntryReader } from '#seekwell/downloads/entry-reader';
import type { ReaderParts } from '#seekwell/downloads/reader-options';
import type { EntryRow, ReadView } from '#seekwell/repository/cache-repository';
import { ManualClock } from '../support/manual-clock.ts';

const TOTAL = 100;

function view(epoch: number, etag: string | null, isThere: boolean): ReadView {
  const entry = {
    id: 1,
    epoch,
    filePath: `files/${epoch}`,
    etag,
    originLastModified: null,
    expectedTotalSize: etag === null ? 0 : TOTAL,
    isComplete: false,
    mimeType: null,
    retryAt: null,
  };
  return { entry: entry as unknown as EntryRow, span: isThere ? { start: 0, end: TOTAL - 1 } : null, nextSpanStart: null };
}

test('a reader that saw its version forgotten takes no bytes of the one that another process records in its place', async () => {
  const clock = new ManualClock();
  const views = [view(1, null, false), view(1, '"new"', true)];
  const file = { path: 'files/1', readNow: (into: Uint8Array) => into.length, read: async (into: Uint8Array) => into.length };
  const parts = {
    clock,
    lookahead: 0,
    traffic: { openReaders: 0, hitBytes: 0 },
    headers: { of: async () => ({}) },
    repository: { readView: async () => views.shift() },
    store: { openNow: () => ({ ...file, close: async () => {} }) },
    checker: { checkedPart: (_: EntryRow, span: object) => ({ kind: 'span', span, checkedEnd: TOTAL - 1 }) },
    manager: {
      attach: () => {},
      detach: () => {},
      readAhead: async () => {},
      acquire: async () => ({ kind: 'again' }),
      fills: { readerBegan: () => {} },
      accesses: { note: () => {} },
      heardOf: () => null,
    },
  } as unknown as ReaderParts;
  const reader = await EntryReader.open(view(0, '"old"', false), { spec: null, mayFetch: true }, parts);
  reader.begin({ start: 0, end: TOTAL - 1 });
  const reading = reader.read(Buffer.alloc(TOTAL)).catch((error) => error);
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1);
  }
  expect(await reading).toMatchObject({ code: 'ORIGIN_CHANGED' });
  await reader.close();
});
