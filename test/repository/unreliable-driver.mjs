// better-sqlite3, except that the commit thread cannot open a database beside which a file named `broken` lies.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import driver from '#seekwell/repository/sqlite/better-sqlite3-driver';

/** @type {import('#seekwell/repository/sqlite/sqlite-driver').SqliteDriver} */
const unreliable = {
  open(path) {
    if (!isMainThread && existsSync(join(dirname(path), 'broken'))) {
      throw Object.assign(new Error('the disk is gone'), { code: 'SQLITE_IOERR_READ' });
    }
    return driver.open(path);
  },
};

export default unreliable;
