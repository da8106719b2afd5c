import { join } from 'node:path';
import { openConnection, prepareDatabase } from '#seekwell/repository/sqlite/open-database';
import { type Committer, SqliteRepository } from '#seekwell/repository/sqlite/sqlite-repository';
import { SqliteWriter } from '#seekwell/repository/sqlite/sqlite-writer';
import { InPlaceCommitter } from '#seekwell/testing/in-place-committer';
import { temporaryFolder } from '../support/temp-folder.ts';
import driver from './strict-driver.ts';

/** A database file with a schema and nothing in it, gone after the running test. */
export async function newDatabase(): Promise<string> {
  return prepareAt(await temporaryFolder('database'));
}

/** The same in `folder`. */
export async function prepareAt(folder: string): Promise<string> {
  const path = join(folder, 'seekwell.db');
  await prepareDatabase(driver, path);
  return path;
}

/** What one process would open, without a thread of its own: every change is carried out within the call. */
export function openInPlace(path: string, owner: string, wrap: (committer: Committer) => Committer = (same) => same): SqliteRepository {
  const committer = new InPlaceCommitter(new SqliteWriter(driver, path, owner));
  return new SqliteRepository(openConnection(driver, path, 'read'), wrap(committer));
}
