// The driver of this version of Node, except that the commit thread cannot open a database beside which a file named `broken` lies.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { loadDriver } from '#seekwell/repository/sqlite/load-driver';

const driver = await loadDriver(null);

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
