import type { DownloadSettings } from './download-settings.ts';
import type { FetchUnderWay } from './fetch-task.ts';

/** The most rows that one request to the origin claims. */
export const MAX_ROWS = 64;
/** So many are enough for one, where they do not come in a moment. */
const ENOUGH_ROWS = 4;
/** What follows a fetch is to last as long at its rate, in milliseconds: each request takes a claim, and a moment in which nothing comes. */
const RUN_MS = 250;

/** How many rows follow a fetch that a reader goes on after: a reader that stays gets longer runs, and fewer requests for the same bytes. */
export function rowsAfter(fetch: Pick<FetchUnderWay, 'start' | 'limit' | 'rate'>, chunkSize: number): number {
  const most = Math.min(MAX_ROWS, Math.max(ENOUGH_ROWS, Math.round((RUN_MS * fetch.rate) / chunkSize)));
  return Math.min(most, Math.max(1, Math.round((2 * (fetch.limit + 1 - fetch.start)) / chunkSize)));
}

/** How many rows one of several connections takes of `bytes`, so that all end at about the same time. */
export function fairRows(bytes: number, { connections, chunkSize }: Pick<DownloadSettings, 'connections' | 'chunkSize'>): number {
  return Math.max(1, Math.min(ENOUGH_ROWS, Math.floor(bytes / (connections * chunkSize))));
}
