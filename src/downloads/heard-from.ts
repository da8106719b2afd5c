import type { Ending } from '../core/ending.ts';
import type { ChunkDownloader } from './chunk-downloader.ts';
import type { Heard } from './span-recorder.ts';

/** Waits for what `fetch` hears of the resource; null where it ends without having heard. An origin that refuses a range may name the total. */
export async function heardFrom(fetch: ChunkDownloader, ending: Ending): Promise<Heard | null> {
  const heard = await fetch.untilHeard(ending);
  if (heard !== null || fetch.end?.kind !== 'unsatisfiable' || fetch.end.total === null) return heard;
  return { description: { validator: { etag: null, lastModified: null }, total: fetch.end.total, mimeType: null }, headers: {} };
}
