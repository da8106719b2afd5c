import { describe, test } from 'vitest';
import type { CacheRepository } from '#seekwell/repository/cache-repository';
import { SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { repositoryContract } from '#seekwell/testing/repository-contract';
import { newDatabase, openInPlace } from './test-database.ts';

type Open = (path: string, owner: string) => Promise<CacheRepository>;

const implementations: Record<string, Open> = {
  'with its commit thread': (path, owner) => SqliteRepository.open({ path, owner }),
  'in one thread, parameters checked': async (path, owner) => openInPlace(path, owner),
};

describe.each(Object.entries(implementations))('SqliteRepository %s', (_, open) => {
  const cases = repositoryContract(async () => {
    const path = await newDatabase();
    const repository = await open(path, 'this');
    const other = await open(path, 'other');
    return {
      repository,
      other: async () => other,
      async close() {
        await repository.close();
        await other.close();
      },
    };
  });
  for (const { group, name, run } of cases) test(`${group}: ${name}`, run);
});
