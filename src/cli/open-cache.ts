import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Option } from '@commander-js/extra-typings';
import { plainCacheDir } from '../config/cache-location.ts';
import type { Flags, Settings } from '../config/load-settings.ts';
import { isLoopback } from '../config/loopback.ts';
import type { FileCache } from '../file-cache.ts';
import { collectYoungOften } from './engine-flags.ts';

type CacheOptions = Parameters<typeof FileCache.open>[0];

/** Where the cache is, as said on the command line. */
export interface CacheFlags {
  readonly cacheDir?: string | undefined;
  readonly config?: string | undefined;
}

// Every command on a cache takes these two.
export const cacheDirOption = () => new Option('--cache-dir <folder>', "cache folder (default: the platform's)");
export const configOption = () => new Option('--config <file>', "configuration file (default: config.yaml in the platform's folder)");

/** All settings, for commands that need more than the cache folder. @throws SeekwellError BAD_OPTION, BAD_CONFIG */
export async function settingsOf(flags: Flags): Promise<Settings> {
  const { loadSettings } = await import('../config/load-settings.ts');
  return loadSettings(flags);
}

/** What the settings mean to the cache itself. */
export function engineOptions(settings: Settings): CacheOptions {
  const {
    cacheDir,
    maxSize,
    minFree,
    connections,
    connectionsPerOrigin,
    chunkSize,
    lookahead,
    fill,
    limitRate,
    backgroundLimitRate,
    durability,
  } = settings;
  return {
    ...{ cacheDir, maxSize, minFree, connections, connectionsPerOrigin, chunkSize, lookahead, fill, durability },
    ...(limitRate === null ? {} : { limitRate }),
    ...(backgroundLimitRate === null ? {} : { backgroundLimitRate }),
  };
}

/** Opens the cache, creating it where it does not exist. */
export async function openCache(options: CacheOptions): Promise<FileCache> {
  collectYoungOften();
  const { FileCache } = await import('../file-cache.ts');
  return FileCache.open(options);
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

/** Opens the cache for a command that only looks at it, or changes what is there. Null: there is none yet, and none is created. */
export async function openExisting(flags: CacheFlags): Promise<FileCache | null> {
  const cacheDir = plainCacheDir(flags, process.env);
  return openWith(cacheDir === null ? engineOptions(await settingsOf(flags)) : { cacheDir });
}

/** Opens the cache as `options` say, where there is one. Null: there is none, and none is created. */
export async function openWith(options: CacheOptions): Promise<FileCache | null> {
  if (!(await isThere(join(options.cacheDir, 'seekwell.db')))) return null;
  return openCache({ ...options, background: false });
}

/** Runs `work` on the cache and closes it, whatever happens. */
export async function using<T>(cache: FileCache, work: (cache: FileCache) => Promise<T>): Promise<T> {
  try {
    return await work(cache);
  } finally {
    await cache.close();
  }
}

/** What a process left behind that was killed should not show. Most of the time nothing is leased, and nothing needs to be written for it. */
export async function settleLeases(cache: FileCache): Promise<void> {
  if ((await cache.statistics()).leasedBytes > 0) await cache.sweep();
}

/** Where players find the cache. */
export interface StreamBase {
  readonly url: string;
  /** A daemon answers for this cache now. */
  readonly isServed: boolean;
  /** Signs stream URLs, or null. */
  readonly token: string | null;
}

/** The address that a daemon with these settings would answer on. */
function expectedBase({ host, port }: Settings): string {
  const reached = host === '0.0.0.0' || isLoopback(host) ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port === 0 ? 7335 : port}`;
}

/** The base of stream URLs: as the settings say, else where a daemon answers, else where one would. */
export async function streamBaseOf(cache: FileCache, flags: Flags & CacheFlags): Promise<StreamBase> {
  const served = await cache.servedAt();
  // Nothing is configured: the schema of all settings need not be loaded to learn that.
  if (served !== null && plainCacheDir(flags, process.env) !== null) return { url: served, isServed: true, token: null };
  const { loadSettings, tokenOf } = await import('../config/load-settings.ts');
  const settings = await loadSettings(flags);
  return { url: settings.publicUrl ?? served ?? expectedBase(settings), isServed: served !== null, token: await tokenOf(settings) };
}
