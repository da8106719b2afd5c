import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { platformFolders } from './platform-folders.ts';

/**
 * The cache folder where nothing but the command line, SEEKWELL_CACHE_DIR and the platform can decide it, so that commands which only look
 * need not load the schema of all settings, which takes longer than all they do. Null: ask `loadSettings`.
 */
export function plainCacheDir(
  flags: { readonly cacheDir?: string | undefined; readonly config?: string | undefined },
  env: NodeJS.ProcessEnv,
): string | null {
  const { cache, config } = platformFolders();
  const others = Object.keys(env).some((name) => name.startsWith('SEEKWELL_') && name !== 'SEEKWELL_CACHE_DIR' && env[name] !== '');
  if (others || flags.config !== undefined || existsSync(config)) return null;
  const given = flags.cacheDir ?? (env.SEEKWELL_CACHE_DIR || cache);
  // What needs more care than this gets it there.
  return given === '' || given.startsWith('~') ? null : resolve(given);
}
