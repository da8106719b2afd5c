import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { PRIORITY } from '#seekwell/core/priority';
import type { CacheRepository, EntryRow } from '#seekwell/repository/cache-repository';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { type DownloadStateInfo, StateComputer } from '#seekwell/state-computer';
import { newDatabase } from '../repository/test-database.ts';
import { runToSuccess } from '../support/child-process.ts';

const program = fileURLToPath(new URL('./print-states.mjs', import.meta.url));
const TOTAL = 1_000;

let now = 1_700_000_000_000;
const clock = { now: () => now, monotonic: () => now, after: () => ({ cancel: () => undefined }), soon: () => undefined };

async function add(repository: CacheRepository, mediaId: string): Promise<EntryRow> {
  const key = { sourceId: 'url', mediaId, quality: 'original', filename: null, filePath: `files/${mediaId}` };
  return (await repository.addEntry({ ...key, originalUrl: '', requestHeaders: {}, fillAllowed: true, pinned: false }, now)).entry;
}

async function commit(repository: CacheRepository, { id: entryId, epoch }: EntryRow, start: number, end: number): Promise<void> {
  const description = { validator: { etag: '"v"', lastModified: null }, total: TOTAL, mimeType: null };
  await repository.commit({ entryId, epoch, range: { start, end }, description, headers: {} }, now);
}

/** Changes entries, one step after the other, through every state. */
async function* life(repository: CacheRepository): AsyncGenerator<void> {
  const [first, second, third] = [await add(repository, 'a'), await add(repository, 'b'), await add(repository, 'c')];
  yield;
  await commit(repository, first, 0, 99);
  await commit(repository, second, 500, 599);
  await repository.fill({ entryId: second.id, epoch: 0, chunkSize: 100 }, now);
  yield;
  const claim = { limit: null, priority: PRIORITY.CRITICAL, chunkSize: 100, rows: 2, quota: null };
  await repository.ensure({ ...claim, entryId: second.id, epoch: 0, offset: 150 }, now);
  await repository.fail({ entryId: first.id, epoch: 0, message: 'the origin answers 404', status: 404 }, now);
  await commit(repository, third, 0, TOTAL - 1);
  yield;
  now += 60_000;
  await repository.pause(second.id, now);
  await repository.removeBytes({ entryId: third.id, epoch: 0, newFilePath: 'files/new' }, now);
  await repository.deleteEntry(first.id, now);
  yield;
  await repository.sweep(true, now);
  yield;
}

test('another process computes the same states', async () => {
  const path = await newDatabase();
  const repository = await SqliteRepository.open({ path, owner: 'this process' });
  const states = new StateComputer(repository, clock);
  const seen = new Set<string>();
  for await (const _ of life(repository)) {
    const { entries } = await repository.entriesWithState({ limit: 1_000 }, now);
    const infos: DownloadStateInfo[] = [];
    for (const { entry } of entries) infos.push(await states.state(entry));
    for (const { state } of infos) seen.add(state);
    expect(JSON.parse(await runToSuccess(process.execPath, [program, path, String(now)]))).toEqual(infos);
  }
  expect([...seen].sort()).toEqual(['Complete', 'Downloading', 'Failed', 'Initializing', 'Paused']);
  await repository.close();
});
