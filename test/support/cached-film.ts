import { filePathOf } from './cache-folder.ts';
import { CacheServer } from './cache-server.ts';
import { eventually } from './eventually.ts';
import { ScriptedOrigin } from './scripted-origin.ts';
import type { ScriptedResource } from './scripted-resource.ts';
import { temporaryFolder } from './temp-folder.ts';

export interface CachedFilm {
  readonly cacheDir: string;
  readonly origin: ScriptedOrigin;
  readonly film: ScriptedResource;
  /** The file of the only entry, which has the id 1. */
  readonly path: string;
}

/** A folder with one complete entry of `size` bytes, and nobody who has it open. */
export async function cachedFilm(size: number): Promise<CachedFilm> {
  const cacheDir = await temporaryFolder();
  const origin = await ScriptedOrigin.start();
  const film = origin.add('/film.mkv', { size });
  const server = await CacheServer.start({ cacheDir });
  await (await fetch(await server.streamOf(film.url))).arrayBuffer();
  await eventually('everything', async () => (await server.cache.infoOf(1)).state === 'Complete');
  await server.stop();
  return { cacheDir, origin, film, path: filePathOf(cacheDir, 1) };
}
