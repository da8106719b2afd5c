import { expect, test } from 'vitest';
import { Stage } from '#seekwell/testing/repository-contract/stage';
import { newDatabase, openInPlace } from './test-database.ts';

async function scene() {
  const path = await newDatabase();
  const [repository, other] = [openInPlace(path, 'me'), openInPlace(path, 'other')];
  const stage = new Stage(repository, other);
  const entry = await stage.addKnown([[0, 99]]);
  let asked = 0;
  const token = (): number => {
    asked++;
    return repository.changeToken();
  };
  return { repository, other, stage, entry, token, asked: () => asked, close: () => Promise.all([repository.close(), other.close()]) };
}

test('a view is given again until something is committed, by whatever process', async () => {
  const { repository, other, stage, entry, token, close } = await scene();
  const view = await repository.readViewByKey(entry, 50);
  expect(repository.recentView(entry, 60, token)).toBe(view);
  await other.touch(entry.id, stage.now);
  expect(repository.recentView(entry, 60, token)).toBeNull();
  const next = await repository.readViewByKey(entry, 50);
  expect(next).not.toBe(view);
  expect(repository.recentView(entry, 60, token)).toBe(next);
  await close();
});

test('where nothing is remembered around the byte the database is not asked whether anything changed', async () => {
  const { repository, entry, token, asked, close } = await scene();
  await repository.readViewByKey(entry, 50);
  expect((await repository.readViewByKey(entry, 500))?.span).toBeNull();
  expect(repository.recentView(entry, 500, token)).toBeNull();
  expect(asked()).toBe(0);
  expect(repository.recentView(entry, 50, token)?.span).toEqual({ start: 0, end: 99 });
  expect(asked()).toBe(1);
  await close();
});
