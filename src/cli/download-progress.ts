import { formatSize } from '../config/byte-size.ts';
import { formatDuration } from '../config/duration.ts';
import { backoffRest } from '../core/backoff.ts';
import { percentText } from './entry-text.ts';
import { clipped, oneLine } from './terminal.ts';

/** How far back the rate looks, in milliseconds. */
const WINDOW_MS = 5_000;
/** Below this the rate says nothing yet, in milliseconds. */
const SETTLED_MS = 300;

/** What is known of a download at one moment. */
export interface ProgressSample {
  readonly downloadedBytes: number;
  /** Null until it is known. */
  readonly totalBytes: number | null;
  /** 0 to 1; null until the total is known. */
  readonly progress: number | null;
  /** Fetches of this process. */
  readonly connections: number;
  /** Somebody fetches bytes now. */
  readonly active: boolean;
  /** Why it stands still, or null. */
  readonly trouble: string | null;
  /** When it goes on by itself, UTC milliseconds, or null. */
  readonly retryAt: number | null;
}

interface Point {
  readonly at: number;
  readonly bytes: number;
}

/** Turns samples of a download into one line. Knows no terminal and no clock. */
export class DownloadProgress {
  readonly #points: Point[] = [];
  #sample: ProgressSample | null = null;
  /** The first sample, and when the bytes last became more. */
  #first: Point | null = null;
  #movedAt = 0;

  /** @param at monotonic milliseconds */
  add(sample: ProgressSample, at: number): void {
    const last = this.#points.at(-1);
    const point = { at, bytes: sample.downloadedBytes };
    if (this.#first === null || point.bytes !== last?.bytes) this.#movedAt = at;
    this.#first ??= point;
    this.#points.push(point);
    while ((this.#points[1]?.at ?? Number.POSITIVE_INFINITY) <= at - WINDOW_MS) this.#points.shift();
    this.#sample = sample;
  }

  /** How long no byte has come, in milliseconds. */
  idleMs(at: number): number {
    return this.#first === null ? 0 : at - this.#movedAt;
  }

  /** Bytes a second over the last seconds; null: not known yet. */
  rate(at: number): number | null {
    const [oldest] = this.#points;
    const newest = this.#points.at(-1);
    if (oldest === undefined || newest === undefined || at - oldest.at < SETTLED_MS) return null;
    return ((newest.bytes - oldest.bytes) * 1_000) / (at - oldest.at);
  }

  /** ` 43%  1.20 GiB of 2.81 GiB  23.4 MiB/s  ETA 1:12  4 connections`. @param now UTC milliseconds */
  line(at: number, now: number, width: number): string {
    const sample = this.#sample;
    if (sample === null || isUnheard(sample)) return clipped('Asking the origin …', width);
    const { downloadedBytes, totalBytes, progress } = sample;
    const rate = this.rate(at);
    const parts = [
      percentText(progress).padStart(4),
      totalBytes === null ? formatSize(downloadedBytes) : `${formatSize(downloadedBytes)} of ${formatSize(totalBytes)}`,
      rate === null ? '-- B/s' : `${formatSize(Math.round(rate))}/s`,
    ];
    if (totalBytes !== null && progress !== 1)
      parts.push(`ETA ${rate === null || rate < 1 ? '--:--' : formatDuration((totalBytes - downloadedBytes) / rate)}`);
    parts.push(workText(sample, now));
    return clipped(parts.join('  ').trimEnd(), width);
  }

  /** What came since the first sample, and how fast. */
  summary(at: number): string {
    const fetched = (this.#points.at(-1)?.bytes ?? 0) - (this.#first?.bytes ?? 0);
    const seconds = (at - (this.#first?.at ?? at)) / 1_000;
    if (fetched <= 0 || seconds <= 0) return 'nothing was left to fetch';
    return `${formatSize(fetched)} in ${formatDuration(seconds)}, ${formatSize(Math.round(fetched / seconds))}/s`;
  }
}

/** Nothing is known yet, and nothing went wrong either. */
function isUnheard({ downloadedBytes, totalBytes, trouble }: ProgressSample): boolean {
  return downloadedBytes === 0 && totalBytes === null && trouble === null;
}

/** Who works on it, or why nobody does. */
function workText({ connections, active, trouble, retryAt, progress }: ProgressSample, now: number): string {
  if (connections > 0) return connections === 1 ? '1 connection' : `${connections} connections`;
  if (progress === 1) return '';
  if (active) return 'fetched by another process';
  if (trouble === null) return '0 connections';
  const rest = backoffRest(retryAt, now);
  const wait = rest === 0 ? '' : `, tried again in ${formatDuration(rest / 1_000)}`;
  return `${oneLine(trouble)}${wait}`;
}
