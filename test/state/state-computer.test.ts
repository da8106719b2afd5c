import { beforeEach, describe, expect, test } from 'vitest';
import { PRIORITY } from '#seekwell/core/priority';
import { type CacheRepository, type EntryRow, LEASE_MS } from '#seekwell/repository/cache-repository';
import { StateComputer } from '#seekwell/state-computer';
import { newDatabase, openInPlace } from '../repository/test-database.ts';

const MIB = 1024 * 1024;
const TOTAL = 4 * MIB;

let now: number;
let repository: CacheRepository;
let states: StateComputer;
let entry: EntryRow;

const clock = { now: () => now, monotonic: () => now, after: () => ({ cancel: () => undefined }), soon: () => undefined };

beforeEach(async () => {
  now = 1_000;
  repository = openInPlace(await newDatabase(), 'me');
  states = new StateComputer(repository, clock);
  const key = { sourceId: 'url', mediaId: 'm', quality: 'original' };
  const rest = { originalUrl: '', requestHeaders: {}, filename: null, filePath: 'files/1', fillAllowed: true, pinned: false };
  entry = (await repository.addEntry({ ...key, ...rest }, now)).entry;
  return () => repository.close();
});

async function commit(start: number, end: number, total: number | null = TOTAL): Promise<void> {
  const description = { validator: { etag: '"v"', lastModified: null }, total, mimeType: null };
  await repository.commit({ entryId: entry.id, epoch: entry.epoch, range: { start, end }, description, headers: {} }, now);
}

describe('StateComputer', () => {
  test('a key without an entry, and an id without one, is NotStarted', async () => {
    const nothing = {
      entryId: null,
      state: 'NotStarted',
      downloadedBytes: 0,
      totalBytes: null,
      percent: null,
      pendingChunks: 0,
      spanCount: 0,
      error: null,
      lastChange: null,
      canServePartial: false,
      isActive: false,
      hasMinimumData: false,
    };
    expect(await states.state({ ...entry, quality: 'none' })).toEqual(nothing);
    expect(await states.stateOf(entry.id + 1)).toEqual(nothing);
  });

  test('an entry of which nothing is known', async () => {
    expect(await states.state(entry)).toEqual({
      entryId: entry.id,
      state: 'Initializing',
      downloadedBytes: 0,
      totalBytes: null,
      percent: null,
      pendingChunks: 0,
      spanCount: 0,
      error: null,
      lastChange: 1_000,
      canServePartial: false,
      isActive: false,
      hasMinimumData: false,
    });
  });

  test('an entry that is being fetched', async () => {
    await commit(0, MIB - 2);
    now = 2_000;
    await commit(2 * MIB, 3 * MIB - 1);
    now = 2_500;
    const of = { entryId: entry.id, epoch: entry.epoch };
    await repository.ensure(
      { ...of, offset: 3 * MIB, limit: null, priority: PRIORITY.CRITICAL, chunkSize: MIB, rows: 1, quota: null },
      now,
    );
    expect(await states.stateOf(entry.id)).toEqual({
      entryId: entry.id,
      state: 'Downloading',
      downloadedBytes: 2 * MIB - 1,
      totalBytes: TOTAL,
      percent: ((2 * MIB - 1) / TOTAL) * 100,
      pendingChunks: 1,
      spanCount: 2,
      error: null,
      lastChange: 2_000,
      canServePartial: true,
      isActive: true,
      hasMinimumData: false,
    });
    now += LEASE_MS + 1;
    expect((await states.state(entry)).isActive).toBe(false);
  });

  test('the state by key and by id is the same', async () => {
    await commit(5, 9);
    expect(await states.state(entry)).toEqual(await states.stateOf(entry.id));
  });

  test('the minimum is the first MiB, or all of a resource that is smaller', async () => {
    await commit(1, MIB);
    expect((await states.state(entry)).hasMinimumData).toBe(false);
    await commit(0, 0);
    expect(await states.state(entry)).toMatchObject({ hasMinimumData: true, state: 'Paused', spanCount: 1 });
    await repository.removeBytes({ entryId: entry.id, epoch: 0, newFilePath: 'files/2' }, now);
    entry = { ...entry, epoch: 1 };
    await commit(0, 98, 100);
    expect((await states.state(entry)).hasMinimumData).toBe(false);
    await commit(99, 99, 100);
    expect(await states.state(entry)).toMatchObject({ hasMinimumData: true, state: 'Complete', percent: 100 });
  });

  test('a resource without a length has no percentage until it is complete', async () => {
    await commit(0, 99, null);
    expect(await states.state(entry)).toMatchObject({ totalBytes: null, percent: null, state: 'Paused', hasMinimumData: false });
    const description = { validator: { etag: '"v"', lastModified: null }, total: null, mimeType: null };
    await repository.finish({ entryId: entry.id, epoch: 0, total: 100, description, headers: {} }, now);
    expect(await states.state(entry)).toMatchObject({ totalBytes: 100, percent: 100, state: 'Complete', hasMinimumData: true });
  });

  test('an empty resource is complete', async () => {
    const description = { validator: { etag: '"v"', lastModified: null }, total: 0, mimeType: null };
    await repository.finish({ entryId: entry.id, epoch: 0, total: 0, description, headers: {} }, now);
    const complete = { state: 'Complete', totalBytes: 0, percent: 100, downloadedBytes: 0, canServePartial: false, hasMinimumData: true };
    expect(await states.state(entry)).toMatchObject(complete);
  });

  test('a percentage reaches 100 with the last byte only', async () => {
    await commit(0, 2 ** 50 - 2, 2 ** 50);
    expect((await states.state(entry)).percent).toBeLessThan(100);
  });

  test('a failure is told, and a removal is seen at once', async () => {
    await commit(0, 9);
    await repository.fail({ entryId: entry.id, epoch: 0, message: 'the origin answers 410', status: 410 }, now);
    expect(await states.state(entry)).toMatchObject({ state: 'Failed', error: 'the origin answers 410', canServePartial: true });
    await repository.deleteEntry(entry.id, now);
    expect(await states.state(entry)).toMatchObject({ state: 'NotStarted', entryId: null });
  });
});
