import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { EntryReader } from '#seekwell/downloads/entry-reader';
import { FileCache } from '#seekwell/file-cache';
import { eventually } from '../support/eventually.ts';
import { ScriptedOrigin } from '../support/scripted-origin.ts';
import type { ScriptedResource } from '../support/scripted-resource.ts';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

const SIZE = 300_000;

interface Scene {
  readonly film: ScriptedResource;
  readonly cacheDir: string;
  readonly cache: FileCache;
  reader(start: number, end?: number): Promise<EntryReader>;
}

async function scene(): Promise<Scene> {
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size: SIZE });
  const cacheDir = await temporaryFolder();
  const cache = await FileCache.open({ cacheDir, maxSize: 'unlimited', durability: 'process-crash' });
  afterThisTest(() => cache.close());
  const { key } = await cache.add({ url: film.url, fill: false });
  return {
    film,
    cacheDir,
    cache,
    async reader(start, end = SIZE - 1) {
      const view = await cache.viewOf(key, start);
      if (view === null) throw new Error('the entry is gone');
      const reader = await cache.openReader(view, { spec: { kind: 'from', start, end }, mayFetch: true });
      afterThisTest(() => reader.close());
      reader.begin({ start, end });
      return reader;
    },
  };
}

/** All that is left, waiting where it must. */
async function rest(reader: EntryReader): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for (;;) {
    const into = Buffer.alloc(70_000);
    const count = await reader.read(into);
    if (count === 0) return Buffer.concat(pieces);
    pieces.push(into.subarray(0, count));
  }
}

async function recorded(cache: FileCache, bytes: number): Promise<void> {
  await eventually('all is recorded', async () => (await cache.infoOf(1))?.downloadedBytes === bytes);
}

test('recorded bytes are read at once, to the end of the range; nothing where a wait is due, at the end, and after the close', async () => {
  const { film, cache, reader } = await scene();
  // The whole row is fetched: from the first byte that is asked for to the end of the resource.
  expect((await rest(await reader(100_000))).equals(film.bytes(100_000))).toBe(true);
  await recorded(cache, SIZE - 100_000);
  const warm = await reader(100_010, 199_999);
  const into = Buffer.alloc(200_000);
  // The first read opens the file where nobody has it open.
  let done = warm.readNow(into) || (await warm.read(into));
  while (done < 99_990) {
    const count = warm.readNow(into.subarray(done));
    expect(count).toBeGreaterThan(0);
    done += count;
  }
  expect([done, warm.remaining, warm.readNow(into)]).toEqual([99_990, 0, 0]);
  expect(into.subarray(0, done).equals(film.bytes(100_010, 199_999))).toBe(true);
  const closed = await reader(100_000, 199_999);
  await closed.close();
  expect(closed.readNow(into)).toBe(0);
  const cold = await reader(0, 99_999);
  expect(cold.readNow(into)).toBe(0);
  expect((await rest(cold)).equals(film.bytes(0, 99_999))).toBe(true);
});

test('a file that was cut short gives its true bytes, and the origin the rest', async () => {
  const { film, cache, cacheDir, reader } = await scene();
  await rest(await reader(0));
  await recorded(cache, SIZE);
  const cut = await reader(0);
  await truncate(join(cacheDir, cut.entry.filePath), 150_000);
  const pieces: Buffer[] = [];
  for (;;) {
    const into = Buffer.alloc(64_000);
    const count = cut.readNow(into) || (await cut.read(into));
    if (count === 0) break;
    pieces.push(into.subarray(0, count));
  }
  expect(Buffer.concat(pieces).equals(film.bytes())).toBe(true);
});
