import type { ProcessCounts } from '../process-counts.ts';
import type { StatsJson } from './schemas.ts';

/** The content type of Prometheus' text format. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

interface Metric {
  readonly name: string;
  readonly kind: 'gauge' | 'counter';
  readonly help: string;
  /** Samples by their labels; null where there is nothing to say. Labels are fixed words: a URL never becomes one. */
  readonly samples: readonly (readonly [labels: string, value: number | null])[];
}

function gauge(name: string, help: string, value: number | null): Metric {
  return { name, kind: 'gauge', help, samples: [['', value]] };
}

function counter(name: string, help: string, value: number): Metric {
  return { name, kind: 'counter', help, samples: [['', value]] };
}

function cacheMetrics(stats: StatsJson): Metric[] {
  return [
    gauge('seekwell_entries', 'Entries in the cache.', stats.entries),
    gauge('seekwell_cache_bytes', 'Bytes that are recorded.', stats.cacheBytes),
    gauge('seekwell_cache_reserved_bytes', 'Bytes that are being fetched.', stats.reservedBytes),
    gauge('seekwell_cache_trash_bytes', 'Bytes that are removed but still on the disk.', stats.trashBytes),
    gauge('seekwell_cache_quota_bytes', 'The most bytes that are kept. Absent: no limit.', stats.quotaBytes),
    {
      name: 'seekwell_served_bytes_total',
      kind: 'counter',
      help: 'Bytes given to readers, by where they came from.',
      samples: [
        ['{from="cache"}', stats.hitBytes],
        ['{from="origin"}', stats.missBytes],
      ],
    },
    counter('seekwell_origin_bytes_total', 'Bytes that came from origins, kept or not.', stats.originBytes),
    gauge('seekwell_active_fetches', 'Fetches from origins under way.', stats.activeFetches),
    gauge('seekwell_active_streams', 'Stream requests being answered.', stats.activeStreams),
  ];
}

function processMetrics(counts: ProcessCounts): Metric[] {
  return [
    gauge('process_resident_memory_bytes', 'Resident memory.', counts.residentBytes),
    gauge('nodejs_heap_used_bytes', 'JavaScript heap in use.', counts.heapBytes),
    counter('process_cpu_seconds_total', 'CPU time, user and system.', counts.cpuSeconds),
    gauge('process_start_time_seconds', 'When the process started, in seconds since 1970.', counts.startedAt),
  ];
}

/** Everything that is measured, of all processes together that share the port, in Prometheus' text format. */
export function metricsText(stats: StatsJson, counts: ProcessCounts): string {
  const lines: string[] = [];
  for (const { name, kind, help, samples } of [...cacheMetrics(stats), ...processMetrics(counts)]) {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`);
    for (const [labels, value] of samples) if (value !== null) lines.push(`${name}${labels} ${value}`);
  }
  return `${lines.join('\n')}\n`;
}
