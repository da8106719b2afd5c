import type { CacheOptions } from 'seekwell';
import { FileCache } from 'seekwell';
import { afterThisTest, temporaryFolder } from '../support/temp-folder.ts';

/** A cache as a program opens it, closed at the end of the test. */
export async function openCache(options: Partial<CacheOptions> = {}): Promise<FileCache> {
  const cacheDir = await temporaryFolder('library');
  const cache = await FileCache.open({ cacheDir, maxSize: 'unlimited', durability: 'process-crash', ...options });
  afterThisTest(() => cache.close());
  return cache;
}
