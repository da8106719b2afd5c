import type { Settings } from '../config/load-settings.ts';
import type { FileCache } from '../file-cache.ts';
import type { RunningServer, ServerOptions } from '../server.ts';
import { compileAtOnce } from './engine-flags.ts';
import { engineOptions, openCache } from './open-cache.ts';
import type { ProcessLogger } from './process-logger.ts';
import { stalled } from './shutdown.ts';

/** What a timer of Node can count, about 24 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** A cache that is open and served. */
export interface Serving {
  readonly cache: FileCache;
  readonly server: RunningServer;
}

/** Opens the cache and serves it as the settings say. */
export async function startServing(
  settings: Settings,
  token: string | null,
  { logger }: ProcessLogger,
  countAll?: ServerOptions['countAll'],
): Promise<Serving> {
  compileAtOnce();
  const scrubbing = settings.scrubRate === null ? {} : { scrubRate: settings.scrubRate };
  const cache = await openCache({ ...engineOptions(settings), ...scrubbing, logger, background: true });
  try {
    const { startServer } = await import('../server.ts');
    const { host, port, allowedHost = [], publicUrl = null } = settings;
    const shared = countAll === undefined ? {} : { countAll };
    return { cache, server: await startServer(cache, { host, port, token, allowedHosts: allowedHost, publicUrl, logger, ...shared }) };
  } catch (error) {
    await cache.close();
    throw error;
  }
}

/**
 * Stops accepting, lets streams end, closes the cache. Without a limit of time they may go on as long as bytes move in any of them: the service manager
 * has its own limit, and a player that holds enough for a while comes back when the daemon does.
 * @param limit milliseconds, or null
 */
export async function stopServing({ cache, server }: Serving, limit: number | null): Promise<void> {
  await drain(server, cache, limit);
  await cache.close();
}

async function drain(server: RunningServer, { traffic }: FileCache, limit: number | null): Promise<void> {
  const closed = server.close(Math.min(limit ?? LONGEST_TIMER_MS, LONGEST_TIMER_MS));
  if (limit !== null) return closed;
  const drained = new AbortController();
  void closed.finally(() => drained.abort());
  await stalled(() => traffic.hitBytes + traffic.missBytes, drained.signal);
  return server.close(0);
}
