import type { Dispatcher } from 'undici';
import type { DiskSpace } from './chunk-store/disk-space.ts';
import type { Clock } from './clock.ts';
import type { DownloadSettings } from './downloads/download-settings.ts';
import { checkUrl, filenameOf } from './entry-key.ts';
import { checkNamed } from './entry-limits.ts';
import { SeekwellError } from './errors.ts';
import type { Logger } from './logger.ts';
import type { EntryKey, NewEntry } from './repository/cache-repository.ts';

export interface CacheOptions {
  /** The cache folder; created where it does not exist. */
  readonly cacheDir: string;
  /** The most bytes to keep: a number, or as in `50GB`, `30%` (of the disk), `unlimited`. 20% unless told. */
  readonly maxSize?: number | string;
  /** What to leave free on the disk: a number of bytes, or as in `10GB`, `5%` (of the disk). 5% unless told. */
  readonly minFree?: number | string;
  /** Fetches at the same time for one entry; 4 unless told. */
  readonly connections?: number;
  /** Fetches at the same time from one origin; 8 unless told. Waiting readers go beyond it. */
  readonly connectionsPerOrigin?: number;
  /** The most bytes of a row of the queue; 4 MiB unless told. */
  readonly chunkSize?: number;
  /** How far ahead of a reader to fetch, in bytes; unless told 60 s of its rate, 32 to 512 MiB. */
  readonly lookahead?: number | 'auto';
  /** Whether an entry that a reader opened is completed when nothing better is to do; `always` unless told. */
  readonly fill?: 'always' | 'never';
  /** Bytes a second for all fetches together. */
  readonly limitRate?: number;
  /** Bytes a second for fetches that no reader waits for. */
  readonly backgroundLimitRate?: number;
  /** What a recorded byte survives; `power-loss` unless told. */
  readonly durability?: 'power-loss' | 'process-crash';
  /** A module that default-exports a `SqliteDriver`; unless told better-sqlite3 below Node 24, else node:sqlite. */
  readonly sqliteDriver?: string;
  /** An undici dispatcher for requests to origins. */
  readonly dispatcher?: Dispatcher;
  readonly logger?: Logger;
  /** Names the entry of a URL that is added without names. */
  readonly keyOf?: (url: string) => EntryKey;
  /** Whether this process works off the queue; true unless told. A number: only for that entry. */
  readonly background?: boolean | number;
  /** Cached bytes are held against their checksums while nothing else happens, at so many bytes a second; not at all unless told. */
  readonly scrubRate?: number;
  readonly clock?: Clock;
  /** What tells how much the disk has free; the system unless told. */
  readonly diskSpace?: DiskSpace;
}

/** An entry that exists already takes over URL, headers and `pinned` only. */
export interface AddOptions {
  readonly url: string;
  /** `url` unless told. */
  readonly source?: string;
  /** A stable hash of the URL unless told. */
  readonly media?: string;
  /** `original` unless told. */
  readonly quality?: string;
  /** The name players show; the URL's unless told. */
  readonly filename?: string;
  /** Sent to the origin with each request. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly pinned?: boolean;
  /** False: never completed in the background. */
  readonly fill?: boolean;
}

/** @throws SeekwellError BAD_OPTION */
function checkWhole(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least)) return;
  throw new SeekwellError('BAD_OPTION', `${name} is not a whole number of at least ${least}`, {
    hint: `Give ${name} another value, or leave it out.`,
  });
}

/** The settings of fetching that `options` mean. @throws SeekwellError BAD_OPTION @param limits of the cache, in bytes; a quota of null: no limit */
export function settingsOf(options: CacheOptions, limits: Pick<DownloadSettings, 'quota' | 'minFree'>): DownloadSettings {
  for (const name of ['connections', 'connectionsPerOrigin', 'chunkSize', 'limitRate', 'backgroundLimitRate', 'scrubRate'] as const)
    checkWhole(name, options[name], 1);
  if (typeof options.lookahead === 'number') checkWhole('lookahead', options.lookahead, 0);
  return {
    connections: options.connections ?? 4,
    connectionsPerOrigin: options.connectionsPerOrigin ?? 8,
    chunkSize: options.chunkSize ?? 4 * 1024 * 1024,
    lookahead: typeof options.lookahead === 'number' ? options.lookahead : null,
    fill: options.fill !== 'never',
    ...limits,
    limitRate: options.limitRate ?? null,
    backgroundLimitRate: options.backgroundLimitRate ?? null,
  };
}

/** The row that `options` ask for. @throws SeekwellError BAD_URL, BAD_REQUEST */
export function newEntryOf(options: AddOptions, keyOf: (url: string) => EntryKey, filePath: string): NewEntry {
  checkUrl(options.url);
  checkNamed(options);
  const { sourceId, mediaId, quality } = keyOf(options.url);
  const { source = sourceId, media = mediaId, quality: named = quality } = options;
  checkNamed({ url: options.url, source, media, quality: named });
  return {
    sourceId: source,
    mediaId: media,
    quality: named,
    originalUrl: options.url,
    requestHeaders: options.headers ?? {},
    filename: options.filename ?? filenameOf(options.url),
    filePath,
    fillAllowed: options.fill ?? true,
    pinned: options.pinned ?? false,
  };
}
