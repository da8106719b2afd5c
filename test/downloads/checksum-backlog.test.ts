import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Checksum, ChunkFile, ChunkStore } from '#seekwell/chunk-store/chunk-store';
import type { ByteRange } from '#seekwell/core/byte-ranges';
import { CheckedBlocks } from '#seekwell/downloads/checked-blocks';
import { ChecksumBacklog } from '#seekwell/downloads/checksum-backlog';
import type { EntryRow } from '#seekwell/repository/cache-repository';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { newDatabase } from '../repository/test-database.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { afterThisTest } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;
const SIZE = 600 * MIB;
const SUM = crc32(Buffer.from('bytes'));

/** An entry, and a backlog over a store whose blocks all have one checksum. */
async function scene() {
  const repository = await SqliteRepository.open({ path: await newDatabase(), owner: 'me' });
  afterThisTest(() => repository.close());
  const key = { sourceId: 'url', mediaId: 'm', quality: 'original', originalUrl: '', requestHeaders: {}, filename: null };
  const { entry } = await repository.addEntry({ ...key, filePath: 'files/1', fillAllowed: false, pinned: false }, 1);
  const clock = new ManualClock();
  const read: number[] = [];
  const files = { open: 0, there: true };
  const file = {
    checksum: async ({ start }: ByteRange): Promise<Checksum> => {
      read.push(start / MIB);
      return { kind: 'whole', crc32: SUM };
    },
    close: async () => void files.open--,
  } as unknown as ChunkFile;
  const open = async (path: string): Promise<ChunkFile | null> => {
    if (path === 'files/bad') throw new Error('cannot be read');
    if (!files.there) return null;
    files.open++;
    return file;
  };
  const store = { open } as unknown as ChunkStore;
  const checked = new CheckedBlocks();
  const work: Promise<unknown>[] = [];
  const backlog = new ChecksumBacklog({ repository, store, clock, checked, track: (one) => void work.push(one) });
  const record = async (start: number, end: number): Promise<void> => {
    const description = { validator: { etag: '"v"', lastModified: null }, total: SIZE, mimeType: null };
    await repository.commit({ entryId: entry.id, epoch: 0, range: { start, end }, description, headers: {} }, 1);
    backlog.add(entry, { start, end });
  };
  const done = (): Promise<unknown> => Promise.all(work);
  const flush = (): Promise<unknown> => {
    backlog.flush();
    return done();
  };
  return { repository, entry, clock, read, files, checked, backlog, record, done, flush, work };
}

async function summed(repository: SqliteRepository, { id: entryId }: EntryRow, epoch = 0): Promise<number[]> {
  const rows = (await repository.blocks({ entryId, epoch, first: 0, last: SIZE / MIB - 1 })) ?? [];
  return rows.filter((row) => row.crc32 === SUM).map(({ block }) => block);
}

test('blocks get their checksums together, when the last of all fetches has recorded its bytes', async () => {
  const { repository, entry, read, files, checked, backlog, record, done, flush } = await scene();
  backlog.begun();
  backlog.begun();
  for (let block = 0; block < 40; block += 4) await record(block * MIB, (block + 4) * MIB - 1);
  await record(100 * MIB + 1, 102 * MIB - 1);
  backlog.ended();
  await done();
  expect(read).toEqual([]);
  backlog.ended();
  await done();
  const blocks = [...Array(40).keys(), 101];
  expect(read).toEqual(blocks);
  expect(await summed(repository, entry)).toEqual(blocks);
  expect([checked.has(entry.filePath, 39), checked.has(entry.filePath, 100), files.open]).toEqual([true, false, 0]);
  // Nothing is left for another time.
  await flush();
  expect(read).toHaveLength(41);
});

test('while a fetch goes on they wait for two seconds at the most', async () => {
  const { clock, read, backlog, record, done } = await scene();
  backlog.begun();
  await record(0, MIB - 1);
  clock.advance(1_500);
  await record(MIB, 2 * MIB - 1);
  expect(read).toEqual([]);
  clock.advance(500);
  await done();
  expect(read).toEqual([0, 1]);
});

test('and for 256 MiB at the most', async () => {
  const { read, backlog, record, done } = await scene();
  backlog.begun();
  await record(0, 256 * MIB - 2);
  await done();
  expect(read).toEqual([]);
  await record(256 * MIB - 1, 256 * MIB);
  await done();
  expect(read).toHaveLength(256);
});

test('a block that fetches recorded one half each of is added up once', async () => {
  const { repository, entry, read, record, flush } = await scene();
  await record(0, MIB / 2);
  await flush();
  expect(read).toEqual([]);
  await record(MIB / 2 + 1, MIB - 1);
  await flush();
  expect(read).toEqual([0]);
  await record(MIB, 2 * MIB - 1);
  await flush();
  expect(read).toEqual([0, 1]);
  expect(await summed(repository, entry)).toEqual([0, 1]);
});

test('bytes that are gone meanwhile, with their epoch or with their file, are no failure', async () => {
  const { repository, entry, read, files, backlog, record, flush } = await scene();
  await record(0, 4 * MIB - 1);
  await repository.cut({ entryId: entry.id, epoch: 0, range: { start: 0, end: MIB - 1 }, fill: false }, 2);
  await flush();
  expect([read, await summed(repository, entry, 1)]).toEqual([[], []]);
  files.there = false;
  backlog.add({ ...entry, epoch: 1 }, { start: MIB, end: 4 * MIB - 1 });
  await flush();
  expect([read, await summed(repository, entry, 1)]).toEqual([[], []]);
});

test('a file that goes on after a cut, under another epoch, gets the checksums of both', async () => {
  const { repository, entry, backlog, record, flush } = await scene();
  await record(0, 4 * MIB - 1);
  await repository.cut({ entryId: entry.id, epoch: 0, range: { start: MIB, end: 2 * MIB - 1 }, fill: false }, 2);
  const description = { validator: { etag: '"v"', lastModified: null }, total: SIZE, mimeType: null };
  const range = { start: MIB, end: 2 * MIB - 1 };
  await repository.commit({ entryId: entry.id, epoch: 1, range, description, headers: {} }, 3);
  backlog.add({ ...entry, epoch: 1 }, range);
  await flush();
  expect(await summed(repository, entry, 1)).toEqual([0, 1, 2, 3]);
});

test('a file that cannot be read keeps no other from being added up', async () => {
  const { repository, entry, files, backlog, record, flush, work } = await scene();
  const key = { sourceId: 'url', mediaId: 'other', quality: 'original', originalUrl: '', requestHeaders: {}, filename: null };
  const { entry: bad } = await repository.addEntry({ ...key, filePath: 'files/bad', fillAllowed: true, pinned: false }, 1);
  const description = { validator: { etag: '"v"', lastModified: null }, total: SIZE, mimeType: null };
  const range = { start: 0, end: MIB - 1 };
  await repository.commit({ entryId: bad.id, epoch: 0, range, description, headers: {} }, 1);
  backlog.add(bad, range);
  await record(0, MIB - 1);
  await expect(flush()).rejects.toThrow('cannot be read');
  await Promise.allSettled(work);
  expect([await summed(repository, entry), await summed(repository, bad), files.open]).toEqual([[0], [], 0]);
});
