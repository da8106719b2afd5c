import envPaths from 'env-paths';

/** Where this platform keeps a program's caches and its configuration; XDG_CACHE_HOME and XDG_CONFIG_HOME count on Linux. */
export function platformFolders(): { readonly cache: string; readonly config: string } {
  const { cache, config } = envPaths('seekwell', { suffix: '' });
  return { cache, config };
}
