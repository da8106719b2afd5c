import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { newDatabase, openInPlace } from './test-database.ts';

const driver = new URL('./unreliable-driver.mjs', import.meta.url).href;

function newEntry(mediaId: string) {
  const key = { sourceId: 'url', mediaId, quality: 'original', filename: null, filePath: `files/${mediaId}` };
  return { ...key, originalUrl: '', requestHeaders: {}, fillAllowed: true, pinned: false };
}

test('a thread that ends fails what waits for it, and the next change starts another', async () => {
  const path = await newDatabase();
  const broken = join(dirname(path), 'broken');
  const repository = await SqliteRepository.open({ path, owner: 'me', driver });
  await writeFile(broken, '');
  const codes = (await Promise.allSettled([repository.touch(1, 1), repository.pause(1, 1)])).map(
    (result) => result.status === 'rejected' && result.reason.code,
  );
  expect(codes).toEqual(['STORAGE_FAILED', 'STORAGE_FAILED']);
  await rm(broken);
  expect((await repository.addEntry(newEntry('a'), 1)).created).toBe(true);
  expect((await repository.statistics()).entries).toBe(1);
  await repository.close();
});

test('closing carries out what was asked before it, and refuses what is asked after', async () => {
  const path = await newDatabase();
  const repository = await SqliteRepository.open({ path, owner: 'me' });
  const asked = Array.from({ length: 50 }, (_, index) => repository.addEntry(newEntry(`m${index}`), 1));
  const closed = repository.close();
  await expect(repository.touch(1, 1)).rejects.toMatchObject({ code: 'CLOSED' });
  expect((await Promise.all(asked)).every(({ created }) => created)).toBe(true);
  await closed;
  const again = openInPlace(path, 'other');
  expect((await again.statistics()).entries).toBe(50);
  await again.close();
});

test('a change that fails takes no other with it', async () => {
  const path = await newDatabase();
  const repository = await SqliteRepository.open({ path, owner: 'me' });
  await repository.addEntry(newEntry('a'), 1);
  const twice = { ...newEntry('b'), filePath: 'files/a' };
  const outcomes = await Promise.allSettled([
    repository.addEntry(newEntry('c'), 1),
    repository.addEntry(twice, 1),
    repository.addEntry(newEntry('d'), 1),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect((await repository.statistics()).entries).toBe(3);
  await repository.close();
});
