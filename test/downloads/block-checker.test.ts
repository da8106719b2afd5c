import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Checksum, ChunkFile, ChunkStore, Urgency } from '#seekwell/chunk-store/chunk-store';
import type { ByteRange } from '#seekwell/core/byte-ranges';
import { BlockChecker } from '#seekwell/downloads/block-checker';
import { CacheEvents } from '#seekwell/downloads/cache-events';
import { silentLogger } from '#seekwell/logger';
import type { EntryRow } from '#seekwell/repository/cache-repository';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { newDatabase } from '../repository/test-database.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { afterThisTest } from '../support/temp-folder.ts';

const MIB = 1024 * 1024;
const SIZE = 40 * MIB;
const RIGHT = crc32(Buffer.from('right'));

/** A checksum that was asked for; the test says what comes of it. */
interface Asked {
  readonly block: number;
  readonly urgency: Urgency;
  answer(sum: Checksum): void;
}

interface Scene {
  readonly repository: SqliteRepository;
  readonly checker: BlockChecker;
  readonly entry: EntryRow;
  readonly asked: Asked[];
  readonly span: ByteRange;
}

/** An entry of which every block has the checksum RIGHT, in a store that reads nothing by itself. */
async function scene(): Promise<Scene> {
  const repository = await SqliteRepository.open({ path: await newDatabase(), owner: 'me' });
  afterThisTest(() => repository.close());
  const clock = new ManualClock();
  const key = { sourceId: 'url', mediaId: 'm', quality: 'original', originalUrl: '', requestHeaders: {}, filename: null };
  const { entry } = await repository.addEntry({ ...key, filePath: 'files/1', fillAllowed: false, pinned: false }, 1);
  const description = { validator: { etag: '"v"', lastModified: null }, total: SIZE, mimeType: null };
  const span = { start: 0, end: SIZE - 1 };
  await repository.commit({ entryId: entry.id, epoch: 0, range: span, description, headers: {} }, 1);
  const checksums = Array.from({ length: 40 }, (_, block) => ({ block, crc32: RIGHT }));
  await repository.recordChecksums({ entryId: entry.id, epoch: 0, checksums }, 1);
  const asked: Asked[] = [];
  const file = {
    checksum: (range: ByteRange, urgency: Urgency) =>
      new Promise<Checksum>((answer) => asked.push({ block: range.start / MIB, urgency, answer })),
    close: async () => undefined,
  } as unknown as ChunkFile;
  const store = { open: async () => file } as unknown as ChunkStore;
  const consequences = { lost: async () => undefined };
  const settings = { chunkSize: MIB, fill: false };
  const checker = new BlockChecker({ repository, store, clock, logger: silentLogger, events: new CacheEvents(), consequences, settings });
  const known = (await repository.getEntry(entry.id)) as EntryRow;
  return { repository, checker, entry: known, asked, span };
}

/** Lets everything run that waits for nothing from outside. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** How far bytes may be given, without a wait. */
function checkedEnd(checker: BlockChecker, entry: EntryRow, span: ByteRange, position: number, end: number): number | null {
  return checker.checkedPart(entry, span, { position, end })?.checkedEnd ?? null;
}

async function check(checker: BlockChecker, entry: EntryRow, span: ByteRange, position: number, end: number): Promise<number | null> {
  return (await checker.check(entry, span, { position, end }))?.checkedEnd ?? null;
}

const right: Checksum = { kind: 'whole', crc32: RIGHT };
const wrong: Checksum = { kind: 'whole', crc32: RIGHT ^ 1 };

test('a reader waits for the block it is at; those ahead are checked meanwhile, each block once', async () => {
  const { checker, entry, asked, span } = await scene();
  expect(checkedEnd(checker, entry, span, MIB + 7, span.end)).toBeNull();
  const first = check(checker, entry, span, MIB + 7, span.end);
  await settled();
  expect(asked.map(({ block, urgency }) => [block, urgency])).toEqual([
    [1, 'now'],
    [2, 'soon'],
    [3, 'soon'],
    [4, 'soon'],
    [5, 'soon'],
    [6, 'soon'],
    [7, 'soon'],
  ]);
  const second = check(checker, entry, span, MIB + 9, span.end);
  asked[0]?.answer(right);
  expect([await first, await second]).toEqual([2 * MIB - 1, 2 * MIB - 1]);
  for (const { answer } of asked) answer(right);
  await settled();
  // Both groups are checked: until the reader comes to the next one a look costs nothing.
  expect(checkedEnd(checker, entry, span, MIB + 7, span.end)).toBe(5 * MIB + 6);
  expect(checkedEnd(checker, entry, span, 4 * MIB - 1, span.end)).toBe(8 * MIB - 2);
  expect(asked).toHaveLength(7);
  // What is checked needs no wait, and what comes after it is checked meanwhile.
  expect(checkedEnd(checker, entry, span, 4 * MIB, span.end)).toBe(8 * MIB - 1);
  await settled();
  expect(asked.slice(7).map(({ block, urgency }) => [block, urgency])).toEqual([
    [8, 'soon'],
    [9, 'soon'],
    [10, 'soon'],
    [11, 'soon'],
  ]);
  expect(checkedEnd(checker, entry, span, 8 * MIB, span.end)).toBeNull();
  asked[7]?.answer(right);
  expect(await check(checker, entry, span, 8 * MIB, span.end)).toBe(9 * MIB - 1);
  for (const { answer } of asked) answer(right);
});

