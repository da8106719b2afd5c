import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/**
 * Calls `changed` when the database's write-ahead log is written: every commit of every process does. No timer runs while nothing happens. Where the system
 * cannot watch, the hint does not come.
 * @returns what ends it
 */
export function watchDatabase(path: string, changed: () => void): () => void {
  const log = `${basename(path)}-wal`;
  try {
    const watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
      if (name === log) changed();
    });
    watcher.on('error', () => watcher.close());
    return () => watcher.close();
  } catch {
    return () => {};
  }
}
