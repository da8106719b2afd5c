import { expect, test } from 'vitest';
import type { ChunkFile, ChunkStore } from '#seekwell/chunk-store/chunk-store';
import { EntryFile } from '#seekwell/downloads/entry-file';

test('a file that was being opened when the reader closed is given back', async () => {
  let opened: (file: ChunkFile) => void = () => {};
  const opening = new Promise<ChunkFile>((resolve) => {
    opened = resolve;
  });
  let closed = 0;
  const file = new EntryFile({ open: () => opening } as unknown as ChunkStore);
  const reading = expect(file.read('films/1', Buffer.alloc(10), 0)).rejects.toMatchObject({ code: 'CLOSED' });
  await file.close();
  opened({
    path: 'films/1',
    close: async () => {
      closed++;
    },
  } as unknown as ChunkFile);
  await reading;
  expect(closed).toBe(1);
});
