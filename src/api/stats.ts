import type { FileCache } from '../file-cache.ts';
import type { ProcessCounts } from '../process-counts.ts';
import type { StatsJson } from './schemas.ts';

/** Numbers of the cache (from the database) and of the processes that serve it here. */
export async function statsOf(cache: FileCache, counts: ProcessCounts): Promise<StatsJson> {
  const { entries, recordedBytes, leasedBytes, trashBytes } = await cache.statistics();
  const { hitBytes, missBytes, originBytes, activeFetches, activeStreams } = counts;
  return {
    entries,
    cacheBytes: recordedBytes,
    reservedBytes: leasedBytes,
    trashBytes,
    quotaBytes: cache.quota,
    hitBytes,
    missBytes,
    originBytes,
    activeFetches,
    activeStreams,
  };
}
