/** What one process counts and uses, or several together. No answer about an entry depends on it. */
export interface ProcessCounts {
  /** Bytes given to readers that were recorded already. */
  readonly hitBytes: number;
  /** Bytes given to readers while they were fetched. */
  readonly missBytes: number;
  /** Bytes that came from origins, kept or not. */
  readonly originBytes: number;
  readonly activeFetches: number;
  readonly activeStreams: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly cpuSeconds: number;
  /** Seconds since 1970; of several the earliest. */
  readonly startedAt: number;
}

/** What this process uses, without what a cache counts. */
export function ownUsage(): Pick<ProcessCounts, 'residentBytes' | 'heapBytes' | 'cpuSeconds' | 'startedAt'> {
  const { rss, heapUsed } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return { residentBytes: rss, heapBytes: heapUsed, cpuSeconds: (user + system) / 1e6, startedAt: performance.timeOrigin / 1000 };
}

/** This process, which has no cache open. */
export function withoutCache(): ProcessCounts {
  return { hitBytes: 0, missBytes: 0, originBytes: 0, activeFetches: 0, activeStreams: 0, ...ownUsage() };
}

/** What stays of a process that ended: what only grows. */
export function afterItsEnd(counts: ProcessCounts): ProcessCounts {
  return { ...counts, activeFetches: 0, activeStreams: 0, residentBytes: 0, heapBytes: 0 };
}

export function together(first: ProcessCounts, ...others: readonly ProcessCounts[]): ProcessCounts {
  return others.reduce(
    (sum, one) => ({
      hitBytes: sum.hitBytes + one.hitBytes,
      missBytes: sum.missBytes + one.missBytes,
      originBytes: sum.originBytes + one.originBytes,
      activeFetches: sum.activeFetches + one.activeFetches,
      activeStreams: sum.activeStreams + one.activeStreams,
      residentBytes: sum.residentBytes + one.residentBytes,
      heapBytes: sum.heapBytes + one.heapBytes,
      cpuSeconds: sum.cpuSeconds + one.cpuSeconds,
      startedAt: Math.min(sum.startedAt, one.startedAt),
    }),
    first,
  );
}