test('a short range checks no more than the blocks it has bytes of', async () => {
  const { checker, entry, asked, span } = await scene();
  const checking = check(checker, entry, span, 3 * MIB - 10, 3 * MIB + 10);
  await settled();
  expect(asked.map(({ block }) => block)).toEqual([2, 3]);
  asked[0]?.answer(right);
  expect(await checking).toBe(3 * MIB - 1);
  asked[1]?.answer(right);
  await settled();
  expect(checkedEnd(checker, entry, span, 3 * MIB - 10, 3 * MIB + 10)).toBe(3 * MIB + 10);
});

test('many readers start few checks ahead: one that comes later finds short queues', async () => {
  const { checker, entry, asked, span } = await scene();
  for (let reader = 0; reader < 5; reader++) void check(checker, entry, span, reader * 8 * MIB, span.end);
  await settled();
  expect(asked.filter(({ urgency }) => urgency === 'now')).toHaveLength(5);
  expect(asked.filter(({ urgency }) => urgency === 'soon').length).toBeLessThanOrEqual(8);
  for (const { answer } of asked) answer(right);
});

test('blocks that the span does not wholly cover have no checksum to wait for', async () => {
  const { checker, entry } = await scene();
  const span = { start: 100, end: MIB + 5 };
  expect(checkedEnd(checker, entry, span, 100, span.end)).toBe(MIB + 5);
});

test('a bad block is cut, once, and the reader plans again', async () => {
  const { checker, repository, entry, asked, span } = await scene();
  const checks = [check(checker, entry, span, 0, 10), check(checker, entry, span, 5, 10)];
  await settled();
  asked[0]?.answer(wrong);
  expect(await Promise.all(checks)).toEqual([null, null]);
  expect([asked.length, (await repository.getEntry(entry.id))?.epoch]).toEqual([1, 1]);
  expect(await repository.spans(entry.id)).toEqual([{ start: MIB, end: SIZE - 1 }]);
  // With the old plan, too: the block is not there any more.
  expect(await check(checker, entry, span, 0, 10)).toBeNull();
});

test('the epoch moves while a block is read: what was found is of no account', async () => {
  const { checker, repository, entry, asked, span } = await scene();
  const checking = check(checker, entry, span, 0, 10);
  await settled();
  await repository.removeBytes({ entryId: entry.id, epoch: 0, newFilePath: 'files/2' }, 2);
  const description = { validator: { etag: '"w"', lastModified: null }, total: SIZE, mimeType: null };
  await repository.commit({ entryId: entry.id, epoch: 1, range: span, description, headers: {} }, 3);
  asked[0]?.answer(wrong);
  expect(await checking).toBeNull();
  const after = await repository.getEntry(entry.id);
  expect([after?.epoch, after?.isComplete]).toEqual([1, true]);
});

test('checksums of a fetch whose epoch is over are not recorded', async () => {
  const { checker, repository, entry, asked } = await scene();
  await repository.cut({ entryId: entry.id, epoch: 0, range: { start: 0, end: 2 * MIB - 1 }, fill: false }, 2);
  const moved = (await repository.getEntry(entry.id)) as EntryRow;
  const description = { validator: { etag: '"v"', lastModified: null }, total: SIZE, mimeType: null };
  const range = { start: 0, end: 2 * MIB - 1 };
  await repository.commit({ entryId: entry.id, epoch: 1, range, description, headers: {} }, 3);
  const reading = checker.inspect(moved, { ...range, end: MIB - 1, whole: true, crc32: null }, 'idle');
  await settled();
  await repository.cut({ entryId: entry.id, epoch: 1, range: { start: 5 * MIB, end: 6 * MIB - 1 }, fill: false }, 4);
  asked[0]?.answer(right);
  expect(await reading).toEqual({ kind: 'recorded' });
  await checker.settle();
  const [block] = (await repository.blocks({ entryId: entry.id, epoch: 2, first: 0, last: 0 })) ?? [];
  expect(block).toMatchObject({ whole: true, crc32: null });
});
