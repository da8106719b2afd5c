import type { FileCache } from '../file-cache.ts';
import type { StatsJson } from './schemas.ts';

/** Numbers of the cache (from the database) and of this process. */
export async function statsOf(cache: FileCache, openStreams: number): Promise<StatsJson> {
  const { entries, recordedBytes, leasedBytes, trashBytes } = await cache.statistics();
  const { hitBytes, missBytes, originBytes } = cache.traffic;
  return {
    entries,
    cacheBytes: recordedBytes,
    reservedBytes: leasedBytes,
    trashBytes,
    quotaBytes: cache.quota,
    hitBytes,
    missBytes,
    originBytes,
    activeFetches: cache.activeFetches,
    activeStreams: openStreams,
  };
}
